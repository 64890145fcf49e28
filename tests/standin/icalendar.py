"""Builds iCalendar texts (RFC 5545), right ones and wrong ones.

A calendar is a list of unfolded content lines until text() makes it one string:

    text(without(cancellation("uid-1", "ann@example.com"), "ORGANIZER"), newline="\\r\\n")
"""

import time

STARTED = time.gmtime()
UID = "evt_external_64dcc0b2e7ab5b7a2a1b2c3d@cronofy.com"
ORGANIZER = "invites@cronofy.example"


def cancellation(uid, attendee, *, organizer=ORGANIZER, sequence=1, summary="Board meeting",
                 description="", location="", start="20260428T093000Z", end="20260428T100000Z",
                 stamp=None):
    """The content lines of a cancellation as iTIP wants it (RFC 5546, 3.2.5)."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Cronofy//Cronofy Smart Invites//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:CANCEL",
        "BEGIN:VEVENT",
        f"UID:{uid}",
        f"DTSTAMP:{stamp or now()}",
        f"DTSTART:{start}",
        f"DTEND:{end}",
        f"SEQUENCE:{sequence}",
        f"SUMMARY:{escaped(summary)}",
        f"ORGANIZER:mailto:{organizer}",
        f"ATTENDEE:mailto:{attendee}",
        "STATUS:CANCELLED",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    if description:
        lines.insert(-2, f"DESCRIPTION:{escaped(description)}")
    if location:
        lines.insert(-2, f"LOCATION:{escaped(location)}")
    return lines


def now():
    """A DATE-TIME in UTC (RFC 5545, 3.3.5): the program's start, so that results can be compared."""
    return time.strftime("%Y%m%dT%H%M%SZ", STARTED)


def escaped(value):
    """A TEXT value (RFC 5545, 3.3.11)."""
    return (value.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
            .replace("\n", "\\n"))


def without(lines, *names):
    """The lines that are not of these properties."""
    return [line for line in lines if _name(line) not in names]


def replaced(lines, **values):
    """The lines with other values: replaced(lines, METHOD="REQUEST")."""
    return [f"{_name(line)}:{values[_name(line)]}" if _name(line) in values else line
            for line in lines]


def with_more(lines, *more):
    """The lines with more of them at the end of the first event."""
    end = lines.index("END:VEVENT")
    return [*lines[:end], *more, *lines[end:]]


def event(lines):
    """Only the first event, BEGIN and END included."""
    return lines[lines.index("BEGIN:VEVENT"):lines.index("END:VEVENT") + 1]


def with_component(lines, component):
    """The lines with another component at the calendar's end."""
    return [*lines[:-1], *component, lines[-1]]


def text(lines, newline="\r\n", fold_at=75):
    """One string, the last line ended too. fold_at: octets in a line, None not to fold."""
    if fold_at:
        lines = [piece for line in lines for piece in _folded(line, fold_at)]
    return newline.join([*lines, ""])


def _name(line):
    return line.replace(":", ";").partition(";")[0].upper()


def _folded(line, limit):
    """RFC 5545, 3.1, never within a UTF-8 character; the continuation's space counts."""
    if len(line) * 4 <= limit or len(line.encode()) <= limit:
        return [line]
    pieces, piece, size = [], "", 0
    for character in line:
        width = len(character.encode())
        if size + width > limit:
            pieces.append(piece)
            piece, size = " ", 1
        piece += character
        size += width
    return [*pieces, piece]
