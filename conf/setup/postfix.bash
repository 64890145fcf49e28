# postfix.bash: what cancel-invite-setup writes into main.cf and master.cf, and how it removes it.
#
# Each file gets one block between two marks; a line that the block replaces is commented out with a
# mark of its own. Removing block and marks restores the original bytes, whatever else was changed
# meanwhile. The block is made from main.cf.MODE and master.cf.MODE; postconf says what was there
# before.

readonly BEGIN='# BEGIN cancel-invite-setup: "cancel-invite-setup --undo" takes this out again.'
readonly END='# END cancel-invite-setup'
readonly INSTEAD='#cancel-invite-setup# '
readonly TABLES='cancel-invite-route cancel-invite-strip cancel-invite-orcpt'

pc() { postconf -c "$plan" "$@" 2>/dev/null; }
value() { pc -xh "$1"; }    # as Postfix uses it
raw_value() { pc -h "$1"; } # as it is written

# FILE: without what we wrote into it.
without_ours() {
	awk -v begin="$BEGIN" -v end="$END" -v instead="$INSTEAD" '
		index($0, begin) == 1 { ours = 1 }
		ours { if ($0 == end) ours = 0; next }
		index($0, instead) == 1 { $0 = substr($0, length(instead) + 1) }
		{ print }' "$1"
}

is_set_up() { grep -qF "$BEGIN" "$config_dir/main.cf"; }

# A line that is not ours names the filter: somebody has set it up by hand.
set_up_by_hand() {
	without_ours "$config_dir/main.cf" | grep -E '^[^#]*cancel[-_]invite' && return
	without_ours "$config_dir/master.cf" | grep -E '^[^#]*cancel[-_]invite'
}

# ---- lists of filters ----

# LIST: each element on a line; commas and blanks separate, but not within braces.
elements() {
	awk '{ gsub(/[\t\n]/, " "); depth = 0; one = ""
		for (i = 1; i <= length($0); i++) { c = substr($0, i, 1)
			if (c == "{") depth++
			if (c == "}") depth--
			if (depth == 0 && (c == "," || c == " ")) { if (one != "") print one; one = "" } else one = one c }
		if (one != "") print one }' <<<"$1"
}

# OpenDKIM, rspamd and their like change mail that they sign; ours must come before.
is_signer() { [[ ${1,,} =~ dkim|openarc|:8891|:8892|rspamd|:11332|:9900 ]]; }

signers() { # of all filters that mail meets where it comes in
	local one
	{ elements "$(value smtpd_milters)"; elements "$(value non_smtpd_milters)"; } | sort -u |
		while read -r one; do ! is_signer "$one" || printf '%s\n' "$one"; done
}

with_ours() { # LIST: ours in it, behind filters that only refuse mail, before those that sign
	local one list=() placed=''
	[[ $1 != *'$smtpd_milters'* ]] || placed=yes # it comes with that list
	while read -r one; do
		if [ -z "$placed" ] && is_signer "$(postconf -c "$plan" -xh "$one" 2>/dev/null) $one"; then
			list+=('$cancel_invite_milter') placed=yes
		fi
		list+=("$one")
	done < <(elements "$1")
	[ -n "$placed" ] || list+=('$cancel_invite_milter')
	local IFS=,
	printf '%s\n' "${list[*]}" | sed 's/,/, /g'
}

# ---- services ----

# The smtpd services that mail comes in by: NAME/TYPE, one a line.
listeners() { pc -M | awk '$2 == "inet" && ($8 == "smtpd" || $8 == "postscreen") { print $1 "/inet" }'; }

option_of() { pc -P "$1/$2" | sed -n 's|^[^=]* = ||p'; } # SERVICE NAME: of master.cf, as it is written

