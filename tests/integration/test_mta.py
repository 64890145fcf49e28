"""A real Postfix and a real Sendmail with the filter: what applications are told, what recipients get.

What only one of them does is in test_postfix.py and test_sendmail.py.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.cancellation import assert_cancellation, assert_shape, assert_untouched
from lab.messages import MESSAGES, PLAIN, RECIPIENT, SENDER, TEXT, tagged, untagged
from lab.mta import POSTFIX, SENDMAIL, named
from lab.process import until
from lab.smtp import assert_refused, assert_temporary
from standin.client import forever, status, trouble

OUTAGES = {
    "answers_503": status(503),
    "does_not_answer": trouble("never"),
    "hangs_up": trouble("reset"),
}
IMPATIENT = {"timeout": "300ms", "deadline": "1s", "attempts": 2}


@pytest.fixture(scope="module", params=(POSTFIX, SENDMAIL), ids=named)
def way(request):
    return request.param


# What recipients get

def test_tagged_mail_by_smtp_is_delivered_with_the_cancellation(mta, standin, sink):
    standin.create("board-1", RECIPIENT)
    reply = mta.submit(SENDER, RECIPIENT, tagged("board-1"))
    assert reply.code == 250, reply
    [delivery] = sink.wait()
    assert_cancellation(delivery, "board-1")
    assert_shape(delivery, PLAIN)
    assert TEXT in delivery.data
    assert standin.cancels() == [("board-1", RECIPIENT)]
    assert "warning" not in mta.log()


def test_tagged_mail_by_sendmail_command_is_delivered_with_the_cancellation(mta, standin, sink):
    standin.create("board-1", RECIPIENT)
    mta.sendmail(tagged("board-1").replace(b"\r\n", b"\n"), "-f", SENDER, "-t")
    [delivery] = sink.wait()
    assert_cancellation(delivery, "board-1")
    assert TEXT in delivery.data


def test_untagged_mail_stays_as_it_is(mta, standin, sink):
    message = untagged(b"\0.\r\n..\xff\r\n \t\r\n\r\n", "X-Odd:\r\n\tvalue \r\n")
    assert mta.submit(SENDER, RECIPIENT, message).code == 250
    assert_untouched(sink.wait()[0], message)
    assert standin.requests() == []


@pytest.mark.parametrize("name", MESSAGES)
def test_message_is_kept_and_the_calendar_put_in(mta, standin, sink, name):
    header, body, tree = MESSAGES[name]
    standin.create("board-1", RECIPIENT)
    reply = mta.submit(SENDER, RECIPIENT, tagged("board-1", body, header))
    assert reply.code == 250, reply
    [delivery] = sink.wait()
    assert_cancellation(delivery, "board-1")
    assert_shape(delivery, tree)
    for line in body.split(b"\r\n"):
        assert line in delivery.data


def test_big_mail_is_delivered_whole(mta, standin, sink):
    body = b"".join(b"%077d\r\n" % line for line in range(152_000))
    standin.create("board-1", RECIPIENT)
    reply = mta.submit(SENDER, RECIPIENT, tagged("board-1", body))
    assert reply.code == 250, reply
    [delivery] = sink.wait(timeout=60)
    assert_cancellation(delivery, "board-1")
    assert body in delivery.data


# Tags and trust

@pytest.mark.parametrize("line", (
    "x-cancel-invite: board-1",
    "X-CANCEL-INVITE:board-1",
    "X-Cancel-Invite :  board-1",
    "X-Cancel-Invite:\r\n\tboard-1",
    'X-Cancel-Invite: "board-1"',
    "X-Cancel-Invite: =?UTF-8?Q?board=2D1?=",
))
def test_tag_may_be_written_in_many_ways(mta, standin, sink, line):
    standin.create("board-1", RECIPIENT)
    reply = mta.submit(SENDER, RECIPIENT, untagged(header=f"{line}\r\n"))
    assert reply.code == 250, reply
    [delivery] = sink.wait()
    assert_cancellation(delivery, "board-1")
    assert b"cancel-invite" not in delivery.header.lower()


def test_refuses_two_tags_in_one_message(mta, standin):
    standin.create("board-1", RECIPIENT)
    reply = mta.submit(SENDER, RECIPIENT, tagged("board-1", header="X-Cancel-Invite: 2\r\n"))
    assert_refused(reply, "X-Cancel-Invite", "each invite")
    assert standin.requests() == []


def test_refuses_two_recipients_and_tells_about_queued_mode(mta, standin):
    standin.create("board-1", RECIPIENT)
    reply = mta.submit(SENDER, [RECIPIENT, "bob@example.com"], tagged("board-1"))
    assert_refused(reply, "queued")
    assert standin.requests() == []


def test_all_tags_of_a_stranger_are_removed(mta, standin, sink):
    tags = "X-Cancel-Invite: a\r\nX-Other: 1\r\nx-cancel-invite:\r\n\tb\r\nX-Cancel-Invite: c\r\n"
    reply = mta.submit(SENDER, RECIPIENT, untagged(header=tags), **mta.stranger)
    assert reply.code == 250, reply
    assert_untouched(sink.wait()[0], untagged(header="X-Other: 1\r\n"))
    assert standin.requests() == []


def test_stranger_can_be_refused(start_mta, start_mta_filter, standin):
    mta = start_mta(start_mta_filter(trust={"untrusted": "reject"}))
    standin.create("board-1", RECIPIENT)
    assert_refused(mta.submit(SENDER, RECIPIENT, tagged("board-1"), **mta.stranger))
    assert standin.requests() == []


def test_refuses_a_sender_of_no_account(start_mta, start_mta_filter, standin):
    mta = start_mta(start_mta_filter(accounts={"acme": {"senders": "@acme.example"}}))
    standin.create("board-1", RECIPIENT)
    reply = mta.submit("robot@other.example", RECIPIENT, tagged("board-1"))
    assert_refused(reply, "robot@other.example")
    assert reply.code == 550
    assert standin.requests() == []


# What Cronofy refuses, and when it can't be reached

def test_refusal_is_passed_on_with_its_reason(mta, standin, sink):
    standin.script("board-1", status(422))
    reply = mta.submit(SENDER, RECIPIENT, tagged("board-1"))
    assert_refused(reply, "smart_invite_id", "errors.required")
    assert sink.deliveries == []


def test_refused_mail_by_sendmail_command_bounces_with_the_reason(mta, sink):
    mta.sendmail(tagged("board-1"), "-f", SENDER, RECIPIENT)
    [bounce] = sink.wait()
    assert (bounce.mail_from, bounce.rcpt_to) == ("", [SENDER])
    assert b"no such invite" in bounce.body


@pytest.mark.parametrize("outage", OUTAGES)
def test_outage_is_temporary(start_mta, start_mta_filter, standin, sink, outage):
    mta = start_mta(start_mta_filter(cronofy=IMPATIENT))
    standin.create("board-1", RECIPIENT)
    standin.script("board-1", forever(OUTAGES[outage]))
    assert_temporary(mta.submit(SENDER, RECIPIENT, tagged("board-1")))
    assert sink.deliveries == []


def test_mail_by_sendmail_command_waits_for_the_end_of_an_outage(
        start_mta, start_mta_filter, standin, sink):
    mta = start_mta(start_mta_filter(cronofy=IMPATIENT))
    standin.script("board-1", forever(status(503)))
    mta.sendmail(tagged("board-1"), "-f", SENDER, RECIPIENT)
    mta.wait_until_submission_waits()
    assert sink.deliveries == []

    standin.reset()
    standin.create("board-1", RECIPIENT)
    [delivery] = mta.flush_until_delivered(sink)
    assert_cancellation(delivery, "board-1")
    mta.wait_until_empty()


# When the filter isn't there

def test_mail_waits_while_the_filter_is_down(start_mta, start_mta_filter, standin, sink):
    filter = start_mta_filter()
    mta = start_mta(filter)
    standin.create("board-1", RECIPIENT)
    filter.kill()
    assert_temporary(mta.submit(SENDER, RECIPIENT, tagged("board-1")))
    assert_temporary(mta.submit(SENDER, RECIPIENT, untagged()))
    mta.sendmail(tagged("board-1"), "-f", SENDER, RECIPIENT)
    mta.wait_until_submission_waits()

    filter.start()
    assert mta.submit(SENDER, RECIPIENT, untagged()).code == 250
    delivered = sorted(mta.flush_until_delivered(sink, 2), key=lambda each: len(each.data))
    assert_untouched(delivered[0], untagged())
    assert_cancellation(delivered[1], "board-1")


def test_mail_is_not_lost_when_the_filter_dies_while_it_waits(
        start_mta, start_mta_filter, standin, sink):
    filter = start_mta_filter()
    mta = start_mta(filter)
    standin.create("board-1", RECIPIENT)
    standin.script("board-1", trouble("held"))
    with ThreadPoolExecutor() as pool:
        reply = pool.submit(mta.submit, SENDER, RECIPIENT, tagged("board-1"))
        standin.wait_for_requests()
        filter.kill()
        assert_temporary(reply.result())
    assert sink.deliveries == []

    filter.start()
    assert mta.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    assert_cancellation(sink.wait()[0], "board-1")


# What the administrator can choose

def test_refused_mail_can_be_put_on_hold(start_mta, start_mta_filter, sink):
    mta = start_mta(start_mta_filter(milter={"on_refused": "hold"}))
    assert mta.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    [held] = until(mta.queue, 10, mta.log)
    assert held["queue_name"] == "hold"
    assert sink.deliveries == []


def test_refused_mail_can_be_delivered_without_the_calendar(start_mta, start_mta_filter, sink):
    mta = start_mta(start_mta_filter(milter={"on_refused": "deliver"}))
    assert mta.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    assert_untouched(sink.wait()[0], untagged())


# Connections

def test_messages_of_one_connection_do_not_mix(mta, standin, sink):
    standin.create("board-1", RECIPIENT)
    standin.create("board-2", "bob@example.com")
    with mta.connect() as client:
        assert client.send(SENDER, RECIPIENT, tagged("board-1")).code == 250
        assert client.send(SENDER, "eve@example.com", untagged()).code == 250
        assert_refused(client.send(SENDER, RECIPIENT, tagged("unknown")))
        assert client.send(SENDER, "bob@example.com", tagged("board-2")).code == 250
    got = {each.rcpt_to[0]: each for each in sink.wait(3)}
    assert_cancellation(got[RECIPIENT], "board-1")
    assert_untouched(got["eve@example.com"], untagged())
    assert_cancellation(got["bob@example.com"], "board-2", "bob@example.com")


def test_nothing_is_cancelled_when_the_client_drops_in_mid_data(mta, standin, sink):
    standin.create("board-1", RECIPIENT)
    client = mta.connect()
    client.mail(SENDER)
    client.rcpt(RECIPIENT)
    client.command("DATA")
    client.send_raw(tagged("board-1", b"The board meeting\r\n" * 10_000))
    client.drop()
    mta.wait_for_log(mta.lost_client)

    assert mta.submit(SENDER, RECIPIENT, untagged()).code == 250
    assert_untouched(sink.wait()[0], untagged())
    assert standin.requests() == []


def test_parallel_messages_get_each_its_own_calendar(mta, standin, sink):
    people = {f"board-{number}": f"guest-{number}@example.com" for number in range(20)}
    for invite, guest in people.items():
        standin.create(invite, guest)
    standin.set(latency=0.1)
    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda invite: mta.submit(
            SENDER, people[invite], tagged(invite)), people))
    assert {reply.code for reply in replies} == {250}
    got = {each.rcpt_to[0]: each for each in sink.wait(20)}
    for invite, guest in people.items():
        assert_cancellation(got[guest], invite, guest)
