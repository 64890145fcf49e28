"""An account's organizer: From that cannot be the calendar's ORGANIZER is seen before the cancel."""

import pytest

from lab import one_message
from lab.milter_client import TAG, MilterSession, mail
from lab.one_message import SECOND

INVITE, GUEST = "board-1", "guest@example.org"
ORGANIZER, OTHER = "desk@shop.example", "app@acme.example"
EXPECTED = "From is not the account's organizer"


@pytest.fixture
def cronofy(standin):
    standin.create(INVITE, GUEST, organizer=ORGANIZER)
    return standin


@pytest.fixture
def start(cronofy, start_filter):
    """Starts a filter of which [cronofy] says who the organizer is."""
    def start_one(**milter):
        return start_filter(milter=milter, cronofy={"organizer": ORGANIZER})
    return start_one


def deliver(running, sender, **options):
    message = mail(TAG).replace(b"From: Acme <app@acme.example>", b"From: Desk <%s>" % sender.encode())
    assert sender.encode() in message
    return one_message.deliver(running, message, **options)


def log_line(running, result):
    return running.wait_for_log(f".*result={result} .*")[0]


def assert_refused(result):
    assert result.action == "reject" and result.reply.startswith("554 5.6.0 "), result
    assert f'send it with "From: {ORGANIZER}"' in result.reply
    assert "Nothing was cancelled" in result.reply


def test_from_the_organizer_is_cancelled_without_a_warning(start, cronofy):
    running = start(strict_calendar=True)
    assert deliver(running, ORGANIZER.upper()).action == "accept"
    line = log_line(running, "cancelled")
    assert "warning=" not in line


@pytest.mark.parametrize("mode", ["direct", "queued"])
def test_from_another_is_refused_before_the_cancel_if_strict(start, cronofy, mode):
    running = start(strict_calendar=True, mode=mode)
    assert_refused(deliver(running, OTHER))
    assert cronofy.cancel_requests() == []
    assert EXPECTED in log_line(running, "not_organizer")


def test_mail_that_was_queued_before_is_refused_before_the_cancel_too(start, cronofy):
    running = start(mode="queued")
    stamped = deliver(running, OTHER)
    assert EXPECTED in log_line(running, "queued")
    running.reload(milter={"mode": "queued", "strict_calendar": True})
    running.wait_for_log("is in force")
    with MilterSession(running.socket) as mta:
        assert_refused(mta.deliver(stamped.message_bytes, macros=SECOND))
    assert cronofy.cancel_requests() == []


def test_from_another_is_a_warning_else(start, cronofy):
    running = start()
    assert deliver(running, OTHER).action == "accept"
    assert 'warning="From is not the ORGANIZER"' in log_line(running, "cancelled")
    assert len(cronofy.cancel_requests()) == 1


def test_a_dry_run_shows_it_and_refuses_nothing(start, cronofy):
    running = start(dry_run=True, strict_calendar=True)
    assert deliver(running, OTHER).action == "accept"
    assert EXPECTED in log_line(running, "not_organizer")
    assert cronofy.cancel_requests() == []
