"""Trouble on the way: what can happen to an answer besides being wrong.

TROUBLES maps a name to a function that takes an Answer; details are members of the scripted reply.
"""

import functools
import gzip as gzip_format

from standin import http1

TROUBLES = {}

# The request doesn't get as far as cancelling anything.
NOT_CANCELLED = {"redirect", "html", "reset", "never"}

JSON = ("Content-Type", "application/json; charset=utf-8")


def _trouble(function):
    TROUBLES[function.__name__] = function
    return function


@_trouble
def redirect(answer):
    """Details: to, status."""
    answer.connection.send(answer.details.get("status", 302),
                           [("Location", answer.details.get("to", "/elsewhere"))])


@_trouble
def html(answer):
    """A 200 from something that isn't Cronofy."""
    answer.connection.send(200, [("Content-Type", "text/html; charset=utf-8")],
                           b"<!doctype html><html><head><title>Maintenance</title></head>"
                           b"<body><h1>We'll be back soon</h1></body></html>")


@_trouble
def reset(answer):
    """RST in place of an answer."""
    answer.connection.reset()


@_trouble
def lost(answer):
    """The invite is cancelled, the answer is not heard."""
    answer.connection.reset()


@_trouble
def never(_):
    """No answer, the connection stays."""


@_trouble
def held(answer):
    """The usual answer, once the control says "release"."""
    answer.hold()


@_trouble
def hang_up(answer):
    """The usual answer, then the connection is closed without notice."""
    answer.connection.send(200, [JSON], answer.usual())
    answer.connection.close()


@_trouble
def close_mid_body(answer):
    body = answer.usual()
    answer.connection.send_raw(http1.head(200, [JSON], len(body)) + body[:len(body) // 2])
    answer.connection.close()


@_trouble
def slow_drip(answer):
    """A byte at a time. Details: pause, in seconds."""
    raw = answer.usual()
    raw = http1.head(200, [JSON], len(raw)) + raw
    pause = answer.details.get("pause", 0.02)

    def drip(at=0):
        answer.connection.send_raw(raw[at:at + 1])
        if at + 1 == len(raw):
            answer.connection.finish()
        elif not answer.connection.closed:
            answer.later(pause, lambda: drip(at + 1))

    drip()


@_trouble
def huge(answer):
    """A right reply with 20 MB of something else in it. Details: megabytes."""
    answer.connection.send(200, [JSON], _padded(answer))


@_trouble
def huge_chunked(answer):
    """The same, its length not told. Details: megabytes."""
    answer.connection.send_raw(http1.head(200, [JSON], "chunked"))
    answer.connection.send_raw(http1.chunked(_padded(answer), 64 * 1024))
    answer.connection.finish()


@_trouble
def huge_headers(answer):
    """500 headers of 1,000 bytes."""
    answer.connection.send(200, [JSON, *((f"X-Filler-{number}", "x" * 1000)
                                         for number in range(500))], answer.usual())


@_trouble
def chunked(answer):
    answer.connection.send(200, [JSON], answer.usual(), length="chunked")


@_trouble
def gzip(answer):
    """If the client accepts it, else the usual answer."""
    if any("gzip" in value for value in answer.request.values("accept-encoding")):
        answer.connection.send(200, [JSON, ("Content-Encoding", "gzip")],
                               gzip_format.compress(answer.usual()))
    else:
        answer.connection.send(200, [JSON], answer.usual())


@_trouble
def gzip_bomb(answer):
    """64 MiB in some 300 KB, whether the client accepts gzip or not."""
    answer.connection.send(200, [JSON, ("Content-Encoding", "gzip")], _bomb(answer.usual()))


def _padded(answer):
    size = answer.details.get("megabytes", 20) * 1_000_000
    return b'{"padding":"' + b"x" * size + b'",' + answer.usual()[1:]


@functools.lru_cache(maxsize=1)
def _bomb(usual):
    return gzip_format.compress(b'{"padding":"' + b"x" * (64 << 20) + b'",' + usual[1:], 1)