is_submission() { [[ ${1##*:} =~ ^(submission|submissions|smtps|587|465)/inet$ ]]; }

# Services whose users have logged in, as far as their names tell.
submission_services() {
	local service
	for service in $(listeners); do ! is_submission "$service" || printf '%s\n' "$service"; done
}

# Does Postfix take mail from nobody but this machine?
only_sends() {
	[ "$(value inet_interfaces)" = loopback-only ] || ! listeners | grep -qv '^\(127\.0\.0\.1\|\[::1\]\):'
}

# SERVICE...: says why header_checks cannot route its mail, if they cannot.
why_not_routed() {
	local service cleanup
	for service; do
		cleanup=$(option_of "$service" cleanup_service_name)
		[ -z "$cleanup" ] || say "$service has a cleanup service of its own ($cleanup): put the line of $share/postfix/route.routed into that one's header_checks, and leave this service out"
		[[ $(option_of "$service" receive_override_options) != *no_header_body_checks* ]] ||
			say "$service has no_header_body_checks: Postfix checks no headers there"
		[ -z "$(option_of "$service" smtpd_proxy_filter)" ] ||
			say "$service hands its mail to a proxy filter ($(option_of "$service" smtpd_proxy_filter)), and headers are checked where it comes back: let that service cancel"
		[ "${service#smtp/}" = "$service" ] || [ "$may_cancel" = all ] ||
			say "$service takes mail from strangers: they could cancel invites"
	done
	[ -z "$(option_of cleanup/unix header_checks)" ] || say 'cleanup has header_checks of its own in master.cf: those of main.cf are not used'
	[[ $(value receive_override_options) != *no_header_body_checks* ]] || say 'receive_override_options in main.cf has no_header_body_checks: Postfix checks no headers'
	[ -z "$(value smtpd_proxy_filter)" ] || say "smtpd_proxy_filter is set in main.cf: headers are checked only where mail comes back from it"
}

# Rules of tables that were there, by which tagged mail could leave without its calendar.
check_old_rules() {
	local table
	for table in $(elements "$(value header_checks) $(value body_checks)"); do
		[ ! -r "${table#*:}" ] || ! grep -qE '^[^#]*[[:space:]](FILTER|REDIRECT)[[:space:]]' "${table#*:}" ||
			warn "$table has FILTER or REDIRECT: it overrides the route to the second listener for tagged mail that it matches, which then leaves with the header and without a calendar"
	done
}

# ---- the plan: main.cf and master.cf as they are to be, in $plan ----

declare -A settings=()
order=() services=()

set_parameter() { # NAME VALUE
	[ -n "${settings[$1]+there}" ] || order+=("$1")
	settings[$1]=$2
}

# FILE: its settings, a value that goes on in the next line in one.
take_settings() {
	local line
	while IFS= read -r line; do
		[[ $line != *=* ]] || set_parameter "${line%% =*}" "${line#*=}"
	done < <(grep -v '^ *#' "$1" | sed -e :a -e '$!N' -e 's/\n[[:space:]]\+/ /' -e ta -e P -e D)
}

change_service() { # NAME/TYPE OPTION=VALUE...: the service, with these options
	local service=$1 option
	shift
	[[ " ${services[*]} " == *" $service "* ]] || services+=("$service")
	for option; do pc -P "$service/$option" || die "$config_dir/master.cf: $service does not take $option"; done
}

plan_filters() { # direct and queued: ours is where mail comes in
	local service list
	for list in smtpd_milters non_smtpd_milters; do
		set_parameter $list "$(with_ours "$(raw_value $list)")"
	done
	for service in $(listeners); do
		list=$(option_of "$service" smtpd_milters)
		[ -z "$list" ] || ! is_submission "$service" || change_service "$service" "smtpd_milters=$(with_ours "$list" | tr -d " ")"
		[[ $(option_of "$service" receive_override_options) != *no_milters* ]] ||
			warn "$service has no_milters: its mail cancels no invites"
	done
}

plan_routing() {
	local old service tables='regexp:$config_directory/cancel-invite-orcpt'
	old=$(raw_value header_checks)
	for service in mime_header_checks nested_header_checks; do
		# Left at its default it would take ours, for headers inside attachments.
		[ "$(raw_value $service)" = '$header_checks' ] && set_parameter $service "$old" || unset_parameter $service
	done
	set_parameter cancel_invite_header_checks "regexp:\$config_directory/cancel-invite-route${old:+, $old}"
	set_parameter header_checks "regexp:\$config_directory/cancel-invite-strip${old:+, $old}"
	check_old_rules
	if [ "$may_cancel" = all ]; then
		set_parameter header_checks "${settings[cancel_invite_header_checks]}"
		unset_parameter cancel_invite_header_checks
		if [ -z "$(raw_value smtpd_command_filter)" ]; then
			set_parameter smtpd_command_filter "$tables"
		else
			warn 'smtpd_command_filter is in use: a client that sends ORCPT= itself can choose whose invite is cancelled'
		fi
		return
	fi
	for service in $may_cancel; do
		change_service "$service" cleanup_service_name=cleanup-cancel "smtpd_command_filter=$tables"
		[[ $(option_of "$service" smtpd_client_restrictions)$(option_of "$service" smtpd_relay_restrictions)$(option_of "$service" smtpd_recipient_restrictions) =~ reject ]] ||
			warn "$service has no restriction in master.cf that ends with reject: make sure that only those who may cancel can reach it"
	done
	# Without it "postsuper -r", which hands mail to pickup, would remove the header of what waits.
	change_service pickup/unix cleanup_service_name=cleanup-cancel
}

unset_parameter() {
	local name names=()
	unset "settings[$1]"
	for name in "${order[@]}"; do [ "$name" = "$1" ] || names+=("$name"); done
	order=("${names[@]}")
}

plan_second_listener() {
	local name=$header
	sed -e "s/10026/$port/g" -e "s/X-Cancel-Invite/${name//./[.]}/" "$share/postfix/route.$mode" >"$plan/cancel-invite-route"
	[ "$mode" = queued ] || [ "$may_cancel" = all ] || sed "s/X-Cancel-Invite/${name//./[.]}/" "$share/postfix/strip.routed" >"$plan/cancel-invite-strip"
	[ "$mode" = queued ] || cp "$share/postfix/orcpt.routed" "$plan/cancel-invite-orcpt"
	set_parameter cancel_invite_signer "$signer"
	if [ "$mode" = queued ]; then
		name=$(raw_value milter_header_checks)
		set_parameter milter_header_checks "regexp:\$config_directory/cancel-invite-route${name:+, $name}"
	fi
}

# The services of master.cf.MODE, without comments; cleanup-cancel only where it is used.
new_services() {
	grep -v '^#' "$share/postfix/master.cf.$mode" | sed "s/10026/$port/" |
		awk -v all="$may_cancel" '/^[^ ]/ { skip = (all == "all" && $1 == "cleanup-cancel") } !skip && NF'
}

# FILE NAMES, FIRST COLUMNS: FILE with each entry of these names marked as not to be read.
marked() {
	awk -v instead="$INSTEAD" -v names="$2" -v columns="$3" '
		BEGIN { split(names, list, "\n"); for (i in list) if (list[i] != "") is[list[i]] = 1 }
		/^[^ \t#]/ { name = $1 (columns == 2 ? "/" $2 : ""); sub(/=.*/, "", name); hit = (name in is) }
		{ print ((hit && $0 !~ /^#/) ? instead : "") $0 }' "$1"
}

block() { printf '%s\n' "$BEGIN" && cat && printf '%s\n' "$END"; }

# Makes the plan from what is there without us.
make_plan() {
	local name
	without_ours "$config_dir/main.cf" >"$plan/main.cf"
	without_ours "$config_dir/master.cf" >"$plan/master.cf"
	touch -d '1 minute ago' "$plan"/*.cf
	cp "$plan/main.cf" "$work/main.cf" && cp "$plan/master.cf" "$work/master.cf" || no_room
	take_settings "$share/postfix/main.cf.$mode"
	set_parameter cancel_invite_milter "${settings[cancel_invite_milter]/unix:\/run\/cancel-invite-milter\/milter.sock/$socket}"
	[ "$mode" = direct ] || plan_second_listener
	[ "$mode" = routed ] || plan_filters
	[ "$mode" != routed ] || plan_routing
	{ marked "$work/main.cf" "$(printf '%s\n' "${order[@]}")" 1
		for name in "${order[@]}"; do printf '%s =%s\n' "$name" "${settings[$name]:+ ${settings[$name]# }}"; done | block
	} >"$plan/main.cf.new" || no_room
	touch -d '1 minute ago' "$plan/master.cf"
	{ marked "$work/master.cf" "$(printf '%s\n' "${services[@]}")" 2
		{ [ "$mode" = direct ] || new_services
			for name in "${services[@]}"; do pc -Mf "$name"; done; } | block
	} >"$plan/master.cf.new" || no_room
	for name in main.cf master.cf; do
		mv "$plan/$name.new" "$plan/$name" || no_room
		# Nothing to say in it: no block.
		[ "$(sed -n "/^# BEGIN cancel/,/^# END cancel/p" "$plan/$name" | wc -l)" -gt 2 ] || cp "$work/$name" "$plan/$name"
		touch -d '1 minute ago' "$plan/$name"
		without_ours "$plan/$name" | cmp -s - <(cat "$work/$name" && ends_with_newline "$work/$name") ||
			die "$config_dir/$name has a form that this program does not understand; nothing was changed"
	done
	name=$(postconf -c "$plan" -n 2>&1 >/dev/null | grep -v 'overriding earlier entry: config_directory' | head -n 3)
	[ -z "$name" ] || warn "postconf says of the new configuration: $name"
}

# awk ends every file with a newline.
ends_with_newline() { [ -z "$(tail -c 1 "$1")" ] || echo; }

# ---- writing ----

# FROM NAME: the content of FROM for the file of that name, whose mode and owner stay; by one rename.
replace_file() {
	local target temporary
	target=$(readlink -f "$config_dir/$2")
	temporary=$target.cancel-invite-new
	# Postfix waits until a file that was just written is two seconds old; this one is complete.
	cp --preserve=all "$target" "$temporary" && cat "$1" >"$temporary" &&
		touch -d '3 seconds ago' "$temporary" && mv -f "$temporary" "$target" && return 0 # in a trap, too
	rm -f "$temporary"
	return 1
}

# Puts the files of a folder in place: main.cf, master.cf and the tables that it has.
install_files() {
	local name
	for name in $TABLES; do
		if [ -e "$1/$name" ]; then
			cp "$1/$name" "$config_dir/$name" && chmod 0644 "$config_dir/$name" || return 1
		fi
	done
	for name in main.cf master.cf; do
		cmp -s "$1/$name" "$config_dir/$name" || replace_file "$1/$name" $name || return 1
	done
	for name in $TABLES; do [ -e "$1/$name" ] || rm -f "$config_dir/$name"; done
}

# ---- tagged mail that waits ----

# The queue ids of mail with the header, and of mail that is on its way to the second listener.
tagged_mail() {
	local id
	for id in $(postqueue -c "$config_dir" -j 2>/dev/null | sed -n 's/.*"queue_id": "\([^"]*\)".*/\1/p'); do
		grep -qiE "^(content_filter: cancel-invite:|$header[[:space:]]*:)" <(postcat -c "$config_dir" -qeh "$id" 2>/dev/null) && say "$id"
	done
	true
}
