#!/bin/sh
# Cancels a Cronofy Smart Invite by mail: send.sh HOST:PORT SENDER RECIPIENT INVITE_ID
set -eu
[ $# -eq 4 ] || { echo "usage: send.sh HOST:PORT SENDER RECIPIENT INVITE_ID" >&2; exit 1; }

# As it is, if it is plain; anything else goes in quotation marks and as UTF-8 (RFC 2047).
invite=$4
LC_ALL=C
case $invite in
*[!A-Za-z0-9._@:+-]*)
	quoted=\"$(printf %s "$invite" | sed 's/[\\"]/\\&/g')\"
	invite="=?UTF-8?B?$(printf %s "$quoted" | base64 -w 0)?="
	;;
esac

# --silent: only if something goes wrong, all that was said. Exits with 26 if it was refused.
swaks --silent --timeout 600s --server "$1" --from "$2" --to "$3" \
	--header "Subject: Your booking is cancelled" \
	--header "X-Cancel-Invite: $invite" \
	--body "Your booking is cancelled. We are sorry."
