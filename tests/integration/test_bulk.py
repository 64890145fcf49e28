"""Cancellations for hundreds of people at once, through a real Postfix in queued mode."""

import contextlib
import re

import pytest

from lab import bulk
from lab.filter_process import FilterProcess
from lab.postfix import RETRIES
from lab.redis import Redis
from standin.client import forever, status

PER_SECOND = 50
PER_MINUTE = 5000
TRANSPORT_PROCESSES = 50  # of conf/postfix/master.cf.queued
IDLE_THREADS = 20  # those that libmilter keeps, those at the submission, and the filter's own


@pytest.fixture
def cronofy(standin):
    standin.set(open=True, per_second=PER_SECOND, per_minute=PER_MINUTE)
    return standin


@pytest.fixture
def start_queued(cronofy, start_postfix, workdir):
    """A filter and its Postfix; gives both. The keywords are the filter's."""
    with contextlib.ExitStack() as ending:
        def start(cronofy_keys=None, main="", **sections):
            folder = workdir.folder(f"filter-{len(started)}")
            keys = {"requests_per_second": PER_SECOND, "requests_per_minute": PER_MINUTE,
                    "timeout": "20s", "deadline": "60s", **(cronofy_keys or {})}
            filter = ending.enter_context(FilterProcess(
                folder, cronofy, milter={"mode": "queued"}, cronofy=keys,
                ledger={"file": folder / "ledger.db"}, **sections))
            started.append(filter)
            return filter, start_postfix(filter.socket, queued=True, main=main)

        started = []
        yield start


def say_rate(cronofy, count):
    """How busy the machine is decides on it: to be read, not to be asserted. See tests/bench/bulk.py."""
    times = [request.time for request in cronofy.requests()]
    least = bulk.least_time(count, PER_SECOND, PER_MINUTE)
    print(f"{least / (max(times) - min(times)):.3f} of the permitted rate")


def test_limit_is_never_hit_and_everyone_served_once(start_queued, cronofy, sink):
    filter, postfix = start_queued()
    invited = bulk.submit([postfix], messages=4, recipients=75)
    bulk.wait_until_delivered(sink, 300, timeout=90)
    bulk.assert_each_once(sink, cronofy, invited)
    assert cronofy.counts()["limited"] == 0
    assert "status=deferred" not in postfix.log()
    assert max(map(int, re.findall(r" waited=(\d+)", filter.log()))) > 0
    say_rate(cronofy, 300)


def test_limit_is_never_hit_by_two_hosts_that_share_it(start_queued, cronofy, sink, workdir):
    with Redis(workdir) as redis:
        hosts = [start_queued(redis={"url": redis.address, "share": "1/2"}) for _ in range(2)]
        invited = bulk.submit([postfix for _, postfix in hosts], messages=4, recipients=75)
        bulk.wait_until_delivered(sink, 300, timeout=90)
    bulk.assert_each_once(sink, cronofy, invited)
    assert cronofy.counts()["limited"] == 0
    for filter, _ in hosts:
        assert filter.log().count("result=cancelled") == 150
    say_rate(cronofy, 300)


def test_outage_in_the_middle_is_waited_for_by_the_queue(start_queued, cronofy, sink):
    """Messages are deferred at once and not by threads that wait; then everyone is served once."""
    filter, postfix = start_queued(
        {"attempts": 1, "breaker_failures": 5, "breaker_pause": "1s"}, RETRIES)
    threads = []
    invited = bulk.submit([postfix], messages=3, recipients=100)

    def watch():
        threads.append(filter.threads())

    bulk.wait_until_delivered(sink, 60, 60, watch)
    cronofy.script("*", forever(status(503)))
    filter.wait_for_log("^warning: breaker: .* has not answered 5 times in a row", 20)
    seen = len(cronofy.requests())
    bulk.wait_for(lambda: postfix.log().count("status=deferred") >= 150, 60, watch)
    # What was under way when it opened, and a probe a second.
    assert len(cronofy.requests()) - seen <= TRANSPORT_PROCESSES + 40
    assert re.search(r"status=deferred .*451 4\.4\.1 .*has not answered", postfix.log())
    cronofy.script("*")
    filter.wait_for_log("^info: breaker: .* answers again", 20)
    bulk.wait_until_delivered(sink, 300, 120, watch)

    bulk.assert_each_once(sink, cronofy, invited)
    assert cronofy.counts()["limited"] == 0
    assert filter.log().count("warning: breaker:") == 1
    assert max(threads) <= TRANSPORT_PROCESSES + IDLE_THREADS, max(threads)
    assert not postfix.queue()
