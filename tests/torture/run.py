#!/usr/bin/python3
"""Every call of the filter fails once: tests/torture/run.py [--seconds S] [--seed N] [WALK ...]

Without --seconds each walk goes over all of its positions (hours); with it, over as many as there is
time for, chosen by chance. Prints a table, and each finding. Exit code 1 if there is one that is not
in known.py.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.dont_write_bytecode = True

from standin.client import Standin  # noqa: E402
from torture.known import known  # noqa: E402
from torture.walks import walks  # noqa: E402

KINDS = ("crash", "hang", "wrong answer")


def build(folder):
    """Compiles the injector; gives its path."""
    library = Path(folder) / "inject.so"
    subprocess.run(["gcc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror",
                    "-shared", "-fPIC", "-o", library, Path(__file__).parent / "inject.c",
                    "-ldl", "-pthread"], check=True)
    return library


def walk(make, seconds, chance):
    """(positions that there are, positions tried, findings)"""
    going = make()
    try:
        positions = going.positions()
        there_are = len(positions)
        if seconds:
            chance.shuffle(positions)
        end = time.monotonic() + seconds if seconds else float("inf")
        tried, findings = 0, []
        for position in positions:
            if time.monotonic() > end:
                break
            found = going.run(position)
            tried += 1
            if found:
                findings.append(found)
        return there_are, tried, findings
    finally:
        going.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0, help="for each walk; 0: all positions")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("CIM_SEED", "1")))
    parser.add_argument("walks", nargs="*")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cim-torture-") as folder, Standin() as cronofy:
        os.chmod(folder, 0o755)
        cronofy.set(open=True)
        there_are = walks(build(folder), cronofy)
        bad, lines = 0, []
        for name in arguments.walks or there_are:
            chance = random.Random(f"{arguments.seed} {name}")
            positions, tried, findings = walk(there_are[name], arguments.seconds, chance)
            ours = [found for found in findings if not known(found)]
            bad += len(ours)
            for found in ours:
                print(found, flush=True)
            counts = [sum(found.kind == kind for found in ours) for kind in KINDS]
            lines.append([name, positions, tried, *counts, len(findings) - len(ours)])
            print(f"  {name}: {tried} of {positions} positions", file=sys.stderr, flush=True)
    print(f"seed {arguments.seed}")
    row = "{:16}{:>10}{:>8}{:>9}{:>7}{:>15}{:>8}".format
    print(row("walk", "positions", "tried", "crashes", "hangs", "wrong answers", "known"))
    for line in lines:
        print(row(*line))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
