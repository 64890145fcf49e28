"""The rate that is used of the one that is permitted: one filter, and two that share through Redis.

The stand-in keeps the limit: a request that came too early is answered with 429, and makes the figure
worthless. Other programs on the machine can only make the ratio smaller: the best of RUNS counts.

A burst is as wide as the machine needs to send it, once for each measurement and not once a second: so
the rate is taken from how long after each request the one came for which it made room.
"""

import contextlib
import statistics
import time

from bench.table import Row, note
from lab.filter_process import FilterProcess
from lab.milter_client import Delivery, mail
from lab.redis import Redis
from lab.workdir import Workdir
from standin.client import Standin

RATES = (50, 100)  # requests a second
SECONDS = 4
LATENCIES = (0, 0.1)  # s
RUNS = 3
TARGET = 0.95


def measure(build):
    note("pacing")
    with Standin(open=True) as standin:
        for latency in LATENCIES:
            for rate in RATES:
                yield _row(standin, 1, rate, latency)
                yield _row(standin, 2, rate, latency)


def _row(standin, count, rate, latency):
    standin.reset()
    standin.set(per_second=rate, latency=latency)
    with contextlib.ExitStack() as stack:
        keys = {}
        if count > 1:
            redis = stack.enter_context(Redis(stack.enter_context(Workdir())))
            keys = {"redis": {"url": redis.address, "share": f"1/{count}"}}
        filters = [stack.enter_context(FilterProcess(
            stack.enter_context(Workdir()), standin, milter={"max_active": 5000},
            cronofy={"requests_per_second": rate, "timeout": "20s", "deadline": "60s"}, **keys))
            for _ in range(count)]
        # Each learns what the server speaks, how quick it is, and has connections.
        _send(standin, filters, rate, 2 * rate)
        ratios = [_send(standin, filters, rate, rate * SECONDS) for _ in range(RUNS)]
    limited = standin.counts()["limited"]
    name = "1 filter" if count == 1 else f"{count} filters with Redis"
    return Row(f"{name}, {rate}/s, answers after {latency * 1000:.0f} ms: rate used",
               f"{max(ratios):.3f} ({min(ratios):.3f}-{max(ratios):.3f})", f"{limited} times 429",
               f"{max(ratios):.3f}", f">= {TARGET}, no 429", max(ratios) >= TARGET and not limited)


def _send(standin, filters, rate, count):
    """Which part of the permitted rate so many messages at once use."""
    time.sleep(1.3)
    before = len(standin.requests())
    deliveries = [Delivery(filters[n % len(filters)].socket, mail(f"X-Cancel-Invite: board-{n}"))
                  for n in range(count)]
    for delivery in deliveries:
        assert delivery.result(60).action == "accept", delivery.result()
    times = sorted(request.time for request in standin.requests())[before:]
    return 1 / statistics.mean(later - earlier for earlier, later in zip(times, times[rate:]))
