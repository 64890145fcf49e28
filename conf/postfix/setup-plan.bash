# shellcheck shell=bash
# setup-plan: what is to be changed in Postfix's files, on copies of them. A part of "setup".
#
# Takes work (a folder with main.cf and master.cf), config_dir, conf, mode, filter_config, socket,
# entry, own_action, signer, signer_given, port, listener, queue_daemon and kept_records; changes
# the copies and fills changes, commands, records and warnings. Ends the program if it can't.

# ---- reading ----

# FILE NAME: the value in a main.cf as it stands there. False if it is not there.
read_main() {
	awk -v name="$2" '
		/^[ \t]*(#|$)/ { next }
		/^[ \t]/ { if (on) { sub(/^[ \t]+/, ""); value = value " " $0 } next }
		{
			on = 0
			equals = index($0, "=")
			left = substr($0, 1, equals - 1)
			gsub(/[ \t]/, "", left)
			if (equals && left == name) {
				on = found = 1
				value = substr($0, equals + 1)
			}
		}
		END {
			gsub(/^[ \t]+|[ \t]+$/, "", value)
			gsub(/\t/, " ", value)
			if (found) print value
			exit !found
		}' "$1"
}

# The name = value lines of a main.cf, one a line.
read_all_main() {
	awk '/^[ \t]*(#|$)/ { next }
	     /^[ \t]/ { sub(/^[ \t]+/, " "); line = line $0; next }
	     { if (line != "") print line; line = $0 }
	     END { if (line != "") print line }' "$1"
}

# The entries of a master.cf, one a line.
read_master() {
	read_all_main "$1" | sed 's/[[:space:]][[:space:]]*/ /g; s/ $//'
}

# SECTION KEY [DEFAULT]: of the filter's configuration.
filter_key() {
	local found
	if [ -r "$filter_config" ] && found=$(awk -v section="$1" -v key="$2" '
		{ sub(/(^|[ \t])[#;].*/, ""); gsub(/^[ \t]+|[ \t]+$/, "") }
		/^\[/ { inside = ($0 == "[" section "]"); next }
		inside && (equals = index($0, "=")) {
			left = substr($0, 1, equals - 1)
			gsub(/[ \t]/, "", left)
			if (left == key) {
				found = 1
				value = substr($0, equals + 1)
				sub(/^[ \t]+/, "", value)
			}
		}
		END { if (found) print value; exit !found }' "$filter_config"); then
		say "$found"
	else
		say "${3-}"
	fi
}

# Postfix's own words about the copy at work: pc -h NAME, pc -M, pc -P.
pc() { postconf -c "$work" "$@" 2>/dev/null; }

# NAME: the value that counts, with every $name in it replaced.
effective() { pc -xh "$1"; }

# "300s", "5m", "2h 1d" as Postfix or the filter writes it: whole seconds, rounded down.
seconds() {
	case $1 in
	*ms) say $((10#${1%ms} / 1000)) ;;
	*[!0-9]s | *[!0-9smhdw]* | '') say 0 ;;
	*s) say $((10#${1%s})) ;;
	*m) say $((10#${1%m} * 60)) ;;
	*h) say $((10#${1%h} * 3600)) ;;
	*d) say $((10#${1%d} * 86400)) ;;
	*w) say $((10#${1%w} * 604800)) ;;
	*) say $((10#$1)) ;;
	esac
}

# 4096, 64K, 10M: bytes.
bytes() {
	case $1 in
	*[!0-9KMG]* | '') say 0 ;;
	*K) say $((10#${1%K} << 10)) ;;
	*M) say $((10#${1%M} << 20)) ;;
	*G) say $((10#${1%G} << 30)) ;;
	*) say $((10#$1)) ;;
	esac
}

# ---- lists of filters ----

# TEXT: into the array elements, cut at commas and white space outside of braces.
split_list() {
	local text=$1 depth=0 word='' i sign
	elements=()
	for ((i = 0; i < ${#text}; i++)); do
		sign=${text:i:1}
		case $sign in
		'{') depth=$((depth + 1)) ;;
		'}') depth=$((depth - 1)) ;;
		[,[:space:]])
			if [ $depth -le 0 ]; then
				[ -z "$word" ] || elements+=("$word")
				word=''
				continue
			fi
			;;
		esac
		word+=$sign
	done
	[ -z "$word" ] || elements+=("$word")
}

join_list() {
	local joined='' element
	for element; do joined+="${joined:+, }$element"; done
	say "$joined"
}

# $name or ${name}: the name. False for anything else.
variable_name() {
	[[ $1 =~ ^\$\{?([A-Za-z0-9_]+)\}?$ || $1 =~ ^\$\(([A-Za-z0-9_]+)\)$ ]] && say "${BASH_REMATCH[1]}"
}

is_ours() {
	case $1 in
	*cancel-invite-milter* | *cancel_invite_milter*) return 0 ;;
	esac
	[ -n "$socket" ] && [[ $1 == "$socket" || $1 =~ ^\{\ *"$socket"[,\ }] ]]
}

# ELEMENT [DEPTH]: ours, signer, perhaps (it may sign) or other.
kind_of() {
	local name value element kinds='' depth=${2:-0} elements
	if is_ours "$1"; then
		say ours
		return
	fi
	if [ "$depth" -lt 5 ] && name=$(variable_name "$1") && value=$(read_main "$work/main.cf" "$name"); then
		split_list "$value"
		for element in "${elements[@]}"; do kinds+=" $(kind_of "$element" $((depth + 1)))"; done
		case $kinds in
		*ours*) say ours ;;
		*signer*) say signer ;;
		*perhaps*) say perhaps ;;
		*) say other ;;
		esac
		return
	fi
	if [ -n "$signer" ] && [ "$1" = "$signer" ]; then
		say signer
		return
	fi
	# 8891 is what OpenDKIM's documentation and Debian's configuration name.
	case ${1,,} in
	*dkim* | *openarc* | *:8891 | *:8891[,\ }]*) say signer ;;
	*rspamd* | *:11332 | *:11332[,\ }]* | *amavis*) say perhaps ;;
	*) say other ;;
	esac
}

# LIST OURS: the list with ours where it belongs, into merged; what there is to say about it, into
# remark. A place before the signers that somebody chose is kept.
merge_list() {
	local element kind ours_at=-1 sign_at=-1 kept=() at elements sign_kind=''
	remark=''
	split_list "$1"
	for element in "${elements[@]}"; do
		kind=$(kind_of "$element")
		case $kind in
		ours)
			[ $ours_at -ge 0 ] || ours_at=${#kept[@]}
			# A list of lists that has ours in it, such as $smtpd_milters.
			if variable_name "$element" >/dev/null && [[ $element != *cancel_invite_milter* ]]; then
				merged=$1
				return
			fi
			continue
			;;
		signer | perhaps)
			if [ $sign_at -lt 0 ]; then
				sign_at=${#kept[@]}
				sign_kind=$kind
			fi
			;;
		esac
		kept+=("$element")
	done
	at=$ours_at
	[ "$at" -ge 0 ] || at=${#kept[@]}
	if [ $sign_at -ge 0 ] && [ "$at" -gt $sign_at ]; then
		if [ $ours_at -lt 0 ] || [ "$sign_kind" = signer ]; then
			at=$sign_at
			[ $ours_at -lt 0 ] || remark="moved, because it stood behind ${kept[sign_at]}, which signs"
		fi
	fi
	if [ "$sign_kind" = perhaps ] && [ "$at" -le $sign_at ]; then
		remark="before ${kept[sign_at]}, which may sign: if it only refuses mail, put it before ours"
	fi
	merged=$(join_list "${kept[@]:0:at}" "$2" "${kept[@]:at}")
	# Only what really differs is changed.
	[ "$merged" != "$(join_list "${elements[@]}")" ] || merged=$1
}

# LIST: without ours, into merged.
take_out_ours() {
	local element kept=() elements
	split_list "$1"
	for element in "${elements[@]}"; do
		case $element in
		*"$ROUTE") continue ;;
		'$cancel_invite_milter' | '${cancel_invite_milter}') continue ;;
		esac
		{ [[ $element != \$* ]] && is_ours "$element"; } || kept+=("$element")
	done
	merged=$(join_list "${kept[@]}")
}

# ---- changing the copies, and telling it ----

changes=()  # for people: a line each
commands=() # postconf's arguments as a shell reads them, each belonging to the change beside it
records=()  # for --undo: kind, name, was it there, old value, new value
warnings=()

quoted() { printf "'%s'" "${1//\'/\'\\\'\'}"; }

# FOLDER: Postfix's commands wait until a file that was just written is two seconds old; ours is
# finished at once.
age() { touch -d '1 minute ago' "$1/main.cf" "$1/master.cf"; }

# TEXT OPTION ARGUMENT: changes the copy, and says it.
change() {
	local output
	if ! output=$(postconf -c "$work" "$2" "$3" 2>&1); then
		die "postconf $2 $(quoted "$3"): $output; nothing was changed"
	fi
	age "$work"
	changes+=("$1")
	commands+=("postconf -c $config_dir $2 $(quoted "$3")")
}

# KIND NAME HAD OLD NEW
remember() {
	local record kind name had old
	for record in "${kept_records[@]}"; do
		IFS=$'\t' read -r kind name had old _ <<<"$record"
		if [ "$kind" = "$1" ] && [ "$name" = "$2" ]; then
			records+=("$1"$'\t'"$2"$'\t'"$had"$'\t'"$old"$'\t'"${5:--}")
			return
		fi
	done
	records+=("$1"$'\t'"$2"$'\t'"$3"$'\t'"${4:--}"$'\t'"${5:--}")
}

# NAME VALUE WHY
set_main() {
	local old had=yes
	if ! old=$(read_main "$work/main.cf" "$1"); then
		had=no old=
	fi
	if [ $had = yes ] && [ "$old" = "$2" ]; then
		return
	fi
	change "main.cf: $1: $([ $had = yes ] && say "\"$old\"" || say 'not set') -> \"$2\"; $3" -e "$1 = $2"
	remember main "$1" $had "$old" "$2"
}

# SERVICE/TYPE LINE: an entry of master.cf, as one line.
set_entry() {
	local old had=yes limit text=$2
	old=$(pc -M "$1" | tr -s '[:space:]' ' ')
	old=${old% }
	[ -n "$old" ] || had=no
	if [ $had = yes ]; then
		# How many run at once is the administrator's.
		limit=$(cut -d ' ' -f 7 <<<"$old")
		text=$(awk -v limit="$limit" '{ $7 = limit; print }' <<<"$2")
	fi
	# Written down the same way, so that they can be compared.
	: >"$work/wanted/master.cf"
	cp "$work/main.cf" "$work/wanted/main.cf"
	age "$work/wanted"
	postconf -c "$work/wanted" -M "$1=$text" 2>/dev/null
	age "$work/wanted"
	if [ "$old" = "$(postconf -c "$work/wanted" -M "$1" 2>/dev/null | tr -s '[:space:]' ' ' | sed 's/ $//')" ]; then
		return
	fi
	change "master.cf: $1: $([ $had = yes ] && say 'another' || say 'none') -> as in master.cf.queued; $3" \
		-M "$1=$text"
	remember entry "$1" $had "$old" "$text"
}

# NAME: why a line of main.cf.* is there.
reason_for() {
	case $1 in
	milter_default_action) say 'while the filter is down mail waits, instead of leaving without its calendar' ;;
	milter_content_timeout) say 'how long Postfix waits for a sign of the filter at the end of a message' ;;
	milter_*_timeout) say 'a filter on this machine answers at once or not at all' ;;
	cancel_invite_milter) say 'where the filter listens' ;;
	cancel_invite_signer) say 'who signs at the second listener, after the message was changed' ;;
	*_recipient_limit) say 'each recipient gets a cancellation of their own' ;;
	*) say 'as the conf file says' ;;
	esac
}

