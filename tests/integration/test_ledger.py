"""The ledger: what the filter keeps of its messages, uses again, and tells about them."""

import contextlib
import csv
import io
import json
import os
import pwd
import random
import re
import sqlite3
import subprocess
import time

import pytest

from lab import tools
from lab.filter_process import FilterProcess, binary, run
from lab.messages import RECIPIENT, SENDER, tagged
from lab.milter_client import TAG, Delivery, MilterSession, mail
from lab.one_message import (TAGGED, assert_cancelled, calendar_of, deliver,
                             hang_up_before_the_answer)
from lab.process import until
from standin.client import delayed, forever, status, trouble

GUEST = "guest@example.org"

# Exit codes of <sysexits.h>.
OK, USAGE, NOINPUT, UNAVAILABLE, TEMPFAIL, NOPERM, CONFIG = 0, 64, 66, 69, 75, 77, 78


@pytest.fixture
def cronofy(cronofy):
    """Of board-1 it also knows when it was cancelled before."""
    for guest in (GUEST, RECIPIENT):
        cronofy.create("board-1", guest)
    return cronofy


@pytest.fixture
def make(make):
    """As elsewhere, with a ledger."""
    def make_one(ledger=None, **options):
        return make(ledger={"file": "ledger.db", **(ledger or {})}, **options)
    return make_one


def by_nobody(cronofy):
    """Sections for a filter that runs as nobody, who may not read the stand-in's certificates."""
    return {"milter": {"user": "nobody", "temp_dir": "/var/tmp"},
            "cronofy": {"url": cronofy.http, "ca_file": None}}


def another(number, *fields):
    """A message for the same invite with a Message-ID of its own."""
    return mail(TAG, *fields).replace(b"<1@acme.example>", b"<%d@acme.example>" % number)


@contextlib.contextmanager
def database(workdir):
    with contextlib.closing(sqlite3.connect(f"{workdir}/ledger.db", timeout=10,
                                            isolation_level=None)) as opened:
        yield opened


def count(workdir, what):
    with database(workdir) as opened:
        return opened.execute(f"SELECT count(*) FROM {what}").fetchone()[0]


def log_of(running, what, number):
    """The attempts about it, as soon as there are that many."""
    def ask():
        done = run("--log-of", what, "--json", "-c", running.config)
        assert done.returncode in (OK, NOINPUT), done  # not yet
        found = json.loads(done.stdout)
        return len(found) >= number and found
    found = until(ask, 10, f"{number} attempts about {what}")
    assert len(found) == number
    return found


class TestSameMessage:
    def test_gets_its_calendar_again_without_a_call(self, make, cronofy):
        cronofy.set(second_cancel="404")
        running = make().start()
        first, second = deliver(running), deliver(running)
        assert calendar_of(first) == calendar_of(second)
        assert len(cronofy.requests()) == 1
        line = running.wait_for_log(r"result=cancelled.*kept=same_message.*")[0]
        assert "uid=" in line and "attempts=" not in line

    def test_does_so_after_a_restart(self, make, cronofy):
        running = make().start()
        first = deliver(running)
        assert running.stop() == 0
        running.start()
        assert calendar_of(deliver(running)) == calendar_of(first)
        assert len(cronofy.requests()) == 1

    def test_that_was_answered_but_not_taken_when_the_filter_was_killed(self, make, cronofy,
                                                                        workdir):
        cronofy.set(second_cancel="404")
        running = make().start()
        message = mail(TAG, body="x" * 5_000_000)
        with MilterSession(running.socket) as mta:
            mta.begin(message, "eom")  # and the result is never read
            until(lambda: count(workdir, "calendar") == 1, 20, "the calendar to be kept")
            running.kill()
        running.start()
        assert_cancelled(deliver(running, message))
        assert len(cronofy.requests()) == 1

    def test_whose_mail_server_went_away_before_the_answer(self, make, cronofy, workdir):
        """The filter notices within five seconds that nobody waits for it any more."""
        cronofy.set(second_cancel="404")
        cronofy.script("board-1", delayed(6))
        running = make(cronofy={"timeout": "10s"}).start()
        with MilterSession(running.socket) as mta:
            mta.begin(TAGGED, "eom")
            cronofy.wait_for_requests(1)
        until(lambda: count(workdir, "calendar") == 1, 20, "the calendar to be kept")
        running.wait_for_log("result=not_taken")
        assert_cancelled(deliver(running))
        assert len(cronofy.requests()) == 1

    def test_whose_mail_server_went_away_asks_no_second_time(self, make, cronofy):
        cronofy.script("board-1", delayed(6, status(503)))
        running = make(cronofy={"timeout": "10s"}).start()
        with MilterSession(running.socket) as mta:
            mta.begin(TAGGED, "eom")
            cronofy.wait_for_requests(1)
        running.wait_for_log("result=interrupted", 20)
        assert len(cronofy.requests()) == 1

    def test_that_was_killed_before_the_answer_asks_again(self, make, cronofy):
        cronofy.script("board-1", trouble("held"))
        running = make().start()
        message = Delivery(running.socket, TAGGED)
        cronofy.wait_for_requests(1)
        running.kill()
        with contextlib.suppress(OSError):
            message.result()
        cronofy.release()
        running.start()
        assert_cancelled(deliver(running))
        assert len(cronofy.requests()) == 2

    def test_is_told_by_its_message_id_invite_recipient_and_account(self, make, cronofy):
        cronofy.set(api_keys=["CRN_a", "CRN_b"])
        running = make(accounts={name: {"senders": f"@{name}.example", "api_key": f"CRN_{name}"}
                                 for name in "ab"}).start()
        for number, (message, sender, recipient) in enumerate([
                (TAGGED, "x@a.example", GUEST),
                (another(2), "x@a.example", GUEST),
                (mail("X-Cancel-Invite: board-2"), "x@a.example", GUEST),
                (TAGGED, "x@a.example", "other@example.org"),
                (TAGGED, "x@a.example", "Guest@example.org"),
                (TAGGED, "x@b.example", GUEST)], 1):
            for _ in range(2):
                assert_cancelled(deliver(running, message, sender, [recipient]))
            assert len(cronofy.requests()) == number

    @pytest.mark.parametrize("field", [b"", b"Message-ID: <%s@acme.example>\r\n" % (b"x" * 300)],
                             ids=["none", "long"])
    def test_is_none_without_a_message_id_that_tells(self, make, cronofy, field):
        running = make().start()
        message = TAGGED.replace(b"Message-ID: <1@acme.example>\r\n", field)
        for _ in range(2):
            assert_cancelled(deliver(running, message))
        assert len(cronofy.requests()) == 2

    def test_whose_kept_calendar_was_damaged_asks_again(self, make, cronofy, workdir):
        running = make().start()
        assert_cancelled(deliver(running))
        with database(workdir) as opened:
            opened.execute("UPDATE calendar SET text = CAST('nonsense' AS BLOB)")
        assert_cancelled(deliver(running))
        assert len(cronofy.requests()) == 2
        running.wait_for_log("^error: .*the calendar that was kept for invite board-1 has changed")

    def test_of_another_filter_with_the_same_ledger_is_known_too(self, make, cronofy, workdir):
        ledger = {"file": workdir / "ledger.db"}
        one = make().start()
        with FilterProcess(workdir.folder("other"), cronofy, ledger=ledger) as other:
            assert_cancelled(deliver(one))
            assert_cancelled(deliver(other))
            assert_cancelled(deliver(other, another(2)))
            assert_cancelled(deliver(one, another(2)))
        assert len(cronofy.requests()) == 2

    def test_through_postfix_costs_one_call(self, make, cronofy, start_postfix, sink):
        cronofy.set(second_cancel="422")
        postfix = start_postfix(make().start().socket)
        for _ in range(2):
            reply = postfix.submit(SENDER, [RECIPIENT], tagged("board-1"))
            assert reply.code == 250, reply
        one, other = sink.wait(2)
        assert b"method=CANCEL" in one.data and b"method=CANCEL" in other.data
        assert len(cronofy.requests()) == 1


