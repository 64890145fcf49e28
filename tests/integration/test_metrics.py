"""What the filter shows to those who watch it: its page of metrics, and whether it is well."""

import contextlib
import os
import re
import signal
import socket
import threading
import time

import pytest

from lab import tools
from lab.filter_process import FilterProcess, run
from lab.metrics import get, promtool, scrape
from lab.milter_client import TAG, Delivery, MilterSession, mail
from lab.one_message import TAGGED
from lab.process import Port, until
from standin.client import delayed, forever, status, trouble

GET = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /metrics HTTP/1.1\r\nHost: localhost\r\n"
GARBAGE = {
    "zeros": b"\0" * 1000,
    "ones": b"\xff" * 1000,
    "no version": b"GET /metrics\r\n\r\n",
    "no path": b"GET\r\n\r\n",
    "odd version": b"GET /metrics HTTP/9.9\r\n\r\n",
    "empty lines": b"\r\n" * 5000,
    "long path": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "long header": GET + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n",
    "many headers": GET + b"X: a\r\n" * 50_000 + b"\r\n",
    "negative length": POST + b"Content-Length: -1\r\n\r\n",
    "huge length": POST + b"Content-Length: 99999999999999999999\r\n\r\n",
    "huge chunk": POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}
MESSAGES = "cancel_invite_messages_total"
CALLS = "cancel_invite_calls_total"


@pytest.fixture
def port():
    with contextlib.closing(Port()) as made:
        yield made.number


@pytest.fixture
def make(make, port):
    """Starts a filter with a page."""
    def start_one(**sections):
        return make(**{"metrics": {"listen": f"127.0.0.1:{port}"}, **sections}).start()
    return start_one


def deliver(running, *messages, **options):
    with MilterSession(running.socket) as mta:
        return [mta.deliver(message, **options) for message in messages]


def account(name):
    return {"senders": f"@{name}.example", "api_key": "CRN_test-key"}


def free_port6():
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("there is no IPv6 loopback address")
        return probe.getsockname()[1]