# NAME VALUE: a time-out that is longer already stays.
set_timeout() {
	local now
	now=$(effective "$1")
	[ "$(seconds "$now")" -ge "$(seconds "$2")" ] || set_main "$1" "$2" "$(reason_for "$1")"
}

# NAME VALUE: smtpd_milters, or non_smtpd_milters.
set_filters() {
	local now what='mail by SMTP passes the filter' value=$2
	[ "$1" = smtpd_milters ] || what='mail by sendmail(1) passes the filter'
	if now=$(read_main "$work/main.cf" "$1") && [ -n "$now" ]; then
		[[ $value != '$smtpd_milters' ]] || value=$own
		merge_list "$now" "$value"
		set_main "$1" "$merged" "$what${remark:+; $remark}"
	else
		set_main "$1" "$value" "$what"
	fi
}

set_header_checks() {
	local now
	if now=$(read_main "$work/main.cf" milter_header_checks) && [ -n "$now" ]; then
		[[ $now != *"$ROUTE"* ]] || return 0
		set_main milter_header_checks "$1, $now" 'stamped mail goes to the second listener'
	else
		set_main milter_header_checks "$1" 'stamped mail goes to the second listener'
	fi
}

plan_main() {
	local line name value
	while IFS= read -r line; do
		name=${line%%=*} value=${line#*=}
		name=${name//[[:space:]]/}
		value=$(sed 's/^[[:space:]]*//; s/[[:space:]]*$//' <<<"$value")
		[ "$value" != "$DEFAULT_SOCKET" ] || value=$entry
		case $name in
		smtpd_milters | non_smtpd_milters)
			[ "$name" = non_smtpd_milters ] || own=$value
			set_filters "$name" "$value"
			;;
		milter_header_checks) set_header_checks "$value" ;;
		milter_default_action)
			# Somebody chose otherwise for the other filters: ours has its own (see entry).
			[ -n "$own_action" ] || set_main "$name" "$value" "$(reason_for "$name")"
			;;
		milter_*_timeout) set_timeout "$name" "$value" ;;
		cancel_invite_signer)
			[ -z "$signer" ] || value=$signer
			if [ -n "$signer_given" ] || ! read_main "$work/main.cf" "$name" >/dev/null; then
				set_main "$name" "$value" "$(reason_for "$name")"
			fi
			;;
		*) set_main "$name" "$value" "$(reason_for "$name")" ;;
		esac
	done < <(read_all_main "$conf/main.cf.$mode")
}

