"""What must have become of mail when it is delivered: with the cancellation, or as it was."""

import re

from lab import mime_tree
from lab.messages import RECIPIENT
from standin.replies import Invite


def without_trace(data):
    """A delivered message without the Received fields at its top (RFC 5321, 4.4)."""
    return re.sub(rb"\A(Received:.*\r\n([ \t].*\r\n)*)+", b"", data)


def assert_cancellation(delivery, invite_id, recipient=RECIPIENT, invited=None):
    """The delivery carries the calendar of this invite, twice and rightly, and no tag.

    invited: the invite's recipient, if it isn't the envelope's. Gives the calendar's bytes.
    """
    message = delivery.message
    assert delivery.rcpt_to == [recipient]
    assert "X-Cancel-Invite" not in message
    assert message.get_all("MIME-Version") == ["1.0"]
    assert message.get_content_type() == "multipart/mixed"

    parts = list(message.walk())
    [shown] = [part for part in parts if part.get_content_type() == "text/calendar"]
    [attached] = [part for part in parts if part.get_content_type() == "application/ics"]
    assert _parameters(shown) == {"charset": "UTF-8", "method": "CANCEL"}
    assert shown.get_content_disposition() is None
    assert _parameters(attached) == {"charset": "UTF-8", "method": "CANCEL", "name": "invite.ics"}
    assert attached.get_content_disposition() == "attachment"
    assert attached.get_filename() == "invite.ics"
    assert attached["Content-Transfer-Encoding"] == "base64"
    assert message.get_payload()[-1] is attached
    around = [part for part in parts if part.is_multipart() and shown in part.get_payload()]
    if around[0].get_content_type() == "multipart/alternative":
        assert around[0].get_payload()[-1] is shown

    calendar = shown.get_payload(decode=True)
    assert calendar == attached.get_payload(decode=True)
    assert_cancels(calendar, invite_id, invited or recipient)
    return calendar


def assert_cancels(calendar, invite_id, recipient):
    """These bytes are the cancellation that the stand-in gave for this invite."""
    assert calendar.endswith(b"END:VCALENDAR\r\n")
    assert calendar.count(b"\n") == calendar.count(b"\r\n") == calendar.count(b"\r")
    lines = calendar.replace(b"\r\n ", b"").decode().split("\r\n")
    assert "METHOD:CANCEL" in lines
    assert f"UID:{Invite(invite_id, recipient).uid}" in lines
    assert f"ATTENDEE:mailto:{recipient}" in lines


def assert_untouched(delivery, message):
    """What was delivered is the message as it was sent, below the MTA's own Received."""
    assert without_trace(delivery.data) == message


def assert_shape(delivery, tree):
    assert mime_tree.lines(delivery.data) == tree


def _parameters(part):
    return dict(part["Content-Type"].params)
