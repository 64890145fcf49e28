"""conf/postfix/probe, and setup's use of it, with a Postfix that runs: a probe arrives and reaches
nobody, or it is said where it stopped."""

import contextlib
import os
import re
import socket
import subprocess

import pytest

from lab import tools
from lab.process import Port, until

DONE, FAILED, USAGE, REFUSED, NOT_PROVED = range(5)
ARRIVED, LOST = 0, 1
CONF = tools.ROOT / "conf/postfix"
# What the world says to a domain that does not exist, and while no name server answers.
BOUNCED = "550 5.1.2 there is no such domain"
DEFERRED = "450 4.4.3 no name server answers"


class Machine:
    """A running Postfix and the programs that an administrator calls."""

    def __init__(self, postfix, filter, sink):
        self.postfix = postfix
        self.filter = filter
        self.sink = sink
        self._environment = {
            "PATH": f"{tools.program('postfix', 'usr/sbin/postconf').parent}:{os.defpath}",
            "LD_LIBRARY_PATH": str(tools.library_path("postfix"))}

    def run(self, name, *arguments, code, filter_config=None):
        for file in ("main.cf", "master.cf"):
            os.utime(self.postfix.etc / file, (1e9, 1e9))
        config = filter_config or (self.filter.config if self.filter else "/nonexistent")
        done = subprocess.run(
            ["bash", CONF / name, "--config-dir", self.postfix.etc, "--filter-config", config,
             *arguments],
            capture_output=True, text=True, timeout=120, env=self._environment)
        assert done.returncode == code, (
            f"{done.stdout}{done.stderr}\n{self.postfix.log()}\n"
            f"{self.filter.log() if self.filter else ''}")
        return done.stdout + done.stderr

    def setup(self, *arguments, code=DONE, **options):
        return self.run("setup", "--yes", *arguments, code=code, **options)

    def probe(self, *arguments, code, **options):
        shown = self.run("probe", *arguments, code=code, **options)
        assert self.postfix.queue() == []
        return shown

    def postconf(self, *arguments):
        subprocess.run(["postconf", "-c", self.postfix.etc, *arguments], check=True,
                       env=self._environment)
        for file in ("main.cf", "master.cf"):
            os.utime(self.postfix.etc / file, (1e9, 1e9))

    def services(self):
        listing = subprocess.run(["postconf", "-c", self.postfix.etc, "-M"], check=True,
                                 capture_output=True, text=True, env=self._environment).stdout
        return [line.split()[0] for line in listing.splitlines()]

    def reload(self):
        for file in ("main.cf", "master.cf"):
            os.utime(self.postfix.etc / file, (1e9, 1e9))
        seen = self.postfix.log().count("reload -- version")
        self.postfix.reload()
        until(lambda: self.postfix.log().count("reload -- version") > seen, 10, "a reload")


@pytest.fixture
def machine(start_postfix, sink, monkeypatch):
    """world: what is answered to every recipient; None: the sink takes what the filter misses."""

    def start(filter=None, main="", world=BOUNCED):
        if world:
            monkeypatch.setattr(sink, "answer_for", lambda recipient: world)
        # "postfix check" wants to know what belongs to Postfix.
        meta = f"meta_directory = {tools.data('postfix', 'etc/postfix')}\n"
        return Machine(start_postfix(None, main=meta + main), filter, sink)

    return start


@pytest.fixture
def queued(machine, start_filter):
    """A machine set up for queued mode, and what setup said of it: queued(code=NOT_PROVED)."""
    with contextlib.ExitStack() as ending:
        def start(*arguments, code=DONE, queue_daemon="cancel-invite", **options):
            there = machine(start_filter(milter={"mode": "queued", "queue_daemon": queue_daemon}),
                            **options)
            port = ending.enter_context(contextlib.closing(Port()))
            port.close()
            return there, there.setup("--port", str(port.number), *arguments, code=code)

        yield start


# It arrives

def test_setup_proves_that_mail_passes_the_filter(machine, filter, standin):
    there = machine(filter, world=None)
    shown = there.setup("--mode", "direct")
    assert "has reloaded" in shown
    assert re.search(r"By SMTP \(127\.0\.0\.1:\d+\): arrived", shown)
    assert "By sendmail(1): arrived" in shown
    assert len(re.findall(r"result=probe invite=probe-[0-9a-f]{16} ", filter.log())) >= 2
    assert standin.requests() == [] and there.sink.deliveries == []
    assert there.postfix.queue() == []
    shown = there.setup("--mode", "direct")
    assert "nothing to change" in shown and "By SMTP" in shown


