"""Untagged mail: the filter against the emptiest one, under the same load on a unix socket.

A second empty filter takes part: how it compares with the first shows what the machine's other
work does to such a comparison.
"""

import itertools
import json
import statistics
import struct
import subprocess

from bench.filters import empty_filter
from bench.table import Row, note, processor_time, reaches, spread
from lab.filter_process import FilterProcess, connect
from lab.workdir import Workdir

ROUNDS = 60
MESSAGES = 1000  # in a round: short ones, so that other programs disturb few of them
TARGET = 0.97

# Everything that Postfix and Sendmail offer: version, actions, steps.
OFFER = struct.pack("!IcIII", 13, b"O", 6, 0x1FF, 0x1FFFFF)


def start_ours(folder):
    """The filter with its default configuration, as far as it matters to untagged mail."""
    return FilterProcess(folder, cronofy={"url": "http://127.0.0.1:1"},
                         milter={"log_level": "info"})


def measure(build):
    with Workdir() as folder, empty_filter(build, folder.folder("empty")) as empty, \
            empty_filter(build, folder.folder("other")) as other, \
            start_ours(folder.folder("ours")) as ours:
        # Filters that want different things from the MTA can't be compared.
        assert negotiated(empty) == negotiated(ours), "empty_filter.c isn't as filter.c is"
        for connections in (10, 1):
            note(f"untagged mail, connections: {connections}")
            yield from _compare(build, empty, other, ours, connections)
        ours.kill()  # stopping in peace takes libmilter seconds


def _compare(build, empty, other, ours, connections):
    def load(filter):
        done = subprocess.run(
            [build / "bench/milter_load", filter.socket.removeprefix("unix:"), str(connections),
             str(MESSAGES)], check=True, stdout=subprocess.PIPE)
        return MESSAGES / json.loads(done.stdout)["seconds"]

    filters = (empty, other, ours)
    for filter in filters:
        load(filter)
    before = {filter: processor_time(filter.pid) for filter in filters}
    rates = {filter: [] for filter in filters}
    # Each order as often as any other: a machine that gets slower meanwhile favours nobody.
    for order in itertools.islice(itertools.cycle(itertools.permutations(filters)), ROUNDS):
        for filter in order:
            rates[filter].append(load(filter))
    cost = {filter: (processor_time(filter.pid) - begun) / (ROUNDS * MESSAGES)
            for filter, begun in before.items()}

    name = f"untagged mail, {connections} connection{'s' * (connections > 1)}"
    for what, filter, target in ((name, ours, f">= {TARGET}"),
                                 ("  another empty filter", other, "")):
        ratios = [its / base for its, base in zip(rates[filter], rates[empty])]
        yield Row(f"{what}: rate", f"{statistics.median(rates[filter]):.0f}/s",
                  f"{statistics.median(rates[empty]):.0f}/s, an empty filter", spread(ratios),
                  target, reaches(ratios, TARGET) if target else None)
        yield Row(f"{what}: processor time", f"{cost[filter] * 1e6:.1f} us",
                  f"{cost[empty] * 1e6:.1f} us, an empty filter",
                  f"{cost[filter] / cost[empty]:.3f}")


def negotiated(filter):
    """The filter's whole answer to an MTA's offer: actions, steps and macros."""
    with connect(filter.socket) as client:
        client.sendall(OFFER)
        with client.makefile("rb") as answer:
            return answer.read(struct.unpack("!I", answer.read(4))[0])
