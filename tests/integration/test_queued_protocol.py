"""Queued mode at the protocol: what the submission makes of a message, and which mail the second
listener cancels."""

import contextlib
import hmac
import re
import struct
import time

import pytest

from lab import milter_client as milter
from lab.milter_client import TAG, MilterSession, mail
from lab.one_message import (SECOND, STRANGER, SUBMISSION, TAGGED, assert_cancelled, at_second,
                             at_submission)
from standin.client import forever, status

FORGED = 'X-Cancel-Invite: v1; account=cronofy; id="board-1"; time=1790000000; mac=' + "0" * 64


@pytest.fixture
def start(start):
    """As elsewhere, in queued mode."""
    def start_one(milter=None, **sections):
        return start(milter={"mode": "queued", **(milter or {})}, **sections)
    return start_one


@pytest.fixture(scope="module")
def _queued(start_filter):
    return start_filter(milter={"mode": "queued"})


@pytest.fixture
def running(_queued, cronofy):
    """A filter in queued mode, all else as it is by default."""
    return _queued


def stamped(running, message=TAGGED, *arguments, **options):
    """The message as the submission lets it go on."""
    result = at_submission(running, message, *arguments, **options)
    assert result.action == "accept", result
    assert re.search(rb"^X-Cancel-Invite: v1; account=", result.message_bytes, re.M), result
    return result.message_bytes


def stamp_of(key, seconds, account="cronofy", invite_id="board-1"):
    """A stamp as milter/mail/stamp.h describes it, for the message that mail() makes."""
    fields = ("v1;", account, invite_id, "", "", str(seconds), "app@acme.example", "<1@acme.example>")
    proven = b"".join(struct.pack("!I", len(text)) + text.encode() for text in fields)
    mac = hmac.new(key.encode(), proven, "sha256").hexdigest()
    return f'X-Cancel-Invite: v1; account={account}; id="{invite_id}"; time={seconds}; mac={mac}'


