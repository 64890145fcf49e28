"""Queued mode through a real Postfix: how near the queue comes to its limit.

Each answer of the stand-in takes 100 ms, so N calls at once can be no more than 10 N a second. How
many run at once is maxproc of the transport "cancel-invite" in master.cf. The time is that from the
first byte of the submission to the last delivery; what is delivered is thrown away by Postfix
itself. All programs share the machine: where it has no time left, no setting helps.

CIM_SPOOL names the folder of the queue: /dev/shm (the default) is memory, /var/tmp a disk.
"""

import contextlib
import os
import re
import threading
import time
from pathlib import Path
from typing import NamedTuple

from bench.postfix import Nowhere
from bench.table import Row, note, processor_time
from lab.filter_process import FilterProcess
from lab.messages import SENDER, tagged
from lab.postfix import Postfix
from lab.process import until
from lab.workdir import Workdir
from standin.client import Standin

LATENCY = 0.1  # s, of every answer
RECIPIENTS = 1000
# What is sent, in so many messages. The first time, Postfix has its processes still to start.
RUNS = ((", cold", 20), (", warm", 20), (", warm", 1))
CONCURRENCIES = (5, 10, 20, 50)
TARGET = 0.9  # of concurrency / latency
FULL = 0.9  # share of the processors' time above which they are the limit


class Drain(NamedTuple):
    """The queue, filled and emptied once."""

    rate: float   # recipients a second
    peak: int     # calls at once
    busy: float   # share of the processors' time that the whole machine used
    shares: dict  # what each program used of it


def measure(_):
    for concurrency in CONCURRENCIES:
        with Queue(concurrency) as queue:
            for name, messages in RUNS:
                name = f"queued, {concurrency} at once, {messages} x {RECIPIENTS // messages}{name}"
                note(name)
                yield from rows(name, concurrency, queue.drain(messages))


def rows(name, concurrency, found):
    limit = concurrency / LATENCY
    met = found.rate >= TARGET * limit
    yield Row(f"{name}: rate", f"{found.rate:.0f}/s", f"{limit:.0f}/s concurrency/latency",
              f"{found.rate / limit:.2f}", f">= {TARGET}",
              met or ("no processor left" if found.busy >= FULL else False))
    shares = " + ".join(f"{share:.0%} {who}" for who, share in found.shares.items())
    yield Row(f"{name}: processors", f"{sum(found.shares.values()):.0%}", shares,
              f"{found.busy:.0%} by all on the machine")
    yield Row(f"{name}: most calls at once", f"{found.peak}")


class Queue:
    """A Postfix, the filter and the stand-in, for as many calls at once.

    main, master: changes of the configuration to try.
    """

    def __init__(self, concurrency, main="", master=lambda text: text):
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(Workdir(os.environ.get("CIM_SPOOL", "/dev/shm")))
            self._standin = stack.enter_context(
                Standin(latency=f"{LATENCY * 1000:.0f}ms", open=True))
            self._filter = stack.enter_context(FilterProcess(
                folder.folder("filter"), self._standin,
                milter={"mode": "queued", "log_level": "info"}))
            self._server = Postfix(folder, Nowhere, self._filter.socket, queued=True,
                                   main=Nowhere.main + main)
            stack.callback(self._server.close)
            path = self._server.etc / "master.cf"
            path.write_text(
                master(with_concurrency(path.read_text(), concurrency)) + Nowhere.master)
            self._server.start()
            self._delivered = Delivered(self._server.log_path)
            self._ending = stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ending.close()

    def drain(self, messages):
        """RECIPIENTS recipients in so many messages: a Drain."""
        self._standin.reset()
        goal = self._delivered.count() + RECIPIENTS
        before, busy_before = self._processor_times(), machine_times()
        begun = time.monotonic()
        submit(self._server, messages)
        until(lambda: self._delivered.count() >= goal, 300,
              lambda: f"{goal - self._delivered.count()} are missing")
        seconds = time.monotonic() - begun
        busy, whole = (now - then for now, then in zip(machine_times(), busy_before))
        counts = self._standin.counts()
        assert counts["cancels"] == RECIPIENTS and not self._standin.violations(), counts
        spent = {who: now - before[who] for who, now in self._processor_times().items()}
        processors = seconds * len(os.sched_getaffinity(0))
        return Drain(RECIPIENTS / seconds, counts["peak_in_flight"], busy / whole,
                     {who: each / processors for who, each in spent.items()})

    def _processor_times(self):
        return {"filter": processor_time(self._filter.pid),
                "Postfix": self._server.processor_time(),
                "stand-in": processor_time(self._standin.pid),
                "this program": sum(os.times()[:2])}


def machine_times():
    """What the processors worked, and what they were there for; in ticks."""
    [line] = re.findall(r"^cpu +(.*)", Path("/proc/stat").read_text(), re.M)
    user, nice, system, idle, wait, *rest = map(int, line.split()[:8])
    working = user + nice + system + sum(rest)
    return working, working + idle + wait


def with_concurrency(master, concurrency):
    """conf/postfix/master.cf.queued with another maxproc."""
    changed, count = re.subn(r"(?m)^(cancel-invite unix - - n -) \d+ smtp$",
                             rf"\1 {concurrency} smtp", master)
    assert count == 1, master
    return changed


def submit(server, messages):
    """All at once, each over a connection of its own."""
    def send(number):
        recipients = [f"guest-{number}-{index}@example.com"
                      for index in range(RECIPIENTS // messages)]
        message = tagged(f"invite-{number}").replace(b"<board", f"<{number}.board".encode())
        reply = server.submit(SENDER, recipients, message)
        assert reply.code == 250, reply

    threads = [threading.Thread(target=send, args=(number,)) for number in range(messages)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Delivered:
    """Counts in a growing log what was delivered, to discard(8)."""

    def __init__(self, log):
        self._log = Path(log)
        self._at = 0
        self._count = 0

    def count(self):
        new = b""
        with contextlib.suppress(FileNotFoundError), open(self._log, "rb") as log:
            log.seek(self._at)
            new = log.read()
        whole = new[:new.rfind(b"\n") + 1]
        self._at += len(whole)
        self._count += len(re.findall(rb"/discard\[\d+\]: .*status=sent", whole))
        return self._count
