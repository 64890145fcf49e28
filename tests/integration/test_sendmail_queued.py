"""A real Sendmail in queued mode: what it could do otherwise than Postfix, and what queued.mc promises.

What they have in common is in test_mta_queued.py.
"""

import re
import time

import pytest

from lab.cancellation import assert_cancellation, assert_untouched
from lab.messages import RECIPIENT, SENDER, tagged, untagged
from lab.mta import SENDMAIL_QUEUED
from lab.process import until
from lab.queued import ONE_TRY, PEOPLE, assert_each_cancelled, invite
from lab.smtp import assert_refused
from standin.client import forever, status, trouble


@pytest.fixture(scope="module")
def way():
    return SENDMAIL_QUEUED


# What recipients get

def test_mail_without_a_message_id_gets_one(mta, standin, sink):
    invite(standin, PEOPLE)
    message = re.sub(rb"Message-ID: .*\r\n", b"", tagged("board-1"))
    assert mta.submit(SENDER, PEOPLE, message).code == 250
    got = assert_each_cancelled(sink, PEOPLE)
    [message_id] = {delivery.message["Message-ID"] for delivery in got.values()}
    assert re.fullmatch(r"<[^<>@\s]+@mx\.example\.test>", message_id)


def test_long_lines_and_8_bit_are_not_changed_between_the_hops(mta, standin, sink):
    """The relay behind breaks lines at 2040, so longer ones would tell of a break at the first."""
    body = b"x" * 2000 + b"\r\n" + "\u00e9".encode() * 900 + b"\r\n"
    invite(standin, [RECIPIENT])
    with mta.connect() as client:
        client.mail(SENDER, "BODY=8BITMIME")
        client.rcpt(RECIPIENT)
        message = tagged("board-1", body, "MIME-Version: 1.0\r\nContent-Type: text/plain; "
                         "charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n")
        assert client.data(message).code == 250
    delivery = assert_each_cancelled(sink, [RECIPIENT])[RECIPIENT]
    assert body in delivery.data
    assert "BODY=8BITMIME" in delivery.mail_parameters


def test_the_invite_is_that_of_the_address_before_aliases(start_mta, standin, sink):
    """Aliases are of Sendmail's own domains; the second hop expands them, after the cancel."""
    team = "team@mx.example.test"
    mta = start_mta(aliases="team: t1@example.com, t2@example.com\n",
                            mc="define(`confDOMAIN_NAME', `mx.example.test')dnl")
    invite(standin, [team, "bob@example.com"])
    people = [team, "bob@example.com"]
    assert mta.submit(SENDER, people, tagged("board-1")).code == 250
    got = {tuple(each.rcpt_to): each for each in sink.wait(2)}
    members = got.pop(("t1@example.com", "t2@example.com"))
    members.rcpt_to = [team]
    assert_cancellation(members, "board-1", team)
    assert_cancellation(got[("bob@example.com",)], "board-1", "bob@example.com")
    assert sorted(standin.cancels()) == [("board-1", "bob@example.com"), ("board-1", team)]


@pytest.mark.parametrize("said", [(), ("ORCPT=rfc822;other@example.com",), ("ORCPT=x400;what",)])
@pytest.mark.parametrize("recipient", ("Ada.L@example.com", "ada+x@example.com", "a=b@example.com"))
def test_the_invite_is_that_of_the_address_in_rcpt_to(mta, standin, sink, recipient, said):
    standin.set(open=True)
    with mta.connect() as client:
        client.mail(SENDER)
        client.rcpt(recipient, *said)
        assert client.data(tagged("board-1")).code == 250
    assert sink.wait()[0].rcpt_to == [recipient]
    assert standin.cancels() == [("board-1", recipient)]


@pytest.mark.parametrize("sender, guest, delivered_to", (
    ("Robot@ACME.Example", "Ann.Lee@EXAMPLE.Com", None),
    ("", "ann@example.com", None),
    (SENDER, "ann+lists@example.com", None),
    (SENDER, '"a b"@example.com', None),
    (SENDER, "ann%example.com@other.example", None),
    (SENDER, "ann%example.com@mx.example.test", "ann@example.com"),
    (SENDER, "a" * 60 + "@" + "b." * 83 + "example.net", None),
))
def test_unusual_addresses_come_through(mta, standin, sink, sender, guest, delivered_to):
    invite(standin, [guest])
    assert mta.submit(sender, guest, tagged("board-1")).code == 250
    [delivery] = sink.wait()
    assert delivery.mail_from == sender
    assert_cancellation(delivery, "board-1", delivered_to or guest, invited=guest)


@pytest.mark.parametrize("guest", ("ann@[192.0.2.1]", "ann@example.com.", "root"))
def test_recipient_that_would_be_lost_is_refused(mta, standin, sink, guest):
    """Sendmail forgets a recipient whose new name it doesn't understand, and says 250."""
    invite(standin, [RECIPIENT])
    assert_refused(mta.submit(SENDER, [RECIPIENT, guest], tagged("board-1")), guest)
    assert mta.queue() == [] and standin.requests() == []


