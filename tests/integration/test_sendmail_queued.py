"""A real Sendmail in queued mode: the application is answered at once, the queue does the rest."""

import contextlib
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.cancellation import assert_cancellation, assert_shape, assert_untouched
from lab.messages import MESSAGES, PLAIN, RECIPIENT, SENDER, TEXT, tagged, untagged
from lab.opendkim import OpenDKIM
from lab.process import until
from lab.queued import (BAD_TAGS, FORGED_TAGS, ONE_TRY, LONG_ID, LONG_TAG, PEOPLE, TAG_INSIDE,
                        assert_each_cancelled, assert_nobody_sees, deliveries, invite, received,
                        reports_of)
from lab.smtp import assert_refused, assert_temporary
from standin.client import forever, status, trouble

# Sendmail knows no XCLIENT, so a stranger is another address of this machine.
STRANGER = "127.0.0.2"
QUEUED = {"mode": "queued", "route": "domain"}


@pytest.fixture(scope="module")
def queued_filter(start_filter):
    return start_filter(milter=QUEUED, trust={"networks": "127.0.0.1"})


@pytest.fixture
def start_queued(start_sendmail, queued_filter):
    """start_queued(mc=..., ...): a Sendmail in queued mode, with a filter or the usual one."""
    def start(filter=queued_filter, **options):
        return start_sendmail(filter.socket, queued=True, **options)
    return start


@pytest.fixture
def sendmail(start_queued, standin):
    return start_queued()


# What recipients get

def test_each_recipient_gets_a_cancellation_of_their_own(sendmail, standin, sink):
    invite(standin, PEOPLE)
    reply = sendmail.submit(SENDER, PEOPLE, tagged("board-1"))
    assert reply.code == 250, reply
    got = assert_each_cancelled(sink, PEOPLE)
    for delivery in got.values():
        assert_shape(delivery, PLAIN)
        assert TEXT in delivery.data
        assert b"cancel-invite" not in delivery.header.lower()
        assert received(delivery) == 2
    assert sorted(standin.cancels()) == [("board-1", guest) for guest in PEOPLE]
    assert_nobody_sees(got, PEOPLE)


def test_sender_is_answered_while_cronofy_is_asked(sendmail, standin, sink):
    invite(standin, [RECIPIENT])
    standin.script("board-1", trouble("held"))
    assert sendmail.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    standin.wait_for_requests()
    assert sink.deliveries == []
    standin.release()
    assert_each_cancelled(sink, [RECIPIENT])


def test_blind_copies_stay_blind(sendmail, standin, sink):
    shown, hidden = PEOPLE[:2], PEOPLE[2:]
    invite(standin, PEOPLE)
    message = tagged("board-1", header=f"Cc: <{shown[1]}>\r\nBcc: <{hidden[0]}>\r\n",
                     recipient=shown[0])
    assert sendmail.submit(SENDER, PEOPLE, message).code == 250
    got = assert_each_cancelled(sink, PEOPLE)
    assert_nobody_sees(got, hidden)
    for delivery in got.values():
        assert shown[0] in delivery.message["To"] and shown[1] in delivery.message["Cc"]
        assert "Bcc" not in delivery.message


def test_sendmail_command_reads_recipients_from_to_cc_and_bcc(sendmail, standin, sink):
    invite(standin, PEOPLE)
    header = f"Cc: {PEOPLE[1]}, {PEOPLE[2]}\r\nBcc: {PEOPLE[3]}, {PEOPLE[4]}\r\n"
    message = tagged("board-1", header=header, recipient=PEOPLE[0])
    sendmail.sendmail(message.replace(b"\r\n", b"\n"), "-f", SENDER, "-t")
    got = assert_each_cancelled(sink, PEOPLE)
    assert_nobody_sees(got, PEOPLE[3:])


def test_mail_without_a_message_id_gets_one(sendmail, standin, sink):
    invite(standin, PEOPLE)
    message = re.sub(rb"Message-ID: .*\r\n", b"", tagged("board-1"))
    assert sendmail.submit(SENDER, PEOPLE, message).code == 250
    got = assert_each_cancelled(sink, PEOPLE)
    [message_id] = {delivery.message["Message-ID"] for delivery in got.values()}
    assert re.fullmatch(r"<[^<>@\s]+@mx\.example\.test>", message_id)


