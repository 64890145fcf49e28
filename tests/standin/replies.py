"""What Cronofy answers with: the usual reply, and every unusual one that tests want.

UNUSUAL maps a name to a function that takes the Invite and gives the body of a 200 in bytes.
"""

import hashlib
import json
from dataclasses import dataclass, field, replace

from standin import icalendar

UNUSUAL = {}


@dataclass
class Invite:
    """One invite of one recipient: Cronofy names it by both."""

    id: str
    email: str
    uid: str = ""
    summary: str = "Board meeting"
    description: str = ""
    location: str = ""
    organizer: str = icalendar.ORGANIZER
    sequence: int = 1
    start: str = "20260428T093000Z"
    end: str = "20260428T100000Z"
    stamp: str = ""
    calendar: str = None  # this text, in place of one that is made from the fields above
    api_key: str = None   # the application that made it; None: any
    cancelled: bool = field(default=False, init=False)

    def __post_init__(self):
        self.uid = self.uid or f"{hashlib.md5(self.id.encode()).hexdigest()}@cronofy.example"
        self.stamp = self.stamp or icalendar.now()

    def lines(self):
        return icalendar.cancellation(
            self.uid, self.email, organizer=self.organizer, sequence=self.sequence,
            summary=self.summary, description=self.description, location=self.location,
            start=self.start, end=self.end,
            stamp=self.stamp)

    def text(self):
        """The documentation's example has bare LFs."""
        return self.calendar or icalendar.text(self.lines(), newline="\n")


def document(invite, calendar=None):
    """The reply as a dict, as the documentation shows it."""
    return {
        "recipient": {"email": invite.email, "status": "pending"},
        "smart_invite_id": invite.id,
        "callback_url": "https://yourapp.example.com/cronofy/smart_invite/notifications",
        "event": {
            "summary": invite.summary,
            "description": invite.description,
            "start": {"time": _iso(invite.start), "tzid": "Europe/London"},
            "end": {"time": _iso(invite.end), "tzid": "Europe/London"},
            "location": {"description": invite.location},
        },
        "attachments": {"icalendar": invite.text() if calendar is None else calendar},
    }


def usual(invite, calendar=None, **changes):
    """The reply's bytes; changes replace top-level members."""
    return json.dumps({**document(invite, calendar), **changes}).encode()


def errors(fault, key="errors.invalid", description="is invalid"):
    """Cronofy's error shape: a map of field to list."""
    return json.dumps({"errors": {fault: [{"key": key, "description": description}]}}).encode()


def _iso(stamp):
    return f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}T{stamp[9:11]}:{stamp[11:13]}:{stamp[13:]}"


def _unusual(function):
    UNUSUAL[function.__name__] = function
    return function


# The calendar

@_unusual
def invitation(invite):
    """What the invite was before it was cancelled."""
    return usual(invite, icalendar.text(icalendar.replaced(
        invite.lines(), METHOD="REQUEST", STATUS="CONFIRMED", SEQUENCE="0")))


@_unusual
def other_uid(invite):
    return usual(invite, replace(invite, uid="another@cronofy.example").text())


@_unusual
def other_attendee(invite):
    return usual(invite, replace(invite, email="somebody.else@example.com").text())


@_unusual
def lf(invite):
    return usual(invite, icalendar.text(invite.lines(), newline="\n"))


@_unusual
def crlf(invite):
    return usual(invite, icalendar.text(invite.lines(), newline="\r\n"))


@_unusual
def unfolded(invite):
    """A line of some 5,000 octets, ASCII and other."""
    invite = replace(invite, description="A long talk about naïve façades. " * 150)
    return usual(invite, icalendar.text(invite.lines(), newline="\r\n", fold_at=None))


NON_ASCII = "Größe 🎉 会議"


@_unusual
def non_ascii(invite):
    """Raw UTF-8, as most servers write JSON."""
    return json.dumps(document(replace(invite, summary=NON_ASCII)), ensure_ascii=False).encode()


@_unusual
def escaped_non_ascii(invite):
    r"""The same in \u escapes, surrogate pairs among them."""
    return json.dumps(document(replace(invite, summary=NON_ASCII)), ensure_ascii=True).encode()


@_unusual
def bom(invite):
    return usual(invite, "\ufeff" + invite.text())


