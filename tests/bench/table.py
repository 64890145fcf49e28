"""What a benchmark found, and how it is shown."""

import math
import os
import statistics
import sys
from pathlib import Path
from typing import NamedTuple


class Row(NamedTuple):
    what: str
    figure: str
    baseline: str = ""
    ratio: str = ""
    target: str = ""
    met: object = None  # a bool, or a text; None: only information

    def cells(self):
        return (*self[:-1], {True: "yes", False: "NO", None: ""}.get(self.met, self.met))


def show(rows):
    heads = ("what", "figure", "baseline", "ratio", "target", "met")
    table = [heads, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table)]
    for number, cells in enumerate(table):
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths)).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))


def note(text):
    print(f"  bench {text}", file=sys.stderr, flush=True)


def interval(values):
    """Where the median lies with a confidence of 95 %, whatever the values' distribution."""
    ordered = sorted(values)
    skipped = max(0, math.floor((len(ordered) - 1.96 * math.sqrt(len(ordered))) / 2))
    return ordered[skipped], ordered[-1 - skipped]


def spread(ratios):
    low, high = interval(ratios)
    return f"{statistics.median(ratios):.3f} ({low:.3f}-{high:.3f})"


def reaches(ratios, target):
    """Is the median that good? Other programs on the machine can make that uncertain."""
    low, high = interval(ratios)
    answer = "yes" if statistics.median(ratios) >= target else "NO"
    return answer + ", within the noise" * (low < target <= high)


def processor_time(pid):
    """Seconds that all threads of a process, those that have ended too, have run."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