class TestGate:
    def test_makes_a_stamp_of_the_tag_and_changes_nothing_else(self, running, cronofy):
        message = stamped(running)
        unfolded = re.sub(rb"\r\n[ \t]", b" ", message)
        assert re.sub(rb"X-Cancel-Invite: v1; [^\r]*", TAG.encode(), unfolded) == TAGGED
        assert cronofy.requests() == []

    def test_wants_no_body(self, running):
        result = at_submission(running, mail(TAG, body="line\r\n" * 50_000))
        assert result.steps_seen.count("body") == 1, result.steps_seen

    def test_takes_many_recipients(self, running):
        people = [f"guest-{number}@example.org" for number in range(1000)]
        stamped(running, TAGGED, "app@acme.example", people)

    def test_refuses_one_named_recipient_for_several(self, running):
        message = mail("X-Cancel-Invite: board-1; recipient=ann@example.org")
        result = at_submission(running, message, "app@acme.example", ["a@example.org", "b@example.org"])
        assert result.action == "reject" and "names one recipient" in result.reply, result
        stamped(running, message, "app@acme.example", ["a@example.org"])

    def test_refuses_a_recipient_that_is_no_address(self, running):
        result = at_submission(running, TAGGED, "app@acme.example", ["a@example.org", "bob"])
        assert result.action == "reject" and '"bob"' in result.reply, result

    @pytest.mark.parametrize("field, says", (
        ("X-Cancel-Invite:", "empty"),
        ("X-Cancel-Invite: a; b=c", "unknown parameter"),
        ("X-Cancel-Invite: a\r\nX-Cancel-Invite: b", "each invite"),
    ))
    def test_refuses_a_bad_tag_at_once(self, running, field, says):
        result = at_submission(running, mail(field))
        assert result.action == "reject" and says in result.reply, result

    @pytest.mark.parametrize("content_type", (
        "multipart/encrypted; boundary=x", "multipart/report; boundary=x", "message/partial",
        "application/ms-tnef", "application/pkcs7-mime; smime-type=enveloped-data",
        "text/calendar; method=REQUEST",
    ))
    def test_refuses_at_once_what_can_take_no_calendar(self, running, content_type):
        result = at_submission(running, mail(TAG, f"Content-Type: {content_type}"))
        assert result.action == "reject" and "cannot take a calendar" in result.reply, result

    @pytest.mark.parametrize("content_type", (
        "text/plain", "text/html", "multipart/mixed; boundary=x", "multipart/alternative",
        "application/pdf", "multipart/signed; boundary=x",
    ))
    def test_leaves_the_body_to_the_second_listener(self, running, content_type):
        stamped(running, mail(TAG, f"Content-Type: {content_type}"))

    def test_refuses_what_is_announced_too_large(self, start):
        running = start(milter={"max_message_size": "1M"})
        result = at_submission(running, size=1_100_000)
        assert result.reply.startswith("552 5.3.4"), result
        stamped(running, size=1_000_000)

    def test_refuses_a_sender_of_no_account(self, start):
        running = start(accounts={"acme": {"senders": "@acme.example"}})
        result = at_submission(running, TAGGED, "robot@other.example")
        assert result.reply.startswith("550 5.7.1"), result

    def test_refuses_a_sender_without_a_domain(self, running):
        result = at_submission(running, TAGGED, "robot")
        assert result.reply.startswith("550 5.1.7"), result
        stamped(running, TAGGED, "")

    def test_strips_the_tag_of_a_stranger(self, running):
        result = at_submission(running, mail("X-Other: 1", TAG), client=STRANGER)
        assert (result.action, result.message_bytes) == ("accept", mail("X-Other: 1"))

    def test_removes_what_looks_like_a_stamp_from_a_stranger(self, running):
        result = at_submission(running, mail(FORGED, "X-Other: 1"), client=STRANGER)
        assert (result.action, result.message_bytes) == ("accept", mail("X-Other: 1"))

    def test_keeps_no_stranger_s_stamp_even_where_tags_are_kept(self, start):
        running = start(trust={"untrusted": "keep"})
        result = at_submission(running, mail(FORGED), client=STRANGER)
        assert (result.action, result.message_bytes) == ("accept", mail())

    def test_removes_what_looks_like_a_stamp_beside_the_tag(self, running):
        message = stamped(running, mail(FORGED, TAG, FORGED))
        assert message.lower().count(b"x-cancel-invite") == 1
        assert b"mac=" + b"0" * 64 not in re.sub(rb"\s", b"", message)
        assert_cancelled(at_second(running, message))

    def test_refuses_a_stamp_in_place_of_a_tag(self, running, cronofy):
        result = at_submission(running, mail(FORGED))
        assert result.action == "reject" and "give the invite's id" in result.reply, result

    def test_puts_off_mail_that_was_stamped_already(self, running):
        """The second listener is there, but under a name that is not queue_daemon."""
        result = at_submission(running, stamped(running))
        assert result.action == "tempfail" and "queue_daemon" in result.reply, result
        running.wait_for_log("misconfigured")

    @pytest.mark.parametrize("numbering", ("postfix", "sendmail"))
    def test_makes_a_message_id_where_there_is_none(self, running, numbering):
        message = TAGGED.replace(b"Message-ID: <1@acme.example>\r\n", b"")
        with MilterSession(running.socket, numbering=numbering) as mta:
            result = mta.deliver(message, macros=SUBMISSION)
        ids = re.findall(rb"^Message-ID: (<[0-9a-f]{32}@mta\.example\.test>)\r\n",
                         result.message_bytes, re.M)
        assert len(ids) == 1, result
        assert_cancelled(at_second(running, result.message_bytes))

    def test_does_nothing_in_a_dry_run(self, start, cronofy):
        running = start(milter={"dry_run": True})
        result = at_submission(running)
        assert (result.action, result.message_bytes) == ("accept", TAGGED)
        running.wait_for_log("result=dry_run")

    def test_leaves_untagged_mail_alone(self, running):
        result = at_submission(running, mail())
        assert (result.action, result.message_bytes) == ("accept", mail())
        assert "body" not in result.steps_seen

    def test_tells_what_was_queued(self, running):
        people = ["a@example.org", "b@example.org"]
        begun = len(running.log())
        stamped(running, TAGGED, "app@acme.example", people)
        running.wait_for_log(r"result=queued invite=board-1 .*recipients=2", after=begun)