class TestDoubt:
    """A call was begun, and its answer never came: it may have cancelled."""

    def killed_in_its_call(self, make, cronofy, **options):
        """A filter that was killed after the invite was cancelled, and started again."""
        cronofy.script("board-1", trouble("held"))
        running = make(**options).start()
        message = Delivery(running.socket, TAGGED)
        cronofy.wait_for_requests(1)
        running.kill()
        with contextlib.suppress(OSError):
            message.result()
        cronofy.release()
        return running.start()

    @pytest.mark.parametrize("code", [404, 410, 422])
    def test_after_a_kill_is_not_called_no_such_invite(self, make, cronofy, code):
        running = self.killed_in_its_call(make, cronofy)
        cronofy.script("board-1", forever(status(code)))
        for message in (TAGGED, TAGGED, another(2)):
            result = deliver(running, message)
            assert result.reply.startswith("554 5.5.0"), result
            assert "an earlier call whose answer was lost may have cancelled it" in result.reply
        running.wait_for_log(rf"^warning: .*result=maybe_cancelled.*status={code}")

    @pytest.mark.parametrize("answer", ["no_icalendar", "truncated_json", "empty_body"])
    def test_is_left_by_an_answer_without_a_calendar(self, make, cronofy, answer):
        running = make(cronofy={"attempts": 1}).start()
        cronofy.script("board-1", trouble(answer))
        result = deliver(running)
        assert result.action == "tempfail", result
        cronofy.script("board-1", forever(status(404)))
        result = deliver(running)
        assert result.reply.startswith("554 5.5.0"), result
        assert "may have cancelled it" in result.reply

    @pytest.mark.parametrize("answer", ["no_icalendar", "truncated_json"])
    def test_is_no_reason_to_refuse_what_cronofy_does_not(self, make, cronofy, answer):
        running = self.killed_in_its_call(make, cronofy)
        cronofy.script("board-1", trouble(answer))
        result = deliver(running)
        assert result.action == "tempfail", result
        assert_cancelled(deliver(running))

    @pytest.mark.parametrize("choice, held", [("hold", True), ("deliver", False)])
    def test_is_what_the_configuration_chose(self, make, cronofy, choice, held):
        running = self.killed_in_its_call(make, cronofy, milter={"on_maybe_cancelled": choice})
        cronofy.script("board-1", forever(status(404)))
        result = deliver(running)
        assert result.action == "accept" and bool(result.quarantine) == held, result
        assert b"method=CANCEL" not in result.message_bytes

    def test_ends_with_a_calendar(self, make, cronofy):
        running = self.killed_in_its_call(make, cronofy)
        assert_cancelled(deliver(running))
        cronofy.script("board-1", forever(status(404)))
        assert_cancelled(deliver(running, another(2)))  # the one that was kept

    def test_is_of_its_invite_alone(self, make, cronofy):
        running = self.killed_in_its_call(make, cronofy)
        cronofy.script("board-2", forever(status(404)))
        result = deliver(running, mail("X-Cancel-Invite: board-2"))
        assert result.action == "reject" and "no such invite" in result.reply
        assert "lost" not in result.reply

    def test_is_left_by_an_answer_that_did_not_come_in_time(self, make, cronofy):
        cronofy.script("board-1", delayed(3, status(200)))
        running = make(cronofy={"timeout": "500ms", "attempts": 1}).start()
        assert deliver(running).action == "tempfail"
        cronofy.script("board-1", forever(status(404)))
        assert "may have cancelled it" in deliver(running).reply

    def test_is_not_left_by_who_could_not_be_reached(self, make, cronofy, workdir):
        running = make(cronofy={"url": "http://127.0.0.1:1", "ca_file": None,
                                "attempts": 1}).start()
        assert deliver(running).action == "tempfail"
        assert running.stop() == 0
        assert count(workdir, "call") == 0

    @pytest.mark.parametrize("code", [401, 404, 422, 429])
    def test_is_not_left_by_an_answer(self, make, cronofy, workdir, code):
        cronofy.script("board-1", forever(status(code)))
        running = make(cronofy={"attempts": 1}).start()
        assert "lost" not in deliver(running).reply
        assert "lost" not in deliver(running).reply
        assert running.stop() == 0
        assert count(workdir, "call") == 0


