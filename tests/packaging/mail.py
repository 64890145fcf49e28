#!/usr/bin/python3
"""Sends a mail in one of the ways that applications have, and says what became of one.

mail.py send smtp|submission|sendmail SUBJECT [--tag ID] [--big] [--to RECIPIENT...]
mail.py look SUBJECT [USER]   [nothing], [plain], [cancelled], or what is odd about what USER got
"""

import argparse
import mailbox
import smtplib
import subprocess
import sys
from pathlib import Path

SENDER = "app@test.example"
READER = "reader@test.example"


def message(options):
    head = [f"From: {SENDER}", f"To: {READER}", f"Subject: {options.subject}"]
    if options.tag:
        head.append(f"X-Cancel-Invite: {options.tag}")
    return "\n".join([*head, "", "text\n" * (100000 if options.big else 1)])


def send(options):
    recipients = options.recipients
    if options.how == "sendmail":
        done = subprocess.run(["sendmail", "-i", "-f", SENDER, *recipients],
                              input=message(options), text=True)
        sys.exit(done.returncode)
    with smtplib.SMTP("127.0.0.1", 587 if options.how == "submission" else 25) as server:
        if options.how == "submission":
            server.login("app@test.example", "secret")
        server.sendmail(SENDER, recipients, message(options))


def look(options):
    box = Path("/var/mail") / options.user
    found = [mail for mail in mailbox.mbox(box) if mail["Subject"] == options.subject] \
        if box.exists() else []
    print(describe(found, f"{options.user}@test.example"))


def describe(found, recipient):
    if len(found) != 1:
        return "[nothing]" if not found else f"[{len(found)} times]"
    tagged = "X-Cancel-Invite" in found[0]
    parts = [part for part in found[0].walk() if part.get_content_type() == "text/calendar"]
    if not parts:
        return "[with its tag]" if tagged else "[plain]"
    calendar = parts[0].get_payload(decode=True).decode()
    good = (len(parts) == 1 and not tagged and parts[0].get_param("method") == "CANCEL"
            and "METHOD:CANCEL" in calendar and f"mailto:{recipient}" in calendar.lower())
    return "[cancelled]" if good else f"[odd: {len(parts)} calendars, tag {tagged}]\n{calendar}"


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    sending = commands.add_parser("send")
    sending.set_defaults(do=send)
    sending.add_argument("how", choices=("smtp", "submission", "sendmail"))
    sending.add_argument("subject")
    sending.add_argument("--tag")
    sending.add_argument("--big", action="store_true")
    sending.add_argument("--to", dest="recipients", nargs="+", default=[READER])
    looking = commands.add_parser("look")
    looking.set_defaults(do=look)
    looking.add_argument("subject")
    looking.add_argument("user", nargs="?", default="reader")
    options = parser.parse_args()
    options.do(options)


main()
