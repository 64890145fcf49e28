"""The filters to compare ours with: tests/bench/*_filter.c."""

import signal
from pathlib import Path

from lab.filter_process import connect
from lab.process import Process


class BaselineFilter:
    """A program that is given a socket in `folder` and more arguments, listening there."""

    def __init__(self, program, folder, *arguments):
        self.socket = f"unix:{folder}/baseline.sock"
        self._process = Process([program, self.socket, *map(str, arguments)],
                                f"{folder}/baseline.log")
        self._process.wait_until(self._listens)
        self.pid = self._process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.signal(signal.SIGKILL)  # at SIGTERM libmilter takes up to five seconds
        self._process.stop()

    def _listens(self):
        try:
            connect(self.socket).close()
        except OSError:
            return False
        Path(self.socket.removeprefix("unix:")).chmod(0o666)
        return True


def empty_filter(build, folder):
    """Has the same conversation with the MTA as ours, and does nothing."""
    return BaselineFilter(build / "bench/empty_filter", folder)


def waiting_filter(build, folder, seconds, route):
    """In queued mode, does the least that takes mail through the queue; its calls only wait."""
    return BaselineFilter(build / "bench/waiting_filter", folder, round(seconds * 1000), route)