def test_messages_are_kept_and_the_calendar_put_in(sendmail, standin, sink):
    for name, (header, body, _) in MESSAGES.items():
        guest = f"{name}@example.com"
        invite(standin, [guest])
        assert sendmail.submit(SENDER, guest, tagged("board-1", body, header)).code == 250, name
    got = assert_each_cancelled(sink, [f"{name}@example.com" for name in MESSAGES])
    for name, (_, body, tree) in MESSAGES.items():
        delivery = got[f"{name}@example.com"]
        assert_shape(delivery, tree)
        for line in body.split(b"\r\n"):
            assert line in delivery.data, name


def test_long_lines_and_8_bit_are_not_changed_between_the_hops(sendmail, standin, sink):
    """The relay behind breaks lines at 2040, so longer ones would tell of a break at the first."""
    body = b"x" * 2000 + b"\r\n" + "\u00e9".encode() * 900 + b"\r\n"
    invite(standin, [RECIPIENT])
    with sendmail.connect() as client:
        client.mail(SENDER, "BODY=8BITMIME")
        client.rcpt(RECIPIENT)
        message = tagged("board-1", body, "MIME-Version: 1.0\r\nContent-Type: text/plain; "
                         "charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n")
        assert client.data(message).code == 250
    delivery = assert_each_cancelled(sink, [RECIPIENT])[RECIPIENT]
    assert body in delivery.data
    assert "BODY=8BITMIME" in delivery.mail_parameters


def test_long_id_of_any_characters_survives_the_queue(sendmail, standin, sink):
    standin.create(LONG_ID, RECIPIENT)
    assert sendmail.submit(SENDER, RECIPIENT, tagged(LONG_TAG)).code == 250
    assert_cancellation(sink.wait()[0], LONG_ID)


@pytest.mark.parametrize("count", (50, 200))
def test_many_recipients_get_each_their_own(sendmail, standin, sink, count):
    people = [f"guest-{number}@example.com" for number in range(count)]
    invite(standin, people)
    assert sendmail.submit(SENDER, people, tagged("board-1")).code == 250
    assert_nobody_sees(assert_each_cancelled(sink, people, timeout=60), people)
    until(lambda: sendmail.queue() == [], 10, sendmail.queue)


def test_untagged_mail_takes_no_second_hop(sendmail, standin, sink):
    message = untagged(b"\0.\r\n..\xff\r\n \t\r\n\r\n", "X-Odd:\r\n\tvalue \r\n")
    assert sendmail.submit(SENDER, PEOPLE, message).code == 250
    [delivery] = sink.wait()
    assert sorted(delivery.rcpt_to) == PEOPLE
    assert_untouched(delivery, message)
    assert received(delivery) == 1
    assert standin.requests() == []


def test_tag_inside_an_attached_message_is_only_text(sendmail, standin, sink):
    header, body = TAG_INSIDE
    message = untagged(body, header)
    assert sendmail.submit(SENDER, RECIPIENT, message).code == 250
    [delivery] = sink.wait()
    assert_untouched(delivery, message)
    assert received(delivery) == 1


def test_the_invite_is_that_of_the_address_before_aliases(start_queued, standin, sink):
    """Aliases are of Sendmail's own domains; the second hop expands them, after the cancel."""
    team = "team@mx.example.test"
    sendmail = start_queued(aliases="team: t1@example.com, t2@example.com\n",
                            mc="define(`confDOMAIN_NAME', `mx.example.test')dnl")
    invite(standin, [team, "bob@example.com"])
    people = [team, "bob@example.com"]
    assert sendmail.submit(SENDER, people, tagged("board-1")).code == 250
    got = {tuple(each.rcpt_to): each for each in sink.wait(2)}
    members = got.pop(("t1@example.com", "t2@example.com"))
    members.rcpt_to = [team]
    assert_cancellation(members, "board-1", team)
    assert_cancellation(got[("bob@example.com",)], "board-1", "bob@example.com")
    assert sorted(standin.cancels()) == [("board-1", "bob@example.com"), ("board-1", team)]


@pytest.mark.parametrize("said", [(), ("ORCPT=rfc822;other@example.com",), ("ORCPT=x400;what",)])
@pytest.mark.parametrize("recipient", ("Ada.L@example.com", "ada+x@example.com", "a=b@example.com"))
def test_the_invite_is_that_of_the_address_in_rcpt_to(sendmail, standin, sink, recipient, said):
    standin.set(open=True)
    with sendmail.connect() as client:
        client.mail(SENDER)
        client.rcpt(recipient, *said)
        assert client.data(tagged("board-1")).code == 250
    assert sink.wait()[0].rcpt_to == [recipient]
    assert standin.cancels() == [("board-1", recipient)]


