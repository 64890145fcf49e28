"""The log's two forms, and where it goes."""

import json
import os
import re
import socket
import subprocess
from datetime import datetime

import pytest

from lab import tools
from lab.filter_process import binary, log_fields_of, run
from lab.manual import log_fields
from lab.milter_client import TAG, mail
from lab.one_message import deliver
from lab.process import until
from standin.client import status, trouble

HOSTILE = 'a"b\\c\u009b\u2028\U0001f600'


def refuse_constant(name):
    raise ValueError(name)


def entries(text):
    """The log's lines as dicts; each must be JSON as RFC 8259 has it."""
    lines = text.split("\n")
    assert lines.pop() == ""
    return [json.loads(line, parse_constant=refuse_constant) for line in lines]


def test_every_field_that_the_manual_explains_is_written(start, cronofy, workdir):
    """That there is no other is looked at behind every test: see FilterProcess.check_log()."""
    running = start(ledger={"file": workdir / "ledger.db"},
                    cronofy={"requests_per_second": 1, "requests_per_minute": 100})
    signed = mail(TAG, "DKIM-Signature: v=1")
    for message in mail("X-Cancel-Invite: board-2"), signed, signed:  # waits; is kept
        assert deliver(running, message, macros={"{auth_authen}": "app"}).action == "accept"
    assert deliver(running, mail("X-Cancel-Invite: ")).action == "reject"
    cronofy.script("board-3", trouble("missing_method"))
    deliver(running, mail("X-Cancel-Invite: board-3"))
    running.wait_for_log("mended=.*\\n")
    queued = start(milter={"mode": "queued", "dry_run": True})
    deliver(queued, recipients=["a@example.org", "b@example.org"])
    queued.wait_for_log("dry_run=.*\\n")
    written = log_fields_of(running.log()) | log_fields_of(queued.log())
    assert written == log_fields()


class TestJson:
    def test_has_the_same_names_and_values_as_text(self, make):
        running = make(milter={"log_format": "json"}).start()
        deliver(running, mail(TAG))
        running.wait_for_log('"result"')
        entry, = (entry for entry in entries(running.log()) if "result" in entry)
        moment = datetime.fromisoformat(entry.pop("time").replace("Z", "+00:00"))
        assert abs((datetime.now(moment.tzinfo) - moment).total_seconds()) < 60
        assert isinstance(entry.pop("ms"), int)
        running.reload(milter={"log_format": "text"})
        running.wait_for_log("^info: reload")
        deliver(running, mail(TAG))
        line = running.wait_for_log("^info: (queue_id=.*)$")[1]
        values = {name: value.strip('"')
                  for name, value in re.findall(r'(\w+)=("[^"]*"|\S+)', line)}
        del values["ms"]
        for one in (entry, values):
            one.pop("waited", None)  # for its turn: there if it took a millisecond
        # The second call goes over the connection that the first one made.
        assert entry.pop("connects") == 1 and values.pop("connects") == "0"
        assert entry.pop("level") == "info"
        assert list(entry) == list(values)
        assert {name: str(value) for name, value in entry.items()} == values
        assert entry["status"] == 200 and entry["attempts"] == 1 and entry["http"] == "1.1"

    def test_is_every_line(self, make, cronofy):
        running = make(milter={"log_format": "json"}).start()
        cronofy.script("board-1", status(404))
        deliver(running, mail(TAG))
        deliver(running, mail("X-Cancel-Invite:"))
        running.reload(milter={"log_format": "json", "header": "X Off"})
        running.wait_for_log("old configuration stays")
        assert running.stop() == 0
        found = entries(running.log())
        assert all(set(entry) >= {"time", "level"} for entry in found)
        assert {"message", "result"} >= {name for entry in found for name in entry
                                         if name in ("message", "result")}
        refused, bad = (entry for entry in found if "result" in entry)
        assert refused["result"] == "refused" and refused["reply"] == "554_5.5.0"
        assert bad["result"] == "bad_tag" and "X-Cancel-Invite" in bad["reason"]
        assert any(entry["level"] == "error" and "X Off" in entry["message"] for entry in found)

    def test_begins_with_a_failed_start(self, make, workdir):
        workdir.write("milter.sock", "no socket")
        ended = run("-c", make(milter={"log_format": "json"}).config)
        entry, = entries(ended.stderr)
        assert ended.returncode == 69 and entry["level"] == "error"
        assert "milter.sock" in entry["message"]

    @pytest.mark.parametrize("sender", [
        HOSTILE.encode() + b"@a.example", b"\xff\xfe@a.example", b'"\x01\x7f\\"@a.example',
        b"<" + b"a" * 600 + b"@a.example>",
    ], ids=["odd", "no utf8", "control", "long"])
    def test_holds_whatever_the_mail_says(self, make, sender):
        running = make(milter={"log_format": "json"}).start()
        deliver(running, mail(TAG, b"Message-ID: <" + sender[:100] + b">"), sender=sender)
        deliver(running, mail(b"X-Cancel-Invite: x\xff\xfe\"\\;"), sender=sender)
        until(lambda: running.log().count('"result"') == 2, 5, running.log)
        for entry in entries(running.log()):
            assert "result" not in entry or entry["client"] == "127.0.0.1"
        if sender.startswith(HOSTILE.encode()):
            found = [entry for entry in entries(running.log()) if "result" in entry]
            assert found[0]["sender"] == f"{HOSTILE}@a.example"