def test_masquerading_is_done_behind_the_second_listener(start_mta, standin, sink):
    mta = start_mta(mc="""\
MASQUERADE_AS(`masked.example')dnl
MASQUERADE_DOMAIN(`acme.example')dnl
FEATURE(`masquerade_envelope')dnl
""")
    invite(standin, [RECIPIENT])
    assert mta.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    delivery = assert_each_cancelled(sink, [RECIPIENT])[RECIPIENT]
    assert delivery.mail_from == "robot@masked.example"


# Whom the submission believes

@pytest.mark.parametrize("domain", ("example.com.cancel-invite", "example.com.Cancel-Invite.",
                                    "x.CANCEL-INVITE"))
def test_nobody_takes_the_second_way_by_themselves(mta, standin, sink, domain):
    """Not even here, where relaying is open to everyone."""
    for client in {}, mta.stranger:
        assert_refused(mta.submit(SENDER, f"ann@{domain}", untagged(), **client))
    assert mta.queue() == [] and sink.deliveries == []


def test_the_filter_refuses_the_ending_if_sendmail_does_not(start_sendmail, mta_filter, sink):
    mta = start_sendmail(mta_filter.socket)
    reply = mta.submit(SENDER, "ann@example.com.cancel-invite", untagged())
    assert_refused(reply, ".cancel-invite")
    assert sink.deliveries == []


def test_relaying_need_not_be_open_to_everyone(start_mta, standin, sink):
    mta = start_mta(mc="undefine(`_PROMISCUOUS_RELAY_')dnl")
    invite(standin, PEOPLE)
    assert mta.submit(SENDER, PEOPLE, tagged("board-1")).code == 250
    assert_each_cancelled(sink, PEOPLE)
    for guest in "ann@example.com", "ann@example.com.cancel-invite":
        assert_refused(mta.submit(SENDER, guest, untagged(), **mta.stranger))


def test_nobody_but_sendmail_s_own_user_may_use_the_second_listener(mta):
    for path in mta.second_listener, mta.queue_folder:
        assert path.stat().st_mode & 0o022 == 0


def test_second_listener_is_there_again_after_sendmail_was_killed(mta, standin, sink):
    mta.kill()
    assert mta.second_listener.exists()
    mta.start()
    invite(standin, PEOPLE)
    assert mta.submit(SENDER, PEOPLE, tagged("board-1")).code == 250
    assert_each_cancelled(sink, PEOPLE)


# What Cronofy refuses, and when it can't be reached

def test_outage_is_an_ordinary_retry(start_mta, start_mta_filter, standin, sink):
    filter = start_mta_filter(cronofy=ONE_TRY)
    mta = start_mta(filter)
    invite(standin, PEOPLE)
    standin.script("board-1", forever(status(503)))
    assert mta.submit(SENDER, PEOPLE, tagged("board-1")).code == 250
    until(lambda: filter.log().count("result=unavailable") >= 5, 20, filter.log)
    assert sink.deliveries == []
    assert mta.submit(SENDER, RECIPIENT, untagged()).code == 250
    assert_untouched(sink.wait()[0], untagged())
    time.sleep(2)
    assert filter.log().count("result=unavailable") == 5, "tried again at once"
    assert [each["queue_name"] for each in mta.queue()] == ["second"] * 5

    sink.reset()
    standin.script("board-1")
    mta.flush()
    assert_each_cancelled(sink, PEOPLE)
    until(lambda: mta.queue() == [], 10, mta.queue)
    assert len(sink.deliveries) == 5


def test_sendmail_s_processes_stay_few_and_other_mail_goes_on_while_cronofy_hangs(
        start_mta, start_mta_filter, standin, sink):
    """With -qp, as queued.mc asks for; with -q there would be 50 more each second."""
    filter = start_mta_filter(cronofy={"timeout": "20s", "deadline": "30s"})
    mta = start_mta(filter, run="-qp1s", mc="define(`confMIN_QUEUE_AGE', `0')dnl")
    people = [f"guest-{number}@example.com" for number in range(120)]
    invite(standin, people)
    standin.script("board-1", *[trouble("held")] * 120)
    sink.defer("later@example.com")
    assert mta.submit(SENDER, "later@example.com", untagged()).code == 250
    assert mta.submit(SENDER, people, tagged("board-1")).code == 250
    until(lambda: mta.log().count(">>> DATA") >= 50, 20, "50 at once")
    sink.reset()
    assert_untouched(sink.wait()[0], untagged())
    time.sleep(3)
    assert filter.log().count("result=queued") == 1
    assert 50 <= mta.processes("client ") <= 110
    assert len(mta.queue()) == 120


def test_held_mail_that_is_released_comes_by_the_second_listener(
        start_mta, start_mta_filter, standin, sink):
    """Not with its stamp and without a calendar, however it is released."""
    filter = start_mta_filter(milter={"on_refused": "hold"})
    mta = start_mta(filter)
    standin.script("board-1", forever(status(404)))
    assert mta.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    [held] = until(lambda: list((mta.queue_folder / "cancel-invite").glob("hf*")), 20,
                   mta.log)
    assert sink.deliveries == []
    standin.script("board-1")
    invite(standin, [RECIPIENT])
    mta.release(held.name[2:])
    assert_each_cancelled(sink, [RECIPIENT])
