# Mail through Postfix in direct mode; its smtpd is in its chroot.
set_up() { # MODE OPTION...
	cancel-invite-setup --mode "$@" --sender app@test.example --yes
}

postconf -e inet_interfaces=loopback-only inet_protocols=ipv4 mydestination=test.example \
	myhostname=test.example mynetworks=127.0.0.0/8 alias_maps= smtpd_sasl_local_domain=test.example \
	cyrus_sasl_config_path=/etc/postfix/sasl
# Submission, with logins that are in the chroot.
postconf -M submission/inet="submission inet n - y - - smtpd"
postconf -P submission/inet/smtpd_sasl_auth_enable=yes \
	submission/inet/smtpd_client_restrictions=permit_sasl_authenticated,reject
mkdir -p /etc/postfix/sasl /var/spool/postfix/etc
printf '%s\n' "pwcheck_method: auxprop" "auxprop_plugin: sasldb" "mech_list: PLAIN LOGIN" \
	"sasldb_path: /etc/sasldb2" >/etc/postfix/sasl/smtpd.conf
saslpasswd2 -p -c -u test.example -f /var/spool/postfix/etc/sasldb2 app <<<secret
chown postfix /var/spool/postfix/etc/sasldb2
cp /var/spool/postfix/etc/sasldb2 /etc/sasldb2
useradd --create-home reader
useradd --create-home other
systemctl restart postfix
cp -a /etc/postfix /root/postfix
must "smtpd is in a chroot" says " y " postconf -M smtp/inet
must "direct mode is set up" set_up direct
socket=/var/spool/postfix/cancel-invite-milter/milter.sock
must "its socket is where a chroot sees it" is_mode "660 cancel-invite cancel-invite" $socket

for how in smtp submission sendmail; do
	must "by $how untagged mail is taken" send $how "untagged by $how"
	must "and arrives as it was" got plain "untagged by $how"
	must "by $how tagged mail is taken" send $how "direct by $how" --tag booking-1
	must "and cancels" got cancelled "direct by $how"
done
must "a large one goes through temp_dir" send smtp large --big --tag booking-1
must "and cancels" got cancelled large
must "is told in the journal" says "result=cancelled invite=booking-1" journal
must "under its own name" says "cancel-invite-milter[$(pid)]" journal
must_not "several recipients are refused" send smtp "to two" --tag booking-1 --to \
	reader@test.example other@test.example
