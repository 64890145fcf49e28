"""Queued mode through a real Sendmail: how near the queue comes to its limit.

Each answer of the stand-in takes 100 ms, so N calls at once can be no more than 10 N a second. How
many run at once is R= of the queue group in queued.mc. The rate is that from the first call to the
last answer; what is delivered is thrown away by Sendmail itself. All programs share the machine:
where it has no time left, no setting helps.

CIM_SPOOL names the folder of the queue: /dev/shm (the default) is memory, /var/tmp a disk.
"""

import contextlib
import os
import re
import time
from pathlib import Path

from bench.table import Row, note, processor_time
from lab.filter_process import FilterProcess
from lab.messages import SENDER, tagged
from lab.process import until
from lab.sendmail import Sendmail
from lab.workdir import Workdir
from standin.client import Standin

LATENCY = 0.1  # s, of every answer
RECIPIENTS = 1000
MESSAGES = 5  # that the recipients are spread over
CONCURRENCIES = (5, 10, 20, 50)
TARGET = 0.9  # of concurrency / latency
FULL = 0.9  # share of the processors' time above which they are the limit
PROCESSORS = len(os.sched_getaffinity(0))


class Nowhere:
    """In the place of a sink: what is delivered is thrown away by Sendmail itself."""

    port = 0
    mc = """\
define(`SMART_HOST', `nowhere:nobody')dnl
MAILER_DEFINITIONS
Mnowhere, P=[FILE], F=DFMPEouq, A=FILE /dev/null
divert(0)dnl
"""


def measure(_):
    for concurrency in CONCURRENCIES:
        name = f"queued by Sendmail, {concurrency} at once"
        note(name)
        with contextlib.ExitStack() as stack:
            yield from _drain(stack, name, concurrency)


def _drain(stack, name, concurrency):
    folder = stack.enter_context(Workdir(os.environ.get("CIM_SPOOL", "/dev/shm")))
    standin = stack.enter_context(Standin(latency=f"{LATENCY * 1000:.0f}ms", open=True))
    filter = stack.enter_context(FilterProcess(
        folder.folder("filter"), standin,
        milter={"mode": "queued", "route": "domain", "log_level": "info"}))
    server = Sendmail(folder, Nowhere, filter.socket, queued=True, mc=Nowhere.mc, run="-qp10m")
    stack.callback(server.close)
    _set_concurrency(server.folder / "daemon.cf", concurrency)
    server.start()
    _send(server, "warm-up", 1)
    until(lambda: standin.counts()["cancels"] == 1 and not server.queue(), 20, server.log)
    standin.reset()

    def times():
        return {"filter": processor_time(filter.pid), "Sendmail": server.processor_time(),
                "stand-in": processor_time(standin.pid)}

    spent, machine, begun = times(), _machine_times(), time.monotonic()
    for number in range(MESSAGES):
        _send(server, f"invite-{number}", RECIPIENTS // MESSAGES)
    accepted = time.monotonic() - begun
    until(lambda: standin.counts()["cancels"] == RECIPIENTS and not server.queue(), 300,
          lambda: f"{len(server.queue())} in the queue")
    whole = time.monotonic() - begun
    calls = sorted(request.time for request in standin.requests())
    seconds = calls[-1] - calls[0] + LATENCY
    busy, there = (now - then for now, then in zip(_machine_times(), machine))
    counts = standin.counts()
    assert len(calls) == RECIPIENTS and not standin.violations(), counts

    limit, rate = concurrency / LATENCY, RECIPIENTS / seconds
    met = rate >= TARGET * limit
    yield Row(f"{name}: rate", f"{rate:.0f}/s", f"{limit:.0f}/s concurrency/latency",
              f"{rate / limit:.2f}", f">= {TARGET}",
              met or ("no processor left" if busy / there >= FULL else False))
    shares = {who: (now - spent[who]) / whole / PROCESSORS for who, now in times().items()}
    yield Row(f"{name}: processors", f"{sum(shares.values()):.0%}",
              " + ".join(f"{share:.0%} {who}" for who, share in shares.items()),
              f"{busy / there:.0%} by all on the machine")
    yield Row(f"{name}: most calls at once", f"{counts['peak_in_flight']}")
    yield Row(f"{name}: from the first submission", f"{whole:.1f} s to the last delivery",
              f"{accepted:.1f} s to the last 250")


def _send(server, invite, count):
    recipients = [f"guest-{index}@{invite}.example" for index in range(count)]
    message = tagged(invite).replace(b"<board", f"<{invite}.board".encode())
    reply = server.submit(SENDER, recipients, message)
    assert reply.code == 250, reply


def _set_concurrency(path, concurrency):
    """conf/sendmail/queued.mc with another R=."""
    changed, count = re.subn(r"(?m)^(Qcancel-invite,.* R=)\d+", rf"\g<1>{concurrency}",
                             path.read_text())
    assert count == 1
    path.write_text(changed)


def _machine_times():
    """What the processors worked, and what they were there for; in ticks."""
    [line] = re.findall(r"^cpu +(.*)", Path("/proc/stat").read_text(), re.M)
    user, nice, system, idle, wait, *rest = map(int, line.split()[:8])
    working = user + nice + system + sum(rest)
    return working, working + idle + wait
