"""The stand-in as tests use it.

    with Standin() as cronofy:
        cronofy.create("invite-1", "ann@example.com", summary="Lunch")
        cronofy.script("invite-2", status(503), delayed(0.3), forever(trouble("reset")))
        ...
        assert cronofy.cancels() == [("invite-1", "ann@example.com")]
        assert not cronofy.violations()

What there is to script is told in cronofy.py, troubles.py and replies.py.
"""

import contextlib
import http.client
import json
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from lab.process import Port, until
from lab.tools import Missing

PROGRAM = Path(__file__).with_name("cronofy.py")

# The reply that would come without a script.
USUAL = {}


def status(code, body=None, *, retry_after=None, headers=None):
    """An answer with this status. Without a body, a 2xx has the usual one."""
    headers = {**(headers or {}), **({"Retry-After": str(retry_after)} if retry_after else {})}
    return {"status": code, "headers": headers, **({} if body is None else {"body": body})}


def trouble(name, **details):
    return {"trouble": name, **details}


def delayed(seconds, reply=USUAL):
    return {**reply, "delay": seconds}


def times(count, reply):
    return {**reply, "times": count}


def forever(reply):
    return {**reply, "times": "forever"}


class Cancel(NamedTuple):
    id: str
    email: str


class Request(NamedTuple):
    """One request as it came. headers: names in lower case, the last value of each."""

    time: float      # time.monotonic() when it was there
    listener: str    # http, https, http2, ...
    connection: str  # equal for requests that came over the same client connection
    version: str     # "1.1" or "2"
    method: str
    path: str
    headers: dict
    body: str
    id: str
    recipient: str
    api_key: str
    status: int
    cut_short: bool  # the client hung up before all of the answer was sent


class Standin:
    """A process of its own, running from start() to stop(). start()'s arguments may be given here.

    One with a folder of its own, start(folder=...), can be killed and started again where it was,
    with the same certificates and a journal of all requests.

    After start(): url (the best there is), http, https, http2, untrusted, expired, wrong_host,
    tls11, ca_file, api_key.
    """

    def __init__(self, **options):
        self._options = options
        self._child = None
        self._errors = None
        self._port = None
        self._argv = None
        self._journal = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self, *, http2=False, latency=None, open=False, second_cancel="same", api_keys=(),
              http2_streams=100, tls_dir=None, per_second=0, per_minute=0, retry_after=None,
              folder=None):
        """Raises Missing if http2 is wanted and there is no nghttpx."""
        if self._options:
            options, self._options = self._options, {}
            return self.start(**options)
        argv = [sys.executable, "-B", PROGRAM, "--second-cancel", second_cancel]
        argv += ["--http2", "--http2-streams", str(http2_streams)] if http2 else []
        argv += ["--latency", latency] if latency else []
        argv += ["--open"] if open else []
        argv += ["--tls-dir", tls_dir] if tls_dir else []
        argv += ["--per-second", str(per_second), "--per-minute", str(per_minute)]
        argv += ["--retry-after", str(retry_after)] if retry_after is not None else []
        for key in api_keys:
            argv += ["--api-key", key]
        if folder:
            self._port = Port()
            self._journal = Path(folder) / "journal"
            argv += ["--tls-dir", folder, "--https-port", str(self._port.number),
                     "--journal", self._journal]
        self._argv = argv
        self._launch()
        if http2 and not self.http2:
            self.stop()
            raise Missing("there is no nghttpx: run tests/deps check")
        self.url = self.http2 or self.https
        return self

    def kill(self):
        """SIGKILL. Scripts and what control tells are lost; restart() goes on, with the journal."""
        self._child.kill()
        self._child.wait()
        self._child.stdin.close()
        self._close_files()

    def restart(self):
        self._launch()

    def journal(self):
        """(status, invite id, recipient) of each request since the first start."""
        with open(self._journal) as journal:
            return [tuple(line.split()) for line in journal]

    def _launch(self):
        self._errors = tempfile.TemporaryFile("w+")
        # It ends when its standard input does, so it can't outlive this process.
        self._child = subprocess.Popen(self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=self._errors)
        try:
            for name, value in json.loads(self._read_line(20)).items():
                setattr(self, name, value)
        except BaseException:
            self.stop()
            raise
        self._control = http.client.HTTPConnection(urlsplit(self.control).netloc, timeout=30)

    def stop(self):
        """Closes its standard input; gives its exit code."""
        if self._child is None:
            return None
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.close()
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        code = self._child.returncode
        self._close_files()
        if self._port:
            self._port.close()
        return code

    def _close_files(self):
        self._child.stdout.close()
        self._errors.close()
        self._child = None

    @property
    def pid(self):
        return self._child.pid

    def create(self, id, email, **event):
        """An invite that can be cancelled. event: the other fields of replies.Invite."""
        self._do("create", id=id, email=email, **event)

    def script(self, id, *replies):
        """The next answers for an invite, created or not; "*": for all that have no script."""
        self._do("script", id=id, replies=replies)

    def script_status(self, id, *replies):
        """The same for the question what has become of an invite."""
        self._do("script", id=id, replies=replies, call="status")

    def set(self, **settings):
        """latency (seconds), open, second_cancel ("same", "higher", "404", "422"), api_keys,
        after_cancel (what the status of a cancelled invite is: "404", "usual", or an unusual reply),
        per_second and per_minute (0: no limit), retry_after (seconds, or None).
        """
        self._do("set", **settings)

    def requests(self, id=None):
        return [Request(**{**each, "headers": dict(each["headers"])})
                for each in self._do("requests", id=id)]

    def cancel_requests(self, id=None):
        """Those of requests() that were to cancel, and not to tell an invite's status."""
        return [request for request in self.requests(id) if request.method == "POST"]

    def wait_for_requests(self, count=1, id=None, timeout=10):
        return until(lambda: len(got := self.requests(id)) >= count and got, timeout,
                     lambda: f"{count} requests; there are {len(self.requests(id))}")

    def cancels(self):
        """What was cancelled, in that order; more than once if it was done again."""
        return [Cancel(each["id"], each["email"]) for each in self._do("cancels")]

    def violations(self):
        """Why requests were not exactly the documented one: dicts with a reason."""
        return self._do("violations")

    def connections(self):
        """The client connections over which requests came."""
        return self._do("connections")

    def counts(self):
        """requests, cancels, in_flight, peak_in_flight, limited (by 429)."""
        return self._do("counts")

    def release(self):
        """Has held requests answered; gives how many there were."""
        return self._do("release")

    def reset(self):
        """As after start(). Requests that wait for an answer lose their connection."""
        self._do("reset")

    def _do(self, what, **arguments):
        try:
            self._control.request("POST", "/", json.dumps({"do": what, **arguments}))
            answer = self._control.getresponse()
        except OSError as error:
            raise AssertionError(f"the stand-in does not answer: {error}\n{self._printed()}")
        value = json.loads(answer.read())
        if answer.status != 200:
            raise ValueError(value)
        return value

    def _read_line(self, timeout):
        deadline = time.monotonic() + timeout
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self._child.stdout], [], [],
                                        max(0, deadline - time.monotonic()))
            more = self._child.stdout.read1(65536) if ready else b""
            if not more:
                raise AssertionError(f"the stand-in did not start:\n{self._printed()}")
            line += more
        return line

    def _printed(self):
        self._errors.seek(0)
        return self._errors.read()
