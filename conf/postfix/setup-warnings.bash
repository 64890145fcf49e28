# shellcheck shell=bash
# setup-warnings: what else in Postfix's configuration the filter would stumble over: a function for
# each, which looks at the changed copies and adds to warnings. A part of "setup".

warn_filter_config() {
	local said
	[ -z "$socket_mismatch" ] || warnings+=("$socket_mismatch")
	if [ ! -r "$filter_config" ]; then
		warnings+=("$filter_config cannot be read: what is said there was not compared. It has to say \"mode = $mode\".")
		return
	fi
	said=$(filter_key milter mode direct)
	[ "$said" = "$mode" ] || warnings+=("$filter_config says \"mode = $said\"; write: mode = $mode")
	if [ "$mode" = queued ]; then
		said=$(filter_key milter queue_daemon cancel-invite)
		[ "$said" = "$queue_daemon" ] || warnings+=("$filter_config says \"queue_daemon = $said\"; write: queue_daemon = $queue_daemon")
		said=$(filter_key milter route header)
		[ "$said" = header ] || warnings+=("$filter_config says \"route = $said\", which is for Sendmail; write: route = header")
	fi
}

warn_socket() {
	local path=${socket#unix:}
	[[ $socket == unix:* ]] || return 0
	[[ $path == /* ]] || path=$queue_directory/$path
	[ -S "$path" ] || warnings+=("Nobody listens at $path: until the filter does, all mail is put off (451). Start cancel-invite-milter first.")
}

warn_content_timeout() {
	local deadline key has
	has=$(seconds "$(effective milter_content_timeout)")
	while read -r key; do
		deadline=$(seconds "$(filter_key "$key" deadline "$(filter_key cronofy deadline 60s)")")
		if [ "$has" -lt "$deadline" ]; then
			warnings+=("main.cf: milter_content_timeout is $has s, shorter than the filter's deadline, $deadline s [$key]: Postfix gives up first. Raise it.")
		fi
	done < <(say cronofy; sed -n 's/^\[\(account .*\)\].*/\1/p' "$filter_config" 2>/dev/null)
}

warn_local_mail() {
	local now
	now=$(effective non_smtpd_milters)
	is_ours "$now" || [[ $now == *"$socket"* ]] ||
		warnings+=("main.cf: non_smtpd_milters does not name the filter: mail by sendmail(1) cancels nothing.")
}

warn_size_limit() {
	local limit largest
	limit=$(effective message_size_limit)
	largest=$(bytes "$(filter_key milter max_message_size 9M)")
	[[ $limit =~ ^[0-9]+$ ]] && [ "$limit" -gt 0 ] || return 0
	[ "$limit" -ge $((largest + ROOM_FOR_CALENDAR)) ] ||
		warnings+=("main.cf: message_size_limit ($limit) leaves no room for the calendar over the filter's max_message_size ($largest): mail would be refused after its invite was cancelled. Lower max_message_size.")
}

warn_signer_order() {
	local name element seen elements
	for name in smtpd_milters non_smtpd_milters; do
		seen=''
		split_list "$(effective "$name")"
		for element in "${elements[@]}"; do
			case $(kind_of "$element") in
			signer) seen=$element ;;
			ours)
				[ -z "$seen" ] || warnings+=("main.cf: $name has the filter behind $seen, which signs: the signature breaks. Put the filter before it.")
				;;
			esac
		done
	done
	if [ "$mode" = queued ] && [ -n "$signer" ]; then
		warnings+=("$signer has to leave tagged mail alone where it comes in, and sign it at the second listener: for OpenDKIM see conf/opendkim/leave-tagged-mail.lua.")
	fi
}

warn_sender_rewriting() {
	[ "$mode" = queued ] || return 0
	local why=
	[ -z "$(effective sender_canonical_maps)" ] || [[ $(effective sender_canonical_classes) != *envelope_sender* ]] || why+=' sender_canonical_maps'
	[ -z "$(effective canonical_maps)" ] || [[ $(effective canonical_classes) != *envelope_sender* ]] || why+=' canonical_maps'
	[ -z "$(effective masquerade_domains)" ] || [[ $(effective masquerade_classes) != *envelope_sender* ]] || why+=' masquerade_domains'
	[ -z "$why" ] || warnings+=("main.cf:$why can change the envelope sender of tagged mail, for which its stamp then does not hold: take envelope_sender out of the classes.")
}

warn_copies() {
	[ "$mode" = queued ] || return 0
	local name
	for name in always_bcc recipient_bcc_maps sender_bcc_maps; do
		[ -z "$(effective $name)" ] || warnings+=("main.cf: $name sends copies of tagged mail the second way too, to recipients that Cronofy does not know: name them in \"archives\" of the filter's configuration.")
	done
}

warn_content_filter() {
	local now
	now=$(effective content_filter)
	[ -n "$now" ] || return 0
	if [ "$mode" = direct ]; then
		warnings+=("main.cf: content_filter ($now) sees mail only after its invite was cancelled: what it then keeps back was cancelled all the same.")
	else
		warnings+=("main.cf: content_filter ($now) sees tagged mail behind the second listener, with its calendar.")
	fi
}

warn_soft_bounce() {
	[ "$(effective soft_bounce)" != yes ] ||
		warnings+=('main.cf: soft_bounce = yes: mail whose cancellation Cronofy refuses stays in the queue instead of bouncing.')
}

warn_protocol() {
	local now
	now=$(effective milter_protocol)
	[[ $now =~ ^[0-9]+ ]] && [ "${BASH_REMATCH[0]}" -lt 6 ] &&
		warnings+=("main.cf: milter_protocol = $now: the filter needs 6, which is the default; take the line out.")
}

warn_all() {
	warn_filter_config
	warn_socket
	warn_content_timeout
	warn_local_mail
	warn_size_limit
	warn_signer_order
	warn_sender_rewriting
	warn_copies
	warn_content_filter
	warn_soft_bounce
	warn_protocol
}