class TestCounters:
    def test_are_what_was_sent(self, make, port, cronofy):
        running = make(accounts={"a": account("a"), "b": account("b")})
        cronofy.script("gone", forever(status(404)))
        cronofy.script("down", forever(status(503)))
        deliver(running, *[TAGGED] * 3, *[mail()] * 5, sender="x@a.example")
        deliver(running, TAGGED, mail("X-Cancel-Invite: gone"), sender="x@b.example")
        deliver(running, mail("X-Cancel-Invite:"), mail("X-Cancel-Invite: down"),
                sender="x@b.example")
        deliver(running, TAGGED, sender="x@c.example")
        deliver(running, TAGGED, sender="x@a.example", client=("192.0.2.1", 1))
        page = scrape(port)
        counted = {(labels["account"], labels["result"]): value
                   for labels, value in page.series(MESSAGES) if value}
        assert counted == {("a", "cancelled"): 3, ("b", "cancelled"): 1, ("b", "refused"): 1,
                           ("b", "unavailable"): 1, ("-", "bad_tag"): 1, ("-", "no_account"): 1,
                           ("-", "untrusted_stripped"): 1}
        assert page.value("cancel_invite_untagged_messages_total") == 5
        assert page.value("cancel_invite_message_duration_seconds_count") == 9
        # What is counted is what was logged, and what was asked.
        assert sum(counted.values()) == running.log().count(" result=")
        calls = {(labels["account"], labels["status"]): value
                 for labels, value in page.series(CALLS) if value}
        # The status of the invite that is refused is asked for; the stand-in has it.
        assert calls == {("a", "200"): 3, ("b", "200"): 2, ("b", "404"): 1, ("b", "503"): 3}
        assert sum(calls.values()) == len(cronofy.requests())
        assert page.value("cancel_invite_call_duration_seconds_count") == len(cronofy.requests())

    def test_begin_with_zero_for_what_is_known(self, make, port):
        make(accounts={"a": account("a"), "b": account("b")})
        page = scrape(port)
        for name in ("a", "b"):
            assert page.value(MESSAGES, account=name, result="unavailable") == 0
            assert page.value(CALLS, account=name, status="401") == 0
        assert page.value("cancel_invite_untagged_messages_total") == 0

    def test_have_no_labels_from_outside(self, make, port, cronofy):
        cronofy.script("odd", forever(status(299)))
        running = make(cronofy={"attempts": 1})
        deliver(running, mail("X-Cancel-Invite: odd"), mail("X-Cancel-Invite: evil\"} 1"),
                sender="evil@acme.example", macros={"{auth_authen}": "evil", "i": "evil"})
        page = scrape(port)
        assert "evil" not in page.text
        assert {labels["account"] for labels, _ in page.series(MESSAGES) + page.series(CALLS)} <= {
            "cronofy", "-"}
        assert all(re.fullmatch("none|[0-9]{3}", labels["status"])
                   for labels, _ in page.series(CALLS))

    def test_tell_of_calls_without_an_answer(self, make, port, cronofy):
        cronofy.script("board-1", forever(trouble("reset")))
        deliver(make(cronofy={"attempts": 2}), TAGGED)
        page = scrape(port)
        assert page.value(CALLS, account="cronofy", status="none") == 2
        assert page.value(MESSAGES, account="cronofy", result="unavailable") == 1

    def test_tell_of_messages_that_the_mta_did_not_take(self, make, port, cronofy):
        cronofy.script("board-1", trouble("held"))
        running = make()
        with MilterSession(running.socket) as mta:
            mta.begin(mail(TAG, body="x" * 5_000_000), "eom")
            cronofy.wait_for_requests()
        cronofy.release()
        running.wait_for_log("result=not_taken")
        until(lambda: scrape(port).value(MESSAGES, account="cronofy", result="not_taken") == 1,
              5, "the message to be counted")
        assert scrape(port).value(MESSAGES, account="cronofy", result="cancelled") == 0

    def test_time_calls(self, make, port, cronofy):
        cronofy.script("board-1", delayed(0.3))
        deliver(make(), TAGGED)
        page = scrape(port)
        for what in ("call", "message"):
            name = f"cancel_invite_{what}_duration_seconds"
            assert page.value(f"{name}_bucket", le="0.25") == 0
            assert page.value(f"{name}_bucket", le="10") == 1
            assert page.value(f"{name}_bucket", le="+Inf") == page.value(f"{name}_count") == 1
            assert 0.3 <= page.value(f"{name}_sum") < 10

    def test_tell_how_many_connections_were_made(self, make, port, cronofy):
        deliver(make(), *[TAGGED] * 5)
        made = scrape(port).value("cancel_invite_connections_opened_total")
        assert made == len({request.connection for request in cronofy.requests()}) == 1

    def test_tell_how_many_are_at_work_and_how_many_wait_for_a_turn(self, make, port, cronofy):
        def at_work_and_waiting():
            page = scrape(port)
            return (page.value("cancel_invite_messages_active"),
                    page.value("cancel_invite_turn_waiting", account="cronofy"))

        running = make(cronofy={"requests_per_second": 1, "requests_per_minute": 60})
        assert at_work_and_waiting() == (0, 0)
        messages = [Delivery(running.socket, TAGGED) for _ in range(3)]
        until(lambda: at_work_and_waiting() == (2, 2), 5, at_work_and_waiting)
        assert all(message.result().action == "accept" for message in messages)
        assert at_work_and_waiting() == (0, 0)

    def test_tell_of_the_breaker(self, make, port, cronofy):
        running = make(cronofy={"breaker_failures": 1, "attempts": 1})
        cronofy.script("board-1", status(503))
        deliver(running, TAGGED)
        [(labels, value)] = scrape(port).series("cancel_invite_breaker_open")
        assert labels["endpoint"].startswith(cronofy.url) and value == 1

    def test_tell_of_the_ledger(self, make, port, workdir):
        running = make(ledger={"file": "ledger.db"})
        deliver(running, TAGGED)
        page = scrape(port)
        assert page.value("cancel_invite_ledger_bytes") > 4096
        assert page.value("cancel_invite_ledger_errors_total") == 0

    def test_tell_of_reloads(self, make, port):
        running = make()
        loaded = scrape(port).value("cancel_invite_config_loaded_timestamp_seconds")
        assert time.time() - 60 < loaded <= time.time()
        running.reload(milter={"header": "X Off"})
        running.wait_for_log("old configuration stays")
        page = scrape(port)
        assert page.value("cancel_invite_config_reloads_total", result="faulty") == 1
        assert page.value("cancel_invite_config_last_reload_successful") == 0
        assert page.value("cancel_invite_config_loaded_timestamp_seconds") == loaded
        time.sleep(1.1)
        running.reload(milter={}, accounts={"new": account("new")})
        running.wait_for_log("is in force")
        until(lambda: scrape(port).value(MESSAGES, account="new", result="cancelled") == 0,
              5, "the new account on the page")
        page = scrape(port)
        assert page.value("cancel_invite_config_reloads_total", result="ok") == 1
        assert page.value("cancel_invite_config_last_reload_successful") == 1
        assert page.value("cancel_invite_config_loaded_timestamp_seconds") > loaded


