"""The ledger: what a tagged message costs with it and without, alone and among many.

build/bench/messages is the filter's own code without an MTA; the stand-in answers after a time that a
fast Cronofy may take, and is the same for both. The ledger's disk is /var/tmp's; what one write that is
brought to it takes there stands beside.
"""

import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from bench.table import Row, interval, note
from lab.filter_process import write_config
from lab.workdir import Workdir
from standin.client import Standin

LATENCY = 0.05  # s, of every answer
CONCURRENCIES = (1, 10, 100)
MESSAGES = 200  # in a round, fewer if they come one at a time
ROUNDS = 7
TARGET = 1.5  # times a write to the disk, with one message at a time


def measure(build):
    with Standin(http2=True, latency=f"{LATENCY * 1000:.0f}ms", open=True) as standin, \
            Workdir() as folder, tempfile.TemporaryDirectory(dir="/var/tmp") as disk:
        configs = {name: write_config(folder.folder(name), standin=standin, ledger={"file": file})
                   for name, file in (("none", "none"), ("ledger", f"{disk}/ledger.db"))}
        for concurrency in CONCURRENCIES:
            note(f"ledger, messages at once: {concurrency}")
            yield from _compare(build, configs, concurrency, Path(disk))


def _compare(build, configs, concurrency, disk):
    count = max(20, min(MESSAGES, 20 * concurrency))

    def run(name):
        done = subprocess.run([build / "bench/messages", configs[name], str(concurrency),
                               str(count)], check=True, stdout=subprocess.PIPE)
        result = json.loads(done.stdout)
        assert not result["failures"], result
        return result

    runs = {name: [] for name in configs}
    writes = []
    for number in range(ROUNDS):
        for name in sorted(configs, reverse=number % 2):
            runs[name].append(run(name))
        writes.append(_write_to_disk(disk))
    more = [(with_it["each"] - without["each"])
            for with_it, without in zip(runs["ledger"], runs["none"])]
    medians = {name: {key: statistics.median(run[key] for run in found)
                      for key in ("each", "cpu")} for name, found in runs.items()}
    write = statistics.median(writes)
    low, high = interval(more)
    what = f"ledger, {concurrency} message{'s' * (concurrency > 1)} at once"
    yield Row(f"{what}: time of a message", _ms(medians["ledger"]["each"]),
              f"{_ms(medians['none']['each'])} without",
              f"{medians['ledger']['each'] / medians['none']['each']:.3f}")
    yield Row("  more than without", f"{_ms(statistics.median(more))} ({_ms(low)}-{_ms(high)})",
              f"{_ms(write)} one write to the disk", f"{statistics.median(more) / write:.2f}",
              *((f"<= {TARGET}", statistics.median(more) <= TARGET * write)
                if concurrency == 1 else ()))
    yield Row("  processor time of a message", f"{medians['ledger']['cpu'] * 1e6:.0f} us",
              f"{medians['none']['cpu'] * 1e6:.0f} us without",
              f"{medians['ledger']['cpu'] / medians['none']['cpu']:.2f}")


def _write_to_disk(disk, times=30):
    """Seconds that it takes to append about what a message's commit does, and have it on the disk."""
    file = os.open(disk / "probe", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        begun = time.monotonic()
        for _ in range(times):
            os.write(file, b"x" * 4096 * 8)
            os.fdatasync(file)
        return (time.monotonic() - begun) / times
    finally:
        os.close(file)


def _ms(seconds):
    return f"{seconds * 1000:.2f} ms"