def test_delivery_status_parameters_are_kept(sendmail, standin, sink):
    """All but RET, which Sendmail loses between its queues."""
    invite(standin, [RECIPIENT])
    with sendmail.connect() as client:
        client.mail(SENDER, "RET=HDRS", "ENVID=envelope-1")
        client.rcpt(RECIPIENT, "NOTIFY=FAILURE,DELAY", f"ORCPT=rfc822;{RECIPIENT}")
        assert client.data(tagged("board-1")).code == 250
    assert_each_cancelled(sink, [RECIPIENT])
    [delivery] = sink.deliveries
    assert "ENVID=envelope-1" in delivery.mail_parameters
    assert {"NOTIFY=FAILURE,DELAY", f"ORCPT=rfc822;{RECIPIENT}"} <= set(delivery.rcpt_parameters[0])


@pytest.mark.parametrize("sender, guest, delivered_to", (
    ("Robot@ACME.Example", "Ann.Lee@EXAMPLE.Com", None),
    ("", "ann@example.com", None),
    (SENDER, "ann+lists@example.com", None),
    (SENDER, '"a b"@example.com', None),
    (SENDER, "ann%example.com@other.example", None),
    (SENDER, "ann%example.com@mx.example.test", "ann@example.com"),
    (SENDER, "a" * 60 + "@" + "b." * 83 + "example.net", None),
))
def test_unusual_addresses_come_through(sendmail, standin, sink, sender, guest, delivered_to):
    invite(standin, [guest])
    assert sendmail.submit(sender, guest, tagged("board-1")).code == 250
    [delivery] = sink.wait()
    assert delivery.mail_from == sender
    assert_cancellation(delivery, "board-1", delivered_to or guest, invited=guest)


@pytest.mark.parametrize("guest", ("ann@[192.0.2.1]", "ann@example.com.", "root"))
def test_recipient_that_would_be_lost_is_refused(sendmail, standin, sink, guest):
    """Sendmail forgets a recipient whose new name it doesn't understand, and says 250."""
    invite(standin, [RECIPIENT])
    assert_refused(sendmail.submit(SENDER, [RECIPIENT, guest], tagged("board-1")), guest)
    assert sendmail.queue() == [] and standin.requests() == []


def test_masquerading_is_done_behind_the_second_listener(start_queued, standin, sink):
    sendmail = start_queued(mc="""\
MASQUERADE_AS(`masked.example')dnl
MASQUERADE_DOMAIN(`acme.example')dnl
FEATURE(`masquerade_envelope')dnl
""")
    invite(standin, [RECIPIENT])
    assert sendmail.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    delivery = assert_each_cancelled(sink, [RECIPIENT])[RECIPIENT]
    assert delivery.mail_from == "robot@masked.example"


# Whom the submission believes

def test_stranger_s_tag_is_removed_and_cancels_nothing(sendmail, standin, sink):
    invite(standin, [RECIPIENT])
    for tag in "board-1", *FORGED_TAGS:
        reply = sendmail.submit(SENDER, RECIPIENT, tagged(tag), source=STRANGER)
        assert reply.code == 250, reply
    for delivery in sink.wait(3):
        assert_untouched(delivery, untagged())
    assert standin.requests() == []


@pytest.mark.parametrize("value", BAD_TAGS)
def test_bad_tag_is_refused_at_once(sendmail, standin, sink, value):
    assert_refused(sendmail.submit(SENDER, PEOPLE, tagged(value)), "X-Cancel-Invite")
    assert standin.requests() == [] and sink.deliveries == []


@pytest.mark.parametrize("domain", ("example.com.cancel-invite", "example.com.Cancel-Invite.",
                                    "x.CANCEL-INVITE"))
def test_nobody_takes_the_second_way_by_themselves(sendmail, standin, sink, domain):
    """Not even here, where relaying is open to everyone."""
    for source in "127.0.0.1", STRANGER:
        assert_refused(sendmail.submit(SENDER, f"ann@{domain}", untagged(), source=source))
    assert sendmail.queue() == [] and sink.deliveries == []


def test_the_filter_refuses_the_ending_if_sendmail_does_not(start_sendmail, queued_filter, sink):
    sendmail = start_sendmail(queued_filter.socket)
    reply = sendmail.submit(SENDER, "ann@example.com.cancel-invite", untagged())
    assert_refused(reply, ".cancel-invite")
    assert sink.deliveries == []