@_unusual
def missing_method(invite):
    return usual(invite, icalendar.text(icalendar.without(invite.lines(), "METHOD")))


@_unusual
def wrong_method(invite):
    return usual(invite, icalendar.text(icalendar.replaced(invite.lines(), METHOD="REQUEST")))


@_unusual
def status_confirmed(invite):
    return usual(invite, icalendar.text(icalendar.replaced(invite.lines(), STATUS="CONFIRMED")))


@_unusual
def two_calendars(invite):
    return usual(invite, invite.text() * 2)


@_unusual
def no_event(invite):
    lines = invite.lines()
    event = icalendar.event(lines)
    return usual(invite, icalendar.text([line for line in lines if line not in event]))


@_unusual
def no_uid(invite):
    return usual(invite, icalendar.text(icalendar.without(invite.lines(), "UID")))


@_unusual
def two_uids(invite):
    lines = invite.lines()
    other = icalendar.replaced(icalendar.event(lines), UID="another@cronofy.example")
    return usual(invite, icalendar.text(icalendar.with_component(lines, other)))


@_unusual
def two_events(invite):
    """Right: a series' event and an exception to it have one UID."""
    lines = invite.lines()
    exception = icalendar.with_more(icalendar.event(lines), "RECURRENCE-ID:20260505T093000Z")
    return usual(invite, icalendar.text(icalendar.with_component(lines, exception)))


@_unusual
def vtodo(invite):
    lines = [line.replace("VEVENT", "VTODO") for line in invite.lines()]
    return usual(invite, icalendar.text(lines))


@_unusual
def no_calendar_at_all(invite):
    return usual(invite, "Your invite was cancelled.")


@_unusual
def empty_icalendar(invite):
    return usual(invite, "")


@_unusual
def big_calendar(invite):
    """1.5 MB in short lines."""
    return usual(invite, icalendar.text(
        icalendar.with_more(invite.lines(), *["COMMENT:" + "x" * 60] * 22_000)))


@_unusual
def nul_escape(invite):
    return usual(invite, invite.text().replace("Board", "Bo\0ard"))


# The JSON around it

@_unusual
def empty_attachments(invite):
    """As PHP writes an empty map."""
    return usual(invite, attachments=[])


@_unusual
def no_attachments(invite):
    body = document(invite)
    del body["attachments"]
    return json.dumps(body).encode()


@_unusual
def no_icalendar(invite):
    return usual(invite, attachments={})


@_unusual
def icalendar_is_a_map(invite):
    return usual(invite, attachments={"icalendar": {"text": invite.text()}})


@_unusual
def other_invite(invite):
    return usual(invite, smart_invite_id=invite.id + "-other")


@_unusual
def other_recipient(invite):
    return usual(invite, recipient={"email": "somebody.else@example.com", "status": "pending"})


@_unusual
def event_start_string(invite):
    return usual(invite, event={**document(invite)["event"], "start": "2026-04-28"})


@_unusual
def unknown_members(invite):
    return usual(invite, method="request", cost={"currency": "EUR", "amount": [1, 2.5, None]},
                 **{f"field_{number}": True for number in range(50)})


@_unusual
def lone_surrogate(invite):
    """Half a pair, as a server writes that cuts texts between code units."""
    return usual(invite, event={**document(invite)["event"], "summary": "Board \ud83d"})


@_unusual
def several_recipients(invite):
    """An invite that was made with "recipients": how Cronofy answers is documented nowhere."""
    return usual(invite, recipients=[{"email": invite.email, "status": "pending"},
                                     {"email": "bob@example.com", "status": "accepted"}],
                 attachments={})


@_unusual
def removed_recipient(invite):
    """What the test of the Ruby SDK has for one attendee who is taken out."""
    return usual(invite, attachments={"removed": {"email": invite.email}})


@_unusual
def deep_json(invite):
    """What a recursive reader would end on."""
    return b'{"deep":' + b"[" * 200_000 + b"]" * 200_000 + b"," + usual(invite)[1:]


@_unusual
def json_array(invite):
    return b"[" + usual(invite) + b"]"


@_unusual
def truncated_json(invite):
    return usual(invite)[:-40]


@_unusual
def empty_body(_):
    return b""


@_unusual
def invalid_utf8(invite):
    body = json.dumps(document(replace(invite, summary="Bürd meeting")), ensure_ascii=False)
    return body.encode("latin-1")
