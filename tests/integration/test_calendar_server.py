"""What a real calendar server makes of the results: Cyrus, whose Sieve acts on calendars in mail.

For each message of the corpus: the invite comes by mail, the result of --rewrite after it. Then the
invite is gone from the calendar that Cyrus shows by CalDAV, and another event is still there.
"""

import pytest

pytest.register_assert_rewrite("corpus.rewriting")

from corpus.rewriting import CORPUS, Rewriting  # noqa: E402
from lab.cyrus import Cyrus  # noqa: E402
from lab.workdir import Workdir  # noqa: E402
from test_acting_readers import INVITE, OTHER, event  # noqa: E402
from test_corpus import REWRITTEN, USUAL_CALENDAR, messages  # noqa: E402

ORGANIZER = "reservations@app.example"

CALENDARS = {path.stem: path for path in (CORPUS / "calendars").glob("*.ics")}
# Cyrus takes a line that begins with a delimiter for one, whatever comes behind it.
MISREAD = {"boundary-close-of-its-parent", "text-like-own-delimiters"}
# It takes no NUL, and no event with two DESCRIPTIONs.
REFUSED, REFUSED_CALENDARS = {"nul-in-body"}, {"fold-in-emoji"}


@pytest.fixture(scope="module")
def cyrus():
    with Workdir(below="/dev/shm") as workdir, Cyrus(workdir) as started:  # it syncs much
        invite(started, OTHER)
        yield started


def invite(cyrus, uid):
    lines = [f"From: {ORGANIZER}", "To: ada@customer.example", "Subject: Dinner",
             f"Message-ID: <{uid}>", "Date: Mon, 27 Apr 2026 10:00:00 +0000", "MIME-Version: 1.0",
             "Content-Type: text/calendar; charset=utf-8; method=REQUEST", "", event(uid)]
    cyrus.deliver("\r\n".join(lines).encode(), ORGANIZER)


def left_by(cyrus, name, calendar):
    """The events that are left when the invite and then the result have come."""
    result = Rewriting.run(messages()[name], calendar)
    result.check_succeeded()
    invite(cyrus, INVITE)
    assert cyrus.events() == sorted([INVITE, OTHER])
    cyrus.deliver(result.output, ORGANIZER)
    return cyrus.events()


def test_the_invite_is_gone_and_the_other_event_stays_for_the_whole_corpus(cyrus):
    names = [name for name in REWRITTEN if name not in MISREAD | REFUSED]
    left = {name: left_by(cyrus, name, USUAL_CALENDAR) for name in names}
    assert {name: events for name, events in left.items() if events != [OTHER]} == {}
    assert len(names) == len(REWRITTEN) - 3 > 150


@pytest.mark.parametrize("name", sorted(CALENDARS.keys() - REFUSED_CALENDARS))
def test_the_invite_is_gone_whatever_the_calendar_looks_like(cyrus, name):
    assert left_by(cyrus, "alternative", CALENDARS[name]) == [OTHER]


def test_nothing_is_gone_by_the_message_as_it_was(cyrus):
    invite(cyrus, INVITE)
    cyrus.deliver(messages()["alternative"].read_bytes(), ORGANIZER)
    assert cyrus.events() == sorted([INVITE, OTHER])
