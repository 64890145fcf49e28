"""A real Sendmail with the filter: what applications are told, and what recipients get.

Here is what Sendmail could do otherwise than Postfix, and what its configuration promises.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.cancellation import assert_cancellation, assert_shape, assert_untouched
from lab.messages import MESSAGES, PLAIN, RECIPIENT, SENDER, TEXT, tagged, untagged
from lab.process import until
from lab.smtp import assert_refused, assert_temporary
from standin.client import forever, status, trouble

# Sendmail knows no XCLIENT, so a stranger is another address of this machine.
STRANGER = "127.0.0.2"
WITHOUT_STRANGER = {"networks": "127.0.0.1"}

IMPATIENT = {"timeout": "300ms", "deadline": "1s", "attempts": 2}


# What recipients get

def test_tagged_mail_by_smtp_is_delivered_with_the_cancellation(sendmail, standin, sink):
    standin.create("board-1", RECIPIENT)
    reply = sendmail.submit(SENDER, RECIPIENT, tagged("board-1"))
    assert reply.code == 250, reply
    [delivery] = sink.wait()
    assert_cancellation(delivery, "board-1")
    assert_shape(delivery, PLAIN)
    assert TEXT in delivery.data
    assert standin.cancels() == [("board-1", RECIPIENT)]


def test_tagged_mail_by_sendmail_command_is_delivered_with_the_cancellation(
        sendmail, standin, sink):
    standin.create("board-1", RECIPIENT)
    sendmail.sendmail(tagged("board-1").replace(b"\r\n", b"\n"), "-f", SENDER, "-t")
    [delivery] = sink.wait()
    assert_cancellation(delivery, "board-1")
    assert TEXT in delivery.data


def test_untagged_mail_stays_as_it_is(sendmail, standin, sink):
    message = untagged(b"\0.\r\n..\xff\r\n \t\r\n\r\n", "X-Odd:\r\n\tvalue \r\n")
    assert sendmail.submit(SENDER, RECIPIENT, message).code == 250
    assert_untouched(sink.wait()[0], message)
    assert standin.requests() == []


@pytest.mark.parametrize("name", MESSAGES)
def test_message_is_kept_and_the_calendar_put_in(sendmail, standin, sink, name):
    header, body, tree = MESSAGES[name]
    standin.create("board-1", RECIPIENT)
    reply = sendmail.submit(SENDER, RECIPIENT, tagged("board-1", body, header))
    assert reply.code == 250, reply
    [delivery] = sink.wait()
    assert_cancellation(delivery, "board-1")
    assert_shape(delivery, tree)
    for line in body.split(b"\r\n"):
        assert line in delivery.data


def test_big_mail_is_delivered_whole(sendmail, standin, sink):
    body = b"".join(b"%077d\r\n" % line for line in range(150_000))
    standin.create("board-1", RECIPIENT)
    reply = sendmail.submit(SENDER, RECIPIENT, tagged("board-1", body))
    assert reply.code == 250, reply
    [delivery] = sink.wait(timeout=60)
    assert_cancellation(delivery, "board-1")
    assert body in delivery.data


def test_blind_copy_field_is_not_delivered(sendmail, standin, sink):
    standin.create("board-1", RECIPIENT)
    message = tagged("board-1", header="Bcc: <eve@example.com>\r\n")
    assert sendmail.submit(SENDER, RECIPIENT, message).code == 250
    [delivery] = sink.wait()
    assert_cancellation(delivery, "board-1")
    assert b"eve@example.com" not in delivery.data


# Tags and trust

@pytest.mark.parametrize("line", (
    "x-cancel-invite: board-1",
    "X-Cancel-Invite :  board-1",
    "X-Cancel-Invite:\r\n\tboard-1",
))
def test_tag_may_be_written_in_many_ways(sendmail, standin, sink, line):
    standin.create("board-1", RECIPIENT)
    reply = sendmail.submit(SENDER, RECIPIENT, untagged(header=f"{line}\r\n"))
    assert reply.code == 250, reply
    [delivery] = sink.wait()
    assert_cancellation(delivery, "board-1")
    assert b"cancel-invite" not in delivery.header.lower()


def test_refuses_two_tags_in_one_message(sendmail, standin):
    reply = sendmail.submit(SENDER, RECIPIENT, tagged("board-1", header="X-Cancel-Invite: 2\r\n"))
    assert_refused(reply, "X-Cancel-Invite", "each invite")
    assert standin.requests() == []


def test_refuses_two_recipients_and_tells_about_queued_mode(sendmail, standin):
    reply = sendmail.submit(SENDER, [RECIPIENT, "bob@example.com"], tagged("board-1"))
    assert_refused(reply, "queued")
    assert standin.requests() == []


def test_all_tags_of_a_stranger_are_removed(start_sendmail, start_filter, standin, sink):
    sendmail = start_sendmail(start_filter(trust=WITHOUT_STRANGER).socket)
    tags = "X-Cancel-Invite: a\r\nX-Other: 1\r\nx-cancel-invite:\r\n\tb\r\nX-Cancel-Invite: c\r\n"
    reply = sendmail.submit(SENDER, RECIPIENT, untagged(header=tags), source=STRANGER)
    assert reply.code == 250, reply
    assert_untouched(sink.wait()[0], untagged(header="X-Other: 1\r\n"))
    assert standin.requests() == []


def test_stranger_can_be_refused(start_sendmail, start_filter, standin):
    filter = start_filter(trust={**WITHOUT_STRANGER, "untrusted": "reject"})
    sendmail = start_sendmail(filter.socket)
    assert_refused(sendmail.submit(SENDER, RECIPIENT, tagged("board-1"), source=STRANGER))
    assert standin.requests() == []


def test_refuses_a_sender_of_no_account(start_sendmail, start_filter, standin):
    filter = start_filter(accounts={"acme": {"senders": "@acme.example"}})
    sendmail = start_sendmail(filter.socket)
    reply = sendmail.submit("robot@other.example", RECIPIENT, tagged("board-1"))
    assert_refused(reply, "robot@other.example")
    assert reply.code == 550
    assert standin.requests() == []


# What Cronofy refuses, and when it can't be reached

def test_refusal_is_passed_on_with_its_reason(sendmail, standin, sink):
    standin.script("board-1", status(422))
    reply = sendmail.submit(SENDER, RECIPIENT, tagged("board-1"))
    assert_refused(reply, "smart_invite_id", "errors.required")
    assert sink.deliveries == []


def test_refused_mail_by_sendmail_command_bounces_with_the_reason(sendmail, sink):
    sendmail.sendmail(tagged("board-1"), "-f", SENDER, RECIPIENT)
    [bounce] = sink.wait()
    assert (bounce.mail_from, bounce.rcpt_to) == ("", [SENDER])
    assert b"no such invite" in bounce.body


@pytest.mark.parametrize("outage", (status(503), trouble("never")))
def test_outage_is_temporary(start_sendmail, start_filter, standin, sink, outage):
    sendmail = start_sendmail(start_filter(cronofy=IMPATIENT).socket)
    standin.create("board-1", RECIPIENT)
    standin.script("board-1", forever(outage))
    assert_temporary(sendmail.submit(SENDER, RECIPIENT, tagged("board-1")))
    assert sink.deliveries == []


def test_mail_by_sendmail_command_waits_for_the_end_of_an_outage(
        start_sendmail, start_filter, standin, sink):
    sendmail = start_sendmail(start_filter(cronofy=IMPATIENT).socket)
    standin.script("board-1", forever(status(503)))
    sendmail.sendmail(tagged("board-1"), "-f", SENDER, RECIPIENT)
    assert [each["queue_name"] for each in sendmail.queue()] == ["submit"]
    assert sink.deliveries == []

    standin.reset()
    standin.create("board-1", RECIPIENT)
    sendmail.flush()
    assert_cancellation(sink.wait()[0], "board-1")
    until(lambda: sendmail.queue() == [], 10, sendmail.log)


def test_mail_waits_while_the_filter_is_down(start_sendmail, start_filter, standin, sink):
    filter = start_filter()
    sendmail = start_sendmail(filter.socket)
    standin.create("board-1", RECIPIENT)
    filter.kill()
    assert_temporary(sendmail.submit(SENDER, RECIPIENT, tagged("board-1")))
    assert_temporary(sendmail.submit(SENDER, RECIPIENT, untagged()))
    sendmail.sendmail(tagged("board-1"), "-f", SENDER, RECIPIENT)
    assert [each["queue_name"] for each in sendmail.queue()] == ["submit"]

    filter.start()
    sendmail.flush()
    assert_cancellation(sink.wait()[0], "board-1")


def test_mail_is_not_lost_when_the_filter_dies_while_it_waits(
        start_sendmail, start_filter, standin, sink):
    filter = start_filter()
    sendmail = start_sendmail(filter.socket)
    standin.create("board-1", RECIPIENT)
    standin.script("board-1", trouble("held"))
    with ThreadPoolExecutor() as pool:
        reply = pool.submit(sendmail.submit, SENDER, RECIPIENT, tagged("board-1"))
        standin.wait_for_requests()
        filter.kill()
        assert_temporary(reply.result())
    assert sink.deliveries == []


# What the administrator can choose

def test_refused_mail_can_be_put_on_hold(start_sendmail, start_filter, sink):
    sendmail = start_sendmail(start_filter(milter={"on_refused": "hold"}).socket)
    assert sendmail.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    [held] = until(sendmail.queue, 10, sendmail.log)
    assert held["queue_name"] == "hold"
    assert sink.deliveries == []


def test_refused_mail_can_be_delivered_without_the_calendar(start_sendmail, start_filter, sink):
    sendmail = start_sendmail(start_filter(milter={"on_refused": "deliver"}).socket)
    assert sendmail.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    assert_untouched(sink.wait()[0], untagged())


# Connections

def test_messages_of_one_connection_do_not_mix(sendmail, standin, sink):
    standin.create("board-1", RECIPIENT)
    standin.create("board-2", "bob@example.com")
    with sendmail.connect() as client:
        assert client.send(SENDER, RECIPIENT, tagged("board-1")).code == 250
        assert client.send(SENDER, "eve@example.com", untagged()).code == 250
        assert_refused(client.send(SENDER, RECIPIENT, tagged("unknown")))
        assert client.send(SENDER, "bob@example.com", tagged("board-2")).code == 250
    got = {each.rcpt_to[0]: each for each in sink.wait(3)}
    assert_cancellation(got[RECIPIENT], "board-1")
    assert_untouched(got["eve@example.com"], untagged())
    assert_cancellation(got["bob@example.com"], "board-2", "bob@example.com")


def test_nothing_is_cancelled_when_the_client_drops_in_mid_data(sendmail, standin, sink):
    standin.create("board-1", RECIPIENT)
    client = sendmail.connect()
    client.mail(SENDER)
    client.rcpt(RECIPIENT)
    client.command("DATA")
    client.send_raw(tagged("board-1", b"The board meeting\r\n" * 10_000))
    client.drop()
    until(lambda: "Lost input channel" in sendmail.log(), 10, "Lost input channel")

    assert sendmail.submit(SENDER, RECIPIENT, untagged()).code == 250
    assert_untouched(sink.wait()[0], untagged())
    assert standin.requests() == []


def test_nothing_is_cancelled_for_a_bare_line_feed(sendmail, standin, sink):
    standin.create("board-1", RECIPIENT)
    reply = sendmail.submit(SENDER, RECIPIENT, tagged("board-1", b"one\ntwo\r\n"))
    assert reply.code == 421, reply
    assert standin.requests() == []
    assert sink.deliveries == []


def test_parallel_messages_get_each_its_own_calendar(sendmail, standin, sink):
    people = {f"board-{number}": f"guest-{number}@example.com" for number in range(20)}
    for invite, guest in people.items():
        standin.create(invite, guest)
    standin.set(latency=0.1)
    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda invite: sendmail.submit(
            SENDER, people[invite], tagged(invite)), people))
    assert {reply.code for reply in replies} == {250}
    got = {each.rcpt_to[0]: each for each in sink.wait(20)}
    for invite, guest in people.items():
        assert_cancellation(got[guest], invite, guest)