class TestOneCallForOneMessage:
    def test_of_two_filters_one_calls_and_the_other_waits(self, make, cronofy, workdir):
        cronofy.script("board-1", delayed(1.5))
        one = make().start()
        with FilterProcess(workdir.folder("other"), cronofy,
                           ledger={"file": workdir / "ledger.db"}) as other:
            first = Delivery(one.socket, TAGGED)
            cronofy.wait_for_requests(1)
            second = Delivery(other.socket, TAGGED)
            assert calendar_of(second.result()) == calendar_of(first.result())
            other.wait_for_log("result=cancelled.*kept=same_message")
        assert len(cronofy.requests()) == 1

    def test_is_made_by_the_next_if_the_first_gets_no_calendar(self, make, cronofy):
        cronofy.script("board-1", delayed(1.5, status(429)))
        running = make(cronofy={"attempts": 1}).start()
        first = Delivery(running.socket, TAGGED)
        cronofy.wait_for_requests(1)
        second = Delivery(running.socket, TAGGED)
        assert first.result().action == "tempfail"
        assert_cancelled(second.result())
        assert len(cronofy.requests()) == 2

    def test_who_has_waited_for_too_long_comes_again(self, make, cronofy):
        cronofy.script("board-1", trouble("held"))
        running = make(cronofy={"timeout": "5s", "deadline": "5s"}).start()
        with MilterSession(running.socket) as mta:
            mta.begin(TAGGED, "eom")
            cronofy.wait_for_requests(1)
            running.reload(cronofy={"deadline": "500ms", "timeout": "500ms"})
            running.wait_for_log("is in force")
            result = deliver(running)
            assert result.reply.startswith("451 4.4.5") and "another delivery attempt" in result.reply, result
        assert len(cronofy.requests()) == 1
        cronofy.release()


class TestBadCalendar:
    """The invite is cancelled, and what Cronofy wrote is no calendar that can be sent."""

    @pytest.mark.parametrize("choice, action", [("tempfail", "reject"), ("hold", "accept"),
                                                ("deliver", "accept")])
    def test_is_kept_and_judged_again_and_not_for_ever(self, make, cronofy, choice, action):
        cronofy.script("board-1", forever(trouble("no_event")))
        running = make(milter={"on_unavailable": choice}).start()
        results = []
        for number in range(4):
            results.append(deliver(running))
            log_of(running, "board-1", number + 1)  # is written
        before = {"tempfail": "tempfail"}.get(choice, action)
        assert [result.action for result in results] == [before] * 3 + [action]
        assert len(cronofy.cancel_requests()) == 1
        words = [one["result"] for one in log_of(running, "board-1", 4)]
        assert words == ["bad_calendar"] * 3 + ["unusable_calendar"]
        if action == "reject":
            assert results[-1].reply.startswith("554 5.6.0"), results[-1]
            assert "the invite is cancelled, but" in results[-1].reply

    def test_may_be_taken_with_another_configuration(self, make, cronofy):
        cronofy.script("board-1", trouble("status_confirmed"))
        running = make(milter={"strict_calendar": True}).start()
        assert deliver(running).action == "tempfail"
        running.reload(milter={"strict_calendar": False})
        running.wait_for_log("is in force")
        assert_cancelled(deliver(running))
        assert len(cronofy.cancel_requests()) == 1


class TestKilledAtAnyMoment:
    def test_ends_in_one_delivery_and_asks_for_nothing_that_was_kept(self, make, cronofy, workdir):
        seed = int(os.environ.get("CIM_SEED", 1))
        choose = random.Random(seed)
        running = make()
        for number in range(12):
            message = another(number)
            running.start()
            first = Delivery(running.socket, message)
            time.sleep(choose.uniform(0, 0.06))
            running.kill()
            with contextlib.suppress(OSError):
                first.result()
            with database(workdir) as opened:
                assert opened.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                kept = opened.execute(
                    "SELECT count(*) FROM calendar WHERE message_id = ?",
                    (f"<{number}@acme.example>",)).fetchone()[0]
            asked = len(cronofy.requests())
            running.start()
            assert_cancelled(deliver(running, message))
            # One that was sent before the kill may be seen only after it.
            more = len(cronofy.requests()) - asked
            assert more == 0 if kept else more in (1, 2), f"CIM_SEED={seed}"
            running.kill()
        assert count(workdir, "calendar") == 12


class TestAnotherMessage:
    @pytest.mark.parametrize("code", [404, 410, 422])
    def test_falls_back_when_the_invite_is_gone(self, make, cronofy, code):
        running = make().start()
        first = deliver(running)
        cronofy.script("board-1", forever(status(code)))
        assert calendar_of(deliver(running, another(2))) == calendar_of(first)
        assert len(cronofy.requests()) == 2
        running.wait_for_log(rf"result=cancelled.*status={code}.*kept=fallback")
        assert not re.search("^error", running.log(), re.M)

    def test_gets_the_newer_calendar_if_there_is_one(self, make, cronofy):
        cronofy.set(second_cancel="higher")
        running = make().start()
        first, second = deliver(running), deliver(running, another(2))
        assert calendar_of(first) != calendar_of(second)
        assert calendar_of(deliver(running)) == calendar_of(first)
        assert calendar_of(deliver(running, another(2))) == calendar_of(second)
        cronofy.script("board-1", forever(status(404)))
        assert calendar_of(deliver(running, another(3))) == calendar_of(second)

    @pytest.mark.parametrize("code, action", [(400, "tempfail"), (401, "tempfail"),
                                              (403, "tempfail"), (302, "tempfail"),
                                              (503, "tempfail")])
    def test_does_not_fall_back_on_any_other_answer(self, make, cronofy, code, action):
        running = make(cronofy={"attempts": 1}).start()
        assert_cancelled(deliver(running))
        cronofy.script("board-1", forever(status(code)))
        assert deliver(running, another(2)).action == action

    def test_is_refused_if_nothing_was_ever_kept(self, make, cronofy):
        running = make().start()
        assert_cancelled(deliver(running, mail("X-Cancel-Invite: board-2")))
        cronofy.script("board-1", forever(status(404)))
        assert deliver(running).action == "reject"

    def test_of_another_account_gets_nothing(self, make, cronofy):
        cronofy.set(api_keys=["CRN_a", "CRN_b"], second_cancel="404")
        running = make(accounts={name: {"senders": f"@{name}.example", "api_key": f"CRN_{name}"}
                                 for name in "ab"}).start()
        assert_cancelled(deliver(running, TAGGED, "x@a.example"))
        assert deliver(running, another(2), "x@b.example").action == "reject"

    def test_falls_back_only_as_long_as_is_kept(self, make, cronofy, workdir):
        running = make(ledger={"keep": "2h"}).start()
        assert_cancelled(deliver(running))
        with database(workdir) as opened:
            opened.execute("UPDATE calendar SET time = time - 2 * 3600000 - 1")
        running.reload()
        until(lambda: count(workdir, "calendar") == 0, 10, "the calendar to be removed")
        cronofy.script("board-1", forever(status(404)))
        assert deliver(running, another(2)).action == "reject"


