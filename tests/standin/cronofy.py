#!/usr/bin/python3
"""A Cronofy to run against: its invites, on loopback, with every answer one can think of.

    cronofy.py [--latency 100ms] [--open] [--http2] [--tls-dir DIR] [--api-key KEY]...
               [--per-second N] [--per-minute N] [--retry-after SECONDS]
               [--https-port N] [--journal FILE]

It prints one line of JSON once it serves:

    http, https, http2      where: https speaks HTTP/1.1 only; http2 either, by ALPN (null without
                            --http2, or if there is no nghttpx)
    control                 where its user steers it, see below
    ca_file                 the CA that signed https's and http2's certificates
    api_key                 the key that it takes
    untrusted, expired, wrong_host, tls11
                            the same as https with a fault in its TLS (tls11 may be null)

It ends on SIGTERM, or when its standard input, if that is a pipe, comes to its end. One that was
killed can be started again where it was: --https-port names https's port, and the journal, to
which each cancel call adds a line (status, invite, recipient), still has what came before.

A request must be exactly the documented one. One that isn't gets 400, 401, 404, 405 or 422, and
is remembered as a violation. An invite must have been created (POST to control); with --open every
invite exists. Cancelling takes effect when the request arrives, whatever becomes of the answer.

A request for an invite's status is answered with its invitation, or, once it is cancelled, as
"after_cancel" says: "404", "usual" (the cancellation), or one of replies.UNUSUAL.

A request for an invite takes the next of its scripted replies, if there are any. A reply has
    status, headers, body   of the answer; without a body, a 2xx has the usual one
    trouble                 the name of a function in troubles.py or replies.py
    delay                   seconds before the answer, in place of --latency
    times                   how many requests it serves (1), or "forever"
and what the trouble wants to know. The script of "*" serves invites that have none.
Cancel and status calls have scripts of their own.

With --per-second or --per-minute it keeps Cronofy's limits: a request that would be one too many of
its key in the second, or in the minute, that ends with it gets 429, with Retry-After if a number of
seconds is given for it. Such a request does not count itself. Requests with a scripted reply count.

The control takes POST with a JSON object: "do" names a method of class Control, the rest is
its arguments. client.py does it for tests.
"""

import argparse
import asyncio
import collections
import contextlib
import dataclasses
import json
import os
import resource
import signal
import stat
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from lab import tools
from standin import certificates, contract, http1, http2, icalendar, replies
from standin.replies import Invite
from standin.troubles import JSON, NOT_CANCELLED, TROUBLES

API_KEY = "CRN_test-key"
REMEMBERED = 100_000  # requests and cancels: a long benchmark must not fill the memory
SECOND_CANCELS = ("same", "higher", "404", "422")
AFTER_CANCEL = ("404", "usual", *replies.UNUSUAL)
CALLS = {"POST": "cancel", "GET": "status"}
REPLY_MEMBERS = {"status", "headers", "body", "trouble", "delay", "times"}


class Refusal(Exception):
    """An answer that isn't 2xx and no violation of the contract."""

    def __init__(self, status, body=b""):
        super().__init__(status)
        self.status = status
        self.body = body


class Limits:
    """When the requests of each key that were not over the limit arrived, for a minute."""

    def __init__(self):
        self._arrivals = collections.defaultdict(collections.deque)

    def allow(self, key, now, per_second, per_minute):
        arrivals = self._arrivals[key]
        while arrivals and arrivals[0] <= now - 60:
            arrivals.popleft()
        if per_minute and len(arrivals) >= per_minute:
            return False
        if per_second and len(arrivals) >= per_second and arrivals[-per_second] > now - 1:
            return False
        arrivals.append(now)
        return True