class TestPage:
    def test_is_what_promtool_wants_under_load_and_after(self, make, port, cronofy):
        running = make(accounts={"a": account("a"), "b": account("b")})
        cronofy.script("gone", forever(status(404)))
        over = threading.Event()
        failures = []

        def load(sender):
            try:
                with MilterSession(running.socket) as mta:
                    while not over.is_set():
                        for message in (TAGGED, mail(), mail("X-Cancel-Invite: gone"),
                                        mail("X-Cancel-Invite:")):
                            mta.deliver(message, sender)
            except BaseException as failure:
                failures.append(failure)
                raise

        threads = [threading.Thread(target=load, args=(sender,))
                   for sender in ("x@a.example", "x@b.example", "x@c.example")]
        for thread in threads:
            thread.start()
        try:
            pages = [scrape(port) for _ in range(20)]
        finally:
            over.set()
            for thread in threads:
                thread.join()
        assert not failures
        pages.append(scrape(port))
        for name, labels in ((MESSAGES, {"account": "a", "result": "cancelled"}),
                             ("cancel_invite_untagged_messages_total", {}),
                             ("cancel_invite_call_duration_seconds_count", {})):
            values = [page.value(name, **labels) for page in pages]
            assert values == sorted(values) and values[-1] > 0, (name, values)
        for page in pages[::5]:
            promtool("check", "metrics", input=page.text)

    def test_knows_the_process(self, make, port):
        tools.need_root("a look at its descriptors")
        running = make()
        page = scrape(port)
        assert 0 <= time.time() - page.value("process_start_time_seconds") < 60
        assert 0 < page.value("process_cpu_seconds_total") < 60
        assert 2 < page.value("process_threads") < 50
        assert page.value("process_max_fds") >= page.value("process_open_fds")
        # What the scrape itself had open is gone by the time that we count.
        descriptors = len(os.listdir(f"/proc/{running.pid}/fd"))
        assert descriptors <= page.value("process_open_fds") <= descriptors + 2
        resident = page.value("process_resident_memory_bytes") / 1024
        assert resident / 2 < running.rss_kib() < resident * 2
        assert page.value("process_virtual_memory_bytes") > resident * 1024

    def test_knows_the_process_of_an_unprivileged_user_too(self, make, port, workdir, cronofy):
        tools.need_root("another user")
        make(milter={"user": "nobody", "temp_dir": workdir.folder("temp", user="nobody")},
             cronofy={"url": cronofy.http, "ca_file": None})
        page = scrape(port)
        assert page.value("process_open_fds") > 3
        assert page.value("process_resident_memory_bytes") > 1_000_000

    def test_tells_the_version(self, make, port):
        make()
        version = run("-V").stdout.split()[-1]
        assert scrape(port).value("cancel_invite_build_info", version=version) == 1

    def test_never_tells_the_key(self, make, port, cronofy):
        deliver(make(), TAGGED)
        assert "CRN_" not in scrape(port).text

    @pytest.mark.parametrize("host, status", (
        ("localhost", 200), ("LOCALHOST:{port}", 200), ("127.0.0.1", 200), ("127.0.0.1:{port}", 200),
        ("127.1.2.3:1", 200), ("[::1]:{port}", 200), ("evil.example", 403), ("evil.example:{port}", 403),
        ("localhost.evil.example", 403), ("127.0.0.1.evil.example", 403), ("192.0.2.1", 403),
        ("[::1", 200), ("[2001:db8::1]", 403), ("", 403), ("x" * 5000, 403)))
    def test_is_for_this_machine_and_not_for_web_pages_with_a_name_of_their_own(
            self, make, port, host, status):
        make()
        for path in ("/metrics", "/healthz"):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                client.sendall(f"GET {path} HTTP/1.1\r\nHost: {host.format(port=port)}\r\n"
                               "Connection: close\r\n\r\n".encode())
                answer = client.makefile("rb").read()
            assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer[:300]
            assert status == 200 or b"cancel_invite" not in answer

    def test_is_all_that_there_is(self, make, port):
        make()
        for path in ("/", "/metrics/", "/metrics2", "//metrics", "/../etc/passwd", "/healthz/x"):
            assert get(port, path)[0] == 404, path
        for path in ("/metrics", "/healthz"):
            status_, headers, body = get(port, path, "POST", body="x" * 100_000)
            assert status_ == 405 and headers["Allow"] == "GET, HEAD"
            assert get(port, path, "DELETE")[0] == 405
            assert get(port, path, "HEAD")[0] == 200
        assert get(port, "/metrics?debug=1")[0] == 200

    def test_is_not_there_unless_configured(self, make):
        tools.need_root("a look at its descriptors")
        running = make(metrics={})
        its = {os.readlink(f"/proc/{running.pid}/fd/{name}")
               for name in os.listdir(f"/proc/{running.pid}/fd")}
        for family in ("tcp", "tcp6"):
            with open(f"/proc/{running.pid}/net/{family}") as table:
                listening = {f"socket:[{line.split()[9]}]" for line in table
                             if line.split()[3] == "0A"}
            assert not its & listening


