# The first start, as README.Debian says, and what the sandbox leaves it.
# The unit's, or as many as this container may have.
has_descriptors() { [ "$(awk '/open files/ { print $4 }' /proc/"$1"/limits)" -ge 16384 ]; }

configure <<<"drain_timeout = 20s"
install -m 0400 -o root /dev/stdin $conf/api.key <<<CRN_one
must_not "does not start with a key that it cannot read" systemctl start $unit
must "but says why" says "$conf/api.key: Permission denied" journal
must "and does not try again and again" is NRestarts 0
chown cancel-invite $conf/api.key
must "starts" systemctl start $unit
must "tells how it is" is StatusText "ready; 0 messages active"
must "runs as its user" grep -q "^Uid:	$(id -u cancel-invite)	" /proc/"$(pid)"/status
must "has no capability" says "CapEff:	0000000000000000" grep CapEff /proc/"$(pid)"/status
must "is held to its system calls" says "Seccomp:	2" grep Seccomp: /proc/"$(pid)"/status
must "may have many descriptors" has_descriptors "$(pid)"
must "its socket is for its group" is_mode "660 cancel-invite cancel-invite" $socket
must "in a folder for its group" is_mode "750 cancel-invite cancel-invite" /run/cancel-invite-milter
must "is content" says "no faults" cancel-invite-milter -n
must "cancels by a command of root" says "METHOD:CANCEL" cancel-invite-milter --cancel id a@b.example
