"""The cancel call: many at once over few connections, many in a row over one."""

import json
import statistics
import subprocess

from bench.table import Row, note
from standin.client import Standin

LATENCY = 0.1  # s, of every answer
AT_ONCE = 200
IN_A_ROW = 1000
RUNS = 5


def measure(build):
    note("cancels")
    with Standin(http2=True, latency=f"{LATENCY * 1000:.0f}ms", open=True) as standin:
        def cancel(url, concurrency, count, warm=0):
            done = subprocess.run(
                [build / "bench/cancels", f"{url}/v1/smart_invites", standin.ca_file,
                 standin.api_key, str(concurrency), str(count), str(warm)],
                check=True, stdout=subprocess.PIPE)
            return json.loads(done.stdout)

        def median(*arguments, **more):
            runs = [cancel(*arguments, **more) for _ in range(RUNS)]
            return sorted(runs, key=lambda run: run["seconds"])[RUNS // 2], runs

        single, _ = median(standin.http2, 1, 5, warm=1)
        single = single["seconds"] / 5
        for name, url, warm in (
                ("cold, HTTP/2", standin.http2, 0), ("warm, HTTP/2", standin.http2, 1),
                ("cold, HTTP/1.1", standin.https, 0)):
            run, runs = median(url, AT_ONCE, AT_ONCE, warm=warm)
            yield from _at_once(name, run, runs, single, is_target=url == standin.http2)
        standin.set(latency=0)
        yield from _in_a_row(cancel, standin)