class TestMailThatIsNotItsBusiness:
    @pytest.mark.parametrize("sections, message, action", [
        ({}, mail(), "accept"),
        ({"trust": {"networks": "192.0.2.1"}}, TAGGED, "accept"),
        ({"trust": {"networks": "192.0.2.1", "untrusted": "reject"}}, TAGGED, "reject"),
        ({"milter": {"dry_run": True}}, TAGGED, "accept"),
    ], ids=["untagged", "untrusted", "untrusted, rejected", "dry run"])
    def test_leaves_no_trace(self, make, cronofy, workdir, sections, message, action):
        running = make(**sections).start()
        assert deliver(running, message).action == action
        assert running.stop() == 0
        assert count(workdir, "record") == count(workdir, "calendar") == 0

    def test_passes_though_a_required_ledger_is_missing(self, make, workdir):
        running = make(ledger={"file": "absent/ledger.db", "required": True}).start()
        running.wait_for_log("listens on.*\n")
        mark = len(running.log())
        for _ in range(3):
            assert deliver(running, mail()).action == "accept"
        assert "ledger" not in running.log()[mark:]


def missing(workdir):
    (workdir / "ledger").rmdir()


def damaged(workdir):
    workdir.write("ledger/ledger.db", b"no database at all\n" * 1000, mode=0o600)


def later(workdir):
    with contextlib.closing(sqlite3.connect(f"{workdir}/ledger/ledger.db")) as opened:
        opened.execute("PRAGMA application_id = 0x43494d4c")
        opened.execute("PRAGMA user_version = 99")
        opened.execute("CREATE TABLE record (later)")


def foreign(workdir):
    with contextlib.closing(sqlite3.connect(f"{workdir}/ledger/ledger.db")) as opened:
        opened.execute("CREATE TABLE theirs (a)")


def directory(workdir):
    workdir.folder("ledger/ledger.db")


def closed(workdir):
    tools.need_root("a filter of another user")
    (workdir / "ledger").chmod(0o500)


# Each kind of trouble: how it comes about, and what the log says to do.
TROUBLES = {
    "missing": (missing, "there is no directory .*ledger; make it"),
    "damaged": (damaged, "damaged.* move it away"),
    "later": (later, "later version.* move it away"),
    "foreign": (foreign, "another program's.* move it away"),
    "directory": (directory, "ledger.db"),
    "closed": (closed, "must belong to the user"),
}


class TestTrouble:
    def start(self, make, cronofy, workdir, name, **ledger):
        closed = name == "closed"
        folder = workdir.folder("ledger", mode=0o700, user="nobody" if closed else None)
        TROUBLES[name][0](workdir)
        return make(ledger={"file": folder / "ledger.db", **ledger},
                    **(by_nobody(cronofy) if closed else {})).start()

    @pytest.mark.parametrize("name", TROUBLES)
    def test_does_not_stop_mail_and_says_what_to_do(self, make, cronofy, workdir, name):
        running = self.start(make, cronofy, workdir, name)
        for number in range(3):
            assert_cancelled(deliver(running, another(number)))
        assert len(cronofy.requests()) == 3
        said = re.findall("^error: .*", running.log(), re.M)
        assert len(said) == 1 and re.search(TROUBLES[name][1], said[0]), running.log()

    @pytest.mark.parametrize("name", TROUBLES)
    def test_puts_mail_off_before_the_call_if_the_ledger_is_required(self, make, cronofy, workdir,
                                                                     name):
        running = self.start(make, cronofy, workdir, name, required=True)
        result = deliver(running)
        assert result.action == "tempfail" and result.reply.startswith("451 4.3.0 "), result
        assert "ledger" in result.reply
        running.wait_for_log("^error: .*result=no_ledger")
        assert not cronofy.requests()

    def test_never_bounces_what_may_have_been_cancelled_before(self, make, cronofy, workdir):
        """Without the ledger nobody can tell whether there is a calendar to send instead."""
        cronofy.script("board-1", status(404))
        running = self.start(make, cronofy, workdir, "missing")
        result = deliver(running)
        assert result.action == "tempfail" and result.reply.startswith("451 4.3.0 "), result
        assert "is not known whether" in result.reply
        running.wait_for_log("^error: .*result=no_ledger.* status=404")

    @pytest.mark.parametrize("name", ["damaged", "later", "foreign"])
    def test_leaves_the_file_as_it_is(self, make, cronofy, workdir, name):
        running = self.start(make, cronofy, workdir, name)
        before = (workdir / "ledger" / "ledger.db").read_bytes()
        assert_cancelled(deliver(running))
        running.kill()
        assert (workdir / "ledger" / "ledger.db").read_bytes() == before
        assert os.listdir(workdir / "ledger") == ["ledger.db"]

    def test_is_over_when_its_cause_is(self, make, cronofy, workdir):
        running = self.start(make, cronofy, workdir, "missing", required=True)
        assert deliver(running).action == "tempfail"
        workdir.folder("ledger")
        running.wait_for_log("^info: the ledger can be used again", timeout=20)
        assert_cancelled(deliver(running))
        assert_cancelled(deliver(running))
        assert len(cronofy.requests()) == 1

    @pytest.mark.parametrize("required", [True, False])
    def test_between_the_call_and_the_commit(self, make, cronofy, workdir, required):
        cronofy.script("board-1", trouble("held"))
        running = make(ledger={"required": required}).start()
        message = Delivery(running.socket, TAGGED)
        cronofy.wait_for_requests(1)
        with database(workdir) as other:
            other.execute("BEGIN IMMEDIATE")
            cronofy.release()
            result = message.result()
            other.execute("ROLLBACK")
        running.wait_for_log("^error: the ledger cannot be used: .* locked")
        if required:
            assert result.action == "tempfail" and result.reply.startswith("451 4.3.0 "), result
            assert "could not be kept" in result.reply
        else:
            assert_cancelled(result)
        running.wait_for_log("^info: the ledger can be used again", timeout=20)
        assert_cancelled(deliver(running))
        assert len(cronofy.requests()) == 2

    def test_of_a_full_disk_loses_nothing(self, make, cronofy, workdir):
        tools.need_root("a small disk")
        disk = workdir.folder("disk")
        unshare = [tools.installed("unshare"), "--mount", "sh", "-c",
                   f'mount -t tmpfs -o size=1M tmpfs {disk} && exec "$@"', "sh"]
        if subprocess.run([*unshare, "true"], stderr=subprocess.DEVNULL).returncode:
            raise tools.Missing("unshare --mount is not allowed here")
        running = make(ledger={"file": disk / "ledger.db"}, launcher=unshare).start()
        seen = f"/proc/{running.pid}/root{disk}"  # as the filter sees it
        assert_cancelled(deliver(running))
        with contextlib.suppress(OSError), open(f"{seen}/filler", "wb", buffering=0) as filler:
            while True:
                filler.write(b"x" * 4096)
        for number in range(2, 40):  # some still find room in the file
            assert_cancelled(deliver(running, another(number)))
        running.wait_for_log("^error: the ledger cannot be used: .*no room left")
        os.unlink(f"{seen}/filler")
        running.wait_for_log("^info: the ledger can be used again", timeout=20)
        requests = len(cronofy.requests())
        assert_cancelled(deliver(running))
        assert_cancelled(deliver(running, another(100)))
        assert_cancelled(deliver(running, another(100)))
        assert len(cronofy.requests()) == requests + 1

    def test_of_a_file_that_may_not_grow_kills_nobody(self, make, cronofy):
        limit = [tools.installed("prlimit"), "--fsize=40000"]
        running = make(launcher=limit).start()
        assert_cancelled(deliver(running))
        assert running.alive()
        running.wait_for_log("^error: the ledger cannot be used")


