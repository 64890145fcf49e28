"""cancel-invite-setup with a Postfix that runs: a probe arrives and reaches nobody, or it is said
where it stopped and everything is taken back; tagged mail that waits is never left behind."""

import contextlib
import os
import re
import subprocess

import pytest

from lab import tools
from lab.messages import RECIPIENT, SENDER, tagged
from lab.opendkim import OpenDKIM
from lab.process import Port, until
from lab.queued import assert_each_cancelled, invite
from test_postfix_setup import DONE, FAILED, MODES, SETUP, WAITING

# What the world says to a domain that does not exist.
BOUNCED = "550 5.1.2 there is no such domain"

class Machine:
    """A running Postfix, a filter, and what an administrator types."""

    def __init__(self, postfix, filter, sink, workdir):
        self.postfix = postfix
        self.filter = filter
        self.sink = sink
        self.filter_config = filter.config
        port = Port()
        port.close()
        self.port = str(port.number)
        self.path = f"{tools.program('postfix', 'usr/sbin/postconf').parent}:{os.defpath}"

    def run(self, *arguments, code):
        self._settle()
        done = subprocess.run(
            ["bash", SETUP, "--config-dir", self.postfix.etc, "--filter-config", self.filter_config,
             "--log", self.filter.log_path, "--smtp", f"127.0.0.1:{self.postfix.smtp_port}",
             "--yes", *arguments],
            capture_output=True, text=True, timeout=120, env=self._environment())
        assert done.returncode == code, f"{done.stdout}{done.stderr}\n{self.postfix.log()}"
        return done.stdout + done.stderr

    def setup(self, mode, *arguments, code=DONE):
        return self.run("--mode", mode, "--port", self.port, *arguments, code=code)

    def state(self):
        return {path.name: path.read_bytes() for path in self.postfix.etc.iterdir()
                if path.is_file() and path.name != "printed"}

    def postconf(self, *arguments):
        self._settle()
        subprocess.run(["postconf", "-c", self.postfix.etc, *arguments], check=True,
                       env=self._environment())
        self._settle()
        seen = self.postfix.log().count("reload -- version")
        self.postfix.reload()
        until(lambda: self.postfix.log().count("reload -- version") > seen, 10, "a reload")

    def _settle(self):
        for file in ("main.cf", "master.cf"):
            os.utime(self.postfix.etc / file, (1e9, 1e9))

    def _environment(self):
        return {**os.environ, "PATH": self.path, "LD_LIBRARY_PATH": str(tools.library_path("postfix")),
                "CANCEL_INVITE_PROBE_TIMEOUT": "15"}


@pytest.fixture
def machine(start_postfix, start_filter, sink, workdir, monkeypatch):
    """machine(mode, main=...): the filter runs in that mode already, Postfix knows nothing of it."""

    def start(mode, main="", filter=None, **sections):
        monkeypatch.setattr(sink, "answer_for", lambda recipient: (
            BOUNCED if recipient.endswith(".invalid") else "250 2.1.5 ok"))
        filter = filter or start_filter(milter={"mode": mode, **sections.pop("milter", {})},
                                        **sections)
        meta = f"meta_directory = {tools.data('postfix', 'etc/postfix')}\n"
        return Machine(start_postfix(None, main=meta + main), filter, sink, workdir)

    monkeypatch.setenv("CANCEL_INVITE_MILTER", os.environ.get(
        "CIM_BINARY", str(tools.ROOT / "build/cancel-invite-milter")))
    return start


# It arrives

@pytest.mark.parametrize("mode", MODES)
def test_setup_proves_that_mail_reaches_the_filter(machine, standin, mode):
    there = machine(mode)
    before = there.state()
    shown = there.setup(mode)
    assert re.search(r"Probe by SMTP \(127\.0\.0\.1:\d+\): arrived", shown), shown
    assert "Probe by sendmail(1): arrived" in shown and "Done." in shown
    assert standin.cancels() == [] and there.sink.deliveries == []
    assert there.postfix.queue() == []
    invite(standin, [RECIPIENT])
    assert there.postfix.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    assert_each_cancelled(there.sink, [RECIPIENT])
    assert "arrived" in there.run("--probe", code=DONE)
    there.run("--undo", code=DONE)
    assert there.state() == before


def test_is_sent_by_a_sender_of_an_account(machine, standin):
    there = machine("direct", accounts={
        "one": {"senders": "@app.test, x@y.test", "api_key": standin.api_key}})
    there.setup("direct")
    assert "sender=cancel-invite-probe@app.test account=one" in there.filter.log()


def test_sends_no_probe_if_told_so(machine):
    there = machine("direct")
    assert "Probe" not in there.setup("direct", "--no-probe")
    assert "message-id=<probe-" not in there.postfix.log()


# It does not: everything is taken back, and it is said why

