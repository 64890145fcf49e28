# Undo, remove, purge.
purge() {
	apt-get -q -y purge cancel-invite-milter >/root/purge 2>&1 || return
	! grep -E "warning|not empty|Failed|failed" /root/purge
}

cronofy_stop
send smtp "at the end" --tag booking-8
must "tagged mail waits" soon waiting 1
must_not "is not removed while it does" apt-get -q -y remove cancel-invite-milter
must "still runs" is ActiveState active
cronofy_start
must "until it is gone" comes cancelled "at the end"
must "the set-up is taken back" cancel-invite-setup --undo --yes
must "main.cf is as it was" diff /root/postfix/main.cf /etc/postfix/main.cf
must "master.cf is as it was" diff /root/postfix/master.cf /etc/postfix/master.cf
must "mail goes on without it" send smtp "without it"
must "and arrives" got plain "without it"

must "is set up again" set_up queued
must "is removed without an undo" apt-get -q -y remove cancel-invite-milter
must "which takes the set-up back" diff /root/postfix/main.cf /etc/postfix/main.cf
must "mail goes on without the package" send smtp "without the package"
must "and arrives" got plain "without the package"
must "does not run any more" test ! -e $socket
must "its keys stay" test -e $conf/keys/acme
must "is purged, without a warning" purge
must "leaves nothing" says "[]" sh -c 'echo "[$(find /etc /var/lib /var/spool /run /usr /lib/systemd -xdev \
	-name "*cancel-invite*" ! -path "/etc/systemd/system/*.d*" ! -path "/etc/postfix/*" ! -path "/var/spool/postfix/p*")]"'
