"""A real Sendmail with the filter: what it does otherwise than Postfix.

What they have in common is in test_mta.py.
"""

from lab.cancellation import assert_cancellation
from lab.messages import RECIPIENT, SENDER, tagged


def test_blind_copy_field_is_not_delivered(sendmail, standin, sink):
    standin.create("board-1", RECIPIENT)
    message = tagged("board-1", header="Bcc: <eve@example.com>\r\n")
    assert sendmail.submit(SENDER, RECIPIENT, message).code == 250
    [delivery] = sink.wait()
    assert_cancellation(delivery, "board-1")
    assert b"eve@example.com" not in delivery.data


def test_nothing_is_cancelled_for_a_bare_line_feed(sendmail, standin, sink):
    standin.create("board-1", RECIPIENT)
    reply = sendmail.submit(SENDER, RECIPIENT, tagged("board-1", b"one\ntwo\r\n"))
    assert reply.code == 421, reply
    assert standin.requests() == []
    assert sink.deliveries == []
