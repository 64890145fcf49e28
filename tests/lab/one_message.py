"""One message in one connection to the filter: what most tests at the protocol send and look at."""

import re

from lab.milter_client import TAG, MilterSession, mail
from standin.client import trouble

TAGGED = mail(TAG)
STRANGER = ("203.0.113.9", 40000)  # a client in no trusted network

# The listener that the MTA names: where mail is submitted, and where the queue's mail comes back.
SUBMISSION = {"{daemon_name}": "smtpd"}
SECOND = {"{daemon_name}": "cancel-invite"}


def deliver(filter, message=TAGGED, *arguments, **options):
    """As MilterSession.deliver(); gives its Result."""
    with MilterSession(filter.socket) as mta:
        return mta.deliver(message, *arguments, **options)


def at_submission(filter, message=TAGGED, *arguments, macros=None, **options):
    return deliver(filter, message, *arguments, macros={**SUBMISSION, **(macros or {})}, **options)


def at_second(filter, message=TAGGED, *arguments, **options):
    return deliver(filter, message, *arguments, macros=SECOND, **options)


def hang_up_before_the_answer(filter, cronofy):
    """The MTA is gone when Cronofy answers: it hears nothing of the message that it handed over."""
    cronofy.script("board-1", trouble("held"))
    with MilterSession(filter.socket) as mta:
        mta.begin(mail(TAG, body="x" * 5_000_000), "eom")
        cronofy.wait_for_requests()
    cronofy.release()


def assert_cancelled(result):
    assert result.action == "accept", result
    assert b"x-cancel-invite" not in result.message_bytes.lower(), result
    assert re.search(rb"text/calendar;[^\0]*method=CANCEL", result.message_bytes), result


def calendar_of(result):
    """The calendar's lines, wherever in the message they are."""
    assert_cancelled(result)
    return re.search(rb"BEGIN:VCALENDAR.*?END:VCALENDAR", result.message_bytes, re.S)[0]


def same_boundaries(message):
    """The message without the random part of its boundaries."""
    return re.sub(rb"=_[0-9A-Za-z]{32}", b"=_", message)