class TestJournal:
    def run_until_stopped(self, made, workdir, stream_of):
        """Runs it with a standard error that is a file, and JOURNAL_STREAM naming another or it."""
        path = workdir / "journal"
        with open(path, "wb") as journal:
            its = os.fstat(journal.fileno() if stream_of == "its" else 0)
            environment = {**os.environ, "JOURNAL_STREAM": f"{its.st_dev}:{its.st_ino}"}
            process = subprocess.Popen([binary(), "-c", made.config], env=environment,
                                       stdin=subprocess.DEVNULL, stderr=journal)
        try:
            until(made.converses, 20, "the filter's start")
            deliver(made, mail(TAG))
            deliver(made, mail(TAG), client=("192.0.2.1", 1))
            until(lambda: path.read_text().count("result") == 2, 5, path.read_text)
        finally:
            process.kill()
            process.wait()
        return path.read_text().splitlines()

    @pytest.mark.parametrize("form", ["text", "json"])
    def test_is_told_each_lines_priority(self, make, workdir, form):
        made = make(milter={"log_format": form})
        lines = self.run_until_stopped(made, workdir, "its")
        assert all(re.match(r"<[3467]>", line) for line in lines), lines
        assert any(re.match("<6>.*cancelled", line) for line in lines)
        assert any(re.match("<4>.*untrusted_stripped", line) for line in lines)
        if form == "json":
            assert entries("\n".join(line[3:] for line in lines) + "\n")

    def test_of_somebody_else_gets_plain_lines(self, make, workdir):
        lines = self.run_until_stopped(make(), workdir, "another's")
        assert lines and not any(line.startswith("<") for line in lines)

    def test_is_told_of_a_failed_start(self, make, workdir):
        workdir.write("milter.sock", "no socket")
        with open(workdir / "journal", "wb") as journal:
            its = os.fstat(journal.fileno())
            subprocess.run([binary(), "-c", make().config], stderr=journal, timeout=30, env={
                **os.environ, "JOURNAL_STREAM": f"{its.st_dev}:{its.st_ino}"})
        assert (workdir / "journal").read_text().startswith("<3>error: ")


class TestSyslog:
    @pytest.fixture
    def syslog(self, workdir):
        """A /dev of the filter's own, in which log is ours."""
        tools.need_root("a private /dev")
        workdir.folder("dev")
        workdir.write("dev/null", "")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(f"{workdir}/dev/log")
            listener.settimeout(10)
            yield listener

    def start(self, make, workdir, form):
        script = f'mount --bind /dev/null {workdir}/dev/null && ' \
                 f'mount --rbind {workdir}/dev /dev && exec "$@"'
        running = make(milter={"log": "syslog", "log_format": form},
                       launcher=["unshare", "--mount", "sh", "-c", script, "sh"])
        try:
            return running.start()
        except AssertionError:
            if "unshare" in running.log() or "mount" in running.log():
                pytest.skip("no mount namespaces here")
            raise

    def test_that_nobody_listens_to_is_told_on_standard_error(self, make, workdir, syslog):
        syslog.close()
        (workdir / "dev/log").unlink()
        running = self.start(make, workdir, "text")
        running.wait_for_log("no syslog daemon listens at /dev/log")

    def test_that_is_heard_says_all_that_there_is(self, make, workdir, syslog):
        assert "no syslog daemon" not in self.start(make, workdir, "text").log()

    @pytest.mark.parametrize("form", ["text", "json"])
    def test_takes_both_forms(self, make, workdir, syslog, form):
        running = self.start(make, workdir, form)
        deliver(running, mail(TAG))
        while b"cancelled" not in (line := syslog.recv(65536)):
            pass
        # facility mail (2 * 8), priority info (6)
        text = re.match(rb"<22>.*cancel-invite-milter\[\d+\]: (.*)", line)[1].rstrip(b"\0")
        if form == "json":
            assert json.loads(text)["result"] == "cancelled"
        else:
            assert text.startswith(b"queue_id=4XyZ1234 result=cancelled")
