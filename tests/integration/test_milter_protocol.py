"""The filter and an MTA that can do everything an MTA may, right and wrong."""

import contextlib
import functools
import json
import random
import re
import resource
import socket
import struct
import time

import pytest

from lab import milter_client as milter
from lab import one_message
from lab.filter_process import FilterProcess, connect
from lab.milter_client import TAG, Delivery, MilterSession, connection, mail, strings
from lab.one_message import STRANGER, TAGGED, assert_cancelled, same_boundaries
from lab.process import Port, until
from lab.workdir import Workdir
from standin import icalendar
from standin.client import forever, status, trouble


@pytest.fixture
def cronofy(cronofy):
    """Of board-1 it gives always the same calendar, so that results can be compared."""
    cronofy.create("board-1", "guest@example.org", calendar=icalendar.text(icalendar.cancellation(
        "1@cronofy.example", "guest@example.org", stamp="20260427T100000Z")))
    return cronofy


@pytest.fixture
def deliver(filter, cronofy):
    """Delivers one message to a filter of the default configuration."""
    return functools.partial(one_message.deliver, filter)


def assert_untouched(result, message):
    assert result.action == "accept", result
    assert result.message_bytes == message


def assert_refused(result, *words):
    assert result.action == "reject" and result.reply, result
    for word in words:
        assert word in result.reply


def assert_serves(running):
    assert_cancelled(one_message.deliver(running))


class TestNegotiation:
    def test_takes_no_step_that_it_does_not_need(self, start):
        with MilterSession(start().socket) as mta:
            assert mta.steps & milter.NOHELO and mta.steps & milter.NOUNKNOWN
            assert not mta.steps & (milter.NOCONNECT | milter.NOMAIL | milter.NORCPT
                                    | milter.NOHDRS | milter.NOEOH | milter.NOBODY)

    def test_answers_only_where_it_decides(self, start):
        unanswered = milter.NR_CONN | milter.NR_MAIL | milter.NR_RCPT | milter.NR_HDR
        with MilterSession(start().socket) as mta:
            assert mta.steps & unanswered == unanswered
            assert not mta.steps & (milter.NR_EOH | milter.NR_BODY)

    def test_leaves_out_data_on_a_unix_socket(self, start):
        with MilterSession(start().socket) as mta:
            assert mta.steps & milter.NODATA

    def test_takes_data_over_tcp_where_leaving_it_out_would_cost_a_delayed_packet(self, start):
        port = Port()
        running = start(milter={"socket": f"inet:{port.number}@127.0.0.1"})
        with MilterSession(running.socket) as mta:
            assert not mta.steps & milter.NODATA
            assert_cancelled(mta.deliver(TAGGED))

    def test_asks_for_no_right_that_it_does_not_use(self, start):
        with MilterSession(start().socket) as mta:
            assert not mta.actions & (milter.ADDRCPT | milter.DELRCPT | milter.CHGFROM
                                      | milter.ADDRCPT_PAR)

    @pytest.mark.parametrize("numbering", ["postfix", "sendmail"])
    @pytest.mark.parametrize("steps", [
        milter.ALL_STEPS & ~milter.HDR_LEADSPC,
        milter.ALL_STEPS & ~milter.SKIP,
        milter.ALL_STEPS & ~milter.NR_HDR,
        milter.ALL_STEPS & ~(milter.NOHELO | milter.NOUNKNOWN | milter.NODATA),
        milter.HDR_LEADSPC, milter.NR_HDR, milter.OLD_STEPS, 0x3F,
    ], ids=hex)
    def test_gives_the_same_result_to_mtas_that_offer_less(self, start, steps, numbering):
        running = start()
        with MilterSession(running.socket, numbering=numbering) as mta:
            most = mta.deliver(TAGGED).message_bytes
        with MilterSession(running.socket, steps=steps, numbering=numbering) as mta:
            result = mta.deliver(TAGGED)
            assert_cancelled(result)
            assert same_boundaries(result.message_bytes) == same_boundaries(most)
            assert_untouched(mta.deliver(mail()), mail())
        assert "claimed not to reply" not in running.log()

    @pytest.mark.parametrize("version", [2, 3, 4, 5, 6, 7])
    def test_speaks_older_and_newer_versions(self, start, version):
        running = start()
        steps = milter.OLD_STEPS if version < 6 else milter.ALL_STEPS
        actions = 0x3F if version < 6 else milter.ALL_ACTIONS
        with MilterSession(running.socket, version=version, steps=steps, actions=actions) as mta:
            assert_cancelled(mta.deliver(TAGGED))

    @pytest.mark.parametrize("name", ["ADDHDRS", "CHGHDRS", "CHGBODY"])
    def test_refuses_an_mta_that_does_not_let_it_change_mail_and_says_why(self, start, name):
        running = start()
        with pytest.raises(ConnectionError):
            MilterSession(running.socket, actions=milter.ALL_ACTIONS & ~getattr(milter, name))
        running.wait_for_log("(?i)error.*(permit|allow|header|body)")
        assert_serves(running)

    @pytest.mark.parametrize("name", ["QUARANTINE", "SETSYMLIST", "ADDRCPT", "CHGFROM"])
    def test_works_without_rights_that_it_does_not_need(self, start, name):
        actions = milter.ALL_ACTIONS & ~getattr(milter, name)
        with MilterSession(start().socket, actions=actions) as mta:
            assert_cancelled(mta.deliver(TAGGED))

    def test_never_delivers_what_it_cannot_hold(self, start, cronofy):
        running = start(milter={"on_refused": "hold"})
        cronofy.script("board-1", forever(status(404)))
        with contextlib.suppress(ConnectionError):
            actions = milter.ALL_ACTIONS & ~milter.QUARANTINE
            with MilterSession(running.socket, actions=actions) as mta:
                assert mta.deliver(TAGGED).action == "tempfail"
        line = running.wait_for_log("result=.*")[0]
        assert "result=not_taken" in line, line

    def test_learns_the_queue_id(self, start):
        running = start()
        with MilterSession(running.socket) as mta:
            mta.deliver(TAGGED, macros={"i": "4AbCdE99"})
        running.wait_for_log("4AbCdE99")


