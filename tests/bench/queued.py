"""Queued mode through a real Postfix: how near the queue comes to its limit; see drain.py.

How many run at once is maxproc of the transport "cancel-invite" in master.cf. What is delivered is
thrown away by Postfix itself.
"""

import re

from bench import drain
from bench.postfix import Nowhere
from lab.postfix import Postfix


def measure(build):
    yield from drain.measure(build, Queue)


class Queue:
    """A Postfix with a filter in queued mode, for so many recipients at once."""

    server = "Postfix"
    route = "header"

    def __init__(self, folder, filter, concurrency):
        self._server = Postfix(folder, Nowhere, filter.socket, queued=True, main=Nowhere.main)
        master = self._server.etc / "master.cf"
        master.write_text(with_concurrency(master.read_text(), concurrency) + Nowhere.master)
        self._delivered = drain.Counter(self._server.log_path, rb"/discard\[\d+\]: .*status=sent")
        self.submit = self._server.submit
        self.delivered = self._delivered.count
        self.processor_time = self._server.processor_time

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *_):
        self._server.close()


def with_concurrency(master, concurrency):
    """conf/postfix/master.cf.queued with another maxproc."""
    changed, count = re.subn(r"(?m)^(cancel-invite unix - - n -) \d+ smtp$",
                             rf"\1 {concurrency} smtp", master)
    assert count == 1, master
    return changed