class Answer:
    """One request on its way back."""

    def __init__(self, cronofy, connection, request, invite, details):
        self.connection = connection
        self.request = request
        self.details = details
        self._cronofy = cronofy
        # Answers may be given much later: the invite as it is now.
        self._invite = dataclasses.replace(invite) if invite else None

    def usual(self):
        return replies.usual(self._invite)

    def later(self, seconds, action):
        asyncio.get_running_loop().call_later(seconds, action)

    def hold(self):
        self._cronofy.held.append(self)

    def send(self):
        trouble = self.details.get("trouble")
        if trouble in TROUBLES:
            TROUBLES[trouble](self)
            return
        status = self.details.get("status", 200)
        headers = {"Content-Type": JSON[1], **self.details.get("headers", {})}
        self.connection.send(status, headers.items(), self._body(status, trouble))

    def release(self):
        self.connection.send(200, [JSON], self.usual())

    def _body(self, status, trouble):
        if "body" in self.details:
            return self.details["body"].encode()
        if trouble:
            return replies.UNUSUAL[trouble](self._invite)
        if status < 300:
            return self.usual()
        if status in (400, 422):
            return replies.errors("smart_invite_id", "errors.required", "required")
        return b""


class Cronofy(http1.Site):
    def __init__(self, settings):
        self.settings = settings  # as at the start
        self.authorities = set()
        self.connections = set()
        self.journal = None
        self.reset()

    def reset(self):
        """As it was at the start. Answers under way are dropped with their connections."""
        for key, value in self.settings.items():
            setattr(self, key, value)
        self.invites = {}
        self.scripts = {}
        self.held = []
        self.requests = collections.deque(maxlen=REMEMBERED)
        self.cancels = collections.deque(maxlen=REMEMBERED)
        self.violations = []
        self.clients = {}  # connection names, in the order of their first request
        for connection in list(self.connections):
            connection.drop_if_busy()
        self.limits = Limits()
        self.counts = dict.fromkeys(
            ("requests", "cancels", "in_flight", "peak_in_flight", "limited"), 0)

    # What connections tell

    def opened(self, connection):
        self.connections.add(connection)

    def closed(self, connection):
        self.connections.discard(connection)

    def malformed(self, connection, reason):
        self.violations.append({"reason": reason, "connection": connection.name})

    def answered(self, _):
        self.counts["in_flight"] -= 1

    def arrived(self, connection, request):
        self.requests.append(request)
        self.clients.setdefault(request.connection)
        counts = self.counts
        counts["requests"] += 1
        counts["in_flight"] += 1
        counts["peak_in_flight"] = max(counts["in_flight"], counts["peak_in_flight"])
        try:
            answer = self._answer(connection, request)
        except contract.Fault as fault:
            self.violations.append({"reason": str(fault), **request.as_dict()})
            answer = self._refusal(connection, request, fault.status, replies.errors(
                fault.field, description=str(fault)))
        except Refusal as refusal:
            answer = self._refusal(connection, request, refusal.status, refusal.body)
        request.status = answer.details.get("status", 200)
        if self.journal and request.method == "POST":
            self.journal.write(f"{request.status} {request.invite_id} {request.recipient}\n")
        delay = answer.details.get("delay", self.latency)
        if delay:
            answer.later(delay, answer.send)
        else:
            answer.send()

    # What Cronofy does

    def _refusal(self, connection, request, status, body):
        return Answer(self, connection, request, None, {"status": status, "body": body.decode()})

    def _answer(self, connection, request):
        request.api_key = contract.read_api_key(request)
        read = contract.read_status if request.method == "GET" else contract.read_cancel
        request.invite_id, request.recipient = read(request, self.authorities)
        if request.api_key not in self.api_keys:
            raise Refusal(401)
        if not self.limits.allow(request.api_key, request.time, self.per_second, self.per_minute):
            self.counts["limited"] += 1
            return self._limited(connection, request)
        call = CALLS[request.method]
        details = self._next_reply(call, request.invite_id)
        invite = self.invites.get((request.invite_id, request.recipient))
        if invite is None and (details or self.open):
            invite = Invite(request.invite_id, request.recipient)
        if call == "status":
            return Answer(self, connection, request, invite,
                          self._status(invite, request) if details is None else details)
        # A scripted 2xx is meant as it stands: no "unknown" and no "cancelled already".
        if details is None:
            self._check(invite, request)
        details = details or {}
        if details.get("status", 200) < 300 and details.get("trouble") not in NOT_CANCELLED:
            self._cancel(invite, request)
        return Answer(self, connection, request, invite, details)

    def _limited(self, connection, request):
        details = {"status": 429}
        if self.retry_after is not None:
            details["headers"] = {"Retry-After": str(self.retry_after)}
        return Answer(self, connection, request, None, details)

    def _next_reply(self, call, invite_id):
        for key in (invite_id, "*"):
            script = self.scripts.get((call, key))
            if script:
                reply = script[0]
                if reply.get("times", 1) != "forever":
                    reply["times"] = reply.get("times", 1) - 1
                    if not reply["times"]:
                        script.popleft()
                return reply
        return None

    def _status(self, invite, request):
        self._check_known(invite, request)
        if not invite.cancelled:
            return {"trouble": "invitation"}
        if self.after_cancel == "404":
            raise Refusal(404)
        return {} if self.after_cancel == "usual" else {"trouble": self.after_cancel}

    def _check_known(self, invite, request):
        if invite is None or invite.api_key not in (None, request.api_key):
            raise Refusal(404)

    def _check(self, invite, request):
        self._check_known(invite, request)
        if invite.cancelled:
            if self.second_cancel == "404":
                raise Refusal(404)
            if self.second_cancel == "422":
                raise Refusal(422, replies.errors("smart_invite_id", "errors.cancelled",
                                                  "is cancelled already"))

    def _cancel(self, invite, request):
        if invite.cancelled and self.second_cancel == "higher":
            invite.sequence += 1
            invite.stamp = icalendar.now()
        invite.cancelled = True
        self.counts["cancels"] += 1
        self.cancels.append({"id": invite.id, "email": invite.email, "sequence": invite.sequence,
                             "time": request.time})


