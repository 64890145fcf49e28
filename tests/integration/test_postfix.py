"""A real Postfix with the filter: what applications are told, and what recipients get."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.cancellation import assert_cancellation, assert_shape, assert_untouched
from lab.messages import MESSAGES, PLAIN, RECIPIENT, SENDER, TEXT, tagged, untagged
from lab.postfix import MAIL_OWNER
from lab.process import Port, until
from lab.smtp import assert_refused, assert_temporary
from standin.client import forever, status, trouble

STRANGER = {"ADDR": "203.0.113.9", "NAME": "mail.remote.test"}

OUTAGES = {
    "answers_503": status(503),
    "does_not_answer": trouble("never"),
    "hangs_up": trouble("reset"),
}
IMPATIENT = {"timeout": "300ms", "deadline": "1s", "attempts": 2}

# What recipients get

def test_tagged_mail_by_smtp_is_delivered_with_the_cancellation(postfix, standin, sink):
    standin.create("board-1", RECIPIENT)
    reply = postfix.submit(SENDER, RECIPIENT, tagged("board-1"))
    assert reply.code == 250, reply
    [delivery] = sink.wait()
    assert_cancellation(delivery, "board-1")
    assert_shape(delivery, PLAIN)
    assert TEXT in delivery.data
    assert standin.cancels() == [("board-1", RECIPIENT)]
    assert "warning" not in postfix.log()


def test_tagged_mail_by_sendmail_command_is_delivered_with_the_cancellation(
        postfix, standin, sink):
    standin.create("board-1", RECIPIENT)
    postfix.sendmail(tagged("board-1").replace(b"\r\n", b"\n"), "-f", SENDER, "-t")
    [delivery] = sink.wait()
    assert_cancellation(delivery, "board-1")
    assert TEXT in delivery.data


def test_untagged_mail_by_smtp_stays_as_it_is(postfix, standin, sink):
    message = untagged(b"\0.\r\n..\xff" + b"x" * 990 + b"\r\n \t\r\n\r\n", "X-Odd:\r\n\tvalue \r\n")
    assert postfix.submit(SENDER, RECIPIENT, message).code == 250
    [delivery] = sink.wait()
    assert_untouched(delivery, message)
    assert standin.requests() == []


def test_untagged_mail_by_sendmail_command_stays_as_it_is(postfix, sink):
    message = untagged()
    postfix.sendmail(message.replace(b"\r\n", b"\n"), "-f", SENDER, RECIPIENT)
    [delivery] = sink.wait()
    assert_untouched(delivery, message)


@pytest.mark.parametrize("name", MESSAGES)
def test_message_is_kept_and_the_calendar_put_in(postfix, standin, sink, name):
    header, body, tree = MESSAGES[name]
    standin.create("board-1", RECIPIENT)
    reply = postfix.submit(SENDER, RECIPIENT, tagged("board-1", body, header))
    assert reply.code == 250, reply
    [delivery] = sink.wait()
    assert_cancellation(delivery, "board-1")
    assert_shape(delivery, tree)
    for line in body.split(b"\r\n"):
        assert line in delivery.data


def test_bare_line_feeds_become_line_ends(postfix, standin, sink):
    standin.create("board-1", RECIPIENT)
    assert postfix.submit(SENDER, RECIPIENT, tagged("board-1", b"one\ntwo\r\n")).code == 250
    [delivery] = sink.wait()
    assert_cancellation(delivery, "board-1")
    assert b"\r\none\r\ntwo\r\n" in delivery.data


def test_calendar_text_of_any_language_is_decodable(postfix, standin, sink):
    standin.create("board-1", RECIPIENT, summary="Vorstandssitzung, größer 会議 🎉 " * 10)
    assert postfix.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    [delivery] = sink.wait()
    calendar = assert_cancellation(delivery, "board-1")
    assert "größer 会議 🎉" in calendar.replace(b"\r\n ", b"").decode()
    assert max(map(len, calendar.split(b"\r\n"))) <= 75


@pytest.mark.parametrize("megabytes", (12, 50))
def test_big_mail_is_delivered_whole(postfix, standin, sink, megabytes):
    body = b"".join(b"%077d\r\n" % line for line in range(megabytes * 1_000_000 // 79))
    standin.create("board-1", RECIPIENT)
    reply = postfix.submit(SENDER, RECIPIENT, tagged("board-1", body))
    assert reply.code == 250, reply
    [delivery] = sink.wait(timeout=60)
    assert_cancellation(delivery, "board-1")
    assert body in delivery.data


def test_mail_over_the_limit_is_refused_before_anything_is_cancelled(
        start_postfix, start_filter, standin):
    postfix = start_postfix(start_filter(milter={"max_message_size": "1M"}).socket)
    standin.create("board-1", RECIPIENT)
    reply = postfix.submit(SENDER, RECIPIENT, tagged("board-1", b"x" * 70 + b"\r\n" * 1_000_000))
    assert reply.code == 552, reply
    assert standin.requests() == []


# Tags

@pytest.mark.parametrize("line", (
    "x-cancel-invite: board-1",
    "X-CANCEL-INVITE:board-1",
    "X-Cancel-Invite :  board-1",
    "X-Cancel-Invite:\r\n\tboard-1",
    'X-Cancel-Invite: "board-1"',
    "X-Cancel-Invite: =?UTF-8?Q?board=2D1?=",
))
def test_tag_may_be_written_in_many_ways(postfix, standin, sink, line):
    standin.create("board-1", RECIPIENT)
    reply = postfix.submit(SENDER, RECIPIENT, untagged(header=f"{line}\r\n"))
    assert reply.code == 250, reply
    [delivery] = sink.wait()
    assert_cancellation(delivery, "board-1")
    assert b"cancel-invite" not in delivery.header.lower()


def test_tag_may_name_another_recipient(postfix, standin, sink):
    standin.create("board-1", "ann@private.example")
    message = tagged("board-1; recipient=ann@private.example")
    assert postfix.submit(SENDER, RECIPIENT, message).code == 250
    [delivery] = sink.wait()
    assert_cancellation(delivery, "board-1", invited="ann@private.example")


def test_refuses_two_tags_in_one_message(postfix, standin):
    standin.create("board-1", RECIPIENT)
    reply = postfix.submit(SENDER, RECIPIENT, tagged("board-1", header="X-Cancel-Invite: 2\r\n"))
    assert_refused(reply, "X-Cancel-Invite", "each invite")
    assert standin.requests() == []


def test_refuses_an_empty_tag(postfix, standin):
    assert_refused(postfix.submit(SENDER, RECIPIENT, tagged("")), "X-Cancel-Invite")
    assert standin.requests() == []


def test_refuses_two_recipients_and_tells_about_queued_mode(postfix, standin):
    standin.create("board-1", RECIPIENT)
    reply = postfix.submit(SENDER, [RECIPIENT, "bob@example.com"], tagged("board-1"))
    assert_refused(reply, "queued")
    assert standin.requests() == []


def test_refuses_two_different_content_types(postfix, standin):
    standin.create("board-1", RECIPIENT)
    header = "MIME-Version: 1.0\r\nContent-Type: text/html\r\nContent-Type: text/plain\r\n"
    reply = postfix.submit(SENDER, RECIPIENT, tagged("board-1", header=header))
    assert_refused(reply, "Content-Type")
    assert standin.requests() == []


# Trust

def test_tag_of_a_stranger_is_removed(postfix, standin, sink):
    standin.create("board-1", RECIPIENT)
    assert postfix.submit(SENDER, RECIPIENT, tagged("board-1"), **STRANGER).code == 250
    [delivery] = sink.wait()
    assert_untouched(delivery, untagged())
    assert standin.requests() == []


def test_log_tells_whose_tag_was_removed(postfix, filter):
    assert postfix.submit(SENDER, RECIPIENT, tagged("board-1"), **STRANGER).code == 250
    filter.wait_for_log(r"untrusted_stripped.*203\.0\.113\.9", timeout=2)


def test_all_tags_of_a_stranger_are_removed(postfix, standin, sink):
    tags = "X-Cancel-Invite: a\r\nX-Other: 1\r\nx-cancel-invite:\r\n\tb\r\nX-Cancel-Invite: c\r\n"
    assert postfix.submit(SENDER, RECIPIENT, untagged(header=tags), **STRANGER).code == 250
    [delivery] = sink.wait()
    assert_untouched(delivery, untagged(header="X-Other: 1\r\n"))
    assert standin.requests() == []


def test_stranger_can_be_refused(start_postfix, start_filter, standin):
    postfix = start_postfix(start_filter(trust={"untrusted": "reject"}).socket)
    standin.create("board-1", RECIPIENT)
    reply = postfix.submit(SENDER, RECIPIENT, tagged("board-1"), **STRANGER)
    assert_refused(reply)
    assert standin.requests() == []


def test_tag_of_a_stranger_can_be_kept(start_postfix, start_filter, standin, sink):
    postfix = start_postfix(start_filter(trust={"untrusted": "keep"}).socket)
    standin.create("board-1", RECIPIENT)
    assert postfix.submit(SENDER, RECIPIENT, tagged("board-1"), **STRANGER).code == 250
    [delivery] = sink.wait()
    assert_untouched(delivery, tagged("board-1"))
    assert standin.requests() == []


def test_stranger_who_has_logged_in_is_trusted(postfix, standin, sink):
    standin.create("board-1", RECIPIENT)
    reply = postfix.submit(SENDER, RECIPIENT, tagged("board-1"), **STRANGER, LOGIN="acme-app")
    assert reply.code == 250, reply
    assert_cancellation(sink.wait()[0], "board-1")


def test_login_can_count_for_nothing(start_postfix, start_filter, standin, sink):
    postfix = start_postfix(start_filter(trust={"authenticated": False}).socket)
    standin.create("board-1", RECIPIENT)
    postfix.submit(SENDER, RECIPIENT, tagged("board-1"), **STRANGER, LOGIN="acme-app")
    assert_untouched(sink.wait()[0], untagged())


def test_account_is_chosen_by_sender_or_login(start_postfix, start_filter, standin, sink):
    standin.set(api_keys=["CRN_acme", "CRN_zeta"])
    postfix = start_postfix(start_filter(accounts={
        "acme": {"senders": "@acme.example", "api_key": "CRN_acme"},
        "zeta": {"logins": "zeta-app", "api_key": "CRN_zeta"},
    }).socket)
    for number, (sender, login) in enumerate((
            (SENDER, {}), ("robot@zeta.example", {"LOGIN": "zeta-app"}))):
        standin.create(f"board-{number}", RECIPIENT)
        reply = postfix.submit(sender, RECIPIENT, tagged(f"board-{number}"), **login)
        assert reply.code == 250, reply
    assert [each.api_key for each in standin.requests()] == ["CRN_acme", "CRN_zeta"]
    sink.wait(2)


def test_refuses_a_sender_of_no_account(start_postfix, start_filter, standin):
    postfix = start_postfix(start_filter(accounts={"acme": {"senders": "@acme.example"}}).socket)
    standin.create("board-1", RECIPIENT)
    reply = postfix.submit("robot@other.example", RECIPIENT, tagged("board-1"))
    assert_refused(reply, "robot@other.example")
    assert reply.code == 550
    assert standin.requests() == []


# What Cronofy refuses, and when it can't be reached

def test_refusal_is_passed_on_with_its_reason(postfix, standin, sink):
    standin.script("board-1", status(422))
    reply = postfix.submit(SENDER, RECIPIENT, tagged("board-1"))
    assert_refused(reply, "smart_invite_id", "errors.required")
    assert sink.deliveries == []


def test_unknown_invite_is_refused(postfix, standin, sink):
    assert_refused(postfix.submit(SENDER, RECIPIENT, tagged("board-1")), "no such invite", "404")
    assert len(standin.cancel_requests()) == 1
    assert sink.deliveries == []


def test_refused_mail_by_sendmail_command_bounces_with_the_reason(postfix, sink):
    postfix.sendmail(tagged("board-1"), "-f", SENDER, RECIPIENT)
    [bounce] = sink.wait()
    assert (bounce.mail_from, bounce.rcpt_to) == ("", [SENDER])
    assert b"no such invite" in bounce.body


@pytest.mark.parametrize("outage", OUTAGES)
def test_outage_is_temporary(start_postfix, start_filter, standin, sink, outage):
    postfix = start_postfix(start_filter(cronofy=IMPATIENT).socket)
    standin.create("board-1", RECIPIENT)
    standin.script("board-1", forever(OUTAGES[outage]))
    reply = postfix.submit(SENDER, RECIPIENT, tagged("board-1"))
    assert_temporary(reply)
    assert sink.deliveries == []


def test_unreachable_cronofy_is_temporary(start_postfix, start_filter, sink):
    # Port 9 of a loopback address of its own: nobody listens there.
    refusing = {**IMPATIENT, "url": "http://127.255.255.9:9", "ca_file": None}
    postfix = start_postfix(start_filter(cronofy=refusing).socket)
    assert_temporary(postfix.submit(SENDER, RECIPIENT, tagged("board-1")))
    assert sink.deliveries == []


def test_mail_by_sendmail_command_waits_for_the_end_of_an_outage(
        start_postfix, start_filter, standin, sink):
    postfix = start_postfix(start_filter(cronofy=IMPATIENT).socket)
    standin.script("board-1", forever(status(503)))
    postfix.sendmail(tagged("board-1"), "-f", SENDER, RECIPIENT)
    postfix.wait_for_log("milter-reject")
    assert [each["queue_name"] for each in postfix.queue()] == ["maildrop"]
    assert sink.deliveries == []

    standin.reset()
    standin.create("board-1", RECIPIENT)
    deliver(postfix, sink)
    assert_cancellation(sink.deliveries[0], "board-1")


def test_postfix_waits_longer_than_its_time_out_while_cronofy_is_slow(
        start_postfix, start_filter, standin, sink):
    filter = start_filter(cronofy={"timeout": "20s", "deadline": "20s"})
    postfix = start_postfix(filter.socket, main="milter_content_timeout = 6s")
    standin.create("board-1", RECIPIENT)
    standin.set(latency=7)
    assert postfix.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    assert_cancellation(sink.wait()[0], "board-1")


def test_invite_is_cancelled_once_when_the_next_server_puts_the_mail_off(
        postfix, standin, sink):
    standin.create("board-1", RECIPIENT)
    sink.defer(RECIPIENT)
    assert postfix.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    postfix.wait_for_log("status=deferred")

    sink.reset()
    deliver(postfix, sink)
    assert_cancellation(sink.deliveries[0], "board-1")
    assert standin.cancels() == [("board-1", RECIPIENT)]


# When the filter isn't there

def test_mail_waits_while_the_filter_is_down(start_postfix, start_filter, standin, sink):
    filter = start_filter()
    postfix = start_postfix(filter.socket)
    standin.create("board-1", RECIPIENT)
    filter.kill()
    assert_temporary(postfix.submit(SENDER, RECIPIENT, tagged("board-1")))
    assert_temporary(postfix.submit(SENDER, RECIPIENT, untagged()))
    postfix.sendmail(tagged("board-1"), "-f", SENDER, RECIPIENT)
    postfix.wait_for_log("Service unavailable")
    assert [each["queue_name"] for each in postfix.queue()] == ["maildrop"]

    filter.start()
    assert postfix.submit(SENDER, RECIPIENT, untagged()).code == 250
    deliver(postfix, sink, 2)
    delivered = sorted(sink.deliveries, key=lambda each: len(each.data))
    assert_untouched(delivered[0], untagged())
    assert_cancellation(delivered[1], "board-1")


def test_mail_is_not_lost_when_the_filter_dies_while_it_waits(
        start_postfix, start_filter, standin, sink):
    filter = start_filter()
    postfix = start_postfix(filter.socket)
    standin.create("board-1", RECIPIENT)
    standin.script("board-1", trouble("held"))
    with ThreadPoolExecutor() as pool:
        reply = pool.submit(postfix.submit, SENDER, RECIPIENT, tagged("board-1"))
        standin.wait_for_requests()
        filter.kill()
        assert_temporary(reply.result())

    filter.start()
    assert postfix.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    assert_cancellation(sink.wait()[0], "board-1")


# What the administrator can choose

def test_refused_mail_can_be_put_on_hold(start_postfix, start_filter, sink):
    postfix = start_postfix(start_filter(milter={"on_refused": "hold"}).socket)
    assert postfix.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    [held] = until(postfix.queue, 10, postfix.log)
    assert held["queue_name"] == "hold"
    assert sink.deliveries == []


def test_refused_mail_can_be_put_off(start_postfix, start_filter):
    postfix = start_postfix(start_filter(milter={"on_refused": "tempfail"}).socket)
    assert_temporary(postfix.submit(SENDER, RECIPIENT, tagged("board-1")))


def test_refused_mail_can_be_delivered_without_the_calendar(start_postfix, start_filter, sink):
    postfix = start_postfix(start_filter(milter={"on_refused": "deliver"}).socket)
    assert postfix.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    assert_untouched(sink.wait()[0], untagged())


def test_mail_in_an_outage_can_be_put_on_hold(start_postfix, start_filter, standin):
    filter = start_filter(milter={"on_unavailable": "hold"}, cronofy=IMPATIENT)
    postfix = start_postfix(filter.socket)
    standin.script("*", forever(status(503)))
    assert postfix.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    [held] = until(postfix.queue, 10, postfix.log)
    assert held["queue_name"] == "hold"


def test_mail_in_an_outage_can_be_delivered_without_the_calendar(
        start_postfix, start_filter, standin, sink):
    filter = start_filter(milter={"on_unavailable": "deliver"}, cronofy=IMPATIENT)
    postfix = start_postfix(filter.socket)
    standin.script("*", forever(status(503)))
    assert postfix.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    assert_untouched(sink.wait()[0], untagged())


# Connections

def test_messages_of_one_connection_do_not_mix(postfix, standin, sink):
    standin.create("board-1", RECIPIENT)
    standin.create("board-2", "bob@example.com")
    with postfix.connect() as client:
        assert client.send(SENDER, RECIPIENT, tagged("board-1")).code == 250
        assert client.send(SENDER, "eve@example.com", untagged()).code == 250
        assert_refused(client.send(SENDER, RECIPIENT, tagged("unknown")))
        assert client.send(SENDER, "bob@example.com", tagged("board-2")).code == 250
    got = {each.rcpt_to[0]: each for each in sink.wait(3)}
    assert_cancellation(got[RECIPIENT], "board-1")
    assert_untouched(got["eve@example.com"], untagged())
    assert_cancellation(got["bob@example.com"], "board-2", "bob@example.com")


def test_transaction_that_is_given_up_leaves_nothing_behind(postfix, standin, sink):
    standin.create("board-1", RECIPIENT)
    with postfix.connect() as client:
        client.mail("robot@other.example")
        client.rcpt("bob@example.com")
        client.rset()
        assert client.send(SENDER, RECIPIENT, tagged("board-1")).code == 250
    assert_cancellation(sink.wait()[0], "board-1")


def test_nothing_is_cancelled_when_the_client_drops_in_mid_data(postfix, standin, sink):
    standin.create("board-1", RECIPIENT)
    client = postfix.connect()
    client.mail(SENDER)
    client.rcpt(RECIPIENT)
    client.command("DATA")
    client.send_raw(tagged("board-1", b"The board meeting\r\n" * 10_000))
    client.drop()
    postfix.wait_for_log("lost connection after DATA")

    assert postfix.submit(SENDER, RECIPIENT, untagged()).code == 250
    assert_untouched(sink.wait()[0], untagged())
    assert standin.requests() == []


def test_parallel_messages_get_each_its_own_calendar(postfix, standin, sink):
    people = {f"board-{number}": f"guest-{number}@example.com" for number in range(20)}
    for invite, guest in people.items():
        standin.create(invite, guest)
    standin.set(latency=0.1)
    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda invite: postfix.submit(
            SENDER, people[invite], tagged(invite)), people))
    assert {reply.code for reply in replies} == {250}
    got = {each.rcpt_to[0]: each for each in sink.wait(20)}
    for invite, guest in people.items():
        assert_cancellation(got[guest], invite, guest)


def test_filter_on_an_inet_socket(start_postfix, start_filter, standin, sink):
    with contextlib.closing(Port()) as port:
        filter = start_filter(milter={"socket": f"inet:{port.number}@127.0.0.1"})
    postfix = start_postfix(filter.socket)
    standin.create("board-1", RECIPIENT)
    assert postfix.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    assert_cancellation(sink.wait()[0], "board-1")


def test_chrooted_postfix_may_use_a_socket_of_its_group_below_its_queue_directory(
        start_postfix, start_filter, standin, sink, workdir):
    postfix = start_postfix("unix:cancel-invite-milter/milter.sock", chroot=True)
    folder = workdir.folder(postfix.spool.relative_to(workdir.path) / "cancel-invite-milter")
    start_filter(milter={"socket": f"unix:{folder}/milter.sock", "socket_mode": "0660",
                         "socket_group": MAIL_OWNER})
    standin.create("board-1", RECIPIENT)
    assert postfix.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    assert_cancellation(sink.wait()[0], "board-1")


def deliver(postfix, sink, count=1):
    """Has Postfix try its queue until there are that many deliveries."""
    def flushed():
        postfix.flush()
        with contextlib.suppress(AssertionError):
            return sink.wait(count, 0.2)
    until(flushed, 20, postfix.log)