is_submission() {
	case ${1%/inet} in
	submission | submissions | smtps | 587 | 465 | *:587 | *:465 | *:submission | *:submissions | *:smtps) true ;;
	*) false ;;
	esac
}

# A value that postconf -P takes: without white space.
compact() { sed 's/[[:space:]]*,[[:space:]]*/,/g; s/{[[:space:]]*/{/g; s/[[:space:]]*}/}/g; s/[[:space:]][[:space:]]*/,/g' <<<"$1"; }

# Services that have their own idea of filters, which main.cf does not change.
plan_services() {
	local line service name value now
	while IFS= read -r line; do
		name=${line%% =*} value=${line#*=}
		value=${value# }
		service=${name%/*} name=${name##*/}
		[[ $service == */inet ]] && [ "$service" != "$listener" ] || continue
		case $name in
		smtpd_milters)
			if is_submission "$service"; then
				merge_list "$value" "$(compact "$own")"
				now=$(compact "$merged")
				[ "$now" != "$(compact "$value")" ] || continue
				change "master.cf: $service has its own smtpd_milters: \"$value\" -> \"$now\"${remark:+; $remark}" \
					-P "$service/$name=$now"
				remember service "$service/$name" yes "$value" "$now"
			elif ! is_ours "$value"; then
				warnings+=("master.cf: $service has its own smtpd_milters (\"$value\"): mail that comes in there does not pass the filter. That is right where a content filter gives mail back.")
			fi
			;;
		milter_macro_daemon_name)
			[ "$value" != "$queue_daemon" ] || warnings+=("master.cf: $service calls itself \"$value\", as only the second listener may: the filter would take mail there for stamped mail. Give it another milter_macro_daemon_name.")
			;;
		receive_override_options)
			if [[ $value == *no_milters* ]] && { is_submission "$service" || [[ $service == smtp/inet || $service == *:smtp/inet || $service == *25/inet && $service != *[0-9]25/inet ]]; }; then
				warnings+=("master.cf: $service has receive_override_options=$value: no_milters keeps mail that comes in there from the filter.")
			fi
			;;
		esac
	done < <(pc -P)
}