def test_relaying_need_not_be_open_to_everyone(start_queued, standin, sink):
    sendmail = start_queued(mc="undefine(`_PROMISCUOUS_RELAY_')dnl")
    invite(standin, PEOPLE)
    assert sendmail.submit(SENDER, PEOPLE, tagged("board-1")).code == 250
    assert_each_cancelled(sink, PEOPLE)
    for guest in "ann@example.com", "ann@example.com.cancel-invite":
        assert_refused(sendmail.submit(SENDER, guest, untagged(), source=STRANGER))


def test_nobody_but_sendmail_s_own_user_may_use_the_second_listener(sendmail):
    for path in sendmail.second_listener, sendmail.queue_folder:
        assert path.stat().st_mode & 0o022 == 0


def test_second_listener_is_there_again_after_sendmail_was_killed(sendmail, standin, sink):
    sendmail.kill()
    assert sendmail.second_listener.exists()
    sendmail.start()
    invite(standin, PEOPLE)
    assert sendmail.submit(SENDER, PEOPLE, tagged("board-1")).code == 250
    assert_each_cancelled(sink, PEOPLE)


def test_forged_stamp_at_the_second_listener_is_refused_and_logged(
        sendmail, queued_filter, standin, sink):
    invite(standin, [RECIPIENT])
    begun = len(queued_filter.log())
    with sendmail.connect_second() as client:
        for tag in FORGED_TAGS:
            assert_refused(client.send(SENDER, RECIPIENT, tagged(tag)), "X-Cancel-Invite")
    queued_filter.wait_for_log("(?s)bad_stamp.*bad_stamp", after=begun)
    assert standin.requests() == [] and sink.deliveries == []


# What Cronofy refuses, and when it can't be reached

@pytest.mark.parametrize("way", ("smtp", "sendmail"))
def test_each_refusal_is_one_bounce_with_cronofy_s_reason(sendmail, standin, sink, way):
    invite(standin, PEOPLE[:2])
    if way == "smtp":
        assert sendmail.submit(SENDER, PEOPLE, tagged("board-1")).code == 250
    else:
        sendmail.sendmail(tagged("board-1"), "-f", SENDER, *PEOPLE)
    sink.wait(5)
    until(lambda: sendmail.queue() == [], 20, sendmail.queue)
    bounces = [each for each in sink.deliveries if each.mail_from == ""]
    assert [each.rcpt_to for each in bounces] == [[SENDER]] * 3
    reports = [report for each in bounces for report in reports_of(each)]
    assert sorted(report["Original-Recipient"] for report in reports) == [
        f"rfc822;{guest}" for guest in PEOPLE[2:]]
    for report in reports:
        assert report["Action"] == "failed" and report["Status"] == "5.5.0"
        assert "no such invite" in report["Diagnostic-Code"], report.as_string()
    delivered = [each.rcpt_to[0] for each in sink.deliveries if each.mail_from]
    assert sorted(delivered) == PEOPLE[:2]


def test_outage_is_an_ordinary_retry(start_queued, start_filter, standin, sink):
    filter = start_filter(milter=QUEUED, cronofy=ONE_TRY)
    sendmail = start_queued(filter)
    invite(standin, PEOPLE)
    standin.script("board-1", forever(status(503)))
    assert sendmail.submit(SENDER, PEOPLE, tagged("board-1")).code == 250
    until(lambda: filter.log().count("result=unavailable") >= 5, 20, filter.log)
    assert sink.deliveries == []
    assert sendmail.submit(SENDER, RECIPIENT, untagged()).code == 250
    assert_untouched(sink.wait()[0], untagged())
    time.sleep(2)
    assert filter.log().count("result=unavailable") == 5, "tried again at once"
    assert [each["queue_name"] for each in sendmail.queue()] == ["second"] * 5

    sink.reset()
    standin.script("board-1")
    sendmail.flush()
    assert_each_cancelled(sink, PEOPLE)
    until(lambda: sendmail.queue() == [], 10, sendmail.queue)
    assert len(sink.deliveries) == 5


def test_mail_waits_while_the_filter_is_down(start_queued, start_filter, standin, sink):
    filter = start_filter(milter=QUEUED)
    sendmail = start_queued(filter)
    invite(standin, PEOPLE)
    standin.script("board-1", forever(trouble("held")))
    assert sendmail.submit(SENDER, PEOPLE, tagged("board-1")).code == 250
    standin.wait_for_requests(5)
    filter.kill()
    assert_temporary(sendmail.submit(SENDER, PEOPLE, tagged("board-1")))
    assert sink.deliveries == []

    standin.script("board-1")
    filter.start()

    def tried_again():
        sendmail.flush()
        return len(sink.deliveries) >= 5

    until(tried_again, 20, sendmail.queue)
    assert_each_cancelled(sink, PEOPLE)


