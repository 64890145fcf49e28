"""The filter as a process: how it starts, what it leaves to others, how it changes and ends."""

import contextlib
import grp
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

import pytest

from lab import tools
from lab.filter_process import FilterProcess, binary, connect, run, sanitized
from lab.milter_client import TAG, Delivery, MilterSession, mail
from lab.one_message import TAGGED, assert_cancelled, deliver, hang_up_before_the_answer
from lab.process import Port, until
from standin.client import Standin, forever, status, trouble

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def waiting(make, cronofy):
    """A started filter, and a message in it that waits until Cronofy is released."""
    def start(**sections):
        """Sections, or other options of make."""
        cronofy.script("board-1", trouble("held"))
        running = make(cronofy={"timeout": "30s", "deadline": "30s"}, **sections).start()
        message = Delivery(running.socket, TAGGED)
        cronofy.wait_for_requests(1, "board-1")
        return running, message
    return start


def assert_not_delivered(message):
    """The MTA has a temporary failure: the filter's own, or that of its hanging up."""
    with contextlib.suppress(OSError):
        assert message.result().action == "tempfail"


class TestSocket:
    @needs_root
    def test_is_made_closed_then_opened_to_its_group(self, make, workdir):
        group = grp.getgrnam("mail")
        made = make(milter={"socket_mode": "0620", "socket_group": "mail"},
                    launcher=["sh", "-c", 'umask 0; exec "$@"', "sh"])
        seen = set()
        started = threading.Event()

        def watch():
            while not started.is_set():
                with contextlib.suppress(FileNotFoundError):
                    seen.add(stat.S_IMODE(os.stat(workdir / "milter.sock").st_mode))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            made.start()
        finally:
            started.set()
            watcher.join()
        socket_is = os.stat(workdir / "milter.sock")
        assert stat.S_IMODE(socket_is.st_mode) == 0o620 and socket_is.st_gid == group.gr_gid
        assert all(mode == 0o620 or not mode & 0o077 for mode in seen), [oct(m) for m in seen]

    def test_is_only_for_user_and_group_by_default(self, make, workdir):
        make(milter={"socket_mode": None}).start()
        assert stat.S_IMODE(os.stat(workdir / "milter.sock").st_mode) == 0o660

    def test_left_over_from_a_dead_filter_is_replaced(self, make):
        made = make().start()
        made.kill()
        made.start()
        assert_cancelled(deliver(made))

    def test_of_a_running_filter_is_left_to_it(self, make):
        running = make().start()
        second = run("-c", running.config)
        assert second.returncode not in (0, 78) and "milter.sock" in second.stderr, second
        assert re.search("already|in use|running|listening", second.stderr), second
        assert_cancelled(deliver(running))

    @pytest.mark.parametrize("content", ["precious", None], ids=["file", "folder"])
    def test_never_takes_the_place_of_something_else(self, make, workdir, content):
        made = make()
        if content:
            workdir.write("milter.sock", content)
        else:
            workdir.folder("milter.sock")
        ended = run("-c", made.config)
        assert ended.returncode != 0 and "milter.sock" in ended.stderr
        assert (workdir / "milter.sock").exists()
        assert not content or (workdir / "milter.sock").read_text() == content

    def test_never_takes_the_place_of_a_link(self, make, workdir):
        workdir.write("precious", "precious")
        (workdir / "milter.sock").symlink_to(workdir / "precious")
        assert run("-c", make().config).returncode != 0
        assert (workdir / "milter.sock").is_symlink()
        assert (workdir / "precious").read_text() == "precious"

    def test_needs_its_folder(self, make, workdir):
        ended = run("-c", make(milter={"socket": f"unix:{workdir}/no/milter.sock"}).config)
        assert ended.returncode != 0 and f"{workdir}/no" in ended.stderr

    def test_is_gone_when_the_filter_is(self, make, workdir):
        made = make().start()
        assert made.stop() == 0
        assert not (workdir / "milter.sock").exists()

    def test_may_be_tcp(self, make):
        port = Port()
        running = make(milter={"socket": f"inet:{port.number}@127.0.0.1"}).start()
        assert_cancelled(deliver(running))
        assert not any((running.folder / name).exists() for name in ("milter.sock", "inet"))

    def test_may_be_tcp_over_ipv6(self, make):
        with socket.socket(socket.AF_INET6) as probe:
            try:
                probe.bind(("::1", 0))
            except OSError:
                pytest.skip("there is no IPv6 loopback address")
            port = probe.getsockname()[1]
        assert_cancelled(deliver(make(milter={"socket": f"inet6:{port}@[::1]"}).start()))

    def test_needs_a_free_port(self, make):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            ended = run("-c", make(milter={"socket": f"inet:{port}@127.0.0.1"}).config)
        assert ended.returncode != 0 and str(port) in ended.stderr


