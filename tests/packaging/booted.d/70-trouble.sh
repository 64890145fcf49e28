# Killed, hung, told to stop with messages active.
restarted_after() { # PID
	[ "$(pid)" != 0 ] && [ "$(pid)" != "$1" ] && [ "$(property ActiveState)" = active ]
}

before=$(pid)
kill -KILL "$before"
must "comes back after a crash" soon restarted_after "$before"
must "works again" send smtp "after a crash" --tag booking-5
must "and cancels" got cancelled "after a crash"

override Service WatchdogSec=2s
systemctl restart $unit
before=$(pid)
kill -STOP "$before"
must "is killed by the watchdog when it hangs" soon restarted_after "$before"
must "for that reason" says "watchdog" journal
no_override

# The messages active may take longer than systemd would wait by itself.
cronofy_stop
cronofy_start --latency 6s
override Service TimeoutStopSec=2s
systemctl restart $unit
send smtp "in flight" --tag booking-5
must "is at work" soon says "1 message active" property StatusText
must "stops" systemctl stop $unit
must "in order" is Result success
must "when the message was done" got cancelled "in flight"
must "takes its socket away" test ! -e $socket
must "says so" says "stopped" journal
no_override
cronofy_stop
cronofy_start

must_not "without it mail is put off" send smtp "while it is down"
systemctl start $unit
must "with it, it is not" send smtp "when it is back"
must "and arrives" got plain "when it is back"
