# probe.bash: sends a message that the filter recognizes as a probe and discards, the way that mail
# goes, and reports where it stopped if it did not arrive. It is not delivered, Cronofy is not called.

probe_timeout=${CANCEL_INVITE_PROBE_TIMEOUT:-30}

# ---- the log ----

declare -A log_size=()

find_logs() {
	local file
	probe_begun=$(date +%s)
	for file in "$(postconf -c "$config_dir" -xh maillog_file 2>/dev/null)" /var/log/mail.log /var/log/maillog /var/log/syslog "$log"; do
		[ -z "$file" ] || log_size[$file]=$(stat -L -c %s "$file" 2>/dev/null || echo 0)
	done
}

new_log() { # all that was written since the probe began
	local file
	for file in "${!log_size[@]}"; do
		[ ! -r "$file" ] || tail -c "+$((log_size[$file] + 1))" "$file"
	done
	! command -v journalctl >/dev/null || journalctl -q --no-pager -n 20000 --since "@$probe_begun" 2>/dev/null
	true
}

# ---- one probe ----

# What is known of the probe: its name, the log's lines about it, its queue ids, what SMTP replied.
new_probe() {
	token=probe-$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
	recipient=${1:-$token@cancel-invite-probe.invalid}
	about='' ids='' reply='' refused_at='' trouble=''
}

probe_message() {
	cat <<X
From: <$sender>
To: <$recipient>
Subject: cancel-invite-milter: a probe, to be delivered to nobody
Message-ID: <$token@cancel-invite-probe.invalid>
Date: $(date -R)
$header: $token; probe=yes

This message proves that mail reaches cancel-invite-milter. If you read this, it did not.
X
}

look() {
	local everything
	everything=$(new_log)
	ids=$({ sed -n "s/.*[: ]\([0-9A-Za-z]\{6,\}\): message-id=<$token@.*/\1/p" <<<"$everything"
		sed -n 's/.*queued as \([0-9A-Za-z]\{6,\}\).*/\1/p' <<<"$reply"; } | awk '!seen[$0]++' | paste -sd '|')
	about=$(grep -E "$token${ids:+|[: ]($ids)[: ]}" <<<"$everything")
	trouble=$(grep -E 'connect to Milter service|milter service .*(error|timeout|timed)|can.t (read|write) SMFIC' <<<"$everything" | tail -n 1)
}

arrived() { grep -qE 'milter-discard:|result=probe' <<<"$about"; }

# A signer that has signed before the change: what it signed is not what will leave.
signed_too_early() { grep -q 'result=probe.* signature=' <<<"$about"; }

stopped_short() {
	[ -n "$refused_at$trouble" ] || grep -qE 'milter-reject:|status=(bounced|deferred|undeliverable|sent)|result=(bad_|no_account|untrusted|misconf)' <<<"$about"
}

wait_for_probe() {
	local deadline=$((SECONDS + probe_timeout))
	until look; arrived || stopped_short || [ $SECONDS -ge $deadline ]; do sleep 0.2; done
	# What follows on it comes into the log a little later.
	[ -n "$refused_at" ] || sleep 1
	look
}

field() { sed -n "s/.* $1=\(\"[^\"]*\"\|[^ ]*\).*/\1/p" <<<"$(grep ' result=' <<<"$about")" | tail -n 1; }
last_status() { sed -n 's/.*status=[a-z]* (\(.*\))$/\1/p' <<<"$about" | tail -n 1; }

# Why it did not arrive: what was seen, and the cure.
explain() { # WAY
	local seen="$trouble $reply $(last_status) $(grep milter-reject: <<<"$about" | tail -n 1) $(field reason)"
	case $seen in
	*'No such file'*) say "  Postfix finds no filter: ${trouble##*warning: }" \
		"  Start cancel-invite-milter; if it runs, its \"socket\" is another, or Postfix is in a chroot and cannot see it there." ;;
	*'Permission denied'*) say "  Postfix may not connect to the filter: ${trouble##*warning: }" \
		"  Make $mail_owner a member of the filter's group (adduser $mail_owner cancel-invite), and restart Postfix: what runs already has the groups that it was started with." ;;
	*'connect to Milter service'*refused*) say "  nothing listens at the filter's socket. Start cancel-invite-milter." ;;
	*'connect to Milter'* | *SMFIC* | *'milter service'*) say "  the filter does not answer: ${trouble##*warning: }" ;;
	*'belongs to no'*) say "  the sender <$sender> belongs to no account: name another with --sender, or add it to \"senders\"." ;;
	*'not named like queue_daemon'* | *'too many hops'*) say "  the filter does not recognize the second listener: milter_macro_daemon_name there must be \"queue_daemon\" of $filter_config, and \"mode\" $mode." ;;
	*'takes mail from elsewhere'*) say "  the second listener takes mail from other machines; let it listen on 127.0.0.1 only." ;;
	*"$header: "*) say "  the filter did not accept it: ${seen#*"$header"}" ;;
	*) explain_way "$1" ;;
	esac
	[ -z "$about" ] || { say '  The log says:'; tail -n 6 <<<"$about" | sed 's/^/    /'; }
}