class TestHealth:
    def test_is_ok_while_it_works(self, make, port):
        make()
        assert get(port, "/healthz")[::2] == (200, "ok\n")

    def test_is_not_while_it_drains(self, make, port, cronofy):
        cronofy.script("board-1", trouble("held"))
        running = make()
        message = Delivery(running.socket, TAGGED)
        cronofy.wait_for_requests()
        running.terminate()
        until(lambda: get(port, "/healthz")[0] == 503, 10, "the end to be told")
        assert get(port, "/healthz")[2] == "stopping\n"
        assert scrape(port).value("cancel_invite_messages_active") == 1
        cronofy.release()
        assert message.result().action == "accept"
        assert running.wait() == 0
        running.check_log()


class TestListen:
    def test_needs_a_free_port(self, workdir, cronofy):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            where = "127.0.0.1:%d" % taken.getsockname()[1]
            made = FilterProcess(workdir, cronofy, metrics={"listen": where})
            ended = run("-c", made.config)
        assert ended.returncode == 69
        assert re.search(rf"^error: \[metrics\] listen = {where}: .*in use", ended.stderr), ended
        assert not (workdir / "milter.sock").exists()

    def test_may_be_ipv6(self, make):
        port = free_port6()
        make(metrics={"listen": f"[::1]:{port}"})
        assert scrape(port, host="::1").value("cancel_invite_messages_active") == 0
        with pytest.raises(OSError):
            get(port, "/metrics", host="127.0.0.1")

    def test_may_be_everywhere(self, make, port):
        make(metrics={"listen": f"0.0.0.0:{port}"})
        assert get(port, "/healthz", host="127.0.0.2")[0] == 200

    def test_needs_an_address_that_is_ours(self, workdir, cronofy):
        made = FilterProcess(workdir, cronofy, metrics={"listen": "192.0.2.1:9895"})
        ended = run("-c", made.config)
        assert ended.returncode == 69 and "192.0.2.1:9895" in ended.stderr

    def test_changes_only_with_a_restart(self, make, port):
        running = make()
        with contextlib.closing(Port()) as other:
            running.reload(metrics={"listen": f"127.0.0.1:{other.number}"})
            running.wait_for_log(r"^warning: .*restart is needed for listen of \[metrics\]")
            running.wait_for_log("is in force")
            assert get(port, "/healthz")[0] == 200
            assert not other.answers()

    def test_is_free_again_at_once_for_the_next(self, make):
        running = make()
        running.kill()
        running.start()