def test_proves_it_in_a_dry_run_as_well(machine, start_filter):
    there = machine(start_filter(milter={"dry_run": True}), world=None)
    there.setup("--mode", "direct")
    assert there.sink.deliveries == []


def test_sends_no_probe_if_told_so(machine, filter):
    there = machine(filter)
    assert "By SMTP" not in there.setup("--mode", "direct", "--no-probe")
    assert "message-id=<probe-" not in there.postfix.log()


def test_is_sent_by_a_sender_of_an_account(machine, start_filter, standin):
    key = {"api_key": standin.api_key}
    for senders, sender in (("@app.test, x@y.test", "cancel-invite-probe@app.test"),
                            ("x@y.test", "x@y.test")):
        filter = start_filter(accounts={"one": {"senders": senders, **key}})
        there = machine(filter)
        there.setup("--mode", "direct")
        assert f"sender={sender} account=one" in filter.log()


def test_undo_stops_the_filter_seeing_mail(machine, filter):
    there = machine(filter)
    before = (there.postfix.etc / "main.cf").read_bytes()
    there.setup("--mode", "direct")
    there.setup("--undo")
    assert (there.postfix.etc / "main.cf").read_bytes() == before
    there.probe(code=LOST)


def test_takes_everything_back_if_postfix_does_not_reload(machine, filter, workdir):
    there = machine(filter)
    before = (there.postfix.etc / "main.cf").read_bytes()
    shim = workdir.write("shims/postfix", "#!/bin/bash\n[[ $* != *reload ]]\n", 0o755)
    there._environment["PATH"] = f"{shim.parent}:{there._environment['PATH']}"
    assert "everything is as it was" in there.setup("--mode", "direct", code=FAILED)
    assert (there.postfix.etc / "main.cf").read_bytes() == before


# It does not

def test_says_that_no_filter_is_there(machine, filter, workdir):
    there = machine(filter)
    shown = there.setup("--mode", "direct", "--socket", f"unix:{workdir}/none.sock",
                        code=NOT_PROVED)
    assert "Nobody listens" in shown
    assert shown.count("stopped here: Postfix finds no filter at") == 2
    assert f"{workdir}/none.sock" in shown and "Start cancel-invite-milter" in shown


def test_says_that_nobody_listens_at_the_socket(machine, filter, workdir):
    path = workdir / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    path.chmod(0o777)
    shown = machine(filter).setup("--mode", "direct", "--socket", f"unix:{path}", code=NOT_PROVED)
    assert "nobody listens at the filter's socket" in shown


def test_says_that_postfix_may_not_connect(machine, start_filter):
    there = machine(start_filter(milter={"socket_mode": "0600"}))
    shown = there.setup("--mode", "direct", code=NOT_PROVED)
    assert "may not connect" in shown and "socket_group = mail" in shown


def test_says_that_the_filter_does_not_answer(machine, filter, workdir):
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(f"{workdir}/deaf.sock")
        (workdir / "deaf.sock").chmod(0o777)
        deaf.listen(100)
        there = machine(filter, main="milter_connect_timeout = 1s\n"
                                     "milter_command_timeout = 1s\n")
        there.setup("--mode", "direct", "--no-probe", "--socket", f"unix:{workdir}/deaf.sock")
        # What setup thinks the right time-outs, made short again for the test.
        there.postconf("-e", "milter_connect_timeout = 1s", "milter_command_timeout = 1s")
        there.reload()
        assert "does not answer" in there.probe(code=LOST)


@pytest.mark.parametrize("world", [BOUNCED, DEFERRED], ids=["bounced", "deferred"])
def test_says_that_the_client_is_not_trusted(machine, start_filter, world):
    there = machine(start_filter(trust={"networks": "192.0.2.1"}), world=world)
    shown = there.setup("--mode", "direct", code=NOT_PROVED)
    # The filter's own log is not Postfix's here: that is how it is with log = stderr.
    assert shown.count("went on without being cancelled") == 2
    assert '"networks"' in shown
    shown = there.probe("--log", there.filter.log_path, code=LOST)
    assert shown.count("does not trust the client 127.0.0.1") == 2


