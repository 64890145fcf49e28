#!/usr/bin/python3
"""Runs the benchmarks and prints one table: run.py BUILD [NAME]…

NAME is untagged, calendars, rewriting, cancelling, ledger, pacing, postfix, queued,
queued_sendmail, bulk or headers; without any, all are run.

Nothing here fails because a machine is slow: each figure stands beside a baseline of the same
run, and beside its target.
"""

import os
import signal
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench import (bulk, calendars, cancelling, headers, ledger, pacing, postfix,  # noqa: E402
                   queued, queued_sendmail, rewriting, table, untagged)
from lab import tools  # noqa: E402

BENCHES = {"untagged": untagged, "calendars": calendars, "rewriting": rewriting,
           "cancelling": cancelling, "ledger": ledger, "pacing": pacing, "postfix": postfix,
           "queued": queued, "queued_sendmail": queued_sendmail, "bulk": bulk,
           "headers": headers}


def main(build, *names):
    build = Path(build).resolve()
    os.environ["CIM_BINARY"] = str(build / "cancel-invite-milter")
    rows = []
    try:
        for name in names or BENCHES:
            try:
                rows.extend(BENCHES[name].measure(build))
            except tools.Missing as missing:
                rows.append(table.Row(name, f"not measured: {missing}"))
    finally:
        table.show(rows)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if len(sys.argv) < 2 or set(sys.argv[2:]) - set(BENCHES):
        sys.exit(__doc__)
    main(*sys.argv[1:])
