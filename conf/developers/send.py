#!/usr/bin/env python3
"""Cancels a Cronofy Smart Invite by mail: send.py HOST:PORT SENDER RECIPIENT INVITE_ID"""

import smtplib
import sys
from email.message import EmailMessage
from email.utils import formatdate, make_msgid


def quoted(invite_id):
    """In quotation marks the id may hold any character."""
    return '"' + invite_id.replace("\\", "\\\\").replace('"', '\\"') + '"'


def send(server, sender, recipient, invite_id):
    message = EmailMessage()
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = "Your booking is cancelled"
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid()
    message["X-Cancel-Invite"] = quoted(invite_id)
    message.set_content("Your booking is cancelled. We are sorry.\n")

    host, port = server.rsplit(":", 1)
    with smtplib.SMTP(host, int(port), timeout=600) as smtp:
        smtp.send_message(message, sender, [recipient])


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    try:
        send(*sys.argv[1:])
    except smtplib.SMTPResponseException as refusal:
        sys.exit(f"refused: {refusal.smtp_code} {refusal.smtp_error.decode('utf-8', 'replace')}")
    except (smtplib.SMTPException, OSError) as trouble:
        sys.exit(f"not sent: {trouble}")