def test_sendmail_s_processes_stay_few_and_other_mail_goes_on_while_cronofy_hangs(
        start_queued, start_filter, standin, sink):
    """With -qp, as queued.mc asks for; with -q there would be 50 more each second."""
    filter = start_filter(milter=QUEUED, cronofy={"timeout": "20s", "deadline": "30s"})
    sendmail = start_queued(filter, run="-qp1s", mc="define(`confMIN_QUEUE_AGE', `0')dnl")
    people = [f"guest-{number}@example.com" for number in range(120)]
    invite(standin, people)
    standin.script("board-1", *[trouble("held")] * 120)
    sink.defer("later@example.com")
    assert sendmail.submit(SENDER, "later@example.com", untagged()).code == 250
    assert sendmail.submit(SENDER, people, tagged("board-1")).code == 250
    until(lambda: sendmail.log().count(">>> DATA") >= 50, 20, "50 at once")
    sink.reset()
    assert_untouched(sink.wait()[0], untagged())
    time.sleep(3)
    assert filter.log().count("result=queued") == 1
    assert 50 <= sendmail.processes("client ") <= 110
    assert len(sendmail.queue()) == 120


def test_parallel_messages_do_not_mix(sendmail, standin, sink):
    expected = {}
    for number in range(10):
        for guest in range(3):
            address = f"guest-{number}-{guest}@example.com"
            standin.create(f"board-{number}", address)
            expected[address] = f"board-{number}"
    standin.set(latency=0.05)

    def send(number):
        people = [each for each, invited in expected.items() if invited == f"board-{number}"]
        return sendmail.submit(SENDER, people, tagged(f"board-{number}"))

    with ThreadPoolExecutor(10) as pool:
        assert {reply.code for reply in pool.map(send, range(10))} == {250}
    got = deliveries(sink, 30)
    for address, invite_id in expected.items():
        assert_cancellation(got[address], invite_id, address)


# Signatures

@pytest.fixture
def signing(start_queued, workdir):
    """A Sendmail and an OpenDKIM, with queued.mc's lines for a signer."""
    with contextlib.ExitStack() as ending:
        opendkim = OpenDKIM(workdir, domain="acme.example", leave_tagged=True).start()
        ending.callback(opendkim.stop)
        yield start_queued(signer=opendkim.socket), opendkim


@pytest.mark.parametrize("way", ("smtp", "sendmail"))
def test_tagged_mail_is_signed_once_and_after_the_change(signing, standin, sink, way):
    sendmail, opendkim = signing
    invite(standin, PEOPLE)
    if way == "smtp":
        assert sendmail.submit(SENDER, PEOPLE, tagged("board-1")).code == 250
    else:
        sendmail.sendmail(tagged("board-1"), "-f", SENDER, *PEOPLE)
    for delivery in assert_each_cancelled(sink, PEOPLE).values():
        assert len(delivery.message.get_all("DKIM-Signature")) == 1
        assert "succeeded" in opendkim.verify(delivery.data)


def test_untagged_mail_is_signed_where_it_comes_in(signing, sink):
    sendmail, opendkim = signing
    assert sendmail.submit(SENDER, PEOPLE, untagged()).code == 250
    [delivery] = sink.wait()
    assert received(delivery) == 1
    assert len(delivery.message.get_all("DKIM-Signature")) == 1
    assert "succeeded" in opendkim.verify(delivery.data)


def test_held_mail_that_is_released_comes_by_the_second_listener(
        start_queued, start_filter, standin, sink):
    """Not with its stamp and without a calendar, however it is released."""
    filter = start_filter(milter={**QUEUED, "on_refused": "hold"})
    sendmail = start_queued(filter)
    standin.script("board-1", forever(status(404)))
    assert sendmail.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    [held] = until(lambda: list((sendmail.queue_folder / "cancel-invite").glob("hf*")), 20,
                   sendmail.log)
    assert sink.deliveries == []
    standin.script("board-1")
    invite(standin, [RECIPIENT])
    sendmail.release(held.name[2:])
    assert_each_cancelled(sink, [RECIPIENT])
