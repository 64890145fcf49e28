# From the release before, with mail in the queue.
cronofy_stop
send smtp "over the upgrade" --tag booking-6
must "tagged mail waits" soon waiting 1
before=$(pid)
must "is upgraded" apt-get -q -y -o Dpkg::Use-Pty=0 install /test/this.deb
must "and restarted" soon restarted_after "$before"
must "keeps its configuration" grep -q credential:key_acme $conf/cancel-invite-milter.conf
must "keeps its stamp key" cmp /root/stamp.key /var/lib/cancel-invite-milter/stamp.key
cronofy_start
must "what waited cancels" comes cancelled "over the upgrade"
must "the queue is empty" soon waiting 0
must "cancels as before" send smtp "after the upgrade" --tag booking-6
must "and it arrives" got cancelled "after the upgrade"