class TestReload:
    def test_changes_required_and_keep_but_not_the_file(self, make, cronofy, workdir):
        running = make(ledger={"file": "absent/ledger.db"}).start()
        assert_cancelled(deliver(running))
        running.reload(ledger={"file": "absent/ledger.db", "required": True})
        running.wait_for_log("is in force")
        assert deliver(running).action == "tempfail"
        mark = len(running.log())
        running.reload(ledger={"file": "other.db", "required": True})
        running.wait_for_log("restart is needed for file of \\[ledger\\]", after=mark)
        running.wait_for_log("is in force", after=mark)
        assert deliver(running).action == "tempfail"
        assert not (workdir / "other.db").exists()


class TestFile:
    def test_is_for_the_filters_user_alone(self, make, workdir):
        running = make(launcher=["sh", "-c", 'umask 0; exec "$@"', "sh"]).start()
        assert_cancelled(deliver(running))
        for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
            assert (workdir / name).stat().st_mode & 0o777 == 0o600

    def test_holds_no_key(self, make, cronofy, workdir):
        running = make(cronofy={"attempts": 1}).start()
        assert_cancelled(deliver(running))
        cronofy.set(api_keys=["CRN_other"])
        assert deliver(running, another(2)).action == "tempfail"
        log_of(running, "board-1", 2)
        for name in ("ledger.db", "ledger.db-wal"):
            assert b"CRN_" not in (workdir / name).read_bytes()

    def test_loses_what_is_older_than_keep_while_mail_goes_on(self, make, workdir):
        running = make().start()
        assert_cancelled(deliver(running))
        assert running.stop() == 0
        with database(workdir) as opened:
            opened.execute("BEGIN")
            old = "INSERT INTO {0} SELECT {1} FROM {0}"
            columns = [row[1] for row in opened.execute("PRAGMA table_info(record)")]
            values = ", ".join({"number": "NULL", "time": "time - 31 * 86400000"}.get(name, name)
                               for name in columns)
            for _ in range(1200):
                opened.execute(old.format("record", values) + " ORDER BY number LIMIT 1")
            opened.execute("COMMIT")
        running.start()
        for number in range(2, 10):
            assert_cancelled(deliver(running, another(number)))
        until(lambda: count(workdir, "record") == 9, 20, "old attempts to be removed")
        assert count(workdir, "calendar") == 9


class TestLogOf:
    def test_tells_each_attempt_newest_last(self, make, cronofy):
        cronofy.script("board-1", status(503), status(503), status(503))
        running = make(cronofy={"attempts": 1}).start()
        assert deliver(running).action == "tempfail"
        assert deliver(running, macros={"i": "LATER"}).action == "tempfail"
        assert deliver(running, macros={"i": "THIRD"}).action == "tempfail"
        assert_cancelled(deliver(running, macros={"i": "LAST"}))
        found = log_of(running, "board-1", 4)
        assert [one["result"] for one in found] == ["unavailable"] * 3 + ["cancelled"]
        assert [one["queue_id"] for one in found] == ["4XyZ1234", "LATER", "THIRD", "LAST"]
        first, last = found[0], found[-1]
        assert first["reply"] == "451 4.4.1" and "503" in first["reason"]
        assert first["status"] == 503 and first["uid"] is None and first["kept"] is None
        assert last["status"] == 200 and last["reply"] is None and last["reason"] is None
        assert last["uid"] and last["sequence"] is not None
        assert (last["invite"], last["recipient"], last["envelope_recipient"], last["sender"],
                last["account"], last["message_id"]) == (
                    "board-1", GUEST, GUEST, "app@acme.example", "cronofy", "<1@acme.example>")
        assert isinstance(last["ms"], int)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", last["time"])
        assert found == sorted(found, key=lambda one: one["time"])

    @pytest.mark.parametrize("what", ["board-1", GUEST, "GUEST@example.org", "<1@acme.example>",
                                      "1@acme.example", "4XyZ1234", "other@example.org"])
    def test_finds_it_by_whatever_is_known(self, make, what):
        running = make().start()
        assert_cancelled(deliver(running, mail(TAG + "; recipient=other@example.org")))
        [found] = log_of(running, what, 1)
        assert (found["recipient"], found["envelope_recipient"]) == ("other@example.org", GUEST)

    def test_tells_what_was_refused_before_cronofy_was_asked(self, make, cronofy):
        running = make().start()
        assert deliver(running, mail("X-Cancel-Invite: ")).action == "reject"
        [found] = log_of(running, GUEST, 1)
        assert (found["result"], found["invite"], found["reply"]) == ("bad_tag", None, "554 5.6.0")

    def test_tells_which_kept_calendar_was_used(self, make, cronofy):
        cronofy.set(second_cancel="404")
        running = make().start()
        for message in (TAGGED, TAGGED, another(2)):
            assert_cancelled(deliver(running, message))
        found = log_of(running, "board-1", 3)
        assert [one["kept"] for one in found] == [None, "same_message", "fallback"]
        assert [one["status"] for one in found] == [200, None, 404]

    def test_tells_what_the_mta_did_not_take(self, make, cronofy):
        running = make().start()
        hang_up_before_the_answer(running, cronofy)
        assert log_of(running, "board-1", 1)[0]["result"] == "not_taken"

    def test_is_plain_text_for_people(self, make, cronofy):
        cronofy.script("board-1", status(503))
        running = make(cronofy={"attempts": 1}).start()
        deliver(running)
        assert_cancelled(deliver(running))
        log_of(running, "board-1", 2)
        done = run("--log-of", "board-1", "-c", running.config,
                   env={**os.environ, "TZ": "Asia/Tokyo"})
        assert done.returncode == OK and not done.stderr
        one, other = done.stdout.split("\n\n")
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \+0900  unavailable\n", one), one
        assert re.match(r".* \+0900  cancelled\n", other)
        assert re.search(r"^    reason +X-Cancel-Invite: invite \"board-1\" of .*503", one, re.M)
        columns = {re.match(r"    \S+ +", line).end() for line in one.splitlines()[1:]}
        assert len(columns) == 1, one
        assert "reason" not in other

    def test_cuts_nothing_and_passes_no_control_character_on(self, make, cronofy):
        running = make().start()
        long = "i" * 1000
        odd = mail(f"X-Cancel-Invite: {long}").replace(b"<1@acme", b"<\x1b[31m\xff1@acme")
        assert_cancelled(deliver(running, odd))
        [found] = log_of(running, long, 1)
        assert found["message_id"] == "<\x1b[31m\ufffd1@acme.example>"
        for option in ([], ["--json"]):
            done = subprocess.run([binary(), "--log-of", long, "-c", running.config, *option],
                                  capture_output=True)
            assert done.returncode == OK and long.encode() in done.stdout
            assert b"\x1b" not in done.stdout
            done.stdout.decode()

    def test_of_something_unknown_says_so(self, make):
        running = make().start()
        done = run("--log-of", "nothing", "-c", running.config)
        assert (done.returncode, done.stdout) == (NOINPUT, "") and '"nothing"' in done.stderr
        done = run("--log-of", "nothing", "--json", "-c", running.config)
        assert done.returncode == NOINPUT and json.loads(done.stdout) == []