class TestSecondListener:
    def test_cancels_for_its_recipient(self, running, cronofy):
        message = stamped(running, TAGGED, "app@acme.example", ["a@example.org", "b@example.org"])
        for guest in "a@example.org", "b@example.org":
            assert_cancelled(at_second(running, message, "app@acme.example", [guest]))
        assert sorted(cronofy.cancels()) == [("board-1", "a@example.org"),
                                             ("board-1", "b@example.org")]

    def test_cancels_for_the_recipient_that_the_tag_names(self, running, cronofy):
        message = stamped(running, mail("X-Cancel-Invite: board-1; recipient=ann@private.example"))
        assert_cancelled(at_second(running, message))
        assert cronofy.cancels() == [("board-1", "ann@private.example")]

    def test_cancels_for_the_address_before_aliases(self, running, cronofy):
        message = stamped(running)
        assert_cancelled(at_second(running, message, "app@acme.example", [
            ("t1@example.org", "ORCPT=rfc822;team+2Bx@example.org")]))
        assert cronofy.cancels() == [("board-1", "team+x@example.org")]

    @pytest.mark.parametrize("invite_id", ("Café ☕; \"4711\" %", "x" * 1000, "é" * 500),
                             ids=("odd", "long", "not_ascii"))
    def test_any_id_comes_through(self, running, cronofy, invite_id):
        quoted = invite_id.replace('"', '\\"')
        message = stamped(running, mail(f'X-Cancel-Invite: "{quoted}"'))
        assert max(map(len, message.split(b"\r\n"))) < 100
        assert_cancelled(at_second(running, message))
        assert cronofy.cancels() == [(invite_id, "guest@example.org")]

    def test_an_mta_may_fold_the_stamp_anew(self, running):
        message = stamped(running)
        unfolded = re.sub(rb"\r\n[ \t]", b" ", message)
        assert_cancelled(at_second(running, unfolded))
        assert_cancelled(at_second(running, unfolded.replace(b"time=", b"ti\r\n\t me=")))

    def test_strangers_are_no_strangers_with_a_stamp(self, running):
        """The MTA's own client decides nothing here; the stamp does."""
        assert_cancelled(at_second(running, stamped(running), client=("192.0.2.1", 1)))

    @pytest.mark.parametrize("case", (
        "plain_tag", "forged", "two", "other_sender", "other_message", "other_id", "other_account",
        "other_recipient", "no_mac", "beside_a_tag"))
    def test_refuses_and_tells_what_was_not_stamped_at_the_submission(self, running, cronofy, case):
        good = stamped(running)
        sender = "app@acme.example"
        message = {
            "plain_tag": TAGGED,
            "forged": mail(FORGED),
            "two": good.replace(b"X-Cancel-Invite:", FORGED.encode() + b"\r\nX-Cancel-Invite:"),
            "other_sender": good,
            "other_message": good.replace(b"<1@acme.example>", b"<2@acme.example>"),
            "other_id": good.replace(b'id="board-1"', b'id="board-2"'),
            "other_account": good.replace(b"account=cronofy", b"account=other"),
            "other_recipient": good.replace(b"time=", b'recipient="eve@example.org"; time='),
            "no_mac": re.sub(rb"mac=[0-9a-f]+", b"mac=", good),
            "beside_a_tag": good.replace(b"X-Cancel-Invite:", TAG.encode() + b"\r\nX-Cancel-Invite:"),
        }[case]
        assert message != good or case == "other_sender"
        if case == "other_sender":
            sender = "eve@acme.example"
        begun = len(running.log())
        result = at_second(running, message, sender)
        assert result.action == "reject" and result.reply.startswith("554 5.7.1"), result
        running.wait_for_log(r"^error: .*result=bad_stamp", after=begun)
        assert cronofy.requests() == []

    def test_refuses_a_stamp_of_another_filter(self, running, start, cronofy):
        assert at_second(start(), stamped(running)).reply.startswith("554 5.7.1")

    def test_filters_with_the_same_key_trust_each_other(self, running, start):
        key = running.folder / "stamp.key"
        assert_cancelled(at_second(start(milter={"stamp_key_file": key}), stamped(running)))

    @pytest.mark.parametrize("age, good", ((0, True), (9.9, True), (10.1, False), (-1, True)))
    def test_refuses_a_stamp_that_is_older_than_ten_days(self, start, cronofy, age, good):
        running = start(ledger={"file": "ledger.db"})  # a new one: the clock is likely
        key = (running.folder / "stamp.key").read_text().strip()
        result = at_second(running, mail(stamp_of(key, int(time.time() - age * 86400))))
        if good:
            assert_cancelled(result)
        else:
            assert result.action == "reject" and "stamp_lifetime" in result.reply, result
            assert cronofy.requests() == []

    def test_puts_off_an_old_stamp_while_the_clock_may_be_wrong(self, start, cronofy):
        """Nothing that was written a short time ago shows that the time is likely."""
        running = start(ledger={"file": "none"})
        key = (running.folder / "stamp.key").read_text().strip()
        begun = len(running.log())
        result = at_second(running, mail(stamp_of(key, int(time.time()) - 11 * 86400)))
        assert result.action == "tempfail" and "time of day" in result.reply, result
        running.wait_for_log(r"^error: .*result=misconfigured", after=begun)
        assert cronofy.requests() == []

    def test_age_of_stamps_can_be_limited(self, start):
        running = start(milter={"stamp_lifetime": "1m"}, ledger={"file": "ledger.db"})
        key = (running.folder / "stamp.key").read_text().strip()
        assert_cancelled(at_second(running, mail(stamp_of(key, int(time.time())))))
        result = at_second(running, mail(stamp_of(key, int(time.time()) - 70)))
        assert result.action == "reject" and "stamp_lifetime" in result.reply, result

    def test_puts_off_mail_of_an_account_that_is_gone(self, start, cronofy):
        cronofy.set(api_keys=["CRN_acme", "CRN_zeta"])
        acme = {"senders": "@acme.example", "api_key": "CRN_acme"}
        running = start(accounts={"acme": acme})
        message = stamped(running)
        running.reload(accounts={"zeta": {"senders": "*", "api_key": "CRN_zeta"}})
        running.wait_for_log("is in force")
        result = at_second(running, message)
        assert result.action == "tempfail" and "account acme" in result.reply, result
        assert cronofy.requests() == []

    def test_puts_off_queued_mail_once_the_mode_is_direct(self, start, cronofy):
        running = start()
        message = stamped(running)
        running.reload(milter={"mode": "direct"})
        running.wait_for_log("is in force")
        result = at_second(running, message)
        assert result.action == "tempfail" and "in direct mode" in result.reply, result
        running.wait_for_log("error: .*result=misconfigured")
        forged = at_submission(running, mail(FORGED))  # the sender's own fault stays one
        assert forged.action == "reject" and "a stamp" in forged.reply, forged
        running.reload(milter={"mode": "queued"})
        running.wait_for_log("(?s)is in force.*is in force")
        assert_cancelled(at_second(running, message))

    def test_puts_off_several_recipients_at_once(self, running, cronofy):
        message = stamped(running)
        result = at_second(running, message, "app@acme.example", ["a@example.org", "b@example.org"])
        assert result.action == "tempfail" and "one recipient" in result.reply, result
        assert cronofy.requests() == []

    @pytest.mark.parametrize("dry_run", (False, True))
    def test_ends_a_probe_without_a_call(self, start, cronofy, dry_run):
        running = start(milter={"dry_run": dry_run})
        message = stamped(running, mail("X-Cancel-Invite: probe-1; probe=yes"))
        assert at_second(running, message).action == "discard"
        assert b"probe=yes" in message and at_second(running, message).action == "discard"
        running.wait_for_log("result=probe invite=probe-1")
        assert cronofy.requests() == []

    def test_leaves_the_archive_s_copy_without_a_calendar(self, start, cronofy):
        running = start(milter={"archives": ["archive@example.org", "@journal.example"]})
        message = stamped(running)
        for archive in "archive@example.org", "any@Journal.Example":
            result = at_second(running, message, recipients=[archive])
            assert (result.action, result.message_bytes) == ("accept", mail()), result
        assert cronofy.requests() == []
        running.wait_for_log("result=archived invite=board-1")
        assert_cancelled(at_second(running, message))
        forged = at_second(running, mail(FORGED), recipients=["archive@example.org"])
        assert forged.action == "reject", forged

    def test_refuses_what_only_the_body_shows(self, running, cronofy):
        body = "--x\r\nContent-Type: multipart/encrypted; boundary=y\r\n\r\n--y--\r\n--x--\r\n"
        message = stamped(running, mail(TAG, "Content-Type: multipart/mixed; boundary=x",
                                        body=body))
        result = at_second(running, message)
        assert result.action == "reject" and "cannot take a calendar" in result.reply, result
        assert cronofy.requests() == []

    def test_refuses_what_is_too_large_after_all(self, start, cronofy):
        running = start(milter={"max_message_size": "1M"})
        message = stamped(running, mail(TAG, body="x" * 70 + "\r\n" * 600_000))
        assert at_second(running, message).reply.startswith("552 5.3.4")
        assert cronofy.requests() == []

    def test_puts_off_mail_without_the_header(self, start, cronofy):
        """The header was renamed while mail was queued: it must not go out with its stamp."""
        running = start()
        message = stamped(running)
        running.reload(milter={"mode": "queued", "header": "X-Other"})
        running.wait_for_log("is in force")
        result = at_second(running, message)
        assert result.action == "tempfail" and "renamed" in result.reply, result
        running.reload(milter={"mode": "queued"})
        running.wait_for_log("(?s)is in force.*is in force")
        assert_cancelled(at_second(running, message))

    def test_puts_off_what_is_queued_in_a_dry_run(self, start, cronofy):
        running = start()
        message = stamped(running)
        running.reload(milter={"mode": "queued", "dry_run": True})
        running.wait_for_log("is in force")
        result = at_second(running, message)
        assert result.action == "tempfail" and "dry_run" in result.reply, result
        assert cronofy.requests() == []

    def test_hands_on_what_cronofy_says(self, running, cronofy):
        cronofy.script("board-1", status(422))
        result = at_second(running, stamped(running))
        assert result.action == "reject" and "errors.required" in result.reply, result
        cronofy.script("board-1", forever(status(423)))
        assert at_second(running, stamped(running)).action == "tempfail"


