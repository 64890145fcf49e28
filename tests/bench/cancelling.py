"""The cancel call: many at once over few connections, many in a row over one.

The calls are made by build/bench/cancels, which is the filter's own code without the mail. In front
of the stand-in is nghttpx, and both share the machine with it: the processor times tell whose limit
is reached.
"""

import json
import subprocess
from pathlib import Path

from bench.table import Row, note, processor_time
from standin.client import Standin

LATENCY = 0.1  # s, of every answer
AT_ONCE = 200
AT_ONCE_TARGET = 1.3 * LATENCY + 0.1  # s
CONNECTIONS_TARGET = 2
IN_A_ROW = 1000
RUNS = 7


def measure(build):
    note("cancels")
    with Standin(http2=True, latency=f"{LATENCY * 1000:.0f}ms", open=True) as standin:
        def cancel(url, concurrency, count, warm):
            done = subprocess.run(
                [build / "bench/cancels", f"{url}/v1/smart_invites", standin.ca_file,
                 standin.api_key, str(concurrency), str(count), str(warm)],
                check=True, stdout=subprocess.PIPE)
            result = json.loads(done.stdout)
            calls = count + warm
            expected = {"failures": 0, "http1": 0, "http2": 0,
                        "http2" if url == standin.http2 else "http1": calls}
            wrong = {key: result[key] for key in expected if result[key] != expected[key]}
            assert not wrong, f"{calls} cancels at {url}: {result}"
            return result

        single = cancel(standin.http2, 1, 5, warm=1)["seconds"] / 5
        for how, url, warm in (("cold", standin.http2, 0), ("warm", standin.http2, 1),
                               ("cold, HTTP/1.1", standin.https, 0)):
            yield from _at_once(standin, cancel, single, how, url, warm)
        standin.set(latency=0)
        yield from _in_a_row(standin, cancel)
        assert not standin.violations()


def _at_once(standin, cancel, single, how, url, warm):
    before = _server_times(standin)
    runs = sorted((cancel(url, AT_ONCE, AT_ONCE, warm) for _ in range(RUNS)),
                  key=lambda run: run["seconds"])
    server_times = [(after - start) / RUNS for after, start in zip(_server_times(standin), before)]
    seconds = runs[RUNS // 2]["seconds"]
    connections = max(run["connections"] for run in runs)
    http2 = url == standin.http2
    name = f"{AT_ONCE} cancels at once, {how}"
    yield Row(f"{name}: time", f"{_ms(seconds)} ({_ms(runs[0]['seconds'])}"
              f"-{_ms(runs[-1]['seconds'])})", f"{_ms(single)} one alone",
              f"{seconds / single:.2f}", f"<= {_ms(AT_ONCE_TARGET)}" if http2 else "",
              seconds <= AT_ONCE_TARGET if http2 else None)
    yield Row(f"{name}: connections", f"{connections}", "", "",
              f"<= {CONNECTIONS_TARGET}" if http2 else "",
              connections <= CONNECTIONS_TARGET if http2 else None)
    own = sum(run["cpu"] for run in runs) / RUNS
    yield Row(f"{name}: processor time", _ms(own),
              " + ".join(map(_ms, server_times)) + " stand-in + nghttpx")


def _in_a_row(standin, cancel):
    run = cancel(standin.http2, 1, IN_A_ROW, warm=0)
    http1 = cancel(standin.https, 1, IN_A_ROW, warm=0)
    name = f"{IN_A_ROW} cancels in a row"
    yield Row(f"{name}: connections", f"{run['connections']}",
              f"{http1['connections']} HTTP/1.1", "", "1", run["connections"] == 1)
    yield Row(f"{name}: each", f"{run['seconds'] / IN_A_ROW * 1e6:.0f} us",
              f"{http1['seconds'] / IN_A_ROW * 1e6:.0f} us HTTP/1.1, without nghttpx",
              f"{run['seconds'] / http1['seconds']:.2f}")


def _server_times(standin):
    """Of the stand-in, and of nghttpx, which is its only child."""
    [front] = Path(f"/proc/{standin.pid}/task/{standin.pid}/children").read_text().split()
    return processor_time(standin.pid), processor_time(front)


def _ms(seconds):
    return f"{seconds * 1000:.0f} ms"