class TestUntaggedMail:
    @pytest.mark.parametrize("message", [
        mail(), mail(body=""), b"\r\nNo header at all\r\n", b"From: a@b.example\r\n",
        mail("X-Cancel-Invites: 1", "Cancel-Invite: 1", "X-Cancel: 1", "X-X-Cancel-Invite: 1"),
        mail("Subject: X-Cancel-Invite: 1"), mail("Comment: a\r\n X-Cancel-Invite: 1"),
        mail(body="X-Cancel-Invite: 1\r\n"), mail(b"Subject: \xff\xfe"),
    ], ids=range(9))
    def test_is_accepted_before_its_body_is_sent(self, deliver, cronofy, message):
        result = deliver(message)
        assert_untouched(result, message)
        assert result.steps_seen[-1] == "eoh"
        assert not cronofy.requests()

    def test_may_come_from_anyone_to_anyone(self, start, cronofy):
        running = start(accounts={"acme": {"senders": "@acme.example"}})
        with MilterSession(running.socket) as mta:
            everyone = [f"guest{n}@example.org" for n in range(100)]
            assert_untouched(mta.deliver(mail(), "x@elsewhere.example", everyone, STRANGER), mail())

    def test_may_have_thousands_of_headers(self, deliver):
        message = mail(*(f"X-Number-{n}: {n}" for n in range(5000)))
        assert_untouched(deliver(message), message)


class TestTag:
    @pytest.mark.parametrize("field", [
        TAG, "x-cancel-invite: board-1", "X-CANCEL-INVITE:board-1", "X-Cancel-Invite:\tboard-1",
        "X-Cancel-Invite:  board-1  ", "X-Cancel-Invite:\r\n board-1", "X-Cancel-Invite : board-1",
        'X-Cancel-Invite: "board-1"', "X-Cancel-Invite: =?utf-8?q?board-1?=",
    ])
    @pytest.mark.parametrize("numbering", ["postfix", "sendmail"])
    @pytest.mark.parametrize("steps", [milter.ALL_STEPS, milter.OLD_STEPS], ids=hex)
    def test_names_the_invite_and_goes(self, filter, cronofy, field, numbering, steps):
        with MilterSession(filter.socket, numbering=numbering, steps=steps) as mta:
            assert_cancelled(mta.deliver(mail(field, "X-Last: 1")))
        assert cronofy.cancels() == [("board-1", "guest@example.org")]

    @pytest.mark.parametrize("second", [TAG, "x-cancel-invite: board-2", "X-Cancel-Invite:"])
    def test_counts_once_in_a_message(self, deliver, cronofy, second):
        assert_refused(deliver(mail(TAG, "X-Between: 1", second)), "X-Cancel-Invite")
        assert not cronofy.requests()

    @pytest.mark.parametrize("value, shown", [
        ("", ""), ("  ", ""), (b"\xff\xfe", "xff"), ('"open', "open"),
        ("ok; colour=red", "colour"), ("=?utf-8?q?=00?=", "x00"), ("x" * 3000, "xxx"),
    ], ids=range(7))
    def test_is_refused_and_quoted_if_it_makes_no_sense(self, deliver, cronofy, value, shown):
        value = value if isinstance(value, bytes) else value.encode()
        assert_refused(deliver(mail(b"X-Cancel-Invite: " + value)), shown)
        assert not cronofy.requests()

    def test_may_hold_what_would_upset_a_reply(self, deliver):
        assert_refused(deliver(mail("X-Cancel-Invite: a; 100%s%n%%=\u20ac")), "%s%n%%")

    def test_has_the_configured_name(self, start):
        with MilterSession(start(milter={"header": "x-Off"}).socket) as mta:
            assert_untouched(mta.deliver(TAGGED), TAGGED)
            result = mta.deliver(mail("X-oFF: board-1"))
            assert_cancelled(result)
            assert b"x-off" not in result.message_bytes.lower()

    def test_of_several_recipients_is_refused_with_advice(self, deliver, cronofy):
        result = deliver(TAGGED, recipients=["a@example.org", "b@example.org"])
        assert_refused(result, "recipient")
        assert not cronofy.requests()

    def test_of_a_message_with_thousands_of_content_headers_is_refused(self, deliver, cronofy):
        assert_refused(deliver(mail(TAG, *(f"Content-X{n}: 1" for n in range(3000)))))
        assert not cronofy.requests()

    def test_names_another_recipient(self, deliver, cronofy):
        assert_cancelled(deliver(mail("X-Cancel-Invite: board-1; recipient=boss@example.org")))
        assert cronofy.cancels() == [("board-1", "boss@example.org")]

    @pytest.mark.parametrize("recipient", [b"guest@example.org", b"<guest@example.org>"])
    def test_takes_envelope_addresses_with_and_without_brackets(self, deliver, cronofy, recipient):
        assert_cancelled(deliver(TAGGED, recipients=[recipient]))
        assert cronofy.cancels() == [("board-1", "guest@example.org")]


class TestAddressThatIsTooLong:
    """No part of it may be taken for an address of its own."""

    @staticmethod
    def beginning_with(domain, end):
        return "x" * (320 - len(domain)) + domain + end

    def test_is_no_sender_of_an_account(self, start, cronofy):
        running = start(accounts={"acme": {"senders": "@acme.example"},
                                  "others": {"senders": "*"}})
        with MilterSession(running.socket) as mta:
            assert_refused(mta.deliver(
                TAGGED, self.beginning_with("@acme.example", ".evil.test")), "5.1.7")
        assert not cronofy.requests()

    def test_is_no_recipient_of_an_invite(self, deliver, cronofy):
        recipient = self.beginning_with("@example.org", ".other.test")
        assert_refused(deliver(TAGGED, recipients=[recipient]), "5.1.3")
        assert not cronofy.requests()