class Control(http1.Site):
    def __init__(self, cronofy):
        self._cronofy = cronofy

    def arrived(self, connection, request):
        try:
            arguments = json.loads(request.body)
            do = arguments.pop("do")
            if do not in self.METHODS:
                raise ValueError(f"there is no {do}")
            status, answer = 200, getattr(self, do)(**arguments)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            status, answer = 400, f"{type(error).__name__}: {error}"
        connection.send(status, [JSON], json.dumps(answer).encode())

    METHODS = {"create", "script", "set", "requests", "cancels", "violations", "connections",
               "counts", "release", "reset"}

    def create(self, id, email, **fields):
        self._cronofy.invites[id, email] = Invite(id, email, **fields)

    def script(self, id, replies, call="cancel"):
        """Replaces what is left of the script. id "*": of invites that have none."""
        if call not in CALLS.values():
            raise ValueError(f"unknown call {call}")
        for reply in replies:
            _check_reply(reply)
        self._cronofy.scripts[call, id] = collections.deque(replies)

    def set(self, **settings):
        """latency (seconds), open, second_cancel (one of SECOND_CANCELS), api_keys (a list),
        after_cancel (one of AFTER_CANCEL).

        per_second, per_minute: the limits, 0 for none; retry_after: seconds, or None.
        """
        choices = {"second_cancel": SECOND_CANCELS, "after_cancel": AFTER_CANCEL}
        for name, value in settings.items():
            if (name not in self._cronofy.settings
                    or value not in choices.get(name, (value,))):
                raise ValueError(f"{name} = {value}")
            setattr(self._cronofy, name, value)

    def requests(self, id=None):
        return [request.as_dict() for request in self._cronofy.requests
                if id in (None, request.invite_id)]

    def cancels(self):
        return list(self._cronofy.cancels)

    def violations(self):
        return self._cronofy.violations

    def connections(self):
        """Names of client connections over which requests came, in order."""
        return list(self._cronofy.clients)

    def counts(self):
        return self._cronofy.counts

    def release(self):
        """Answers what was held so far; gives how many that were."""
        held, self._cronofy.held = self._cronofy.held, []
        for answer in held:
            answer.release()
        return len(held)

    def reset(self):
        self._cronofy.reset()


def _check_reply(reply):
    trouble = reply.get("trouble")
    if trouble not in (None, *TROUBLES, *replies.UNUSUAL):
        raise ValueError(f"unknown trouble {trouble}")
    if trouble is None and set(reply) - REPLY_MEMBERS:
        raise ValueError(f"unknown members {set(reply) - REPLY_MEMBERS}")