class TestClients:
    def connect(self, port):
        return socket.create_connection(("127.0.0.1", port), timeout=10)

    def test_that_are_slow_keep_nobody_out(self, make, port):
        running = make()
        before = running.descriptors()
        with contextlib.ExitStack() as stack:
            slow = [stack.enter_context(contextlib.closing(self.connect(port)))
                    for _ in range(150)]
            for client in slow:
                with contextlib.suppress(OSError):
                    client.sendall(b"GET /metrics HT")
            begun = time.monotonic()
            for _ in range(5):
                assert scrape(port, timeout=5).value("cancel_invite_messages_active") == 0
            assert time.monotonic() - begun < 5
            # Those that came last may still be slow; the first are gone.
            slow[0].settimeout(5)
            with contextlib.suppress(ConnectionError):
                assert slow[0].recv(1) == b""
            assert deliver(running, TAGGED)[0].action == "accept"
        until(lambda: running.descriptors() <= before + 1, 15, "connections to be closed")

    def test_that_say_nothing_are_hung_up_on(self, make, port):
        make()
        with contextlib.closing(self.connect(port)) as silent:
            silent.settimeout(30)
            begun = time.monotonic()
            with contextlib.suppress(ConnectionError):
                while silent.recv(1000):
                    pass
            assert 5 < time.monotonic() - begun < 25

    @pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
    def test_that_talk_garbage_do_no_harm(self, make, port, garbage):
        running = make()
        for _ in range(3):
            with contextlib.closing(self.connect(port)) as client, \
                    contextlib.suppress(OSError):
                client.sendall(garbage)
                client.shutdown(socket.SHUT_WR)
                client.recv(100_000)
        assert scrape(port).value("cancel_invite_messages_active") == 0
        assert running.alive()
        running.check_log()

    def test_that_never_read_do_no_harm(self, make, port):
        make()
        with contextlib.ExitStack() as stack:
            for _ in range(40):
                client = stack.enter_context(contextlib.closing(socket.socket()))
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
                client.connect(("127.0.0.1", port))
                client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert scrape(port, timeout=5).value("cancel_invite_messages_active") == 0

    def test_do_not_keep_it_from_stopping(self, make, port):
        running = make()
        with contextlib.closing(self.connect(port)) as client:
            client.sendall(b"GET /metrics HT")
            assert running.stop(timeout=8) == 0

    def test_leave_nothing_behind(self, make, port):
        running = make()
        for _ in range(20):
            scrape(port)
        descriptors, memory = running.descriptors(), running.rss_kib()
        for _ in range(500):
            scrape(port)
        until(lambda: running.descriptors() <= descriptors, 5, "connections to be closed")
        running.assert_no_bigger_than(memory + 2000)
        running.signal(signal.SIGTERM)
        assert running.wait() == 0