explain_way() {
	if [[ $(field result) == untrusted* ]]; then
		say "  the filter does not trust this client ($(field client)): add the address to \"networks\" in [trust]."
	elif [ -n "$refused_at" ]; then
		say "  Postfix did not accept it, at $refused_at: ${reply:-no answer}"
	elif grep -q 'strip: header' <<<"$about"; then
		say "  Postfix removed the header: mail that comes by this service may not cancel."
	elif grep -qE 'cancel-invite/smtp.*status=(deferred|bounced)' <<<"$about"; then
		say "  the second listener did not accept it: $(last_status)"
	elif [[ $about == *status=* ]]; then
		say "  no filter saw it: no listener that it met hands its mail to the filter${1:+ ($1)}." \
			"  Has the service smtpd_milters of its own, no_milters, or a content filter in front that mail comes back from?" \
			"  Postfix said: $(last_status)"
	elif [ -z "$(new_log)" ]; then
		say "  no log was found. Name Postfix's with --log, or search for $token."
	else
		say "  after $probe_timeout seconds the log has no more about it. Search for $token in the mail log."
	fi
}

judge() { # WAY PARAMETER: prints how it went; false if it did not arrive
	local id good=1
	wait_for_probe
	if ! arrived; then
		say "Probe $1: did NOT arrive."
		explain "$2"
	elif signed_too_early; then
		say "Probe $1: arrived, but something had signed it before: the signature (DKIM) of every tagged mail will be broken." \
			"  The signer must leave mail with $header alone where it comes in: $share/opendkim, $share/rspamd."
	elif [ "$mode" != direct ] && ! grep -q 'cancel-invite/smtpd\[' <<<"$about"; then
		say "Probe $1: the filter discarded it at submission: it runs in direct mode. Restart it."
	else
		good=0
		say "Probe $1: arrived."
	fi
	for id in ${ids//|/ }; do postsuper -c "$config_dir" -d "$id" >/dev/null 2>&1; done
	return $good
}

# ---- the ways in ----

# Where Postfix takes mail by SMTP from this machine, without TLS and login, that may cancel.
find_smtp() {
	local service host port
	while read -r service; do
		service=${service%/inet}
		is_submission "$service/inet" && continue
		[ "$mode" != routed ] || [ "$may_cancel" = all ] || [[ " $may_cancel " == *" $service/inet "* ]] || continue
		port=${service##*:} host=${service%"$port"}
		[[ $service != 127.0.0.1:"$listener_port" ]] || continue
		[ "$port" != smtp ] || port=25
		[[ $port =~ ^[0-9]+$ ]] || continue
		case ${host%:} in '' | 0.0.0.0 | '[::]' | localhost) host=127.0.0.1 ;; *) host=${host%:} ;; esac
		say "$host:$port"
		return
	done < <(listeners)
	return 1
}

read_reply() {
	local line
	reply=''
	while IFS= read -r -t 30 line <&"$connection"; do
		reply=${line%$'\r'}
		[[ $reply == ???-* ]] || break
	done
	[[ $reply == [23]* ]]
}

smtp_step() { # COMMAND
	printf '%s\r\n' "$1" >&"$connection"
	read_reply || { refused_at=${1%%:*}; return 1; }
}

send_by_smtp() { # HOST:PORT
	local connection
	if ! { exec {connection}<>"/dev/tcp/${1%:*}/${1##*:}"; } 2>/dev/null; then
		refused_at=connect reply="nobody answers at $1"
		return
	fi
	if ! read_reply; then
		refused_at=greeting
	elif smtp_step 'EHLO localhost' && smtp_step "MAIL FROM:<$sender>" &&
		smtp_step "RCPT TO:<$recipient> NOTIFY=NEVER" && smtp_step DATA; then
		probe_message | sed 's/$/\r/' >&"$connection"
		smtp_step . || refused_at='the end of the message'
	fi
	exec {connection}>&-
}

# False if one did not arrive.
probe_all() {
	local said good=0
	find_logs
	export MAIL_CONFIG=$config_dir
	smtp=${smtp:-$(find_smtp)}
	if [ -n "$smtp" ]; then
		new_probe
		send_by_smtp "$smtp"
		# A Postfix that takes no mail for others: the postmaster is always there, and gets nothing if all is well.
		if [[ $refused_at == RCPT* ]]; then
			new_probe "postmaster@$(value myorigin)"
			send_by_smtp "$smtp"
		fi
		judge "by SMTP ($smtp)" smtpd_milters || good=1
	else
		say 'Probe by SMTP: not sent; every service that may cancel asks for TLS and a login.'
	fi
	new_probe
	if said=$(probe_message | sendmail -i -N never -f "$sender" "$recipient" 2>&1); then
		judge 'by sendmail(1)' non_smtpd_milters || good=1
	else
		say "Probe by sendmail(1): not accepted: $said"
		good=1
	fi
	return $good
}
