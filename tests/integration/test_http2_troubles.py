"""The filter against HTTP/2 servers that hang, refuse or go away."""

import os
import re
import time
from pathlib import Path

import pytest

from lab.filter_process import FilterProcess, run, write_config
from lab.milter_client import Delivery, mail
from lab.one_message import TAGGED, deliver
from lab.workdir import Workdir
from standin import http2_troubles
from standin.http2_troubles import (ANSWERS, GOES_AWAY, MUTE, MUTE_AFTER_ONE, NO_WINDOW, REFUSES,
                                    REFUSES_ONLY_HTTP2, Behaviour, Http2Server)

ID, ANN = "invite-1", "ann@example.com"
CANCELLED, TEMPORARY = 0, 75
ONE_TRY = {"attempts": 1, "timeout": "1s", "deadline": "5s"}


@pytest.fixture
def serve(workdir):
    """serve(MUTE, ANSWERS): a server whose first connection is mute."""
    servers = []

    def start(*behaviours):
        servers.append(Http2Server(workdir.folder("tls"), *behaviours))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def start(serve):
    """start(server, cronofy={...}): a filter that calls it."""
    running, folders = [], []

    def begin(server, **sections):
        folders.append(Workdir())
        running.append(FilterProcess(folders[-1].__enter__(), server, **sections))
        running[-1].start()
        return running[-1]

    yield begin
    for each in running:
        each.stop()
    for folder in folders:
        folder.__exit__(None, None, None)


def cancel(workdir, server, **keys):
    config = write_config(workdir, standin=server, cronofy={"timeout": "1s", "deadline": "10s",
                                                            **keys})
    return run("--cancel", ID, ANN, "-c", config)


def processor_time(running):
    """Seconds that the filter has used."""
    fields = Path(f"/proc/{running.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_the_server_of_these_tests_answers(serve, workdir):
    server = serve(ANSWERS)
    assert cancel(workdir, server).returncode == CANCELLED
    assert (server.connections, server.streams) == (["h2"], 1)


@pytest.mark.parametrize("behaviour", [MUTE_AFTER_ONE, NO_WINDOW], ids=["mute", "no window"])
def test_a_connection_that_hangs_costs_one_message_a_timeout_and_no_more(serve, start, behaviour):
    server = serve(behaviour, ANSWERS)
    running = start(server, cronofy=ONE_TRY)
    assert deliver(running).action == "accept"
    used = processor_time(running)
    assert deliver(running).action == "tempfail"
    assert processor_time(running) - used < 0.1, "it waited busily"
    began = time.monotonic()
    for _ in range(9):
        assert deliver(running).action == "accept"
    assert time.monotonic() - began < 1
    assert len(server.connections) == 2


def test_the_message_itself_goes_on_over_another_connection(serve, workdir):
    server = serve(MUTE, ANSWERS)
    assert cancel(workdir, server, attempts=2).returncode == CANCELLED
    assert server.connections == ["h2"] * 2


def test_calls_that_run_go_on_when_their_connection_is_retired(serve, start):
    """The second stream is slow, but comes: the first one's time-out must not end it."""
    server = serve(Behaviour(answers=1), Behaviour(delay=1.5), ANSWERS)
    running = start(server, cronofy={**ONE_TRY, "timeout": "2s", "deadline": "20s"})
    assert deliver(running).action == "accept"
    assert deliver(running).action == "tempfail"  # the first connection is retired
    slow = Delivery(running.socket, mail("X-Cancel-Invite: board-2"))
    server.wait_for_streams(3)
    time.sleep(0.7)
    late = Delivery(running.socket, mail("X-Cancel-Invite: board-3"))  # behind the slow one: too late
    assert slow.result().action == "accept"
    late.result()
    assert deliver(running).action == "accept"


def test_a_connection_that_is_silent_is_left_before_its_calls_time_out(serve, start):
    server = serve(MUTE, ANSWERS)
    running = start(server, cronofy={**ONE_TRY, "timeout": "30s", "deadline": "60s"})
    hanging = Delivery(running.socket, TAGGED)
    server.wait_for_streams(1)
    time.sleep(5.5)
    began = time.monotonic()
    assert deliver(running).action == "accept"
    assert time.monotonic() - began < 2
    assert len(server.connections) == 2
    server.close()
    hanging.result()


@pytest.mark.parametrize("behaviour", [REFUSES, GOES_AWAY], ids=["REFUSED_STREAM", "GOAWAY"])
def test_refusing_every_stream_is_an_outage_with_waits(serve, workdir, behaviour):
    server = serve(behaviour)
    began = time.monotonic()
    done = cancel(workdir, server, attempts=3)
    assert done.returncode == TEMPORARY
    assert time.monotonic() - began > 0.7, "no wait between tries"
    assert re.search("the server (accepts no request|ends HTTP/2 before it answers)", done.stderr)
    assert len(server.connections) <= 4, "more than a connection a try, and one free one"


def test_refusing_every_stream_opens_the_breaker(serve, start):
    server = serve(REFUSES)
    running = start(server, cronofy={"attempts": 1, "timeout": "1s", "deadline": "5s",
                                     "breaker_failures": 3, "breaker_pause": "30s"})
    replies = [deliver(running).reply for _ in range(12)]
    assert all(reply.startswith("451 4.4.1 ") for reply in replies)
    assert all("has not answered" in reply for reply in replies[4:])
    assert len(server.connections) <= 2 * 3


def test_what_is_taken_by_http_1_1_alone_goes_on_so(serve, start):
    server = serve(REFUSES_ONLY_HTTP2)
    running = start(server, cronofy=ONE_TRY)
    for _ in range(6):
        assert deliver(running).action == "accept"
    assert server.streams == 2 + 6, "HTTP/2 is asked for again and again"
    assert len(server.connections) <= 2 + 3, "connections are not kept"


def test_all_behaviours_are_tested():
    names = {name for name, value in vars(http2_troubles).items() if isinstance(value, Behaviour)}
    assert names <= set(globals())