class TestUntrustedClient:
    TAGS = ("X-Cancel-Invite: 1", "x-cancel-invite: 2", "X-CANCEL-INVITE:\r\n\t3\r\n 4",
            b"X-Cancel-Invite: \xff\xe9", "X-Cancel-Invite: " + "x" * 3000, "X-Cancel-Invite:",
            TAG, TAG)

    @pytest.mark.parametrize("numbering", ["postfix", "sendmail"])
    @pytest.mark.parametrize("steps", [milter.ALL_STEPS, milter.OLD_STEPS], ids=hex)
    def test_has_all_its_tags_removed_and_nothing_else(self, start, cronofy, numbering, steps):
        running = start()
        others = [f"X-Other: {n}" for n in range(len(self.TAGS))]
        mixed = [field for pair in zip(self.TAGS, others) for field in pair]
        with MilterSession(running.socket, numbering=numbering, steps=steps) as mta:
            assert_untouched(mta.deliver(mail(*mixed), client=STRANGER), mail(*others))
        assert not cronofy.requests()
        running.wait_for_log("203.0.113.9")

    def test_has_many_tags_removed(self, deliver):
        assert_untouched(deliver(mail(*[TAG] * 46), client=STRANGER), mail())

    def test_is_not_asked_for_the_body_in_vain(self, deliver):
        result = deliver(mail(TAG, body="x" * 10_000_000), client=STRANGER)
        assert result.action == "accept" and result.steps_seen.count("body") <= 1

    def test_is_refused_if_so_configured(self, start, cronofy):
        with MilterSession(start(trust={"untrusted": "reject"}).socket) as mta:
            result = mta.deliver(TAGGED, client=STRANGER)
            assert_refused(result)
            assert "body" not in result.steps_seen and not cronofy.requests()
            assert_untouched(mta.deliver(mail(), client=STRANGER), mail())

    def test_keeps_its_tags_if_so_configured(self, start, cronofy):
        with MilterSession(start(trust={"untrusted": "keep"}).socket) as mta:
            assert_untouched(mta.deliver(mail(TAG, TAG), client=STRANGER), mail(TAG, TAG))
        assert not cronofy.requests()


class TestTrust:
    @pytest.mark.parametrize("networks, client, trusted", [
        (None, "127.0.0.1", True), (None, "127.255.255.255", True), (None, "128.0.0.0", False),
        (None, "126.255.255.255", False), (None, "::1", True), (None, "::2", False),
        (None, "::ffff:127.0.0.1", True), (None, "::ffff:192.0.2.1", False),
        (None, "::7f00:1", False), (None, "::127.0.0.1", False),
        ("192.0.2.8/29", "192.0.2.7", False), ("192.0.2.8/29", "192.0.2.8", True),
        ("192.0.2.8/29", "192.0.2.15", True), ("192.0.2.8/29", "192.0.2.16", False),
        ("192.0.2.8/29", "127.0.0.1", False), ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.0", False), ("192.0.2.0/31", "192.0.2.1", True),
        ("192.0.2.0/31", "192.0.2.2", False), ("0.0.0.0/0", "203.0.113.9", True),
        ("0.0.0.0/0", "2001:db8::1", False), ("0.0.0.0/0", "::ffff:203.0.113.9", True),
        ("128.0.0.0/1", "127.255.255.255", False), ("128.0.0.0/1", "128.0.0.1", True),
        ("192.0.2.0/24", "::ffff:192.0.2.77", True), ("::ffff:192.0.2.0/120", "192.0.2.77", True),
        ("::/0", "2001:db8::1", True), ("2001:db8::/33", "2001:db8:7fff::1", True),
        ("2001:db8::/33", "2001:db8:8000::1", False), ("2001:db8::/127", "2001:db8::1", True),
        ("2001:db8::/127", "2001:db8::2", False), ("::1", "IPv6:::1", True),
        ("", "127.0.0.1", False), ("10.0.0.0/8 192.0.2.1,::1", "192.0.2.1", True),
    ])
    def test_goes_by_the_client_address(self, start, networks, client, trusted):
        running = start(trust={} if networks is None else {"networks": networks})
        with MilterSession(running.socket) as mta:
            result = mta.deliver(TAGGED, client=(client, 40000))
        assert_cancelled(result) if trusted else assert_untouched(result, mail())

    @pytest.mark.parametrize("client", [None, "/run/client.sock"])
    def test_is_not_given_to_a_client_without_an_ip_address(self, start, client):
        running = start(trust={"networks": "0.0.0.0/0, ::/0"})
        with MilterSession(running.socket) as mta:
            assert_untouched(mta.deliver(TAGGED, client=client), mail())

    def test_is_given_to_who_has_logged_in(self, deliver):
        assert_cancelled(deliver(TAGGED, client=STRANGER, macros={"{auth_authen}": "joe"}))

    @pytest.mark.parametrize("macros", [
        {"{auth_authen}": ""}, {"{auth_type}": "PLAIN"}, {"{auth_author}": "joe"},
        {"{mail_addr}": "joe"}, {"auth_authen": "joe"}])
    def test_is_not_given_to_who_has_no_login(self, deliver, macros):
        assert_untouched(deliver(TAGGED, client=STRANGER, macros=macros), mail())

    def test_is_not_given_to_logins_if_so_configured(self, start):
        running = start(trust={"authenticated": False})
        with MilterSession(running.socket) as mta:
            login = {"{auth_authen}": "joe"}
            assert_untouched(mta.deliver(TAGGED, client=STRANGER, macros=login), mail())