class TestRoute:
    def domain(self, start):
        return start(milter={"route": "domain"})

    def test_by_domain_renames_each_recipient(self, start):
        running = self.domain(start)
        with MilterSession(running.socket) as mta:
            result = mta.deliver(TAGGED, recipients=[
                "a@example.org",
                ("b+x@example.org", "NOTIFY=NEVER", "ORCPT=rfc822;team@example.org", "X=1")],
                macros=SUBMISSION)
            assert result.action == "accept", result
            assert mta.recipient_changes == [
                ["-", "<a@example.org>"],
                ["+", "<a@example.org.cancel-invite>", "ORCPT=rfc822;a@example.org"],
                ["-", "<b+x@example.org>"],
                ["+", "<b+x@example.org.cancel-invite>",
                 "NOTIFY=NEVER ORCPT=rfc822;b+2Bx@example.org"]]  # whose invite it is

    def test_by_header_renames_nobody_but_takes_out_an_original_recipient(self, running):
        same = ("a@example.org", "NOTIFY=NEVER", "ORCPT=rfc822;a@example.org")
        another = ("a@example.org", "NOTIFY=NEVER", "ORCPT=rfc822;team@example.org")
        with MilterSession(running.socket) as mta:
            assert mta.deliver(TAGGED, recipients=[same, "b@example.org"],
                               macros=SUBMISSION).action == "accept"
            assert mta.recipient_changes == []
            assert mta.deliver(mail(), recipients=[another], macros=SUBMISSION).action == "accept"
            assert mta.recipient_changes == []
            assert mta.deliver(TAGGED, recipients=[another], macros=SUBMISSION).action == "accept"
            assert mta.recipient_changes == [
                ["-", "<a@example.org>"],
                ["+", "<a@example.org>", "NOTIFY=NEVER ORCPT=rfc822;a@example.org"]]

    def test_what_is_held_comes_to_the_second_listener_again(self, start, cronofy):
        """Whoever releases it: it must not go out with its stamp and without its calendar."""
        running = start(milter={"route": "domain", "on_refused": "hold"})
        message = stamped(running)
        cronofy.script("board-1", forever(status(404)))
        with MilterSession(running.socket) as mta:
            result = mta.deliver(message, macros=SECOND)
            assert result.action == "accept" and "no such invite" in result.quarantine, result
            assert mta.recipient_changes == [
                ["-", "<guest@example.org>"],
                ["+", "<guest@example.org.cancel-invite>", "ORCPT=rfc822;guest@example.org"]]
        assert result.message_bytes == message

    def test_untagged_mail_keeps_its_recipients(self, start):
        with MilterSession(self.domain(start).socket) as mta:
            assert mta.deliver(mail(), macros=SUBMISSION).action == "accept"
            assert mta.recipient_changes == []

    def test_nobody_takes_that_way_by_themselves(self, start):
        running = self.domain(start)
        for message in mail(), TAGGED:
            result = at_submission(running, message, "app@acme.example",
                             ["a@example.org", "b@example.org.Cancel-Invite"])
            assert result.reply.startswith("550 5.1.2"), result

    def test_by_domain_needs_a_domain(self, start):
        message = mail("X-Cancel-Invite: board-1; recipient=ann@example.org")
        assert at_submission(self.domain(start), message, recipients=["bob"]).action == "reject"

    @pytest.mark.parametrize("address", (
        "ann@[192.0.2.1]", "ann@example.org.", "a" * 60 + "@" + "b." * 85 + "example.org"))
    def test_by_domain_refuses_what_sendmail_would_forget(self, start, address):
        result = at_submission(self.domain(start), TAGGED, recipients=["bob@example.org", address])
        assert result.reply.startswith("554 5.1.3") and "cannot be queued" in result.reply

    def test_an_mta_that_cannot_rename_is_refused(self, start):
        running = self.domain(start)
        actions = milter.ALL_ACTIONS & ~milter.ADDRCPT_PAR
        with MilterSession(running.socket, actions=actions, negotiate=False) as mta:
            mta.send(b"O", (6).to_bytes(4, "big") + actions.to_bytes(4, "big")
                     + milter.ALL_STEPS.to_bytes(4, "big"))
            with contextlib.suppress(ConnectionError):
                assert mta.read()[0] == b"r"
        running.wait_for_log("does not permit")


