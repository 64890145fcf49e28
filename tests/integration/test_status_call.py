"""A calendar that was lost is asked for again, by a call that changes nothing."""

import re
import time

import pytest

from lab.milter_client import mail
from lab.one_message import calendar_of, deliver
from standin.client import forever, status, trouble

INVITE, GUEST = "board-1", "guest@example.org"


@pytest.fixture(scope="module")
def running(start_filter):
    return start_filter(cronofy={"attempts": 1, "timeout": "1s", "deadline": "4s"})


@pytest.fixture(scope="module")
def strict(start_filter):
    return start_filter(milter={"strict_calendar": True}, cronofy={"attempts": 1})


@pytest.fixture
def cronofy(standin):
    """The invite is cancelled, and nobody has its calendar."""
    standin.create(INVITE, GUEST, uid="uid-1", organizer="app@acme.example")
    standin.set(second_cancel="404")
    standin.script(INVITE, trouble("close_mid_body"))
    return standin


def lose(filter, cronofy):
    assert deliver(filter).action == "tempfail"
    assert len(cronofy.requests()) == 1


def methods(cronofy):
    return [request.method for request in cronofy.requests()]


@pytest.mark.parametrize("answer", [status(404), status(410), status(422), trouble("no_icalendar"),
                                    trouble("truncated_json"), trouble("several_recipients"),
                                    trouble("wrong_method")],
                         ids=lambda answer: str(answer.get("status", answer.get("trouble"))))
def test_is_used_whatever_took_its_place(running, cronofy, answer):
    lose(running, cronofy)
    cronofy.set(after_cancel="usual")
    cronofy.script(INVITE, answer)
    result = deliver(running)
    assert result.action == "accept", result.reply
    assert b"METHOD:CANCEL" in calendar_of(result) and b"UID:uid-1" in calendar_of(result)
    assert methods(cronofy) == ["POST", "POST", "GET"]
    running.wait_for_log(r"result=cancelled .*kept=status .*uid=uid-1")


@pytest.mark.parametrize("shown", ["404", "invitation", "no_icalendar", "no_calendar_at_all",
                                   "truncated_json", "empty_body", "html", "missing_method",
                                   "other_attendee", "other_invite", "two_uids", "deep_json"])
def test_is_not_used_unless_it_proves_itself(running, cronofy, shown):
    lose(running, cronofy)
    if shown == "html":
        cronofy.script_status(INVITE, trouble("html"))
    else:
        cronofy.set(after_cancel=shown)
    result = deliver(running)
    assert result.action == "reject"
    assert re.match(r"554 5\.5\.0 .*HTTP 404", result.reply), result.reply
    assert methods(cronofy) == ["POST", "POST", "GET"]


@pytest.mark.parametrize("answer", [status(401), status(403), status(429), status(503),
                                    trouble("reset"), trouble("redirect")])
def test_is_asked_for_once(running, cronofy, answer):
    """What the answer to the cancel said counts, not that this one fails."""
    lose(running, cronofy)
    cronofy.script_status(INVITE, forever(answer))
    assert deliver(running).reply.startswith("554 5.5.0 ")
    assert methods(cronofy) == ["POST", "POST", "GET"]


def test_is_asked_for_within_the_deadline(running, cronofy):
    lose(running, cronofy)
    cronofy.script_status(INVITE, forever(trouble("never")))
    began = time.monotonic()
    assert deliver(running).reply.startswith("554 5.5.0 ")
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("answer", [status(401), status(429), status(503), status(400)])
def test_is_not_asked_for_where_nothing_is_cancelled(running, cronofy, answer):
    lose(running, cronofy)
    cronofy.set(after_cancel="usual")
    cronofy.script(INVITE, forever(answer))
    assert deliver(running).action == "tempfail"
    assert methods(cronofy) == ["POST"] * 2


@pytest.mark.parametrize("shown, action", [("usual", "accept"), ("other_uid", "tempfail"),
                                           ("status_confirmed", "tempfail")])
def test_has_the_uid_of_the_one_that_would_not_do(strict, cronofy, shown, action):
    cronofy.script(INVITE, trouble("status_confirmed"))
    cronofy.set(after_cancel=shown)
    assert deliver(strict).action == action
    assert methods(cronofy) == ["POST", "GET"]


def test_asks_with_any_id_and_recipient_percent_encoded(running, cronofy):
    id = 'a b+c&d=e%/"日程🎉'
    cronofy.script(id, status(404))
    cronofy.script_status(id, {})
    message = mail("X-Cancel-Invite: \"" + id.replace('"', '\\"') + "\"")
    assert deliver(running, message, recipients=("o'neil+x@example.org",)).action == "accept"
    assert [(request.id, request.recipient) for request in cronofy.requests()] == [
        (id, "o'neil+x@example.org")] * 2


def test_is_kept_when_it_is_found(start_filter, cronofy):
    filter = start_filter(cronofy={"attempts": 1}, ledger={"file": "ledger.db"})
    lose(filter, cronofy)
    cronofy.set(after_cancel="usual")
    first = deliver(filter)
    assert first.action == "accept", first.reply
    assert methods(cronofy) == ["POST", "POST", "GET"]
    cronofy.set(after_cancel="404")
    assert calendar_of(deliver(filter)) == calendar_of(first)
    assert len(cronofy.requests()) == 3
    filter.wait_for_log("kept=same_message")
