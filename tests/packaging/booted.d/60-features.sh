# All else that it can do at run time, in the sandbox.
redis-server --port 6390 --bind 127.0.0.1 --save "" --daemonize yes --requirepass secret \
	--dir /tmp >/dev/null
install -m 0400 -o cancel-invite /dev/stdin $conf/redis.password <<<secret
queued <<-X
	log = syslog
	log_format = json
	log_level = info
	temp_dir = /var/tmp
	body_memory = 1K
	[redis]
	url = redis://127.0.0.1:6390
	password_file = redis.password
X
must "starts with all of it" systemctl restart $unit
must "cancels" send smtp "with all" --tag booking-4
must "in the sandbox" got cancelled "with all"
must "shares its budget" says "cancel-invite" redis-cli -p 6390 -a secret --no-auth-warning keys '*'
must "logs to the system's log" says '"result":"cancelled"' journalctl --no-pager --quiet \
	SYSLOG_IDENTIFIER=cancel-invite-milter
must "nothing was forbidden" says "[]" echo "[$(journalctl --no-pager --quiet \
	SYSLOG_IDENTIFIER=cancel-invite-milter --since -20s | grep -iE "not permitted|read-only")]"
queued </dev/null
must "goes back" systemctl restart $unit

# ---- a key that systemd hands over ----
mv $conf/api.key $conf/keys/acme
chown root $conf/keys/acme
chmod 0400 $conf/keys/acme
key=credential:key_acme
queued </dev/null
must "starts with a key that only root can read" systemctl restart $unit
must "cancels with it" send smtp "by credential" --tag booking-4
must "and it arrives" got cancelled "by credential"
must "reloads with it" systemctl reload $unit
must "in a command of root, too" says "no faults" cancel-invite-milter -n
must "which can cancel" says "METHOD:CANCEL" cancel-invite-milter --cancel id a@b.example
must_not "its user has no other way to it" setpriv --reuid=cancel-invite --regid=cancel-invite \
	--clear-groups cat $conf/keys/acme
