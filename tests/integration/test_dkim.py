"""A filter that signs, behind ours: the signature must hold for what is delivered."""

import pytest

from lab.cancellation import assert_cancellation
from lab.messages import MESSAGES, RECIPIENT, SENDER, tagged
from lab.opendkim import OpenDKIM

KINDS = ("utf8", "8bit_undeclared", "no_body", "attachment")


@pytest.fixture
def opendkim(workdir):
    signer = OpenDKIM(workdir, domain="acme.example").start()
    yield signer
    signer.stop()


@pytest.fixture(params=("postfix", "sendmail"))
def server(request, filter, opendkim):
    """Each MTA with our filter and then the signer."""
    if request.param == "postfix":
        start = request.getfixturevalue("start_postfix")
        return start(filter.socket, main=f"smtpd_milters = {{milter}}, {opendkim.socket}")
    start = request.getfixturevalue("start_sendmail")
    return start(filter.socket, mc=f"INPUT_MAIL_FILTER(`opendkim', `S={opendkim.socket}, F=T')dnl")


@pytest.mark.parametrize("kind", KINDS)
def test_signature_holds_for_the_changed_message(server, opendkim, standin, sink, kind):
    header, body, _ = MESSAGES[kind]
    standin.create("board-1", RECIPIENT)
    reply = server.submit(SENDER, RECIPIENT, tagged("board-1", body, header))
    assert reply.code == 250, reply
    delivery = sink.wait()[0]
    assert_cancellation(delivery, "board-1")
    assert "succeeded" in opendkim.verify(delivery.data)


def test_signature_breaks_if_the_calendar_is_changed(server, opendkim, standin, sink):
    standin.create("board-1", RECIPIENT)
    server.submit(SENDER, RECIPIENT, tagged("board-1"))
    [delivery] = sink.wait()
    changed = delivery.data.replace(b"invite.ics", b"else.ics")
    assert "failed" in opendkim.verify(changed)