class TestAccount:
    ACCOUNTS = {
        "acme": {"senders": "@Acme.example, robot@acme.org", "logins": "acme-app",
                 "api_key": "CRN_acme"},
        "other": {"senders": "@other.example @sub.acme.example", "logins": "other-app, acme",
                  "api_key": "CRN_other"},
    }

    @pytest.fixture
    def used(self, start, cronofy):
        """The account whose key Cronofy saw; None if the message was refused with 550."""
        cronofy.set(api_keys=["CRN_acme", "CRN_other"])
        running = start(accounts=self.ACCOUNTS)

        def send(sender, login=None):
            with MilterSession(running.socket) as mta:
                result = mta.deliver(TAGGED, sender, macros=login and {"{auth_authen}": login})
            if result.action == "accept":
                assert_cancelled(result)
                return cronofy.requests()[-1].api_key.removeprefix("CRN_")
            assert result.reply.startswith("550 5.7.1 "), result.reply
            assert not cronofy.requests()
            return None
        return send

    @pytest.mark.parametrize("sender, account", [
        ("app@acme.example", "acme"), ("APP@ACME.EXAMPLE", "acme"), ("robot@acme.org", "acme"),
        ("Robot@Acme.ORG", "acme"), ("app@other.example", "other"),
        ("app@sub.acme.example", "other"), ("other@acme.org", None), ("app@acme.org", None),
        ("app@notacme.example", None), ("app@acme.example.net", None), ("app@example", None),
        ("acme.example", None), ("", None),
        ('"app@acme.example"@evil.example', None),
    ])
    def test_is_that_of_the_sender(self, used, sender, account):
        assert used(sender) == account

    @pytest.mark.parametrize("sender, login, account", [
        ("x@nowhere.example", "acme-app", "acme"), ("x@nowhere.example", "other-app", "other"),
        ("app@acme.example", "other-app", "other"), ("app@acme.example", "somebody", "acme"),
        ("app@acme.example", "", "acme"), ("x@nowhere.example", "acme", "other"),
        ("x@nowhere.example", "acme-appx", None), ("x@nowhere.example", "acme-ap", None),
        ("", "acme-app", "acme"),
    ])
    def test_is_that_of_the_login_first(self, used, sender, login, account):
        assert used(sender, login) == account

    @pytest.mark.parametrize("sender", ["", "x@nowhere.example", "app@acme.example"])
    def test_may_serve_everyone(self, start, sender):
        running = start(accounts={"all": {"senders": "*"}})
        with MilterSession(running.socket) as mta:
            assert_cancelled(mta.deliver(TAGGED, sender))

    def test_that_names_the_sender_goes_before_one_for_everyone(self, start, cronofy):
        cronofy.set(api_keys=["CRN_all", "CRN_acme"])
        running = start(accounts={"all": {"senders": "*", "api_key": "CRN_all"},
                                  "acme": {"senders": "@acme.example", "api_key": "CRN_acme"}})
        with MilterSession(running.socket) as mta:
            assert_cancelled(mta.deliver(TAGGED, "app@acme.example"))
            assert_cancelled(mta.deliver(TAGGED, "x@nowhere.example"))
        assert [request.api_key for request in cronofy.requests()] == ["CRN_acme", "CRN_all"]

    def test_is_not_needed_by_those_who_may_not_cancel(self, start, cronofy):
        with MilterSession(start(accounts=self.ACCOUNTS).socket) as mta:
            result = mta.deliver(TAGGED, "x@nowhere.example", client=STRANGER)
            assert_untouched(result, mail())
        assert not cronofy.requests()


class TestSessionOfSeveralMessages:
    def test_keeps_them_apart(self, start, cronofy):
        with MilterSession(start().socket) as mta:
            for n in range(5):
                assert_cancelled(mta.deliver(mail(f"X-Cancel-Invite: board-{n}"),
                                             recipients=[f"guest{n}@example.org"]))
                assert_untouched(mta.deliver(mail()), mail())
        assert cronofy.cancels() == [(f"board-{n}", f"guest{n}@example.org") for n in range(5)]

    @pytest.mark.parametrize("last", ["mail", "rcpt", "header", "eoh", "body"])
    def test_forgets_one_that_was_given_up(self, start, cronofy, last):
        with MilterSession(start().socket) as mta:
            mta.deliver(mail())
            mta.begin(TAGGED, last)
            mta.abort()
            assert_untouched(mta.deliver(mail(), recipients="b@example.org"), mail())
            assert_cancelled(mta.deliver(mail("X-Cancel-Invite: board-2")))
        assert cronofy.cancels() == [("board-2", "guest@example.org")]

    @pytest.mark.parametrize("last", ["mail", "rcpt", "header", "eoh", "body"])
    def test_forgets_one_that_ended_without_a_word(self, start, cronofy, last):
        """After some replies of its own or another filter's the MTA tells nothing more."""
        with MilterSession(start().socket) as mta:
            mta.deliver(mail())
            mta.begin(TAGGED, last)
            assert_cancelled(mta.deliver(mail("X-Cancel-Invite: board-2")))
        assert cronofy.cancels() == [("board-2", "guest@example.org")]

    def test_forgets_one_that_was_refused(self, start, cronofy):
        with MilterSession(start().socket) as mta:
            assert_refused(mta.deliver(mail(TAG, TAG)))
            assert_untouched(mta.deliver(mail()), mail())
            assert_refused(mta.deliver(TAGGED, recipients=["a@b.example", "c@d.example"]))
            assert_cancelled(mta.deliver(TAGGED))
        assert cronofy.cancels() == [("board-1", "guest@example.org")]

    def test_forgets_a_login(self, start):
        with MilterSession(start().socket) as mta:
            login = {"{auth_authen}": "joe"}
            assert_cancelled(mta.deliver(TAGGED, client=STRANGER, macros=login))
            assert_untouched(mta.deliver(TAGGED, client=STRANGER), mail())

    def test_forgets_a_login_of_an_untagged_message(self, start):
        with MilterSession(start().socket) as mta:
            assert_untouched(mta.deliver(mail(), client=STRANGER,
                                         macros={"{auth_authen}": "joe"}), mail())
            assert_untouched(mta.deliver(TAGGED, client=STRANGER), mail())

    def test_forgets_a_queue_id(self, start):
        running = start()
        with MilterSession(running.socket) as mta:
            mta.deliver(TAGGED, macros={"i": "4First11"})
            running.wait_for_log("4First11.*\n")
            mark = len(running.log())
            mta.deliver(mail("X-Cancel-Invite: board-2"), macros={"i": "4Second2"})
        running.wait_for_log("board-2.*", after=mark)
        assert "4First11" not in running.log()[mark:]

    def test_goes_on_after_a_failure_of_cronofy(self, start, cronofy):
        cronofy.script("board-1", status(404))
        with MilterSession(start().socket) as mta:
            assert_refused(mta.deliver(TAGGED))
            assert_cancelled(mta.deliver(TAGGED))

    def test_takes_messages_of_many_sessions_at_once(self, start, cronofy):
        spec = start().socket
        deliveries = [Delivery(spec, mail(f"X-Cancel-Invite: board-{n}"),
                               recipients=f"guest{n}@example.org") for n in range(40)]
        for delivery in deliveries:
            assert_cancelled(delivery.result())
        assert sorted(cronofy.cancels()) == sorted(
            (f"board-{n}", f"guest{n}@example.org") for n in range(40))