@needs_root
class TestUser:
    @pytest.fixture
    def nobody(self, make, workdir, cronofy):
        """Over plain HTTP, as the stand-in's certificate is in a folder that is root's alone."""
        return make(milter={"user": "nobody", "temp_dir": workdir.folder("temp", user="nobody")},
                    cronofy={"url": cronofy.http, "ca_file": None})

    def test_is_all_that_is_left_of_the_privileges(self, nobody):
        nobody.start()
        lines = (line.split(":", 1) for line in open(f"/proc/{nobody.pid}/status"))
        status_of = {name: value.split() for name, value in lines}
        user = pwd.getpwnam("nobody")
        assert status_of["Uid"] == [str(user.pw_uid)] * 4
        assert status_of["Gid"] == [str(user.pw_gid)] * 4
        assert set(status_of["Groups"]) <= {str(user.pw_gid)}
        assert int(status_of["CapEff"][0], 16) == int(status_of["CapPrm"][0], 16) == 0

    def test_need_not_be_changed_to_if_it_is_the_one_already(self, make, workdir, cronofy):
        made = make(milter={"user": "nobody"}, cronofy={"url": cronofy.http, "ca_file": None},
                    launcher=["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"])
        for path in (workdir, workdir / "cronofy.key"):
            shutil.chown(path, "nobody")
        assert_cancelled(deliver(made.start()))

    def test_is_the_one_of_every_thread(self, nobody, cronofy):
        nobody.start()
        assert_cancelled(deliver(nobody))
        owners = {os.stat(f"/proc/{nobody.pid}/task/{task}").st_uid
                  for task in os.listdir(f"/proc/{nobody.pid}/task")}
        assert owners == {pwd.getpwnam("nobody").pw_uid}

    def test_can_do_all_that_a_message_needs(self, nobody):
        nobody.start()
        assert_cancelled(deliver(nobody, mail(TAG, body="x" * 2_000_000)))

    def test_stops_as_it_should(self, nobody):
        assert nobody.start().stop() == 0

    def test_can_reload_keys_of_its_own(self, nobody, workdir):
        nobody.start()
        nobody.configure(milter={"user": "nobody", "temp_dir": workdir / "temp",
                                 "header": "X-Off"})
        os.chown(workdir / "cronofy.key", pwd.getpwnam("nobody").pw_uid, -1)
        mark = len(nobody.log())
        nobody.reload()
        nobody.wait_for_log("(?i)reload|configuration", after=mark)
        assert_cancelled(deliver(nobody, mail("X-Off: board-1")))

    def test_does_not_reload_what_it_cannot_work_with(self, nobody, workdir):
        nobody.start()
        nobody.configure(milter={"user": "nobody",
                                 "temp_dir": workdir.folder("closed", mode=0o700)})
        os.chown(workdir / "cronofy.key", pwd.getpwnam("nobody").pw_uid, -1)
        nobody.reload()
        nobody.wait_for_log("reload: .*temp_dir: the filter's user cannot create files")
        nobody.wait_for_log("reload: the old configuration stays in force")
        assert_cancelled(deliver(nobody, mail(TAG, body="x" * 2_000_000)))

    def test_must_be_able_to_write_temporary_files(self, make, workdir):
        made = make(milter={"user": "nobody", "temp_dir": workdir.folder("closed", mode=0o700)})
        with contextlib.suppress(AssertionError):
            made.start()
            result = deliver(made, mail(TAG, body="x" * 2_000_000))
            assert result.action == "tempfail"
        assert "temp_dir" in made.log() or "closed" in made.log()


