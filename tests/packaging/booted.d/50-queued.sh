# Queued mode: by a reload, by a restart, and with mail in it.
key_of_stamps=/var/lib/cancel-invite-milter/stamp.key
queued() {
	configure <<-X
		mode = queued
		drain_timeout = 20s
		$(cat)
		[metrics]
		listen = 127.0.0.1:9632
		[ledger]
		required = yes
	X
}
metric() { # SERIES
	python3 -c 'import urllib.request as u; print(u.urlopen("http://127.0.0.1:9632/metrics").read().decode())' |
		grep "^$1"
}

queued </dev/null
must "queued mode comes by a reload" systemctl reload $unit
must "makes its stamp key" is_mode "600 cancel-invite cancel-invite" $key_of_stamps
must "keeps its ledger" test -e /var/lib/cancel-invite-milter/ledger.db
must "starts in queued mode" systemctl restart $unit
systemctl stop $unit
rm $key_of_stamps
must "starts for the first time in queued mode" systemctl start $unit
must "and makes its stamp key" is_mode "600 cancel-invite cancel-invite" $key_of_stamps

echo 0000000000000000000000000000000000000000000000000000000000000000 >/root/other.key
install -m 0400 -o cancel-invite /root/other.key $key_of_stamps.other
cp -a $key_of_stamps /root/stamp.key
cp -a $key_of_stamps.other $key_of_stamps
must_not "refuses to reload with another stamp key" systemctl reload $unit
must "and says why" says "held another key" journal
rm $key_of_stamps
must_not "refuses to reload without its stamp key" systemctl reload $unit
cp -a /root/stamp.key $key_of_stamps
must "reloads with its own" systemctl reload $unit

must "queued mode is set up" set_up queued
must "and its status can be seen" cancel-invite-setup --status
must "Postfix is content" postfix check

for how in smtp submission sendmail; do
	must "by $how untagged mail is taken" send $how "untagged, queued by $how"
	must "and arrives as it was" got plain "untagged, queued by $how"
	must "by $how tagged mail is taken for two" send $how "queued by $how" --tag booking-2 --to \
		reader@test.example other@test.example
	must "and cancels for one" got cancelled "queued by $how" reader
	must "and for the other" got cancelled "queued by $how" other
done
must "a large one goes through temp_dir" send smtp "large, queued" --big --tag booking-2
must "and cancels" got cancelled "large, queued"
must "metrics can be had" says 'result="cancelled"' metric cancel_invite_messages_total
must "the ledger tells of them" says " cancelled" cancel-invite-milter --log-of booking-2
must "a report, too" says cancelled cancel-invite-milter --report
must "the queue is empty" soon waiting 0

cronofy_stop
must "while Cronofy is down tagged mail is taken" send smtp "by and by" --tag booking-3
must "and waits" soon waiting 1
cronofy_start
must "until Cronofy is back" comes cancelled "by and by"