class TestReport:
    @pytest.fixture
    def running(self, make, cronofy):
        """Two accounts, and what became of seven messages."""
        cronofy.set(api_keys=["CRN_a", "CRN_b"])
        cronofy.script("gone", forever(status(404)))
        running = make(accounts={name: {"senders": f"@{name}.example", "api_key": f"CRN_{name}"}
                                 for name in "ab"}).start()
        for message, sender in [(TAGGED, "x@a.example"), (TAGGED, "x@a.example"),
                                (another(2), "x@a.example"), (TAGGED, "x@b.example"),
                                (mail("X-Cancel-Invite: gone"), "x@b.example"),
                                (mail("X-Cancel-Invite: gone"), "x@b.example"),
                                (TAGGED, "x@nobody.example")]:
            deliver(running, message, sender)
        log_of(running, GUEST, 7)
        return running

    def test_does_not_count_a_message_again_for_its_way_through_the_queue(self, workdir, make):
        """Of two messages to three recipients each, six are counted: not eight."""
        running = make()
        with running:
            running.start()
        with sqlite3.connect(workdir / "ledger.db") as ledger:
            columns = [row[1] for row in ledger.execute("PRAGMA table_info(record)")][1:]
            for result in ["queued"] * 2 + ["cancelled"] * 5 + ["refused"]:
                row = {name: 1 if name in ("time", "status", "ms") else "" for name in columns}
                row.update(result=result, account="a")
                ledger.execute(f"INSERT INTO record ({', '.join(row)}) VALUES "
                               f"({', '.join('?' * len(row))})", list(row.values()))
        report = json.loads(run("--report", "--json", "-c", running.config).stdout)
        assert report["accounts"] == [{"account": "a", "results": {
            "cancelled": 5, "queued": 2, "refused": 1}, "total": 6, "kept": 0}]
        assert report["total"] == 6

    def test_counts_by_account_and_result(self, running):
        done = run("--report", "-c", running.config, "--json")
        assert done.returncode == OK and not done.stderr
        assert json.loads(done.stdout) == {
            "since": None, "total": 7, "kept": 1, "accounts": [
                {"account": None, "results": {"no_account": 1}, "total": 1, "kept": 0},
                {"account": "a", "results": {"cancelled": 3}, "total": 3, "kept": 1},
                {"account": "b", "results": {"cancelled": 1, "refused": 2}, "total": 3,
                 "kept": 0}]}

    def test_is_a_table_for_people(self, running):
        done = run("--report", "-c", running.config)
        assert done.returncode == OK and not done.stderr
        assert [line.split() for line in done.stdout.splitlines()] == [
            ["account", "result", "messages", "kept"],
            ["-", "no_account", "1", "0"], ["total", "1", "0"],
            ["a", "cancelled", "3", "1"], ["total", "3", "1"],
            ["b", "cancelled", "1", "0"], ["refused", "2", "0"], ["total", "3", "0"],
            ["all", "total", "7", "1"]]
        assert len({len(line) for line in done.stdout.splitlines()}) == 1

    def test_counts_since_then(self, running, workdir):
        with database(workdir) as opened:
            opened.execute("UPDATE record SET time = time - 86400000 WHERE account = 'b'")
        done = run("--report", "--since", "12h", "-c", running.config, "--json")
        report = json.loads(done.stdout)
        assert report["total"] == 4 and re.match(r"\d{4}-.*Z", report["since"])
        assert json.loads(run("--report", "--since", "2d", "-c", running.config,
                              "--json").stdout)["total"] == 7
        assert run("--report", "--since", "1m", "-c",
                   running.config).stdout.startswith("since 2")

    def test_of_an_empty_ledger_is_all_zero(self, make):
        running = make().start()
        done = run("--report", "-c", running.config, "--json")
        assert json.loads(done.stdout) == {"since": None, "accounts": [], "total": 0, "kept": 0}
        assert run("--report", "-c", running.config).stdout.split()[-2:] == ["0", "0"]


