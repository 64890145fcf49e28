#!/bin/sh
# Cancels a Cronofy Smart Invite by mail: send-sendmail.sh SENDER RECIPIENT INVITE_ID
# There is no server to name: sendmail(1) gives mail to the one on this machine.
set -eu
[ $# -eq 3 ] || { echo "usage: send-sendmail.sh SENDER RECIPIENT INVITE_ID" >&2; exit 1; }
PATH=$PATH:/usr/sbin:/usr/lib

# As it is, if it is plain; anything else goes in quotation marks and as UTF-8 (RFC 2047).
invite=$3
LC_ALL=C
case $invite in
*[!A-Za-z0-9._@:+-]*)
	quoted=\"$(printf %s "$invite" | sed 's/[\\"]/\\&/g')\"
	invite="=?UTF-8?B?$(printf %s "$quoted" | base64 -w 0)?="
	;;
esac

# Exits with 0 once the mail is queued. A refusal comes as a bounce, to the sender.
sendmail -i -f "$1" -- "$2" <<MAIL
From: $1
To: $2
Subject: Your booking is cancelled
X-Cancel-Invite: $invite

Your booking is cancelled. We are sorry.
MAIL
