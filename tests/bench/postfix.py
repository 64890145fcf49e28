"""Untagged mail through a real Postfix: without a filter, routed, with the emptiest filter, with ours.

A second Postfix without a filter takes part: how it compares with the first shows what the machine's
other work does to such a comparison.
"""

import contextlib
import os
import statistics
import subprocess
import time

from bench.filters import empty_filter
from bench.table import Row, note, reaches, spread
from bench.untagged import start_ours
from lab import tools
from lab.postfix import Postfix
from lab.workdir import Workdir

ROUNDS = 16
MESSAGES = 600
SESSIONS = 10
SIZE = 5120  # bytes, of a message

# What is compared with what, and what is to come of it: the least rate, the most processor time.
COMPARED = (
    ("another without a filter", "again", "none", "no filter", None, None),
    ("routed", "routed", "none", "no filter", 0.98, 1.03),
    ("ours", "ours", "empty", "an empty filter", None, None),
    ("ours", "ours", "none", "no filter", None, None),
    ("an empty filter", "empty", "none", "no filter", None, None),
)


class Nowhere:
    """In the place of a sink: what is delivered is thrown away by Postfix itself."""

    port = 0
    main = "default_transport = discard:"
    master = "discard unix - - n - - discard\n"


def measure(build):
    source = tools.program("postfix", "usr/sbin/smtp-source")
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tools.library_path("postfix"))}

    def load(server):
        begun = time.monotonic()
        # Sessions are kept, as busy clients keep them.
        subprocess.run([source, "-d", "-s", str(SESSIONS), "-m", str(MESSAGES), "-l", str(SIZE),
                        f"inet:127.0.0.1:{server.smtp_port}"], check=True, env=environment)
        return MESSAGES / (time.monotonic() - begun)

    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(Workdir())
        ours = stack.enter_context(start_ours(folder.folder("ours")))
        stack.callback(ours.kill)
        empty = stack.enter_context(empty_filter(build, folder))
        servers = {}
        for name, options in (("none", {}), ("again", {}), ("routed", {"milter": ours.socket,
                                                                     "routed": True}),
                              ("empty", {"milter": empty.socket}), ("ours", {"milter": ours.socket})):
            server = Postfix(folder, Nowhere, main=Nowhere.main, master=Nowhere.master, **options)
            stack.callback(server.close)
            servers[name] = server.start()
            load(server)
        rates = {name: [] for name in servers}
        times = {name: [] for name in servers}
        for number in range(ROUNDS):
            note(f"Postfix, round {number + 1} of {ROUNDS}")
            order = list(servers) if number % 2 == 0 else list(reversed(servers))
            for name in order:
                begun = servers[name].processor_time()
                rates[name].append(load(servers[name]))
                times[name].append((servers[name].processor_time() - begun) / MESSAGES)

    for what, one, other, baseline, least, most in COMPARED:
        ratios = [mine / its for mine, its in zip(rates[one], rates[other])]
        yield Row(f"untagged mail through Postfix, {what}: rate",
                  f"{statistics.median(rates[one]):.0f}/s",
                  f"{statistics.median(rates[other]):.0f}/s, {baseline}", spread(ratios),
                  f">= {least}" if least else "", reaches(ratios, least) if least else None)
        ratios = [mine / its for mine, its in zip(times[one], times[other])]
        ratio = statistics.median(ratios)
        yield Row(f"untagged mail through Postfix, {what}: processor time of Postfix",
                  f"{statistics.median(times[one]) * 1e3:.3f} ms",
                  f"{statistics.median(times[other]) * 1e3:.3f} ms, {baseline}", spread(ratios),
                  f"<= {most}" if most else "", ("yes" if ratio <= most else "NO") if most else None)
