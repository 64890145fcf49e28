"""Queued mode: how near a mail server's queue comes to concurrency / latency.

A message for many is submitted in queued mode and what is delivered is watched: first with a filter
that only waits where ours would call Cronofy (waiting_filter.c), then with ours and a stand-in that
takes as long, in turn. N at once can be no more than N / latency. All programs share the machine:
where the mail server with the filter that only waits comes no nearer, no filter can. The stand-in
alone never waits for a processor, as Cronofy, which has machines of its own, doesn't wait for ours.

CIM_SPOOL names the folder of the queue: /dev/shm (the default) is memory, /var/tmp a disk.
"""

import contextlib
import os
import re
import statistics
import threading
import time
from pathlib import Path
from typing import NamedTuple

from bench.filters import waiting_filter
from bench.table import Row, note, processor_time
from lab.filter_process import FilterProcess
from lab.messages import SENDER, tagged
from lab.process import until
from lab.workdir import Workdir
from standin.client import Standin

LATENCY = 0.1  # s, of every call
RECIPIENTS = 1000
MESSAGES = 20  # that the recipients are spread over
CONCURRENCIES = (5, 10, 20, 50)
ROUNDS = 3
TARGET = 0.9  # of concurrency / latency
AS_WAITING = 0.95  # of the rate with a filter that only waits: ours costs no more than that
PROCESSORS = len(os.sched_getaffinity(0))


class Drain(NamedTuple):
    """The queue, filled and emptied once."""

    rate: float     # recipients a second, from the first call to the last delivery
    middle: float   # the same for the middle half of them: without its start and its end
    shares: dict    # of the processors' time: what each program used
    waiting: float  # share of the time in which a program that could have run had no processor


def measure(build, queue):
    """Rows for a kind of queue: a class as queued.Queue and queued_sendmail.Queue are."""
    for concurrency in CONCURRENCIES:
        name = f"queued by {queue.server}, {concurrency} at once"
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(Workdir(os.environ.get("CIM_SPOOL", "/dev/shm")))
            waiting = stack.enter_context(waiting_filter(
                build, folder.folder("waiting"), LATENCY, queue.route))
            standin = stack.enter_context(
                Standin(latency=f"{LATENCY * 1000:.0f}ms", open=True))
            prefer(standin.pid)
            ours = stack.enter_context(FilterProcess(
                folder.folder("ours"), standin,
                milter={"mode": "queued", "route": queue.route, "log_level": "info"}))
            pairs = []
            queues = [stack.enter_context(queue(folder, filter, concurrency))
                      for filter in (waiting, ours)]
            for each in queues:
                drain(each, {}, 4 * concurrency)  # the mail server starts its processes
            for number in range(ROUNDS):
                note(f"{name}, round {number + 1} of {ROUNDS}")
                standin.reset()
                pairs.append((drain(queues[0], {"filter": waiting.pid}),
                              drain(queues[1], {"filter": ours.pid, "stand-in": standin.pid})))
                counts = standin.counts()
                assert counts["cancels"] == RECIPIENTS and not standin.violations(), counts
                assert counts["peak_in_flight"] == concurrency, counts
            yield from rows(name, concurrency / LATENCY, *zip(*pairs))


def prefer(pid):
    """It never waits for a processor that others use."""
    try:
        os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        note("the stand-in may not go first: its answers come late")


def rows(name, limit, waiting, ours):
    def median(drains, field):
        return statistics.median(getattr(drain, field) for drain in drains)

    for what, field in (("rate", "rate"), ("of the middle half", "middle")):
        rate, baseline = median(ours, field), median(waiting, field)
        yield Row(f"{name}: {what}", f"{rate:.0f}/s", f"{limit:.0f}/s, concurrency/latency",
                  f"{rate / limit:.2f}", f">= {TARGET}",
                  rate >= TARGET * limit or (baseline < TARGET * limit and "nor if calls only wait"))
        yield Row("  the same", f"{rate:.0f}/s", f"{baseline:.0f}/s, if calls only wait",
                  f"{rate / baseline:.2f}", f">= {AS_WAITING}", rate >= AS_WAITING * baseline)
    yield Row("  processors", *(
        " + ".join(f"{share:.0%} {who}" for who, share in drains[-1].shares.items())
        for drains in (ours, waiting)))
    yield Row("  time in which one was wanted and not free", *(
        f"{median(drains, 'waiting'):.0%}" for drains in (ours, waiting)))


def drain(queue, pids, recipients=RECIPIENTS):
    """Has so many recipients delivered: a Drain. pids: whose processor time is told, by name."""
    def times():
        return {queue.server: queue.processor_time(),
                **{who: processor_time(pid) for who, pid in pids.items()}}

    def count():
        now, delivered = time.monotonic(), queue.delivered() - already
        if delivered > curve[-1][1]:
            curve.append((now, delivered))
        return delivered >= recipients

    already, curve = queue.delivered(), [(time.monotonic(), 0)]
    spent, wanted, begun = times(), processor_wanted(), time.monotonic()
    submit(queue, recipients)
    until(count, 300, lambda: f"{recipients - curve[-1][1]} are missing")
    seconds = time.monotonic() - begun
    first, last = curve[1][0] - LATENCY, curve[-1][0]
    return Drain(recipients / (last - first), middle_rate(curve[1:], recipients),
                 {who: (now - spent[who]) / seconds / PROCESSORS for who, now in times().items()},
                 (processor_wanted() - wanted) / seconds)


def middle_rate(curve, recipients):
    """curve: how many were delivered until when."""
    begin, end = (next(at for at in curve if at[1] >= share * recipients) for share in (1/4, 3/4))
    return (end[1] - begin[1]) / (end[0] - begin[0])


def submit(queue, recipients):
    """In MESSAGES messages at once, each over a connection of its own."""
    def send(number):
        mine = [f"guest-{number}-{index}@{number}.example.com"
                for index in range(recipients // MESSAGES)]
        message = tagged(f"invite-{number}").replace(b"<board", f"<{number}.board".encode())
        replies.append(queue.submit(SENDER, mine, message))

    replies = []
    threads = [threading.Thread(target=send, args=(number,)) for number in range(MESSAGES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [reply.code for reply in replies] == [250] * MESSAGES, replies


def processor_wanted():
    """Seconds in which a program somewhere on the machine could have run and had no processor.

    That tells better than the processors' own times whether they are the limit: what comes in bursts
    waits for them though they are idle in between.
    """
    pressure = Path("/proc/pressure/cpu").read_text()
    return int(re.search(r"^some .*total=(\d+)", pressure, re.M)[1]) / 1e6


class Counter:
    """Counts in a growing file what matches a pattern, line by line."""

    def __init__(self, path, pattern):
        self._path = Path(path)
        self._pattern = re.compile(pattern, re.M)
        self._at = 0
        self._count = 0

    def count(self):
        new = b""
        with contextlib.suppress(FileNotFoundError), open(self._path, "rb") as file:
            file.seek(self._at)
            new = file.read()
        whole = new[:new.rfind(b"\n") + 1]
        self._at += len(whole)
        self._count += len(self._pattern.findall(whole))
        return self._count
