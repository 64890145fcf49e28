"""An HTTP/2 server that misbehaves (RFC 9113), by frames made by hand, in threads of this process.

    with Http2Server(workdir.folder("tls"), MUTE, ANSWERS) as server: ...

Each connection gets the next behaviour; the last one is for all that come after. It answers every
cancel call as Cronofy does, unless the behaviour has it otherwise. By HTTP/1.1, which a client may
choose, it answers too, if the behaviour says so.
"""

import contextlib
import json
import socket
import threading
import time
from dataclasses import dataclass

from lab.process import until
from standin import certificates, http1, replies

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
INITIAL_WINDOW_SIZE = 4
NO_ERROR, REFUSED_STREAM, HTTP_1_1_REQUIRED = 0, 7, 13
STATUS_200 = b"\x88"  # RFC 7541, appendix A


@dataclass(frozen=True)
class Behaviour:
    """Of one connection."""

    answers: float = float("inf")  # so many streams, then none
    window: int = None             # INITIAL_WINDOW_SIZE
    reset: int = None              # RST_STREAM with this error in place of an answer
    goaway: bool = False           # GOAWAY that takes no stream, at once
    delay: float = 0               # seconds before each answer
    http1: int = 200               # the status by HTTP/1.1


ANSWERS = Behaviour()
MUTE = Behaviour(answers=0)
MUTE_AFTER_ONE = Behaviour(answers=1)
NO_WINDOW = Behaviour(window=0)
REFUSES = Behaviour(reset=REFUSED_STREAM, http1=503)
REFUSES_ONLY_HTTP2 = Behaviour(reset=HTTP_1_1_REQUIRED)
GOES_AWAY = Behaviour(goaway=True, http1=503)


class Http2Server:
    """connections: what each that was made chose by ALPN; streams: how many came."""

    def __init__(self, folder, *behaviours):
        certificates.make(folder)
        self.ca_file = f"{folder}/ca.pem"
        self.api_key = "CRN_test-key"
        self.connections = []
        self.streams = 0
        self._behaviours = behaviours
        self._context = certificates.context(folder)
        self._context.set_alpn_protocols(["h2", "http/1.1"])
        self._lock = threading.Lock()
        self._sockets = []
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = self.https = f"https://localhost:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for each in (self._listening, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def wait_for_streams(self, count):
        until(lambda: self.streams >= count, 10, lambda: f"{count} streams; {self.streams} came")

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                accepted, _ = self._listening.accept()
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._serve, args=(accepted,), daemon=True).start()

    def _serve(self, accepted):
        with contextlib.suppress(OSError, ValueError):
            wrapped = self._context.wrap_socket(accepted, server_side=True)
            with self._lock:
                number = len(self.connections)
                self.connections.append(wrapped.selected_alpn_protocol())
                self._sockets.append(wrapped)
            behaviour = self._behaviours[min(number, len(self._behaviours) - 1)]
            serve = _Http2 if self.connections[number] == "h2" else _Http1
            serve(self, wrapped, behaviour).run()

    def came(self):
        with self._lock:
            self.streams += 1


class _Connection:
    def __init__(self, server, wrapped, behaviour):
        self._server = server
        self._socket = wrapped
        self._behaviour = behaviour
        self._file = wrapped.makefile("rb")

    def _read(self, count):
        data = self._file.read(count)
        if len(data) < count:
            raise OSError("the client is gone")
        return data


class _Http1(_Connection):
    def run(self):
        while True:
            length = 0
            while (line := self._file.readline()) != b"\r\n":
                if not line:
                    return
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            body = self._read(length)
            self._server.came()
            status = self._behaviour.http1
            answer = _cancellation(body) if status == 200 else b""
            self._socket.sendall(http1.head(status, (), len(answer)) + answer)


class _Http2(_Connection):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._bodies = {}
        self._answered = 0

    def run(self):
        behaviour = self._behaviour
        if self._read(len(PREFACE)) != PREFACE:
            return
        settings = b""
        if behaviour.window is not None:
            settings = INITIAL_WINDOW_SIZE.to_bytes(2, "big") + behaviour.window.to_bytes(4, "big")
        self._send(SETTINGS, 0, 0, settings)
        if behaviour.goaway:
            self._send(GOAWAY, 0, 0, bytes(4) + NO_ERROR.to_bytes(4, "big"))
        while True:
            head = self._read(9)
            payload = self._read(int.from_bytes(head[:3], "big"))
            self._take(head[3], head[4], int.from_bytes(head[5:], "big"), payload)

    def _take(self, kind, flags, stream, payload):
        if kind == SETTINGS and not flags & ACK:
            self._send(SETTINGS, ACK, 0)
        elif kind == PING and not flags & ACK:
            self._send(PING, ACK, 0, payload)
        elif kind == HEADERS:
            self._server.came()
            self._bodies[stream] = b""
            if self._behaviour.reset is not None:
                self._send(RST_STREAM, 0, stream, self._behaviour.reset.to_bytes(4, "big"))
        elif kind == DATA and stream in self._bodies:
            self._bodies[stream] += payload
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            self._answer(stream)

    def _answer(self, stream):
        behaviour = self._behaviour
        if behaviour.reset is not None or behaviour.goaway or self._answered >= behaviour.answers:
            return
        self._answered += 1
        time.sleep(behaviour.delay)
        self._send(HEADERS, END_HEADERS, stream, STATUS_200)
        self._send(DATA, END_STREAM, stream, _cancellation(self._bodies.pop(stream)))

    def _send(self, kind, flags, stream, payload=b""):
        self._socket.sendall(len(payload).to_bytes(3, "big") + bytes((kind, flags))
                             + stream.to_bytes(4, "big") + payload)


def _cancellation(body):
    asked = json.loads(body)
    return replies.usual(replies.Invite(asked["smart_invite_id"], asked["recipient"]["email"]))