class TestWaiting:
    def test_keeps_the_mta_patient(self, start, cronofy):
        cronofy.script("board-1", trouble("held"))
        delivery = Delivery(start(cronofy={"timeout": "30s", "deadline": "30s"}).socket, TAGGED)
        cronofy.wait_for_requests()
        time.sleep(7)  # progress is due every five seconds
        cronofy.release()
        result = delivery.result()
        assert_cancelled(result)
        assert result.progress_count >= 1

    def test_ends_at_the_deadline(self, start, cronofy):
        cronofy.script("*", forever(trouble("never")))
        running = start(cronofy={"timeout": "1s", "deadline": "1500ms"})
        begun = time.monotonic()
        with MilterSession(running.socket) as mta:
            result = mta.deliver(TAGGED)
        assert result.action == "tempfail" and result.reply.startswith("451 4."), result
        assert 1 <= time.monotonic() - begun < 4
        assert_untouched(result._replace(action="accept"), TAGGED)

    def test_is_for_a_bounded_number_at_once_and_the_others_are_put_off(self, start, cronofy):
        cronofy.script("*", forever(trouble("held")))
        running = start(milter={"max_active": 2}, cronofy={"timeout": "30s", "deadline": "30s"})
        deliveries = [Delivery(running.socket, TAGGED) for _ in range(6)]
        until(lambda: sum(delivery.done() for delivery in deliveries) == 4, 5, "four answers")
        put_off = [delivery for delivery in deliveries if delivery.done()]
        for delivery in put_off:
            assert delivery.result().reply.startswith("451 4.3.2 "), delivery.result()
        cronofy.wait_for_requests(2)
        cronofy.release()
        for delivery in set(deliveries) - set(put_off):
            assert_cancelled(delivery.result())
        running.wait_for_log("result=busy.*reply=451_4.3.2")
        # Who comes back later has a place.
        cronofy.script("*")
        assert_serves(running)

    def test_of_a_thousand_messages_in_an_outage_holds_few_threads(self, start, cronofy):
        """Those who find no place are answered while Cronofy says nothing to the others."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 4096:
            pytest.skip("this user may not open 4096 files")
        running = start(milter={"max_active": 20}, cronofy={"timeout": "60s", "deadline": "60s"})
        assert_serves(running)  # the filter learns that this server speaks HTTP/1.1
        cronofy.reset()
        cronofy.script("*", forever(trouble("held")))
        with contextlib.ExitStack() as stack:
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
            stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
            sessions = [MilterSession(running.socket) for _ in range(1000)]
            for mta in sessions:
                stack.callback(mta.drop)
            messages = [mta.begin(TAGGED, "body") for mta in sessions]
            idle = running.threads()
            begun = time.monotonic()
            for mta in sessions:
                mta.announce("eom", macros={})
            until(lambda: sum(mta.has_answer() for mta in sessions) == 980, 20, "980 answers")
            assert time.monotonic() - begun < 10
            # libmilter starts a thread for each session that speaks while all others are busy; those
            # that have nothing to wait for end at once.
            until(lambda: running.threads() <= idle + 20, 2,
                  lambda: f"few threads: {running.threads()}, {idle} before")
            for mta, message in zip(sessions, messages):
                if mta.has_answer():
                    verdict = mta.end_of_message(message)[0]
                    assert verdict[1].startswith("451 4.3.2 "), verdict
            cronofy.wait_for_requests(20)
            assert cronofy.counts()["in_flight"] == 20
            cronofy.release()

    @pytest.mark.parametrize("kind", ["unix", "inet"])
    def test_is_done_by_many_messages_at_the_same_time(self, start, cronofy, kind):
        """However they arrive: libmilter alone lets all but a few wait for each other's end."""
        port = Port()
        tcp = {"socket": f"inet:{port.number}@127.0.0.1"}
        running = start(milter=tcp if kind == "inet" else {},
                        cronofy={"timeout": "30s", "deadline": "30s"})
        assert_serves(running)  # the filter learns that this server speaks HTTP/1.1
        cronofy.reset()
        cronofy.script("*", forever(trouble("held")))
        sessions = [MilterSession(running.socket) for _ in range(20)]
        messages = [mta.begin(TAGGED, "body") for mta in sessions]
        for mta in sessions:
            mta.announce("eom", macros={})
        cronofy.wait_for_requests(20, timeout=5)
        with MilterSession(running.socket, timeout=5) as mta:
            assert_untouched(mta.deliver(mail()), mail())
        cronofy.release()
        for mta, message in zip(sessions, messages):
            assert mta.end_of_message(message)[0] == ("accept", "")

    def test_does_not_hinder_untagged_mail(self, start, cronofy):
        cronofy.script("board-1", trouble("held"))
        running = start(milter={"max_active": 1})
        waiting = Delivery(running.socket, TAGGED)
        cronofy.wait_for_requests()
        with MilterSession(running.socket) as mta:
            assert_untouched(mta.deliver(mail()), mail())
        cronofy.release()
        assert_cancelled(waiting.result())