class TestKeptConnection:
    def test_that_breaks_hides_no_try(self, make, cronofy):
        running = make().start()
        with MilterSession(running.socket) as mta:
            assert_cancelled(mta.deliver(TAGGED))
            cronofy.script("board-1", trouble("reset"), status(404))
            result = mta.deliver(TAGGED)
        assert result.action == "reject" and "earlier try" in result.reply, result
        running.wait_for_log("attempts=2")


class TestMtaThatIsGone:
    def test_is_told_in_the_log_as_not_having_the_result(self, make, cronofy):
        running = make().start()
        hang_up_before_the_answer(running, cronofy)
        running.wait_for_log("result=not_taken")
        assert "result=cancelled" not in running.log()


class TestEnd:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_waits_for_messages_in_flight(self, waiting, cronofy, number):
        running, message = waiting()
        running.terminate(number)
        time.sleep(1)  # it would be gone by now if it did not wait
        assert running.alive()
        cronofy.release()
        assert_cancelled(message.result())
        assert running.wait() == 0
        running.check_log()

    def test_waits_for_an_mta_that_is_slow_to_take_the_result(self, make, cronofy):
        cronofy.script("board-1", trouble("held"))
        running = make().start()
        with MilterSession(running.socket) as mta:
            message = mta.begin(mail(TAG, body="x" * 5_000_000), "eom")
            cronofy.wait_for_requests()
            running.terminate()
            running.wait_for_log("stopping")
            cronofy.release()
            time.sleep(1.5)
            assert mta.end_of_message(message)[0] == ("accept", "")
        assert running.wait() == 0

    def test_begins_no_cancel_once_it_is_being_stopped(self, make, cronofy):
        running = make().start()
        with MilterSession(running.socket) as mta:
            message = mta.begin(TAGGED, "body")
            running.terminate()
            running.wait_for_log("stopping")
            with contextlib.suppress(OSError):
                mta.announce("eom", macros={})
                assert mta.end_of_message(message)[0][0] == "tempfail"
        assert running.wait() == 0
        assert not cronofy.requests()

    def test_waits_no_longer_than_configured(self, waiting):
        running, message = waiting(milter={"drain_timeout": "1s"})
        begun = time.monotonic()
        running.terminate()
        running.wait(15)
        assert time.monotonic() - begun < 10
        assert_not_delivered(message)

    @pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
    def test_comes_at_once_with_a_second_signal_and_says_so(self, waiting, second):
        running, message = waiting(milter={"drain_timeout": "1m"})
        running.terminate()
        time.sleep(0.5)
        assert running.alive()
        begun = time.monotonic()
        running.terminate(second)
        assert running.wait(15) == 0
        assert time.monotonic() - begun < 3
        assert_not_delivered(message)
        assert "second signal: stopping at once with 1 message" in running.log()

    def test_is_not_hastened_by_a_reload(self, waiting, cronofy):
        running, message = waiting(milter={"drain_timeout": "1m"})
        running.terminate()
        running.wait_for_log("stopping")
        running.reload()
        time.sleep(0.5)
        assert running.alive()
        cronofy.release()
        assert_cancelled(message.result())
        assert running.wait() == 0

    def test_of_an_idle_filter_comes_soon(self, make):
        running = make().start()
        with MilterSession(running.socket):
            assert running.stop(timeout=8) == 0

    def test_is_told_in_the_log(self, make):
        running = make().start()
        running.stop()
        assert re.search("(?i)stop|end|exit|shut", running.log())

    def test_cannot_be_forced_by_a_reader_of_the_log_who_leaves(self, make):
        made = make()
        reader, writer = os.pipe()
        process = subprocess.Popen([binary(), "-c", made.config], stdin=subprocess.DEVNULL,
                                   stderr=writer)
        try:
            until(made.converses, 20, "the filter's start")
            os.close(writer)
            os.close(reader)
            assert_cancelled(deliver(made))
            assert process.poll() is None
        finally:
            process.kill()
            process.wait()


