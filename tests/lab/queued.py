"""What must become of mail in queued mode, whichever MTA carries it."""

from lab.cancellation import assert_cancellation
from lab.messages import MULTIPART

PEOPLE = [f"guest-{number}@example.com" for number in range(5)]
ONE_TRY = {"attempts": 1}

# Tags that the submission refuses at once.
BAD_TAGS = ("", "a; b=c", 'v1; id="x"; mac=1')

# What somebody could try at the second listener who never was at the first.
FORGED_TAGS = ("board-1", f'v1; account=cronofy; id="board-1"; time=1; mac={"0" * 64}')

# An id that must be encoded, folded and quoted to get through, and the tag that names it.
LONG_ID = 'Sitzung №4711; "großer Saal" % ' + "é" * 450
LONG_TAG = '"' + LONG_ID.replace('"', r'\"') + '"'

# A tag where it means nothing: header lines and body of a message.
TAG_INSIDE = (
    MULTIPART % ("mixed", "x"),
    b"--x\r\nContent-Type: message/rfc822\r\n\r\nX-Cancel-Invite: v1; mac=1\r\n\r\nhi\r\n--x--\r\n")


def invite(standin, people, invite_id="board-1"):
    for guest in people:
        standin.create(invite_id, guest)


def deliveries(sink, count, timeout=20):
    """Each recipient's one delivery."""
    got = sink.wait(count, timeout)
    by_recipient = {each.rcpt_to[0]: each for each in got}
    assert len(by_recipient) == len(got) == count
    return by_recipient


def assert_each_cancelled(sink, people, invite_id="board-1", timeout=20):
    got = deliveries(sink, len(people), timeout)
    assert set(got) == set(people)
    for guest in people:
        assert_cancellation(got[guest], invite_id, guest)
    return got


def assert_nobody_sees(got, people):
    """No delivery names one of these people, but for the one it is for."""
    for guest, delivery in got.items():
        for other in people:
            assert other == guest or other.encode() not in delivery.data, (guest, other)


def reports_of(bounce):
    """What a bounce says of each recipient (RFC 3464, 2.3)."""
    [status] = [part for part in bounce.message.walk()
                if part.get_content_type() == "message/delivery-status"]
    return [each for each in status.get_payload() if "Final-Recipient" in each]


def received(delivery):
    """How many hops a delivered message came."""
    return len(delivery.message.get_all("Received"))