class TestVerdict:
    @pytest.mark.parametrize("key, reply", [("on_refused", status(404)),
                                            ("on_unavailable", status(503))])
    def test_may_be_to_hold_the_message(self, start, cronofy, key, reply):
        cronofy.script("board-1", forever(reply))
        running = start(milter={key: "hold"}, cronofy={"attempts": 1})
        with MilterSession(running.socket) as mta:
            result = mta.deliver(TAGGED)
            assert result.action == "accept" and result.quarantine, result
            assert "\n" not in result.quarantine
            assert_untouched(mta.deliver(mail()), mail())

    @pytest.mark.parametrize("key, reply", [("on_refused", status(404)),
                                            ("on_unavailable", status(503))])
    def test_may_be_to_deliver_without_calendar(self, start, cronofy, key, reply):
        cronofy.script("board-1", forever(reply))
        running = start(milter={key: "deliver"}, cronofy={"attempts": 1})
        with MilterSession(running.socket) as mta:
            assert_untouched(mta.deliver(TAGGED), mail())

    def test_is_temporary_for_outages_and_final_for_refusals(self, start, cronofy):
        cronofy.script("board-1", forever(status(503)))
        cronofy.script("board-2", forever(status(422)))
        with MilterSession(start(cronofy={"attempts": 1}).socket) as mta:
            result = mta.deliver(TAGGED)
            assert result.action == "tempfail" and result.reply.startswith("451 4."), result
            assert_refused(mta.deliver(mail("X-Cancel-Invite: board-2")),
                           "smart_invite_id", "errors.required")

    def test_quotes_cronofy_within_what_a_reply_may_be(self, start, cronofy):
        text = "50% \r\n550 5.0.0 \u00e9\x07\u2028" + "x" * 5000
        errors = '{"errors": {"smart_invite_id": [{"key": "k", "description": %s}]}}'
        cronofy.script("board-1", status(422, errors % json.dumps(text)))
        with MilterSession(start().socket) as mta:
            result = mta.deliver(TAGGED)
        assert_refused(result)
        assert len(result.reply) < 1000 and not re.search(r"[\r\n\x07]", result.reply)

    def test_dry_run_changes_nothing(self, start, cronofy):
        with MilterSession(start(milter={"dry_run": True}).socket) as mta:
            assert_untouched(mta.deliver(TAGGED), TAGGED)
            assert_untouched(mta.deliver(mail(TAG, TAG)), mail(TAG, TAG))
            assert_untouched(mta.deliver(TAGGED, client=STRANGER), TAGGED)
        assert not cronofy.requests()

    @pytest.mark.parametrize("dry", [False, True], ids=["for_real", "in_a_dry_run"])
    def test_probe_is_discarded_and_cancels_nothing(self, start, cronofy, dry):
        filter = start(milter={"dry_run": dry})
        with MilterSession(filter.socket) as mta:
            result = mta.deliver(mail("X-Cancel-Invite: probe-4711; probe=yes"))
        assert result.action == "discard", result
        filter.wait_for_log("result=probe invite=probe-4711")
        assert not cronofy.requests()

    def test_probe_of_a_stranger_goes_no_way_of_its_own(self, start, cronofy):
        with MilterSession(start().socket) as mta:
            result = mta.deliver(mail("X-Cancel-Invite: probe-4711; probe=yes"), client=STRANGER)
        assert result.action == "accept", result
        assert b"X-Cancel-Invite" not in result.message_bytes


MULTIPART = mail(
    TAG, "MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="b1"',
    body='--b1\r\nContent-Type: multipart/alternative; boundary="b2"\r\n\r\n--b2\r\n\r\nText\r\n'
         "--b2\r\nContent-Type: text/html\r\n\r\n<p>Text\r\n--b2--\r\n--b1\r\n"
         "Content-Type: application/pdf\r\n\r\n%PDF\r\n--b1--\r\n")


class TestBody:
    @pytest.mark.parametrize("message", [TAGGED, MULTIPART], ids=["text", "multipart"])
    def test_may_come_in_pieces_of_any_size(self, start, message):
        with MilterSession(start().socket) as mta:
            whole = mta.deliver(message)
            assert_cancelled(whole)
            for chunk in (1, 2, 3, 7, 64):
                piecewise = mta.deliver(message, chunk=chunk)
                assert (same_boundaries(piecewise.message_bytes)
                        == same_boundaries(whole.message_bytes))

    def test_may_end_in_the_last_packet(self, start):
        """The protocol lets the end of the message carry a piece of the body."""
        with MilterSession(start().socket) as mta:
            message = mta.begin(TAGGED, "eoh")
            mta.announce("eom", b"Last words\r\n", {})
            assert mta.end_of_message(message)[0] == ("accept", "")
            assert b"Last words\r\n" in message.body

    @pytest.mark.parametrize("message", [mail(TAG, body=""), mail(TAG)[:-25]],
                             ids=["empty", "headers only"])
    def test_may_be_missing(self, deliver, message):
        assert b"body" not in deliver(message).steps_seen
        assert_cancelled(deliver(message))

    @pytest.mark.parametrize("body", [
        b"a\0b\r\n\0\0\r\n", b"\0" * 200_000, b"no line end", b"\r\n", b"\r\n" * 100_000, b"\r",
        b"bare\nline\nends\n", b"\xff" * 100_000, b".\r\n..\r\nFrom x\r\n",
        b"--" * 100_000, b"x" * 1_000_000,
    ], ids=range(11))
    def test_goes_on_byte_for_byte(self, deliver, body):
        result = deliver(mail(TAG, body=body))
        assert_cancelled(result)
        assert body in result.message_bytes

    @pytest.mark.parametrize("chunk", [4096, milter.CHUNK])
    def test_of_50_megabytes_needs_little_memory(self, start, chunk):
        running = start()
        assert_serves(running)
        before = running.rss_kib()
        body = random.Random(chunk).randbytes(1_000_000) * 50
        with MilterSession(running.socket) as mta:
            result = mta.deliver(mail(TAG, body=body), chunk=chunk)
        assert result.action == "accept" and body in result.message_bytes
        running.assert_no_bigger_than(before + 8_000)

    def test_that_is_too_large_is_refused_before_anything_is_cancelled(self, start, cronofy):
        with MilterSession(start(milter={"max_message_size": "64K"}).socket) as mta:
            result = mta.deliver(mail(TAG, body="x" * 10_000_000))
            assert_refused(result, "65536")
            assert not cronofy.requests()
            assert_untouched(mta.deliver(mail(body="x" * 100_000)), mail(body="x" * 100_000))
            assert_cancelled(mta.deliver(mail(TAG, body="x" * 60_000)))

    def test_that_is_too_large_is_not_read_to_its_end(self, start):
        with MilterSession(start(milter={"max_message_size": "64K"}).socket) as mta:
            result = mta.deliver(mail(TAG, body="x" * 10_000_000))
            assert result.steps_seen.count("body") < 20