class Manager:
    """What a service manager hears from a filter: one dict for each of its messages."""

    def __init__(self, workdir):
        self.path = workdir / "notify.sock"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self.heard = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def hear(self, key, value=None, timeout=10):
        """Waits for the next message with this key (and value); gives it."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            with contextlib.suppress(socket.timeout):
                text = self._socket.recv(4096).decode()
                self.heard.append(dict(line.split("=", 1) for line in text.splitlines()))
                if key in self.heard[-1] and value in (None, self.heard[-1][key]):
                    return self.heard[-1]
        raise AssertionError(f"no {key}={value or ''} in {timeout} s, only {self.heard}")

    def hears_nothing(self, seconds):
        self._socket.settimeout(seconds)
        with contextlib.suppress(socket.timeout):
            return not self._socket.recv(4096)
        return True


def plain_binary():
    """The program as it is built where there is no libsystemd."""
    found = binary().parent / "plain" / binary().name
    if not found.exists():
        raise tools.Missing(f"{found} isn't there: run make {found}")
    return found


def knows_systemd():
    linked = subprocess.run(["ldd", binary()], capture_output=True, text=True).stdout
    return "libsystemd" in linked


class TestServiceManager:
    @pytest.fixture
    def manager(self, workdir):
        if not knows_systemd():
            raise tools.Missing("the filter was built without libsystemd")
        with Manager(workdir) as manager:
            yield manager

    def env(self, manager, **more):
        return {"NOTIFY_SOCKET": str(manager.path), **more}

    def test_hears_that_it_is_ready_once_it_listens(self, make, workdir, manager):
        made = make(env=self.env(manager))
        starting = threading.Thread(target=made.start)
        starting.start()
        try:
            assert manager.hear("READY", "1")["STATUS"].startswith("ready")
            connect(made.socket).close()
        finally:
            starting.join()

    def test_hears_of_reloads_from_their_begin_to_their_end(self, make, manager):
        running = make(env=self.env(manager)).start()
        manager.hear("READY")
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        running.reload()
        # Type=notify-reload takes no reload for its own that began before its signal.
        assert before <= int(manager.hear("RELOADING", "1")["MONOTONIC_USEC"])
        assert "new configuration is in force" in manager.hear("READY", "1")["STATUS"]

    def test_hears_the_end_of_a_reload_that_failed_too(self, make, manager):
        running = make(env=self.env(manager)).start()
        manager.hear("READY")
        running.reload(milter={"header": "X Off"})
        manager.hear("RELOADING", "1")
        assert "the old one stays in force" in manager.hear("READY", "1")["STATUS"]

    def test_hears_of_a_refused_reload_until_one_is_taken(self, waiting, cronofy, manager):
        running, message = waiting(env=self.env(manager, WATCHDOG_USEC="400000"))
        running.reload(milter={"header": "X Off"})
        assert manager.hear("STATUS", "ready; 1 message active; the new configuration is faulty, "
                                      "the old one stays in force")
        running.reload(milter={})
        assert manager.hear("STATUS", "ready; 1 message active")
        cronofy.release()
        assert_cancelled(message.result())

    def test_hears_how_many_messages_are_at_work(self, waiting, cronofy, manager):
        running, message = waiting(env=self.env(manager, WATCHDOG_USEC="400000"))
        assert manager.hear("STATUS", "ready; 1 message active")
        cronofy.release()
        assert_cancelled(message.result())
        assert manager.hear("STATUS", "ready; 0 messages active")

    def test_hears_signs_of_life_as_often_as_it_asks_for(self, make, manager):
        make(env=self.env(manager, WATCHDOG_USEC="400000")).start()
        manager.hear("WATCHDOG", "1")
        begun = time.monotonic()
        for _ in range(5):
            manager.hear("WATCHDOG", "1", timeout=0.4)
        assert time.monotonic() - begun > 0.5  # but no more often than it has to

    def test_hears_that_it_stops_and_how_long_that_may_take(self, waiting, cronofy, manager):
        running, message = waiting(env=self.env(manager, WATCHDOG_USEC="400000"),
                                   milter={"drain_timeout": "7m"})
        running.terminate()
        assert int(manager.hear("STOPPING", "1")["EXTEND_TIMEOUT_USEC"]) > 7 * 60 * 1_000_000
        manager.hear("WATCHDOG", "1")  # it goes on living meanwhile
        cronofy.release()
        assert_cancelled(message.result())
        assert running.wait() == 0

    def test_that_is_gone_is_not_missed(self, make, workdir):
        running = make(env={"NOTIFY_SOCKET": str(workdir / "nobody")}).start()
        running.reload()
        running.wait_for_log("reload: .* is in force")
        assert_cancelled(deliver(running))
        assert running.stop() == 0

    def test_hears_nothing_from_a_filter_without_libsystemd(self, make, workdir):
        with Manager(workdir) as manager:
            running = make(env=self.env(manager, WATCHDOG_USEC="400000"), launcher=[
                "sh", "-c", 'shift; exec "$0" "$@"', plain_binary()]).start()
            running.reload()
            running.wait_for_log("reload: .* is in force")
            assert_cancelled(deliver(running))
            assert running.stop() == 0
            assert manager.hears_nothing(0.1)


def memory_of(pid):
    """All that is written in a process's memory, region by region."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            start, end = (int(number, 16) for number in line.split()[0].split("-"))
            if "rw" in line.split()[1]:
                with contextlib.suppress(OSError, OverflowError):
                    memory.seek(start)
                    yield memory.read(end - start)