# PORT: does another service of master.cf, or another program, use it?
port_taken() {
	local service hex
	while read -r service; do
		[ "$service" != "$listener" ] || continue
		service=${service%/inet}
		[ "${service##*:}" != "$1" ] || return 0
	done < <(pc -M | awk '$2 == "inet" { print $1 "/inet" }')
	[ "$listener" != "127.0.0.1:$1/inet" ] || return 1
	hex=$(printf ':%04X' "$1")
	awk -v hex="$hex" '$4 == "0A" && substr($2, length($2) - 4) == hex { found = 1 } END { exit !found }' \
		/proc/net/tcp /proc/net/tcp6 2>/dev/null
}

choose_port() {
	template_port=$(grep -oE '\]:[0-9]+' "$conf/route.queued" | tr -dc 0-9)
	if [ -n "$port" ]; then
		if port_taken "$port"; then die "port $port is taken by something else; nothing was changed"; fi
		return
	fi
	port=$template_port
	if [ -n "$listener" ]; then
		port=${listener%/inet} port=${port##*:}
		return
	fi
	for ((; port < template_port + 100; port++)); do
		port_taken "$port" || break
	done
	[ "$port" -lt $((template_port + 100)) ] || die "no port from $template_port on is free; nothing was changed"
	if [ "$port" != "$template_port" ]; then
		say "Port $template_port is taken by something else: the second listener gets $port."
	fi
}

plan_queued() {
	local line name type text header
	choose_port
	if [ -n "$listener" ] && [ "$listener" != "127.0.0.1:$port/inet" ]; then
		change "master.cf: $listener: removed; the second listener moves to port $port" -MX "$listener"
	fi
	while IFS= read -r line; do
		text=${line//127.0.0.1:$template_port/127.0.0.1:$port}
		read -r name type _ <<<"$text"
		case $name in
		"$TRANSPORT") set_entry "$name/$type" "$text" 'the way to the second listener' ;;
		*) set_entry "$name/$type" "$text" 'the second listener, where invites are cancelled' ;;
		esac
	done < <(read_master "$conf/master.cf.queued")
	listener=127.0.0.1:$port/inet
	# In a regular expression a header's name stands for itself: letters, digits, "-" and "_"; a
	# dot is the one sign in common use that does not.
	header=$(filter_key milter header X-Cancel-Invite)
	sed -e "s/\\]:$template_port/]:$port/" -e "s/\\^X-Cancel-Invite/^${header//./\\\\.}/" "$conf/route.queued" \
		>"$work/$ROUTE" || die "$work: cannot be written; nothing was changed"
	if [ -e "$config_dir/$ROUTE" ] && cmp -s "$work/$ROUTE" "$config_dir/$ROUTE"; then
		return
	fi
	changes+=("$ROUTE: $([ -e "$config_dir/$ROUTE" ] && say another || say none) -> stamped mail goes to 127.0.0.1:$port; from conf/postfix/route.queued")
	commands+=("(the file $config_dir/$ROUTE)")
}

