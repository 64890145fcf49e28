"""The server's half of HTTP/1.1 (RFC 9112), as much as one small JSON API needs.

Connections are kept; requests that come before the last one is answered wait for their turn.
"""

import asyncio
import http
import itertools
import socket
import struct
import time

HEAD_LIMIT = 64 * 1024
BODY_LIMIT = 1024 * 1024

# What the HTTP/2 front adds to a request, and what it tells us by it.
FRONT_HEADERS = {"forwarded", "via"}

_numbers = itertools.count(1)


class Malformed(Exception):
    """What came is no HTTP request."""


class Request:
    __slots__ = ("time", "listener", "connection", "version", "method", "path", "headers", "body",
                 "length", "invite_id", "recipient", "api_key", "status", "cut_short")

    def __init__(self, method, path, version, headers):
        self.time = None  # when all of it was there
        self.method = method
        self.path = path
        self.version = version  # "1.1", or "2" if that is what the client spoke with the front
        self.headers = headers  # [(name in lower case, value)]
        self.body = b""
        self.length = 0
        self.listener = self.connection = None
        self.invite_id = self.recipient = self.api_key = self.status = None
        self.cut_short = False  # the client hung up before all of the answer was sent

    def values(self, name):
        return [value for known, value in self.headers if known == name]

    def as_dict(self):
        return {
            "time": self.time, "listener": self.listener, "connection": self.connection,
            "version": self.version, "method": self.method, "path": self.path,
            "headers": self.headers, "body": self.body.decode("utf-8", "backslashreplace"),
            "id": self.invite_id, "recipient": self.recipient, "api_key": self.api_key,
            "status": self.status, "cut_short": self.cut_short,
        }


def _read_head(raw):
    try:
        lines = raw.decode("utf-8").split("\r\n")
        method, path, version = lines[0].split(" ")
    except ValueError:
        raise Malformed(f"request line: {raw[:200]!r}") from None
    if version != "HTTP/1.1":
        raise Malformed(f"version: {lines[0]}")
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise Malformed(f"header: {line}")
        headers.append((name.lower(), value.strip(" \t")))
    return Request(method, path, "1.1", headers)


class Site:
    """What a Connection tells its server."""

    def opened(self, connection):
        pass

    def arrived(self, connection, request):
        """A whole request, to be answered in time with connection.send()."""

    def malformed(self, connection, reason):
        """Not HTTP; it is answered with 400."""

    def answered(self, connection):
        """A request's answer is complete, or its connection was lost."""

    def closed(self, connection):
        pass


class Connection(asyncio.Protocol):
    """behind_front: requests come through the HTTP/2 front, which tells whose they are."""

    def __init__(self, site, listener, behind_front=False):
        self._site = site
        self._listener = listener
        self._behind_front = behind_front
        self._input = bytearray()
        self._request = None  # its body is still coming
        self._last_request = None
        self._close_after = False
        self._busy = False  # a request is being answered
        self.name = f"{listener}-{next(_numbers)}"
        self.transport = None
        self.closed = False

    def connection_made(self, transport):
        self.transport = transport
        self._site.opened(self)

    def connection_lost(self, error):
        self.closed = True
        if error and self._last_request:
            self._last_request.cut_short = True
        if self._busy:
            self._busy = False
            self._site.answered(self)
        self._site.closed(self)

    def data_received(self, data):
        self._input += data
        if not self._busy:
            self._read()

    def send(self, status, headers=(), body=b"", length=None):
        """Answers. length: a Content-Length that isn't the body's, or "chunked"."""
        self.send_raw(head(status, headers, len(body) if length is None else length))
        self.send_raw(chunked(body) if length == "chunked" else body)
        self.finish()

    def send_raw(self, data):
        if not self.closed:
            self.transport.write(data)

    def finish(self):
        """The answer is complete: the next request, if there is one."""
        if self.closed:
            return
        self._busy = False
        self._site.answered(self)
        if self._close_after:
            self.close()
        elif self._input:
            self._read()

    def close(self):
        if not self.closed:
            self.transport.close()

    def drop_if_busy(self):
        if self._busy:
            self.transport.abort()

    def reset(self):
        """Ends the connection with RST, whatever was not yet sent is lost."""
        if not self.closed:
            self.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()

    def _read(self):
        try:
            request = self._read_request()
        except Malformed as error:
            self._busy = self._close_after = True
            self._input.clear()
            self._site.malformed(self, str(error))
            self.send(400)
            return
        if request:
            self._busy = True
            self._last_request = request
            self._site.arrived(self, request)

    def _read_request(self):
        """The next request, once it is whole."""
        if self._request is None:
            end = self._input.find(b"\r\n\r\n")
            if end < 0:
                if len(self._input) > HEAD_LIMIT:
                    raise Malformed("a head without end")
                return None
            request = _read_head(bytes(self._input[:end]))
            del self._input[:end + 4]
            request.length = self._read_length(request)
            self._request = request
        request = self._request
        if len(self._input) < request.length:
            return None
        request.body = bytes(self._input[:request.length])
        del self._input[:request.length]
        self._request = None
        request.time = time.monotonic()
        self._introduce(request)
        self._close_after = "close" in request.values("connection")
        return request

    def _read_length(self, request):
        lengths = request.values("content-length")
        if request.values("transfer-encoding") or len(lengths) > 1:
            raise Malformed("a request whose length isn't one Content-Length")
        if not lengths:
            return 0
        if not lengths[0].isdecimal() or int(lengths[0]) > BODY_LIMIT:
            raise Malformed(f"Content-Length: {lengths[0]}")
        return int(lengths[0])

    def _introduce(self, request):
        """Who sent it, and how."""
        request.listener = self._listener
        request.connection = self.name
        if self._behind_front:
            request.version = request.values("via")[-1].split()[0]
            request.connection = request.values("forwarded")[-1].partition("for=")[2]
            request.headers = [(name, value) for name, value in request.headers
                               if name not in FRONT_HEADERS]


_PHRASES = {status.value: status.phrase for status in http.HTTPStatus}


def head(status, headers=(), length=0):
    lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, 'Unknown')}"]
    lines += (f"{name}: {value}" for name, value in headers)
    if length == "chunked":
        lines.append("Transfer-Encoding: chunked")
    elif length is not None and status >= 200 and status != 204:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


def chunked(body, size=1000):
    """RFC 9112, 7.1."""
    pieces = [body[at:at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])