def account(name):
    return {"senders": f"@{name}.example", "api_key": f"CRN_{name}"}


class TestReload:
    def reload(self, running, **sections):
        """Reloads and waits until the log tells of it."""
        mark = len(running.log())
        running.reload(**sections)
        running.wait_for_log("(?i)configuration|reload", after=mark)
        return running.log()[mark:]

    def test_brings_a_new_account(self, make, cronofy):
        cronofy.set(api_keys=["CRN_a", "CRN_b"])
        running = make(accounts={"a": account("a")}).start()
        assert deliver(running, TAGGED, "x@b.example").action == "reject"
        self.reload(running, accounts={"a": account("a"), "b": account("b")})
        assert_cancelled(deliver(running, TAGGED, "x@b.example"))
        assert cronofy.requests()[-1].api_key == "CRN_b"

    def test_takes_an_account_away(self, make, cronofy):
        cronofy.set(api_keys=["CRN_a", "CRN_b"])
        running = make(accounts={"a": account("a"), "b": account("b")}).start()
        assert_cancelled(deliver(running, TAGGED, "x@b.example"))
        self.reload(running, accounts={"a": account("a")})
        assert deliver(running, TAGGED, "x@b.example").action == "reject"

    def test_brings_a_new_key(self, make, cronofy):
        running = make(cronofy={"api_key": "CRN_old", "attempts": 1}).start()
        assert deliver(running).action == "tempfail"
        self.reload(running, cronofy={"api_key": cronofy.api_key})
        assert_cancelled(deliver(running))

    @needs_root
    @pytest.mark.parametrize("version", ["11", "20"])
    def test_leaves_no_trace_of_a_replaced_key(self, workdir, version):
        if sanitized():
            pytest.skip("a sanitizer keeps what was freed")
        old, new = (f"CRN_{name}-{os.urandom(16).hex()}" for name in ("old", "new"))

        def holds(key):
            return any(key.encode() in region for region in memory_of(running.pid))

        with Standin(http2=version == "20", open=True, api_keys=[old, new]) as cronofy, \
                FilterProcess(workdir, cronofy, cronofy={"api_key": old}) as running:
            assert_cancelled(deliver(running))
            assert f"http={version[0]}" in running.wait_for_log("result=cancelled.*")[0]
            assert holds(old)
            self.reload(running, cronofy={"api_key": new})
            assert_cancelled(deliver(running))
            assert holds(new)
            assert not holds(old)

    def test_reaches_open_sessions_with_their_next_message(self, make):
        running = make().start()
        with MilterSession(running.socket) as mta:
            assert_cancelled(mta.deliver(TAGGED))
            self.reload(running, milter={"header": "X-Off"})
            assert_cancelled(mta.deliver(mail("X-Off: board-1")))
            assert mta.deliver(TAGGED).message_bytes == TAGGED

    def test_leaves_a_message_in_flight_its_own(self, waiting, cronofy):
        running, message = waiting()
        self.reload(running, milter={"header": "X-Off", "dry_run": True}, trust={"networks": ""},
                    accounts={"other": {"senders": "@other.example"}})
        cronofy.release()
        result = message.result()
        assert_cancelled(result)
        assert b"X-Cancel-Invite" not in result.message_bytes

    def test_of_a_broken_file_changes_nothing_and_names_the_line(self, make):
        running = make().start()
        said = self.reload(running, trust={"untrusted": "maybe"}, milter={"header": "X-Off"})
        number = 1 + running.config.read_text().splitlines().index("untrusted = maybe")
        running.wait_for_log(rf"{running.config}:{number}: .*maybe")
        assert_cancelled(deliver(running))
        assert re.search("(?im)^error", said)

    @pytest.mark.parametrize("spoil", [
        lambda running: running.config.unlink(),
        lambda running: (running.folder / "cronofy.key").unlink(),
        lambda running: (running.folder / "cronofy.key").chmod(0o644),
    ], ids=["no file", "no key", "open key"])
    def test_of_files_that_cannot_be_used_changes_nothing(self, make, spoil):
        running = make().start()
        spoil(running)
        self.reload(running)
        assert_cancelled(deliver(running))

    def test_can_be_tried_again_once_the_file_is_mended(self, make):
        running = make().start()
        self.reload(running, milter={"header": "X Off"})
        self.reload(running, milter={"header": "X-Off"})
        assert_cancelled(deliver(running, mail("X-Off: board-1")))

    def test_says_what_only_a_restart_can_change(self, make, workdir):
        running = make().start()
        said = self.reload(running, milter={"socket": f"unix:{workdir}/other.sock"})
        running.socket = f"unix:{workdir}/milter.sock"
        assert "socket" in said and "restart" in said
        assert_cancelled(deliver(running))

    def test_is_answered_to_who_asks_by_command(self, make):
        running = make().start()
        running.configure(milter={"header": "X-Off"})
        asked = run("--reload", str(running.pid))
        assert (asked.returncode, asked.stdout, asked.stderr) == (0, "", "")
        assert_cancelled(deliver(running, mail("X-Off: board-1")))  # in force already

    def test_that_was_refused_is_answered_too(self, make):
        running = make().start()
        running.configure(milter={"header": "X Off"})
        asked = run("--reload", str(running.pid))
        assert asked.returncode == 78 and "the old one stays in force" in asked.stderr
        assert "reload: the old configuration stays in force" in running.log()
        running.configure(milter={"header": "X-Off"})
        assert run("--reload", str(running.pid)).returncode == 0

    def test_needs_a_filter_to_ask(self, make):
        running = make().start()
        running.stop()
        asked = run("--reload", str(running.pid))
        assert asked.returncode == 69 and "No such process" in asked.stderr

    @pytest.mark.parametrize("number", ["0", "-1", "all", "", "12x"])
    def test_is_asked_of_one_process_only(self, number):
        asked = run("--reload", number)
        assert asked.returncode == 64 and re.search("process number|needs PID", asked.stderr)

    def test_answers_nobody_who_only_sends_the_signal(self, make):
        """It would end who does not expect one."""
        running = make().start()
        asker = subprocess.Popen([
            sys.executable, "-c", "import os, sys; os.kill(int(sys.argv[1]), 10); sys.stdin.read()",
            str(running.pid)], stdin=subprocess.PIPE)
        running.wait_for_log("reload: .* is in force")
        assert asker.poll() is None
        asker.communicate(timeout=10)
        assert asker.returncode == 0

    def test_a_hundred_times_leaves_nothing_behind(self, make):
        running = make().start()
        assert_cancelled(deliver(running))
        self.reload(running)
        descriptors, threads, memory = (running.descriptors(), running.threads(),
                                        running.rss_kib())
        for _ in range(100):
            running.reload()
            assert_cancelled(deliver(running))
        until(lambda: running.descriptors() <= descriptors, 10, "descriptors to be closed")
        until(lambda: running.threads() <= threads + 2, 10, "threads to end")
        running.assert_no_bigger_than(memory + 10_000)


