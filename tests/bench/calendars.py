"""What checking a calendar of up to 1 MiB costs, whatever it is made of, beside libical alone."""

import json
import subprocess

from bench.table import Row, note

MOST = 0.1      # seconds of the processor


def measure(build):
    note("calendars")
    done = subprocess.run([build / "bench/calendars", "--compare"], check=True, stdout=subprocess.PIPE)
    for kind in map(json.loads, done.stdout.splitlines()):
        taken, alone = kind["seconds"], kind["libical"]
        yield Row(f"calendar, {kind['bytes'] / 1024:.0f} KiB: {kind['what']}",
                  f"{taken * 1e3:.2f} ms" + ("" if kind["accepted"] else ", refused"),
                  f"{alone * 1e3:.2f} ms libical alone" if alone is not None else "> 5 s libical alone", "", f"< {MOST * 1e3:.0f} ms", taken < MOST)
