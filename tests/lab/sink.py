"""The world's mail server: keeps every message that it is sent, byte for byte."""

import email
import email.policy
import functools
import socket
import socketserver
import threading
import time
from dataclasses import dataclass, field

from lab.process import Port

CHUNK = 256 * 1024
END = b"\r\n.\r\n"


@dataclass
class Delivery:
    """One SMTP transaction. data has CRLF line ends and no dot stuffing."""

    mail_from: str
    rcpt_to: list
    data: bytes = field(repr=False)
    mail_parameters: list = field(default_factory=list)  # of MAIL: "SIZE=1000", ...
    rcpt_parameters: list = field(default_factory=list)  # of each RCPT

    @functools.cached_property
    def message(self):
        return email.message_from_bytes(self.data, policy=email.policy.SMTP)

    @property
    def header(self):
        return self.data.partition(b"\r\n\r\n")[0] + b"\r\n"

    @property
    def body(self):
        return self.data.partition(b"\r\n\r\n")[2]


class Sink:
    """An SMTP server in threads of this process, running until close()."""

    def __init__(self):
        self._changed = threading.Condition()
        self._deliveries = []
        self._answers = {}
        self._reserved = Port()
        self.port = self._reserved.number
        self.away = True
        self.come_back()

    @property
    def deliveries(self):
        with self._changed:
            return list(self._deliveries)

    def wait(self, count=1, timeout=20):
        """The deliveries, once there are at least count."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while len(self._deliveries) < count:
                if not self._changed.wait(deadline - time.monotonic()):
                    seen = [(one.mail_from, one.rcpt_to) for one in self._deliveries]
                    raise AssertionError(f"{count} deliveries expected in {timeout} s, got {seen}")
            return list(self._deliveries)

    def count(self):
        """How many deliveries there are."""
        return len(self._deliveries)

    def refuse(self, recipient):
        self._answers[recipient] = "550 5.1.1 no such person"

    def defer(self, recipient):
        """recipient "*": everyone who isn't named."""
        self._answers[recipient] = "450 4.2.1 come back later"

    def go_away(self):
        """Refuses connections until come_back(); sessions end once they have their answer."""
        self.away = True
        self._server.shutdown()
        self._server.server_close()

    def come_back(self):
        self.away = False
        self._server = _Server(("127.0.0.1", self.port), _Session)
        self._server.sink = self
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def accept(self):
        """Everyone, again."""
        self._answers.clear()

    def reset(self):
        """Forgets every delivery, and accepts everyone again."""
        with self._changed:
            self._deliveries.clear()
            self._answers.clear()

    def close(self):
        if not self.away:
            self.go_away()
        self._reserved.close()

    def answer_for(self, recipient):
        return self._answers.get(recipient) or self._answers.get("*", "250 2.1.5 ok")

    def keep(self, delivery):
        with self._changed:
            self._deliveries.append(delivery)
            self._changed.notify_all()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128


class _Session(socketserver.BaseRequestHandler):
    def setup(self):
        self._input = bytearray()
        # Otherwise every reply to a pipelined command waits 40 ms for the last one's ACK.
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)

    def handle(self):
        sink = self.server.sink
        sender, recipients, of_mail, of_rcpt = None, [], [], []
        try:
            self._reply("220 sink.example ESMTP")
            while (line := self._read_through(b"\r\n").decode("utf-8", "replace").strip()):
                verb = line[:4].upper()
                if sink.away:
                    self._reply("421 4.3.2 not now")
                    return
                if verb == "EHLO":
                    self._reply("250-sink.example", "250-PIPELINING", "250-8BITMIME",
                                "250-SMTPUTF8", "250-DSN", "250-ENHANCEDSTATUSCODES",
                                "250 SIZE 0")
                elif verb == "MAIL":
                    sender, recipients = _address(line), []
                    of_mail, of_rcpt = _parameters(line), []
                    self._reply("250 2.1.0 ok")
                elif verb == "RCPT":
                    answer = sink.answer_for(_address(line))
                    if answer.startswith("250"):
                        recipients.append(_address(line))
                        of_rcpt.append(_parameters(line))
                    self._reply(answer)
                elif verb == "DATA" and not recipients:
                    self._reply("503 5.5.1 nobody to send to")
                elif verb == "DATA":
                    self._reply("354 go on")
                    sink.keep(Delivery(sender, recipients, self._read_data(), of_mail, of_rcpt))
                    self._reply("250 2.0.0 kept")
                elif verb == "QUIT":
                    self._reply("221 2.0.0 bye")
                    return
                else:
                    self._reply("250 2.0.0 ok")
        except ConnectionError:
            pass

    def _reply(self, *lines):
        self.request.sendall(b"".join(line.encode() + b"\r\n" for line in lines))

    def _read_through(self, end):
        """Input up to the first end, included; what was pipelined after it stays."""
        searched = 0
        while (found := self._input.find(end, searched)) < 0:
            searched = max(0, len(self._input) - len(end) + 1)
            chunk = self.request.recv(CHUNK)
            if not chunk:
                raise ConnectionResetError
            self._input += chunk
        taken = bytes(self._input[:found + len(end)])
        del self._input[:found + len(end)]
        return taken

    def _read_data(self):
        """RFC 5321, 4.5.2: up to a line that is only a dot, first dots of lines taken away."""
        self._input[:0] = b"\r\n"
        stuffed = self._read_through(END)
        return stuffed[:-len(END) + 2].replace(b"\r\n.", b"\r\n")[2:]


def _address(line):
    return line.partition("<")[2].partition(">")[0]


def _parameters(line):
    return line.rpartition(">")[2].split()