class TestHouse:
    def test_keeps_its_first_three_descriptors_occupied(self, make):
        tools.need_root("a look at its descriptors")
        made = make(milter={"log": "syslog"},
                    launcher=["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]).start()
        for number in range(3):
            assert os.readlink(f"/proc/{made.pid}/fd/{number}") == "/dev/null"
        assert_cancelled(deliver(made))

    @pytest.mark.parametrize("end", ["stop", "kill"])
    def test_leaves_no_temporary_files(self, make, workdir, cronofy, end):
        temp = workdir.folder("temp")
        running = make(milter={"temp_dir": temp, "body_memory": "4K"}).start()
        large = mail(TAG, body="x" * 2_000_000)
        assert_cancelled(deliver(running, large))
        cronofy.script("board-1", trouble("held"))
        Delivery(running.socket, large)
        cronofy.wait_for_requests(2)
        assert not os.listdir(temp)
        cronofy.release()
        getattr(running, end)()
        assert not os.listdir(temp)

    def test_asks_for_another_try_if_there_is_no_room_for_the_body(self, make, workdir, cronofy):
        temp = workdir.folder("temp")
        running = make(milter={"temp_dir": temp, "body_memory": "4K"}).start()
        temp.rmdir()
        assert deliver(running, mail(TAG, body="x" * 2_000_000)).action == "tempfail"
        assert not cronofy.requests()
        running.wait_for_log(str(temp))
        assert_cancelled(deliver(running))

    def test_survives_a_shortage_of_descriptors(self, make):
        running = make(launcher=["prlimit", "--nofile=40:40"]).start()
        idle = []
        with contextlib.suppress(OSError):
            for _ in range(60):
                idle.append(connect(running.socket))
        for each in idle:
            each.close()
        until(lambda: running.descriptors() < 30, 20, "connections to be closed")
        assert_cancelled(deliver(running))

    def test_never_tells_the_key(self, make, cronofy):
        tools.need_root("a look at its environment")
        running = make(cronofy={"attempts": 2}).start()
        for reply in (status(200), status(401), status(422), trouble("reset"), trouble("html")):
            cronofy.script("board-1", forever(reply))
            deliver(running)
        running.reload()
        about = "".join(open(f"/proc/{running.pid}/{name}").read()
                        for name in ("cmdline", "environ"))
        running.stop()
        assert cronofy.requests()
        assert cronofy.api_key not in running.log() + about

    def test_leaves_no_core_file_for_the_key_to_be_in(self, make, workdir):
        made = make()
        pid = os.posix_spawn("/usr/bin/prlimit", [
            "prlimit", "--core=unlimited", binary(), "-c", made.config], os.environ,
            file_actions=[(os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)])
        try:
            until(made.converses, 20, "the filter's start")
        finally:
            os.kill(pid, signal.SIGABRT)
            how = os.waitpid(pid, 0)[1]
        assert os.WIFSIGNALED(how) and not os.WCOREDUMP(how)

    def test_hands_nothing_of_its_own_to_the_world(self, make, workdir):
        before = set(os.listdir(workdir))
        running = make(milter={"socket_mode": None}).start()
        assert_cancelled(deliver(running, mail(TAG, body="x" * 2_000_000)))
        made = set(os.listdir(workdir)) - before - {"filter.log", "filter.conf"}
        for name in made:
            assert not os.stat(workdir / name).st_mode & 0o007, name