class TestHeaders:
    def test_may_be_thousands(self, deliver):
        others = [f"X-Number-{n}: {n}" for n in range(5000)]
        result = deliver(mail(*others, TAG))
        assert_cancelled(result)
        assert b"\r\n".join(field.encode() for field in others) in result.message_bytes

    def test_without_end_need_little_memory(self, start):
        running = start()
        assert_serves(running)
        before = running.rss_kib()
        with MilterSession(running.socket) as mta:
            mta.begin(TAGGED, "rcpt")
            mta.step("header", strings("X-Cancel-Invite", " board-1"))
            field = strings("Content-X", "y" * 30_000)
            mta.send_raw((struct.pack("!I", len(field) + 1) + b"L" + field) * 3000)
            mta.step("eoh", macros={})
        running.assert_no_bigger_than(before + 8_000)
        assert_serves(running)


# --- What no MTA should do ---

def packet(command, payload=b""):
    return struct.pack("!I", len(payload) + 1) + command + payload


NEGOTIATION = packet(b"O", struct.pack("!III", 6, milter.ALL_ACTIONS, milter.ALL_STEPS))
CONNECT = packet(b"C", connection(milter.LOOPBACK))
MAIL, RCPT = packet(b"M", strings("<a@b.example>")), packet(b"R", strings("<c@d.example>"))
HEADER = packet(b"L", strings("X-Cancel-Invite", " board-1"))
BEGINNING = NEGOTIATION + CONNECT + MAIL + RCPT
EOH, BODY, EOM, ABORT = packet(b"N"), packet(b"B", b"text"), packet(b"E"), packet(b"A")

NONSENSE = {
    "nothing": b"",
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "random": random.Random(1).randbytes(10_000),
    "zeros": bytes(1000),
    "length_zero": struct.pack("!I", 0) * 100,
    "length_maximal": struct.pack("!I", 0xFFFFFFFF) + b"O",
    "length_negative": struct.pack("!I", 0x80000000) + b"L",
    "length_of_a_gigabyte": NEGOTIATION + CONNECT + MAIL + struct.pack("!I", 1 << 30) + b"L",
    "half_a_length": b"\0\0",
    "half_a_packet": NEGOTIATION[:9],
    "half_a_header": BEGINNING + HEADER[:12],
    "unknown_command": NEGOTIATION + packet(b"?", b"x"),
    "negotiation_too_short": packet(b"O", b"\0\0\0\6"),
    "negotiation_too_long": NEGOTIATION[:-12] + bytes(5000),
    "version_0": packet(b"O", struct.pack("!III", 0, 0, 0)),
    "negotiation_twice": NEGOTIATION * 2 + CONNECT + NEGOTIATION,
    "no_negotiation": CONNECT + MAIL + RCPT + HEADER + EOH + EOM,
    "connect_empty": NEGOTIATION + packet(b"C"),
    "connect_without_family": NEGOTIATION + packet(b"C", b"host\0"),
    "connect_not_ended": NEGOTIATION + packet(b"C", b"host"),
    "connect_of_odd_family": NEGOTIATION + packet(b"C", b"host\0Z\0\0x\0"),
    "connect_with_odd_address": NEGOTIATION + packet(b"C", b"host\0004\0\00019.9.9\0"),
    "connect_without_address": NEGOTIATION + packet(b"C", b"host\0004\0\0001"),
    "connect_twice": NEGOTIATION + CONNECT * 2 + MAIL,
    "mail_empty": NEGOTIATION + CONNECT + packet(b"M"),
    "mail_without_nul": NEGOTIATION + CONNECT + packet(b"M", b"<a@b>"),
    "mail_of_nothing_but_nul": NEGOTIATION + CONNECT + packet(b"M", b"\0\0\0") + RCPT + EOH,
    "mail_first": NEGOTIATION + MAIL,
    "mail_twice": NEGOTIATION + CONNECT + MAIL * 2 + RCPT + HEADER + MAIL,
    "mail_very_long": NEGOTIATION + CONNECT + packet(b"M", strings("<" + "a" * 60_000 + "@b>")),
    "rcpt_before_mail": NEGOTIATION + CONNECT + RCPT,
    "rcpt_empty": NEGOTIATION + CONNECT + MAIL + packet(b"R"),
    "header_before_mail": NEGOTIATION + CONNECT + HEADER + EOH,
    "header_without_value": BEGINNING + packet(b"L", b"X-Cancel-Invite\0"),
    "header_without_nul": BEGINNING + packet(b"L", b"X-Cancel-Invite"),
    "header_of_nothing": BEGINNING + packet(b"L", b"\0\0") + EOH,
    "eoh_before_mail": NEGOTIATION + CONNECT + EOH,
    "body_before_eoh": BEGINNING + HEADER + BODY + EOM,
    "body_before_mail": NEGOTIATION + CONNECT + BODY,
    "body_first": NEGOTIATION + BODY,
    "eom_first": NEGOTIATION + EOM,
    "eom_before_mail": NEGOTIATION + CONNECT + EOM,
    "eom_before_rcpt": NEGOTIATION + CONNECT + MAIL + HEADER + EOH + EOM,
    "eom_before_eoh": BEGINNING + HEADER + EOM,
    "body_after_rcpt": BEGINNING + BODY + EOM,
    "eom_after_mail": NEGOTIATION + CONNECT + MAIL + EOM,
    "eom_after_rcpt": BEGINNING + EOM,
    "eoh_twice": BEGINNING + HEADER + EOH * 2 + BODY + EOM,
    "header_after_eoh": BEGINNING + HEADER + EOH + HEADER + BODY + EOM,
    "eom_twice": BEGINNING + EOM * 2,
    "no_recipient": NEGOTIATION + CONNECT + MAIL + HEADER + EOH + BODY + EOM,
    "abort_first": NEGOTIATION + ABORT * 3,
    "aborts_everywhere": NEGOTIATION + ABORT.join(
        [CONNECT, MAIL, RCPT, HEADER, EOH, BODY, EOM, b""]),
    "macros_odd": NEGOTIATION + packet(b"D") + packet(b"D", b"M") + packet(b"D", b"Mi")
                  + packet(b"D", b"M\0\0\0") + packet(b"D", b"?x\0y\0") + CONNECT + MAIL,
    "macros_many": NEGOTIATION + CONNECT + packet(b"D", b"M" + b"x\0y\0" * 15_000) + MAIL,
    "unknown_smtp_command": NEGOTIATION + CONNECT + packet(b"U", b"FOO\0") + packet(b"U"),
    "data_first": NEGOTIATION + packet(b"T"),
    "quit_twice": NEGOTIATION + packet(b"Q") * 2,
    "quit_for_a_new_connection": NEGOTIATION + CONNECT + packet(b"K") + CONNECT + MAIL + RCPT,
}