# queued: a signer among the filters signs at the second listener, unless --signer says otherwise.
find_signer() {
	local element elements
	[ "$mode" = queued ] && [ -z "$signer_given" ] || return 0
	signer=$(read_main "$work/main.cf" cancel_invite_signer) && return
	split_list "$(effective smtpd_milters)"
	for element in "${elements[@]}"; do
		[ "$(kind_of "$element")" != signer ] || signer=$element
	done
}

# What earlier calls changed and this one did not is still theirs to be undone.
keep_older_records() {
	local older kind name record new_kind new_name
	for older in "${kept_records[@]}"; do
		IFS=$'\t' read -r kind name _ <<<"$older"
		for record in "${records[@]}"; do
			IFS=$'\t' read -r new_kind new_name _ <<<"$record"
			[ "$kind $name" != "$new_kind $new_name" ] || continue 2
		done
		records+=("$older")
	done
}

# Takes what stands in kept_records out of the copies again, with the commands that do it.
plan_reversal() {
	local record kind name had old new now
	for ((record = ${#kept_records[@]} - 1; record >= 0; record--)); do
		IFS=$'\t' read -r kind name had old new <<<"${kept_records[record]}"
		[ "$old" != - ] || old=
		[ "$new" != - ] || new=
		case $kind in
		main)
			if ! now=$(read_main "$work/main.cf" "$name"); then
				continue
			fi
			if [ "$now" != "$new" ]; then
				case $name in
				smtpd_milters | non_smtpd_milters | milter_header_checks)
					take_out_ours "$now"
					old=$merged
					[ -z "$merged" ] || had=yes
					[ "$old" != "$now" ] || continue
					;;
				*)
					warnings+=("main.cf: $name is \"$now\" now, not \"$new\" as this program left it: it stays.")
					continue
					;;
				esac
			fi
			if [ "$had" = yes ]; then
				change "main.cf: $name: \"$now\" -> \"$old\"; as before" -e "$name = $old"
			else
				change "main.cf: $name: \"$now\" -> not set; as before" -X "$name"
			fi
			;;
		entry)
			[ -n "$(pc -M "$name")" ] || continue
			if [ "$had" = yes ]; then
				change "master.cf: $name: as before" -M "$name=$old"
			else
				change "master.cf: $name: removed" -MX "$name"
			fi
			;;
		service)
			now=$(pc -P "$name")
			[ -n "$now" ] || continue
			now=${now#*=} now=${now# }
			if [ "$now" != "$new" ]; then
				take_out_ours "$now"
				old=$merged
			fi
			old=$(compact "$old")
			[ "$old" != "$now" ] || continue
			change "master.cf: ${name%/*}: its smtpd_milters: \"$now\" -> \"$old\"" -P "$name=$old"
			;;
		esac
	done
	kept_records=()
}