LOST = {
    "no_account": (dict(accounts={"a": {"senders": "x@y.test", "api_key": "CRN_test-key"}}),
                   ["--sender", "me@elsewhere.test"], "belongs to no account"),
    "untrusted": (dict(trust={"networks": "192.0.2.1"}), [], "does not trust this client"),
    "another_name": (dict(milter={"queue_daemon": "other"}), [], "milter_macro_daemon_name"),
}


@pytest.mark.parametrize("why", LOST)
def test_takes_everything_back_if_the_probe_does_not_arrive(machine, why):
    sections, arguments, says = LOST[why]
    there = machine("queued", **sections)
    before = there.state()
    shown = there.setup("queued", *arguments, code=FAILED)
    assert "did NOT arrive" in shown and says in shown and "everything is as it was" in shown
    assert there.state() == before
    until(lambda: not there.postfix.queue(), 10, there.postfix.log)


def test_takes_everything_back_if_postfix_does_not_reload(machine, workdir):
    there = machine("direct")
    before = there.state()
    shim = workdir.write("shims/postfix", "#!/bin/bash\n[[ $* != *reload ]]\n", 0o755)
    there.path = f"{shim.parent}:{there.path}"
    assert "everything is as it was" in there.setup("direct", code=FAILED)
    assert there.state() == before


def test_says_that_mail_does_not_pass_the_filter(machine):
    """Each note was true, and no mail by SMTP saw the filter."""
    there = machine("direct", main="receive_override_options = no_milters\n")
    shown = there.setup("direct", code=FAILED)
    assert "no filter saw it" in shown and "no_milters" in shown


def test_says_that_the_filter_is_down(machine):
    there = machine("direct")
    there.setup("direct")
    there.filter.kill()
    shown = there.run("--probe", code=FAILED)
    assert "nothing listens" in shown or "finds no filter" in shown
    assert "CANNOT connect" in there.run("--status", code=DONE)
    there.filter.start()


def test_says_that_something_signs_too_early(machine, workdir):
    """A signer that leaves tagged mail alone passes; one that does not, broke all of it."""
    for leaves, code in ((True, DONE), (False, FAILED)):
        folder = workdir.folder(f"signer-{leaves}")
        with contextlib.ExitStack() as ending:
            opendkim = OpenDKIM(_Below(workdir, folder), domain="app.test", leave_tagged=leaves).start()
            ending.callback(opendkim.stop)
            there = machine("routed", main=(
                f"smtpd_milters = {opendkim.socket}\nnon_smtpd_milters = $smtpd_milters\n"))
            before = there.state()
            shown = there.setup("routed", "--sender", "me@app.test", "--signer", opendkim.socket,
                                code=code)
            assert ("signed it before" in shown) == (not leaves), shown
            assert (there.state() == before) == (not leaves)


class _Below:
    """A workdir's folder as a workdir, as two of a kind would share their names."""

    def __init__(self, workdir, folder):
        self._workdir = workdir
        self._name = folder.name

    def folder(self, name, *arguments):
        return self._workdir.folder(f"{self._name}/{name}", *arguments)

    def write(self, name, *arguments):
        return self._workdir.write(f"{self._name}/{name}", *arguments)


# Tagged mail that waits

@pytest.mark.parametrize("mode", ("queued", "routed"))
def test_undo_leaves_no_tagged_mail_behind(machine, standin, mode):
    there = machine(mode)
    there.setup(mode, "--no-probe")
    invite(standin, [RECIPIENT])
    there.postconf("-e", "defer_transports = cancel-invite")
    assert there.postfix.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    until(there.postfix.queue, 10, there.postfix.log)
    before = there.state()
    shown = there.run("--undo", code=WAITING)
    assert "1 tagged messages wait" in shown and "Nothing was changed" in shown
    [waiting] = there.postfix.queue()
    assert waiting["queue_id"] in shown
    assert there.state() == before
    assert "1 tagged messages" in there.run("--status", code=DONE)
    other = {"queued": "direct", "routed": "direct"}[mode]
    assert "1 tagged messages" in there.setup(other, code=WAITING)
    there.postconf("-e", "defer_transports =")
    there.run("--undo", "--drain", code=DONE)
    assert_each_cancelled(there.sink, [RECIPIENT])
    assert there.postfix.queue() == []


def test_flush_has_only_tagged_mail_tried_again(machine, standin):
    there = machine("routed")
    there.setup("routed", "--no-probe")
    invite(standin, [RECIPIENT])
    there.postconf("-e", "defer_transports = cancel-invite smtp")
    for message in tagged("board-1"), tagged("board-1").replace(b"X-Cancel-Invite", b"X-Other"):
        assert there.postfix.submit(SENDER, RECIPIENT, message).code == 250
    until(lambda: len(there.postfix.queue()) == 2, 10, there.postfix.log)
    there.postconf("-e", "defer_transports =")
    there.run("--flush", code=DONE)
    assert_each_cancelled(there.sink, [RECIPIENT])
    assert len(there.postfix.queue()) == 1