class TestExport:
    def test_is_csv_as_rfc_4180_says(self, make, cronofy):
        odd = 'a, "b"'
        running = make().start()
        assert_cancelled(deliver(running))
        assert_cancelled(deliver(running, mail('X-Cancel-Invite: "a, \\"b\\""')))
        log_of(running, GUEST, 2)
        done = subprocess.run([binary(), "--export", "-c", running.config], capture_output=True)
        assert done.returncode == OK and not done.stderr
        assert done.stdout.count(b"\r\n") == done.stdout.count(b"\n") == 3
        one, other = csv.DictReader(io.StringIO(done.stdout.decode(), newline=""), strict=True)
        assert (one["invite"], other["invite"]) == ("board-1", odd)
        known = log_of(running, odd, 1)[0]
        assert other == {name: "" if value is None else str(value)
                         for name, value in known.items()}

    def test_gives_what_is_not_older(self, make, workdir):
        running = make().start()
        for number in range(3):
            assert_cancelled(deliver(running, another(number)))
        log_of(running, "board-1", 3)
        with database(workdir) as opened:
            opened.execute("UPDATE record SET time = time - 7200000 "
                           "WHERE message_id = '<1@acme.example>'")
        rows = list(csv.DictReader(io.StringIO(
            run("--export", "--since", "1h", "-c", running.config).stdout)))
        assert [row["message_id"] for row in rows] == ["<0@acme.example>", "<2@acme.example>"]

    def test_of_thousands_holds_up_nobody(self, make, workdir, cronofy):
        running = make().start()
        assert_cancelled(deliver(running))
        log_of(running, "board-1", 1)
        with database(workdir) as opened:
            opened.execute("BEGIN")
            columns = ", ".join(row[1] for row in opened.execute("PRAGMA table_info(record)")
                                if row[1] != "number")
            for _ in range(13):
                opened.execute(f"INSERT INTO record ({columns}) SELECT {columns} FROM record")
            opened.execute("COMMIT")
        reader = subprocess.Popen([binary(), "--export", "-c", running.config],
                                  stdout=subprocess.PIPE)
        try:
            assert reader.stdout.readline().startswith(b"time,")  # and then it reads no more
            for number in range(2, 5):
                begun = time.monotonic()
                assert_cancelled(deliver(running, another(number)))
                assert time.monotonic() - begun < 2
            assert reader.stdout.read().count(b"\r\n") >= 2 ** 13
            assert reader.wait() == OK
        finally:
            reader.kill()
            reader.wait()
            reader.stdout.close()


class TestBackup:
    def test_under_mail_is_whole(self, make, workdir):
        """As the manual says it: VACUUM INTO."""
        running = make().start()
        for number in range(100, 110):
            assert_cancelled(deliver(running, another(number)))
        waiting = [Delivery(running.socket, another(number)) for number in range(20)]
        with database(workdir) as opened:
            opened.execute(f"VACUUM INTO '{workdir}/copy.db'")
        for message in waiting:
            assert_cancelled(message.result())
        with contextlib.closing(sqlite3.connect(f"{workdir}/copy.db")) as copy:
            assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert copy.execute("SELECT count(*) FROM calendar").fetchone()[0] >= 10
        running.stop()
        for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(workdir / name)
        os.rename(workdir / "copy.db", workdir / "ledger.db")
        running.start()
        assert_cancelled(deliver(running, another(105)))
        running.wait_for_log("kept=same_message")
        assert "ledger cannot be used" not in running.log()


class TestPrivacy:
    """Addresses as hashes: nowhere to be read but in the calendars, and found all the same."""

    def start(self, make, workdir, **options):
        return make(ledger={"addresses": "hash"},
                    milter={"log_addresses": "hash", "address_key_file": workdir / "address.key"},
                    **options).start()

    def test_no_address_is_in_the_log_and_the_records(self, make, cronofy, workdir):
        running = self.start(make, workdir)
        assert_cancelled(deliver(running))
        cronofy.script("board-2", status(404))
        result = deliver(running, mail("X-Cancel-Invite: board-2"))
        assert GUEST in result.reply  # who sends it may know
        log_of(running, "board-2", 1)
        assert GUEST not in running.log() and "app@acme.example" not in running.log()
        with database(workdir) as opened:
            kept = repr(opened.execute("SELECT * FROM record").fetchall()
                        + opened.execute("SELECT recipient FROM calendar").fetchall()
                        + opened.execute("SELECT recipient FROM call").fetchall())
        assert "board-1" in kept and "@example.org" not in kept and "app@" not in kept
        assert (workdir / "address.key").stat().st_mode & 0o777 == 0o600

    def test_look_ups_by_address_go_on_working(self, make, cronofy, workdir):
        cronofy.set(second_cancel="404")
        running = self.start(make, workdir)
        assert_cancelled(deliver(running))
        assert_cancelled(deliver(running))
        assert_cancelled(deliver(running, another(2)))  # the one that was kept
        assert len(cronofy.requests()) == 2
        found = log_of(running, GUEST.upper(), 3)
        hashed = found[0]["recipient"]
        assert re.fullmatch("[0-9a-f]{32}", hashed) and f"recipient={hashed}" in running.log()
        assert len(log_of(running, hashed, 3)) == 3
        running.stop()
        running.start()
        assert_cancelled(deliver(running))
        assert len(cronofy.requests()) == 2
        log_of(running, GUEST, 4)
        done = run("--forget", GUEST, "-c", running.config)
        assert done.stdout == "removed: 4 records, 1 calendars, 0 calls\n", done

    def test_without_its_key_nobody_is_said_to_be_forgotten(self, make, workdir):
        running = self.start(make, workdir)
        assert_cancelled(deliver(running))
        log_of(running, GUEST, 1)
        (workdir / "address.key").unlink()
        done = run("--forget", GUEST, "-c", running.config)
        assert done.returncode != OK and not done.stdout and "address.key" in done.stderr, done
        done = run("--log-of", GUEST, "-c", running.config)
        assert done.returncode == NOINPUT and "address.key" in done.stderr, done
        log_of(running, "board-1", 1)

    def test_the_log_may_show_domains_only(self, make, cronofy):
        running = make(milter={"log_addresses": "domain"}).start()
        cronofy.script("board-1", status(404))
        assert deliver(running).action == "reject"
        line = running.wait_for_log("result=refused.*")[0]
        assert "recipient=*@example.org sender=*@acme.example" in line and "<*@example.org>" in line
        assert log_of(running, GUEST, 1)[0]["recipient"] == GUEST