def test_says_that_the_sender_has_no_account(machine, start_filter, standin):
    there = machine(start_filter(accounts={"one": {"senders": "a@b.test",
                                                   "api_key": standin.api_key}}))
    shown = there.setup("--mode", "direct", "--sender", "x@y.test", code=NOT_PROVED)
    assert shown.count("x@y.test") >= 2 and shown.count("belongs to no") >= 2


@pytest.mark.parametrize("world", [BOUNCED, DEFERRED], ids=["bounced", "deferred"])
def test_says_that_mail_does_not_pass_the_filter(machine, filter, world):
    there = machine(filter, world=world)
    shown = there.probe(code=LOST)
    assert "By SMTP" in shown and shown.count("stopped here: ") == 2
    assert "smtpd_milters" in shown and "non_smtpd_milters" in shown
    if world == DEFERRED:
        assert shown.count("never saw the message") == 2


def test_says_what_postfix_refuses_itself(machine, filter):
    there = machine(filter, main="smtpd_recipient_restrictions = reject\n")
    shown = there.setup("--mode", "direct", code=NOT_PROVED)
    assert "Postfix itself did not take it" in shown and "RCPT TO" in shown
    assert "By sendmail(1): arrived" in shown


def test_says_that_nobody_answers_by_smtp(machine, filter):
    there = machine(filter)
    there.setup("--mode", "direct", "--no-probe")
    port = Port()
    assert "nobody answers" in there.probe("--smtp", f"127.0.0.1:{port.number}", code=LOST)
    port.close()


def test_says_that_a_filter_in_direct_mode_ends_it_too_early(machine, filter):
    there = machine(filter)
    port = Port()
    port.close()
    shown = there.setup("--mode", "queued", "--port", str(port.number), code=NOT_PROVED)
    assert shown.count("ends it at the first listener") == 2
    assert "mode = queued" in shown


def test_leaves_other_mail_alone(machine, filter):
    there = machine(filter, world=DEFERRED)
    there.postfix.sendmail(b"Subject: stays\n\nText\n", "-f", "a@b.test", "c@d.test")
    until(lambda: [mail for mail in there.postfix.queue() if mail["queue_name"] == "deferred"], 10,
          "a deferred message")
    there.run("probe", code=LOST)
    [mail] = there.postfix.queue()
    assert mail["recipients"][0]["address"] == "c@d.test"


# Queued mode

def test_arrives_by_way_of_the_queue_and_the_second_listener(queued):
    there, shown = queued(world=None)
    assert shown.count("by way of the queue and the second listener") == 2
    assert there.sink.deliveries == [] and there.postfix.queue() == []


def test_says_that_nobody_answers_at_the_second_listener(queued):
    there, _ = queued("--no-probe")
    [listener] = [name for name in there.services() if name.startswith("127.0.0.1:")
                  and int(name.partition(":")[2]) != there.postfix.smtp_port]
    there.postconf("-MX", f"{listener}/inet")
    there.reload()
    shown = there.probe(code=LOST)
    assert shown.count("nobody answers at the second listener") == 2
    assert "Connection refused" in shown


def test_says_that_stamped_mail_is_not_sent_to_the_second_listener(queued):
    there, _ = queued("--no-probe")
    (there.postfix.etc / "cancel-invite-route").write_text("# nothing\n")
    there.reload()
    shown = there.probe(code=LOST)
    assert shown.count("did not go to the second listener") == 2
    assert "cancel-invite-route" in shown


def test_says_that_the_second_listener_has_another_name(queued):
    _, shown = queued(queue_daemon="another", code=NOT_PROVED)
    assert shown.count("passed the second listener, and the filter did not take it") == 2
    assert "milter_macro_daemon_name" in shown


def _listen(port):
    """A socket at a port that Postfix is about to let go of."""
    def try_to():
        with contextlib.suppress(OSError):
            return socket.create_server(("127.0.0.1", port))

    return until(try_to, 10, f"port {port} being free")


def test_says_that_the_second_listener_does_not_answer(queued):
    there, _ = queued("--no-probe")
    [entry] = [name for name in there.services() if name.startswith("127.0.0.1:")
               and int(name.partition(":")[2]) != there.postfix.smtp_port]
    port = int(entry.partition(":")[2])
    there.postconf("-MX", f"{entry}/inet")
    there.postconf("-P", "cancel-invite/unix/smtp_helo_timeout=1s",
                   "cancel-invite/unix/smtp_connect_timeout=1s")
    there.reload()
    with _listen(port):
        shown = there.probe(code=LOST)
    assert shown.count("the second listener does not answer in time") == 2
