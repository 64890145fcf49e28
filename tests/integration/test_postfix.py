"""A real Postfix with the filter: what it does otherwise than Sendmail, and each setting of the filter
that one mail server is enough for. What they have in common is in test_mta.py.
"""

import contextlib

from lab.cancellation import assert_cancellation, assert_untouched
from lab.messages import RECIPIENT, SENDER, tagged, untagged
from lab.postfix import MAIL_OWNER
from lab.process import Port, until
from lab.smtp import assert_refused, assert_temporary
from standin.client import forever, status

IMPATIENT = {"timeout": "300ms", "deadline": "1s", "attempts": 2}


# What recipients get

def test_untagged_mail_of_the_longest_line_stays_as_it_is(postfix, standin, sink):
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


def test_mail_of_50_megabytes_is_delivered_whole(postfix, standin, sink):
    body = b"".join(b"%077d\r\n" % line for line in range(50_000_000 // 79))
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

def test_tag_may_name_another_recipient(postfix, standin, sink):
    standin.create("board-1", "ann@private.example")
    message = tagged("board-1; recipient=ann@private.example")
    assert postfix.submit(SENDER, RECIPIENT, message).code == 250
    [delivery] = sink.wait()
    assert_cancellation(delivery, "board-1", invited="ann@private.example")


def test_refuses_an_empty_tag(postfix, standin):
    assert_refused(postfix.submit(SENDER, RECIPIENT, tagged("")), "X-Cancel-Invite")
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
    assert postfix.submit(SENDER, RECIPIENT, tagged("board-1"), **postfix.stranger).code == 250
    [delivery] = sink.wait()
    assert_untouched(delivery, untagged())
    assert standin.requests() == []


def test_log_tells_whose_tag_was_removed(postfix, filter):
    assert postfix.submit(SENDER, RECIPIENT, tagged("board-1"), **postfix.stranger).code == 250
    filter.wait_for_log(r"untrusted_stripped.*203\.0\.113\.9", timeout=2)


def test_tag_of_a_stranger_can_be_kept(start_postfix, start_filter, standin, sink):
    postfix = start_postfix(start_filter(trust={"untrusted": "keep"}).socket)
    standin.create("board-1", RECIPIENT)
    assert postfix.submit(SENDER, RECIPIENT, tagged("board-1"), **postfix.stranger).code == 250
    [delivery] = sink.wait()
    assert_untouched(delivery, tagged("board-1"))
    assert standin.requests() == []


def test_stranger_who_has_logged_in_is_trusted(postfix, standin, sink):
    standin.create("board-1", RECIPIENT)
    reply = postfix.submit(SENDER, RECIPIENT, tagged("board-1"), **postfix.stranger, LOGIN="acme-app")
    assert reply.code == 250, reply
    assert_cancellation(sink.wait()[0], "board-1")


def test_login_can_count_for_nothing(start_postfix, start_filter, standin, sink):
    postfix = start_postfix(start_filter(trust={"authenticated": False}).socket)
    standin.create("board-1", RECIPIENT)
    postfix.submit(SENDER, RECIPIENT, tagged("board-1"), **postfix.stranger, LOGIN="acme-app")
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


# What Cronofy refuses, and when it can't be reached

def test_unknown_invite_is_refused(postfix, standin, sink):
    assert_refused(postfix.submit(SENDER, RECIPIENT, tagged("board-1")), "no such invite", "404")
    assert len(standin.cancel_requests()) == 1
    assert sink.deliveries == []


def test_unreachable_cronofy_is_temporary(start_postfix, start_filter, sink):
    # Port 9 of a loopback address of its own: nobody listens there.
    refusing = {**IMPATIENT, "url": "http://127.255.255.9:9", "ca_file": None}
    postfix = start_postfix(start_filter(cronofy=refusing).socket)
    assert_temporary(postfix.submit(SENDER, RECIPIENT, tagged("board-1")))
    assert sink.deliveries == []


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
    postfix.flush_until_delivered(sink)
    assert_cancellation(sink.deliveries[0], "board-1")
    assert standin.cancels() == [("board-1", RECIPIENT)]


# When the filter isn't there

# What the administrator can choose

def test_refused_mail_can_be_put_off(start_postfix, start_filter):
    postfix = start_postfix(start_filter(milter={"on_refused": "tempfail"}).socket)
    assert_temporary(postfix.submit(SENDER, RECIPIENT, tagged("board-1")))


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

def test_transaction_that_is_given_up_leaves_nothing_behind(postfix, standin, sink):
    standin.create("board-1", RECIPIENT)
    with postfix.connect() as client:
        client.mail("robot@other.example")
        client.rcpt("bob@example.com")
        client.rset()
        assert client.send(SENDER, RECIPIENT, tagged("board-1")).code == 250
    assert_cancellation(sink.wait()[0], "board-1")


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