class TestForget:
    def test_takes_a_person_out_and_nobody_else(self, make, cronofy, workdir):
        cronofy.create("board-1", "Ann.Other@example.org")
        running = make().start()
        assert_cancelled(deliver(running))
        assert_cancelled(deliver(running, another(2), "app@acme.example", ["Ann.Other@example.org"]))
        log_of(running, "board-1", 2)
        done = run("--forget", "ann.OTHER@example.org", "-c", running.config)
        assert (done.returncode, done.stdout) == (
            OK, "removed: 1 records, 1 calendars, 0 calls\n"), done
        assert [one["recipient"] for one in log_of(running, "board-1", 1)] == [GUEST]
        assert_cancelled(deliver(running))  # with its calendar
        assert len(cronofy.requests()) == 2
        running.stop()
        for name in os.listdir(workdir):
            if name.startswith("ledger.db"):
                assert b"nn.Other@" not in (workdir / name).read_bytes(), name

    def test_knows_senders_and_what_is_in_doubt(self, make, cronofy, workdir):
        cronofy.script("board-1", delayed(3, status(200)))
        running = make(cronofy={"timeout": "500ms", "attempts": 1}).start()
        assert deliver(running).action == "tempfail"
        log_of(running, "board-1", 1)
        until(lambda: count(workdir, "call") == 1, 10, "the call")
        done = run("--forget", "app@acme.example", "-c", running.config)
        assert done.stdout == "removed: 1 records, 0 calendars, 0 calls\n", done
        done = run("--forget", GUEST, "-c", running.config)
        assert done.stdout == "removed: 0 records, 0 calendars, 1 calls\n", done
        done = run("--forget", GUEST, "-c", running.config)
        assert done.returncode == OK and done.stdout.startswith("removed: 0 records, 0"), done

    def test_takes_an_address(self, make):
        for what in ("ann", "", "ann@example.org@x"):
            done = run("--forget", what, "-c", make().config)
            assert done.returncode == USAGE and not done.stdout, done


class TestCommands:
    @pytest.mark.parametrize("arguments", [
        ["--log-of"], ["--log-of", ""], ["--log-of", "a", "b"], ["--report", "x"],
        ["--report", "--export"], ["--log-of", "a", "--report"], ["--since", "1d"],
        ["--log-of", "a", "--since", "1d"], ["--report", "--since", "yesterday"],
        ["--report", "--since", "-1d"], ["--export", "--json"], ["--json"],
    ], ids=" ".join)
    def test_say_what_is_wrong_with_their_arguments(self, make, arguments):
        done = run(*arguments, "-c", make().config)
        assert done.returncode == USAGE and done.stderr and not done.stdout, done

    @pytest.mark.parametrize("arguments", [["--log-of", "a"], ["--report"], ["--export"],
                                           ["--forget", "ann@example.org"]])
    @pytest.mark.parametrize("ledger, content, code, words", [
        ({"file": "none"}, None, CONFIG, "file = none"),
        ({}, None, NOINPUT, "there is no ledger: .*ledger.db"),
        ({}, b"x" * 8192, UNAVAILABLE, "damaged"),
    ], ids=["none", "missing", "damaged"])
    def test_say_why_there_is_nothing_to_read(self, make, workdir, arguments, ledger, content,
                                              code, words):
        made = make(ledger=ledger)
        if content:
            workdir.write("ledger.db", content)
        done = run(*arguments, "-c", made.config)
        assert done.returncode == code and re.search(words, done.stderr), done
        assert "\n" not in done.stderr.strip()

    def test_say_so_if_they_may_not_read(self, make, workdir, cronofy):
        tools.need_root("another user")
        running = make(cronofy=by_nobody(cronofy)["cronofy"]).start()
        for file in [running.config, *workdir.path.glob("*.key")]:
            os.chown(file, pwd.getpwnam("nobody").pw_uid, -1)
        done = run("--report", "-c", running.config, user="nobody")
        assert done.returncode == NOPERM and "filter's user" in done.stderr, done

    @pytest.mark.parametrize("running_meanwhile", [True, False])
    def test_by_root_leave_nothing_that_the_filter_cannot_use(self, make, workdir, cronofy,
                                                              running_meanwhile):
        tools.need_root("a filter of another user")
        folder = workdir.folder("ledger", mode=0o700, user="nobody")
        running = make(ledger={"file": folder / "ledger.db"}, **by_nobody(cronofy)).start()
        assert_cancelled(deliver(running))
        log_of(running, "board-1", 1)
        if not running_meanwhile:
            running.kill()
        message = workdir.write("tagged.eml", another(2))
        for command in (["--report"], ["--export"], ["--log-of", "board-1"],
                        ["--forget", "nobody@example.org"], ["--try", message, GUEST]):
            done = run(*command, "-c", running.config)
            assert done.returncode == OK, done
        owners = {(folder / name).owner() for name in os.listdir(folder)}
        assert owners == {"nobody"}
        if not running_meanwhile:
            running.start()
        assert_cancelled(deliver(running, another(3)))
        log_of(running, "board-1", 3)
        assert "ledger cannot be used" not in running.log()

    def test_to_try_a_message_uses_the_ledger_that_there_is(self, make, cronofy, workdir):
        running = make().start()
        first = deliver(running)
        log_of(running, "board-1", 1)
        message = workdir.write("tagged.eml", TAGGED)
        done = subprocess.run([binary(), "--try", message, "-f", "app@acme.example", GUEST, "-c",
                               running.config], capture_output=True)
        assert done.returncode == OK, done
        assert b"kept=same_message" in done.stderr
        assert calendar_of(first) in done.stdout
        assert len(cronofy.requests()) == 1
        assert [one["queue_id"] for one in log_of(running, "board-1", 2)] == ["4XyZ1234", "try"]

    def test_to_cancel_always_ask_and_keep_the_calendar_for_later(self, make, cronofy):
        cronofy.set(second_cancel="404")
        running = make().start()
        done = run("--cancel", "board-1", GUEST, "-c", running.config)
        assert done.returncode == OK and not done.stderr
        assert calendar_of(deliver(running)).decode().splitlines() == done.stdout.splitlines()
        one, other = log_of(running, "board-1", 2)
        assert (one["queue_id"], one["result"], one["status"]) == ("cancel", "cancelled", 200)
        assert (other["kept"], other["uid"]) == ("fallback", one["uid"])
        done = run("--cancel", "board-1", GUEST, "-c", running.config)
        assert done.returncode == UNAVAILABLE and not done.stdout
        assert len(cronofy.requests()) == 3

    def test_to_try_and_to_cancel_make_no_ledger(self, make, cronofy, workdir):
        made = make()
        message = workdir.write("tagged.eml", TAGGED)
        assert run("--try", message, GUEST, "-c", made.config).returncode == OK
        assert run("--cancel", "board-1", GUEST, "-c", made.config).returncode == OK
        assert not (workdir / "ledger.db").exists()
