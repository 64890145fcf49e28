"""The filter as a process: how it starts, what it leaves to others, how it changes and ends."""

import contextlib
import grp
import os
import pwd
import re
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

from lab import tools
from lab.filter_process import FilterProcess, binary, connect, run
from lab.milter_client import TAG, Delivery, MilterSession, mail
from lab.process import Port, until
from standin.client import forever, status, trouble

TAGGED = mail(TAG)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def cronofy(standin):
    """A Cronofy in which every invite exists; what it is asked must be right."""
    standin.set(open=True)
    yield standin
    assert not standin.violations()


@pytest.fixture
def make(workdir, cronofy):
    """Gives a filter that is not yet started; it is ended with the test."""
    with contextlib.ExitStack() as stack:
        def make_one(**options):
            made = FilterProcess(workdir, cronofy, **options)
            stack.callback(made.close)
            return made
        yield make_one


@pytest.fixture
def waiting(make, cronofy):
    """A started filter, and a message in it that waits until Cronofy is released."""
    def start(**sections):
        cronofy.script("board-1", trouble("held"))
        running = make(cronofy={"timeout": "30s", "deadline": "30s"}, **sections).start()
        message = Delivery(running.socket, TAGGED)
        cronofy.wait_for_requests(1, "board-1")
        return running, message
    return start


def deliver(running, message=TAGGED, *arguments, **options):
    with MilterSession(running.socket) as mta:
        return mta.deliver(message, *arguments, **options)


def assert_not_delivered(message):
    """The MTA has a temporary failure: the filter's own, or that of its hanging up."""
    with contextlib.suppress(OSError):
        assert message.result().action == "tempfail"


def assert_cancelled(result):
    assert result.action == "accept" and b"method=CANCEL" in result.message_bytes, result


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
        cronofy.script("board-1", trouble("held"))
        running = make().start()
        with MilterSession(running.socket) as mta:
            mta.begin(mail(TAG, body="x" * 5_000_000), "eom")
            cronofy.wait_for_requests()
        cronofy.release()
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
        running.check_sanitizers()

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

    def test_comes_at_once_with_a_second_signal(self, waiting):
        running, message = waiting(milter={"drain_timeout": "1m"})
        running.terminate()
        time.sleep(0.5)
        assert running.alive()
        begun = time.monotonic()
        running.terminate()
        running.wait(15)
        assert time.monotonic() - begun < 7
        assert_not_delivered(message)

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
