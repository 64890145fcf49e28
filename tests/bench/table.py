"""What a benchmark found, and how it is shown."""

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
    met: bool = None  # None: only information

    def cells(self):
        return (*self[:-1], {True: "yes", False: "NO", None: ""}[self.met])


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


def spread(ratios):
    """The median, with the quartiles around it."""
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return f"{middle:.3f} ({low:.3f}-{high:.3f})"


def processor_time(pid):
    """Seconds that all threads of a process, those that have ended too, have run."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