async def serve(options):
    loop = asyncio.get_running_loop()
    cronofy = Cronofy({
        "latency": options.latency, "open": options.open, "second_cancel": options.second_cancel,
        "after_cancel": "404",
        "api_keys": options.api_key, "per_second": options.per_second,
        "per_minute": options.per_minute, "retry_after": options.retry_after,
    })
    if options.journal:
        cronofy.journal = open(options.journal, "a", buffering=1)
    certificates.make(options.tls_dir)

    servers = []

    async def listen(site, name, **more):
        behind_front, port = more.pop("behind_front", False), more.pop("port", 0)
        server = await loop.create_server(lambda: http1.Connection(site, name, behind_front),
                                          "127.0.0.1", port, backlog=1024, start_serving=False,
                                          **more)
        servers.append(server)
        return server.sockets[0].getsockname()[1]

    async def listen_tls(name, context, port=0):
        return context and await listen(cronofy, name, ssl=context, port=port)

    ports = {"http": await listen(cronofy, "http"),
             "https": await listen_tls("https", certificates.context(options.tls_dir),
                                       options.https_port)}
    for name in ("untrusted", "expired", "wrong_host"):
        ports[name] = await listen_tls(name, certificates.context(options.tls_dir, name))
    ports["tls11"] = await listen_tls("tls11", certificates.tls_1_1_context(options.tls_dir))
    ports["http2"] = None
    front = None
    if options.http2:
        with contextlib.suppress(tools.Missing):
            front = http2.Front(options.tls_dir, options.http2_streams)
            await front.start(await listen(cronofy, "http2", behind_front=True))
            ports["http2"] = front.port
    try:
        cronofy.authorities = {f"{host}:{port}" for host in ("localhost", "127.0.0.1")
                               for port in ports.values() if port}
        urls = {name: port and f"https://localhost:{port}" for name, port in ports.items()}
        urls["http"] = f"http://127.0.0.1:{ports['http']}"
        urls["control"] = f"http://127.0.0.1:{await listen(Control(cronofy), 'control')}"
        # Not before it is known by which names we are called: somebody may be waiting for the port.
        for server in servers:
            await server.start_serving()
        print(json.dumps({**urls, "ca_file": f"{options.tls_dir}/ca.pem",
                          "api_key": options.api_key[0]}), flush=True)
        await _told_to_end(loop)
    finally:
        if front:
            await front.stop()


async def _told_to_end(loop):
    end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    if stat.S_ISFIFO(os.fstat(0).st_mode):
        loop.add_reader(0, lambda: os.read(0, 4096) or end.set())
    await end.wait()


def duration(text):
    """A duration as the filter's configuration has it: 250ms, 5s."""
    for unit, factor in (("ms", 0.001), ("s", 1)):
        if text.endswith(unit):
            return float(text[:-len(unit)]) * factor
    raise ValueError(text)


def main():
    parser = argparse.ArgumentParser(description="A stand-in for Cronofy's cancel endpoint.")
    parser.add_argument("--tls-dir", type=Path, help="keep the certificates in this folder")
    parser.add_argument("--https-port", type=int, default=0, metavar="N", help="(any free one)")
    parser.add_argument("--journal", type=Path, metavar="FILE", help="add a line for each request")
    parser.add_argument("--http2", action="store_true", help="HTTP/2 too, by nghttpx")
    parser.add_argument("--http2-streams", type=int, default=100, metavar="N",
                        help="concurrent requests in one HTTP/2 connection (100)")
    parser.add_argument("--latency", type=duration, default=0.0, help="of every answer: 100ms, 2s")
    parser.add_argument("--open", action="store_true", help="any invite exists")
    parser.add_argument("--second-cancel", choices=SECOND_CANCELS, default="same",
                        help="the answer to one who cancels again")
    parser.add_argument("--api-key", action="append", help=f"a key to take ({API_KEY})")
    parser.add_argument("--per-second", type=int, default=0, metavar="N",
                        help="requests of a key that may arrive in any second (any number)")
    parser.add_argument("--per-minute", type=int, default=0, metavar="N",
                        help="... in any minute")
    parser.add_argument("--retry-after", type=int, metavar="SECONDS", help="said with 429")
    options = parser.parse_args()
    options.api_key = options.api_key or [API_KEY]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.ExitStack() as stack:
        if not options.tls_dir:
            options.tls_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cim-")))
        options.tls_dir = options.tls_dir.resolve()
        asyncio.run(serve(options))


if __name__ == "__main__":
    main()
