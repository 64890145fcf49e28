"""Queued mode through a real Sendmail: how near the queue comes to its limit; see drain.py.

How many run at once is R= of the queue group in queued.mc. As delivered counts what
the second listener has taken; Sendmail itself throws it away.
"""

import os
import re

from bench import drain
from lab.sendmail import SECOND_QUEUE, Sendmail


def measure(build):
    yield from drain.measure(build, Queue)


class Queue:
    """A Sendmail with a filter in queued mode, for so many recipients at once."""

    server = "Sendmail"
    route = "domain"

    def __init__(self, folder, filter, concurrency):
        self._server = Sendmail(folder, Nowhere, filter.socket, queued=True, mc=Nowhere.mc,
                                run="-qp10m", trace="/dev/null")
        self._waiting = self._server.queue_folder / SECOND_QUEUE
        daemon_cf = self._server.folder / "daemon.cf"
        daemon_cf.write_text(with_concurrency(daemon_cf.read_text(), concurrency))
        self._accepted = 0
        self.processor_time = self._server.processor_time

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *_):
        self._server.close()

    def submit(self, sender, recipients, message):
        reply = self._server.submit(sender, recipients, message)
        self._accepted += len(recipients)
        return reply

    def delivered(self):
        """Of each recipient the second listener has not taken there is a file."""
        return self._accepted - sum(name.startswith("qf") for name in os.listdir(self._waiting))


class Nowhere:
    """In the place of a sink: what is delivered is thrown away by Sendmail itself."""

    port = 0
    mc = """\
define(`SMART_HOST', `nowhere:nobody')dnl
MAILER_DEFINITIONS
Mnowhere, P=[FILE], F=DFMPEouq, A=FILE /dev/null
divert(0)dnl
"""


def with_concurrency(daemon_cf, concurrency):
    """conf/sendmail/queued.mc with another R=."""
    changed, count = re.subn(r"(?m)^(Qcancel-invite,.* R=)\d+", rf"\g<1>{concurrency}", daemon_cf)
    assert count == 1, daemon_cf
    return changed
