"""Untagged mail through a real Postfix: without a filter, with the emptiest one, with ours."""

import contextlib
import os
import statistics
import subprocess
import time

from bench.filters import empty_filter
from bench.table import Row, note, spread
from bench.untagged import start_ours
from lab import tools
from lab.postfix import Postfix
from lab.workdir import Workdir

ROUNDS = 7
MESSAGES = 600
SESSIONS = 10
SIZE = 5120  # bytes, of a message


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
        for name, milter in (("none", None), ("empty", empty.socket), ("ours", ours.socket)):
            server = Postfix(folder, Nowhere, milter, main=Nowhere.main)
            stack.callback(server.close)
            with open(server.etc / "master.cf", "a") as master:
                master.write(Nowhere.master)
            servers[name] = server.start()
            load(server)
        rates = {name: [] for name in servers}
        for number in range(ROUNDS):
            note(f"Postfix, round {number + 1} of {ROUNDS}")
            order = list(servers) if number % 2 == 0 else list(reversed(servers))
            for name in order:
                rates[name].append(load(servers[name]))

    middle = {name: statistics.median(found) for name, found in rates.items()}
    for what, one, other, baseline in (
            ("ours", "ours", "empty", "an empty filter"), ("ours", "ours", "none", "no filter"),
            ("an empty filter", "empty", "none", "no filter")):
        ratios = [mine / its for mine, its in zip(rates[one], rates[other])]
        yield Row(f"untagged mail through Postfix, {what}", f"{middle[one]:.0f}/s",
                  f"{middle[other]:.0f}/s, {baseline}", spread(ratios))