class TestKey:
    def test_is_made_at_the_first_start_and_kept(self, start):
        running = start()
        path = running.folder / "stamp.key"
        made = path.read_text()
        assert path.stat().st_mode & 0o777 == 0o600 and len(made) == 65
        message = stamped(running)
        running.kill()
        running.start()
        assert path.read_text() == made
        assert_cancelled(at_second(running, message))

    def test_that_vanished_keeps_a_new_configuration_out(self, start):
        running = start()
        message = stamped(running)
        (running.folder / "stamp.key").unlink()
        running.reload()
        running.wait_for_log(r"stamp\.key is gone")
        assert_cancelled(at_second(running, message))

    @pytest.mark.parametrize("mode", ["queued", "direct"])
    @pytest.mark.parametrize("name", ["stamp.key", "other.key"])
    def test_that_is_another_keeps_a_new_configuration_out(self, start, name, mode):
        running = start()
        message = stamped(running)
        key = running.folder / name
        key.write_text("0" * 64)
        key.chmod(0o600)
        running.reload(milter={"mode": mode, "stamp_key_file": key})
        running.wait_for_log(r"stamp\.key held another key")
        assert_cancelled(at_second(running, message))

    def test_that_leaked_is_replaced_while_mail_is_queued(self, start):
        running = start()
        before = stamped(running)
        (running.folder / "stamp.key").rename(running.folder / "stamp.key.old")
        running.reload(milter={"mode": "queued", "stamp_key_previous_file": "stamp.key.old"})
        running.wait_for_log("is in force")
        after = stamped(running)
        assert (running.folder / "stamp.key").read_text() != (
            running.folder / "stamp.key.old").read_text()
        assert_cancelled(at_second(running, before))
        assert_cancelled(at_second(running, after))
        # Once the queue is empty the old one goes, and with it whoever knows it.
        old = (running.folder / "stamp.key.old").read_text().strip()
        running.reload(milter={"mode": "queued", "stamp_key_previous_file": None})
        running.wait_for_log("(?s)is in force.*is in force")
        assert_cancelled(at_second(running, after))
        for message in (before, mail(stamp_of(old, int(time.time())))):
            result = at_second(running, message)
            assert result.reply.startswith("554 5.7.1 ") and "another key" in result.reply, result

    def test_that_is_named_and_not_there_keeps_a_new_configuration_out(self, start):
        running = start()
        message = stamped(running)
        running.reload(milter={"mode": "queued", "stamp_key_previous_file": "none.key"})
        running.wait_for_log("none.key: No such file")
        assert_cancelled(at_second(running, message))

    def test_is_made_when_a_reload_brings_queued_mode(self, start):
        running = start(milter={"mode": "direct"})
        assert not (running.folder / "stamp.key").exists()
        running.reload(milter={"mode": "queued"})
        running.wait_for_log("is in force")
        assert (running.folder / "stamp.key").exists()
        assert_cancelled(at_second(running, stamped(running)))

    def test_that_others_can_read_is_refused(self, start, running):
        key = running.folder / "open.key"
        key.write_text("0" * 64)
        key.chmod(0o644)
        with pytest.raises(AssertionError, match="read or changed by others"):
            start(milter={"stamp_key_file": key})


def test_direct_mode_knows_no_second_listener(filter, cronofy):
    """A listener that happens to have that name is one like any other."""
    assert_cancelled(at_second(filter, TAGGED))
    result = at_second(filter, mail(FORGED))
    assert result.action == "reject" and "give the invite's id" in result.reply, result
