"""What programs that act on mail make of the results: postal-mime and ical.js, of others' making.

A calendar holds the invite and another event. After each message of the corpus has gone through
--rewrite and the calendar has acted on it, the invite is gone and the other event is still there.
"""

import json
import subprocess
from functools import cache

import pytest

pytest.register_assert_rewrite("corpus.rewriting")

from corpus.rewriting import CORPUS, Rewriting  # noqa: E402
from lab import tools  # noqa: E402
from lab.workdir import Workdir  # noqa: E402
from test_corpus import REWRITTEN, USUAL_CALENDAR, messages  # noqa: E402

CALENDARS = sorted((CORPUS / "calendars").glob("*.ics"))
INVITE, OTHER = "corpus-invite@cronofy.example", "another-event@cronofy.example"


GONE = {"left": [OTHER], "acted": 1, "sameFile": True}


def event(uid):
    return "\r\n".join([
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Cronofy//Cronofy//EN", "METHOD:REQUEST",
        "BEGIN:VEVENT", f"UID:{uid}", "DTSTAMP:20251001T093000Z", "SEQUENCE:1",
        "ORGANIZER:mailto:reservations@app.example", "ATTENDEE:mailto:ada@customer.example",
        "DTSTART:20251017T180000Z", "SUMMARY:Dinner for two", "END:VEVENT", "END:VCALENDAR", ""])


def act(paths):
    """What the calendar has to say of each mail."""
    readers = tools.readers()
    asked = {"events": {uid: event(uid) for uid in (INVITE, OTHER)}, "mails": [*map(str, paths)]}
    done = subprocess.run([tools.installed("node"), readers / "act.mjs"], input=json.dumps(asked),
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@cache
def folder():
    return Workdir()


def rewritten(name, calendar):
    result = Rewriting.run(messages()[name], calendar)
    result.check_succeeded()
    path = folder() / f"{name}-{calendar.stem}.eml"
    path.write_bytes(result.output)
    return path


def test_invite_is_gone_and_the_other_event_stays_for_the_whole_corpus():
    tools.readers()  # or there is nothing to rewrite for
    verdicts = dict(zip(REWRITTEN, act([rewritten(name, USUAL_CALENDAR) for name in REWRITTEN])))
    assert len(verdicts) == len(REWRITTEN) > 150
    assert {name: verdict for name, verdict in verdicts.items() if verdict != GONE} == {}


@pytest.mark.parametrize("calendar", CALENDARS, ids=lambda path: path.stem)
def test_invite_is_gone_whatever_the_calendar_looks_like(calendar):
    [verdict] = act([rewritten("alternative", calendar)])
    assert verdict == GONE


def test_nothing_is_gone_before():
    [verdict] = act([messages()["alternative"]])
    assert verdict == {"left": [INVITE, OTHER], "acted": 0, "sameFile": False}
