"""An SMTP client that sends exactly the bytes it is told to, however wrong they are."""

import contextlib
import re
import socket
from pathlib import Path
from typing import NamedTuple


class Reply(NamedTuple):
    """(451, "4.7.1", "Cronofy can't be reached"). enhanced is "" if the server gave none."""

    code: int
    enhanced: str
    text: str


class SmtpClient:
    """One connection, greeted and EHLO'd, to a port of 127.0.0.1 or the Path of a unix socket."""

    def __init__(self, where, source="127.0.0.1", timeout=60):
        if isinstance(where, Path):
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(timeout)
            self._socket.connect(str(where))
        else:
            self._socket = socket.create_connection(
                ("127.0.0.1", where), timeout=timeout, source_address=(source, 0))
        self._input = self._socket.makefile("rb")
        self.greeting = self._read_reply()
        self.ehlo()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.quit()

    def command(self, line):
        self.send_raw(line.encode() + b"\r\n")
        return self._read_reply()

    def ehlo(self, name="app.example.test"):
        return self.command(f"EHLO {name}")

    def xclient(self, **attributes):
        """Has Postfix take us for somebody else: xclient(ADDR="203.0.113.9")."""
        reply = self.command("XCLIENT " + " ".join(f"{k}={v}" for k, v in attributes.items()))
        assert reply.code == 220, reply
        return self.ehlo()

    def mail(self, address, *parameters):
        return self.command(" ".join((f"MAIL FROM:<{address}>", *parameters)))

    def rcpt(self, address, *parameters):
        return self.command(" ".join((f"RCPT TO:<{address}>", *parameters)))

    def data(self, message):
        """DATA, the message with its dots stuffed and nothing else changed, and the last dot."""
        reply = self.command("DATA")
        if reply.code != 354:
            return reply
        self.send_raw(stuffed(message))
        return self._read_reply()

    def send(self, mail_from, rcpt_to, message, *parameters):
        """A whole transaction: the first reply that refuses it, or the last of all."""
        recipients = [rcpt_to] if isinstance(rcpt_to, str) else rcpt_to
        reply = self.mail(mail_from, *parameters)
        for recipient in recipients:
            if reply.code >= 400:
                return reply
            reply = self.rcpt(recipient)
        return reply if reply.code >= 400 else self.data(message)

    def rset(self):
        return self.command("RSET")

    def quit(self):
        reply = self.command("QUIT")
        self.drop()
        return reply

    def send_raw(self, raw):
        self._socket.sendall(raw)

    def drop(self):
        """Hangs up without a word."""
        self._input.close()
        self._socket.close()

    def _read_reply(self):
        lines = []
        while True:
            line = self._input.readline().decode("utf-8", "replace").rstrip("\r\n")
            if not line:
                raise ConnectionResetError(f"the server hung up after {lines}")
            code, enhanced, text = re.fullmatch(
                r"(\d{3})[- ]?((?:[245]\.\d{1,3}\.\d{1,3})?) ?(.*)", line).groups()
            lines.append(text)
            if line[3:4] != "-":
                return Reply(int(code), enhanced, "\n".join(lines))


def stuffed(message):
    """RFC 5321, 4.5.2. A message without a last line end gets one, as it must."""
    end = b".\r\n" if message.endswith(b"\r\n") else b"\r\n.\r\n"
    return (b"\r\n" + message).replace(b"\r\n.", b"\r\n..")[2:] + end


def assert_refused(reply, *words):
    """Permanently, with these words in the text."""
    assert reply.code // 100 == 5 and reply.enhanced.startswith("5."), reply
    for word in words:
        assert word in reply.text, reply


def assert_temporary(reply):
    assert reply.code == 451 and reply.enhanced.startswith("4."), reply
