"""What the filter does at the limits of its surroundings: a log that nobody reads, no more threads."""

import contextlib
import fcntl
import os
import pwd
import re
import time

import pytest

from lab import tools
from lab.filter_process import FilterProcess, run, sanitized
from lab.messages import SENDER
from lab.metrics import get, scrape
from lab.milter_client import TAG, Delivery, MilterSession, mail
from lab.process import Port, until
from standin.client import forever, trouble

MESSAGES = 200  # max_active's default
KIB_WAITING, KIB_AFTER = 16000, 8000


@pytest.fixture
def port():
    with contextlib.closing(Port()) as made:
        yield made.number


def message(number):
    return mail(f"{TAG}-{number}").replace(b"<1@acme.example>", b"<%d@acme.example>" % number)


def anonymous_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as found:
        return int(re.search(r"^Anonymous: +(\d+)", found.read(), re.M)[1])


class TestLogThatNobodyReads:
    @pytest.fixture
    def pipe(self, workdir):
        """A small one, open at both ends, that is read only on demand."""
        path = workdir / "log.pipe"
        os.mkfifo(path)
        file = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        fcntl.fcntl(file, fcntl.F_SETPIPE_SZ, 4096)
        yield file
        os.close(file)

    @pytest.fixture
    def running(self, workdir, standin, port, pipe):
        standin.set(open=True)
        launcher = ["sh", "-c", f'exec 2>"{workdir}/log.pipe"; exec "$@"', "sh"]
        with FilterProcess(workdir, standin, launcher=launcher,
                           metrics={"listen": f"127.0.0.1:{port}"}) as made:
            yield made

    def deliver_many(self, running, first=0):
        for number in range(first, first + 40):  # of 300 bytes each
            with MilterSession(running.socket) as mta:
                assert mta.deliver(message(number)).action == "accept"

    def test_holds_up_no_mail_and_is_told(self, running, port, pipe):
        self.deliver_many(running)
        until(lambda: get(port, "/healthz")[0] == 503, 20, "the log to be found stuck")
        assert get(port, "/healthz")[2] == "nobody reads the log\n"
        self.deliver_many(running, 100)
        assert scrape(port).value("cancel_invite_log_dropped_total") == 0

        lines = b""
        deadline = time.monotonic() + 20
        while lines.count(b"result=cancelled") < 80:
            assert time.monotonic() < deadline, lines[-500:]
            with contextlib.suppress(BlockingIOError):
                lines += os.read(pipe, 65536)
        invites = [int(each) for each in re.findall(rb"invite=board-1-(\d+)", lines)]
        assert invites == sorted(invites) and len(invites) == 80
        assert get(port, "/healthz")[::2] == (200, "ok\n")

    def test_does_not_keep_it_from_ending(self, running):
        self.deliver_many(running)
        begun = time.monotonic()
        assert running.stop(20) == 0
        assert time.monotonic() - begun < 10

    def test_that_is_read_is_complete_at_the_end(self, workdir, standin):
        standin.set(open=True)
        with FilterProcess(workdir, standin) as running:
            self.deliver_many(running)
            assert running.stop() == 0
            log = running.log()
        assert log.count("result=cancelled") == 40
        assert log.endswith("info: stopped\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become a user with few threads")
@pytest.mark.skipif(sanitized(), reason="a sanitizer makes threads itself")
class TestNoMoreThreads:
    THREADS = 14
    SESSIONS = 20

    def test_every_session_is_answered(self, workdir, standin, port):
        """More sessions than threads: they wait for one, and the log and the metrics say so."""
        user = next(each for each in ("uucp", "games", "lp")
                    if not self.processes_of(pwd.getpwnam(each).pw_uid))
        standin.set(open=True)
        workdir_mode = os.stat(workdir).st_mode
        os.chmod(workdir, workdir_mode | 0o755)
        limit = [tools.installed("prlimit"), f"--nproc={self.THREADS}"]
        with FilterProcess(workdir, standin, launcher=limit,
                           milter={"user": user, "temp_dir": "/var/tmp"},
                           cronofy={"url": standin.http, "ca_file": None},
                           metrics={"listen": f"127.0.0.1:{port}"}) as running:
            running.wait_for_log("warning: max_active: its messages need a limit of 216 threads")
            for burst in range(3):
                first = [Delivery(running.socket, message(100 * burst + number))
                         for number in range(self.SESSIONS)]
                assert [each.result().action for each in first] == ["accept"] * self.SESSIONS
            running.wait_for_log("^error: there is no room for another thread")
            assert scrape(port).value("cancel_invite_thread_failures_total") > 0
            until(lambda: running.threads() <= self.THREADS, 10, "the threads to end")

    @staticmethod
    def processes_of(uid):
        found = []
        for name in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if name.isdigit() and os.stat(f"/proc/{name}").st_uid == uid:
                    found.append(name)
        return found


def test_limits_that_are_too_low_are_told_by_the_check(workdir, standin):
    running = FilterProcess(workdir, standin)
    for limit, said in (("--nofile=100", "664 open files, and it is 100"),
                        ("--nproc=100", "216 threads of the user, and it is 100"),
                        ("--as=700000000", "bytes of address space, and it is 700000000")):
        told = run_with_limit(limit, running.config)
        assert f"warning: max_active: its messages need a limit of" in told and said in told, told
    assert "max_active" not in run("-n", "-c", running.config).stderr


def run_with_limit(limit, config):
    from lab.filter_process import binary
    import subprocess
    done = subprocess.run([tools.installed("prlimit"), limit, binary(), "-n", "-c", config],
                          capture_output=True, text=True, env={**os.environ,
                                                               "MAIL_CONFIG": "/nonexistent"})
    assert done.returncode == 0, done
    return done.stderr


@pytest.mark.skipif(sanitized(), reason="a sanitizer keeps what was freed")
def test_memory_of_many_waiting_messages_is_given_back(workdir, record_property):
    """Two hundred at once, twice: the second time takes no more than the first."""
    from standin.client import Standin
    with Standin(folder=workdir.folder("cronofy"), open=True, http2=True) as cronofy, \
            FilterProcess(workdir.folder("filter"), cronofy, ledger={"file": "ledger.db"},
                          cronofy={"requests_per_second": 10000,
                                   "requests_per_minute": 100000}) as running:
        for round in range(2):
            cronofy.script("*", forever(trouble("held")))
            waiting = [Delivery(running.socket, message(round * MESSAGES + number))
                       for number in range(MESSAGES)]
            until(lambda: len(cronofy.requests()) >= (round + 1) * MESSAGES, 60, "all calls")
            assert anonymous_kib(running.pid) <= KIB_WAITING
            cronofy.script("*")
            cronofy.release()
            assert all(each.result().action == "accept" for each in waiting)
            until(lambda: anonymous_kib(running.pid) <= KIB_AFTER, 20,
                  lambda: f"{anonymous_kib(running.pid)} KiB to be given back")
