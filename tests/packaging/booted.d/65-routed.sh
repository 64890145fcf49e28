# Postfix routes tagged mail by itself; untagged mail does not meet the filter.
routed() {
	configure <<-X
		mode = routed
		[metrics]
		listen = 127.0.0.1:9632
		[ledger]
		required = yes
	X
}

must "routed mode is set up" set_up routed --may-cancel all
routed
must "starts in routed mode" systemctl restart $unit
for how in smtp submission sendmail; do
	must "by $how untagged mail is taken" send $how "untagged, routed by $how"
	must "and arrives as it was" got plain "untagged, routed by $how"
	must "by $how tagged mail is taken for two" send $how "routed by $how" --tag booking-7 --to \
		reader@test.example other@test.example
	must "and cancels for one" got cancelled "routed by $how" reader
	must "and for the other" got cancelled "routed by $how" other
done
systemctl stop $unit
must "untagged mail does not notice that the filter is down" send smtp "untagged, filter down"
must "and arrives" got plain "untagged, filter down"
must "tagged mail is taken" send smtp "tagged, filter down" --tag booking-7
must "and waits" soon waiting 1
systemctl start $unit
must "until the filter is back" comes cancelled "tagged, filter down"

must "another mode can be set up instead" set_up queued
queued </dev/null
must "and the filter follows" systemctl restart $unit
