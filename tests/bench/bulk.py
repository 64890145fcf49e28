"""A cancellation for 10,000 people through Postfix in queued mode, against a Cronofy with limits.

How long it takes must be the limits' doing: each minute's requests are used up in half of it, and so
the limit of a second binds and then that of the minute, again and again. First one Postfix with its
filter does it all, then two, whose filters share the limits through a Redis. The configuration is the
one in conf/postfix, and the filter's defaults; ledgers are kept. A request that came too early
would be answered with 429: none may be.

The sink, the stand-in and all else share the machine. CIM_SPOOL names the folder of the queues and
ledgers: /dev/shm (the default) is memory, /var/tmp a disk.
"""

import contextlib
import os
import time

from bench.table import Row, note
from lab import bulk
from lab.filter_process import FilterProcess
from lab.metrics import scrape
from lab.postfix import Postfix
from lab.process import Port
from lab.redis import Redis
from lab.sink import Sink
from lab.workdir import Workdir
from standin.client import Standin

MESSAGES = 10
RECIPIENTS = 1000  # of each
PER_SECOND = 120
PER_MINUTE = 3600
TARGET = 0.95


def measure(_):
    for hosts in (1, 2):
        with contextlib.ExitStack() as stack:
            yield from _drain(stack, hosts)


def _drain(stack, hosts):
    name = f"{MESSAGES * RECIPIENTS} recipients, "
    name += "1 filter" if hosts == 1 else f"{hosts} filters with Redis"
    note(name)
    folder = stack.enter_context(Workdir(os.environ.get("CIM_SPOOL", "/dev/shm")))
    sink = stack.enter_context(contextlib.closing(Sink()))
    standin = stack.enter_context(Standin(
        open=True, latency="50ms", per_second=PER_SECOND, per_minute=PER_MINUTE))
    shared = {}
    if hosts > 1:
        redis = stack.enter_context(Redis(folder))
        shared = {"url": redis.address, "share": f"1/{hosts}"}
    filters = [_start_filter(stack, folder.folder(f"filter-{n}"), standin, shared)
               for n in range(hosts)]
    servers = [_start_postfix(stack, folder, sink, filter) for filter, _ in filters]
    peaks = {"waiting": 0, "threads": 0}

    def watch():
        pages = [scrape(port) for _, port in filters]
        waiting = [page.value("cancel_invite_turn_waiting", account="cronofy") or 0
                   for page in pages]
        peaks["waiting"] = max(peaks["waiting"], sum(waiting))
        peaks["threads"] = max(peaks["threads"], *(filter.threads() for filter, _ in filters))

    least = bulk.least_time(MESSAGES * RECIPIENTS, PER_SECOND, PER_MINUTE)
    begun = time.monotonic()
    invited = bulk.submit(servers, MESSAGES, RECIPIENTS)
    accepted = time.monotonic() - begun
    bulk.wait_until_delivered(sink, len(invited), 4 * least + 60, watch)
    whole = time.monotonic() - begun
    bulk.assert_each_once(sink, standin, invited)
    assert not standin.violations()
    limited = standin.counts()["limited"]
    times = sorted(request.time for request in standin.requests())
    taken = times[-1] - times[0]
    put_off = sum(server.log().count("status=deferred") for server in servers)

    yield Row(f"{name}: time of all calls", f"{taken:.1f} s", f"{least:.1f} s by the limits",
              f"{least / taken:.3f}", f">= {TARGET}", least / taken >= TARGET)
    yield Row(f"{name}: answers 429", f"{limited}", "", "", "0", limited == 0)
    yield Row(f"{name}: delivered", f"{len(invited)} distinct, each with its calendar",
              f"{len(times)} requests", f"{put_off} put off")
    yield Row(f"{name}: from the first submission", f"{whole:.1f} s to the last delivery",
              f"{accepted:.1f} s to the last 250")
    yield Row(f"{name}: most at once", f"{peaks['waiting']:.0f} waiting for a turn",
              f"{peaks['threads']} threads of a filter")


def _start_filter(stack, folder, standin, shared):
    port = stack.enter_context(contextlib.closing(Port())).number
    filter = stack.enter_context(FilterProcess(
        folder, standin, milter={"mode": "queued", "log_level": "info"},
        ledger={"file": folder / "ledger.db"}, metrics={"listen": f"127.0.0.1:{port}"}, redis=shared,
        cronofy={"requests_per_second": PER_SECOND, "requests_per_minute": PER_MINUTE,
                 "timeout": None, "deadline": None, "breaker_failures": None}))
    return filter, port


def _start_postfix(stack, folder, sink, filter):
    server = Postfix(folder, sink, filter.socket, queued=True)
    stack.callback(server.close)
    return server.start()