@pytest.fixture(scope="class")
def lasting(_standin):
    """One filter for all of a class: what one test did to it shows in the next."""
    with Workdir() as folder, FilterProcess(folder, _standin) as running:
        yield running


class TestMisbehaviour:
    @pytest.fixture(autouse=True)
    def still_serves(self, lasting, cronofy):
        """Whatever happened, the next message is served, and nothing is left open."""
        if not lasting.alive():
            # The test before has failed because of that.
            lasting.log_path.unlink()
            lasting.start()
        assert_serves(lasting)
        before = lasting.descriptors()
        yield
        assert lasting.alive(), lasting.log()[-3000:]
        assert_serves(lasting)
        until(lambda: lasting.descriptors() <= before, 20,
              lambda: f"{before} descriptors; there are {lasting.descriptors()}")
        lasting.check_log()

    @pytest.mark.parametrize("sent", NONSENSE.values(), ids=NONSENSE.keys())
    @pytest.mark.parametrize("end", ["hangs up", "resets", "half-closes"])
    def test_survives_nonsense(self, lasting, sent, end):
        with connect(lasting.socket) as client, contextlib.suppress(ConnectionError):
            client.sendall(sent)
            if end == "resets":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif end == "half-closes":
                client.shutdown(socket.SHUT_WR)
                while client.recv(65536):
                    pass

    def test_survives_random_conversations(self, lasting):
        chance = random.Random(20260427)
        pieces = [CONNECT, MAIL, RCPT, HEADER, EOH, BODY, EOM, ABORT, packet(b"T"), packet(b"U"),
                  packet(b"D", b"Mi\0x\0"), packet(b"Q"), packet(b"H", b"helo\0")]
        for _ in range(200):
            with connect(lasting.socket) as client, contextlib.suppress(ConnectionError):
                client.sendall(NEGOTIATION + b"".join(chance.choices(pieces, k=12)))
                client.shutdown(socket.SHUT_WR)
                while client.recv(65536):
                    pass

    def test_survives_a_port_scan(self, lasting):
        for _ in range(200):
            connect(lasting.socket).close()

    @pytest.mark.parametrize("last", ["connect", "mail", "rcpt", "header", "eoh", "body", "eom"])
    def test_survives_an_mta_that_vanishes(self, lasting, last):
        for _ in range(10):
            mta = MilterSession(lasting.socket)
            mta.begin(TAGGED, last)
            mta.drop()

    def test_survives_an_mta_that_vanishes_while_cronofy_is_asked(self, lasting, cronofy):
        cronofy.script("board-2", forever(trouble("held")))
        sessions = [MilterSession(lasting.socket) for _ in range(3)]
        for mta in sessions:
            mta.begin(mail("X-Cancel-Invite: board-2"), "eom")
        cronofy.wait_for_requests(3, "board-2")
        for mta in sessions:
            mta.drop()
        assert cronofy.release() == 3

    def test_survives_idle_connections(self, lasting):
        idle = [connect(lasting.socket) for _ in range(100)]
        idle += [MilterSession(lasting.socket) for _ in range(100)]
        assert_serves(lasting)
        for each in idle:
            each.drop() if isinstance(each, MilterSession) else each.close()


def test_says_in_one_line_what_became_of_each_tagged_message(start, cronofy):
    cronofy.script("board-2", status(404))
    running = start()
    with MilterSession(running.socket) as mta:
        mta.deliver(mail())
        mta.deliver(TAGGED, macros={"i": "4Queue11"})
        mta.deliver(mail("X-Cancel-Invite: board-2"), macros={"i": "4Queue22"})
        mta.deliver(TAGGED, client=STRANGER, macros={"i": "4Queue33"})
    running.wait_for_log("4Queue33")
    for queue_id, words in {"4Queue11": ["board-1", "guest@example.org", "200"],
                            "4Queue22": ["board-2", "guest@example.org", "404"],
                            "4Queue33": ["203.0.113.9"]}.items():
        lines = [line for line in running.log().splitlines() if queue_id in line]
        assert len(lines) == 1, running.log()
        for word in words:
            assert word in lines[0]
