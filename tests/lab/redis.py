"""A Redis of one test's own: the one that tests/deps unpacked, on a unix socket, never the machine's.

    with Workdir() as folder, Redis(folder) as redis:
        FilterProcess(..., redis={"url": redis.address, "share": "1/2"})
"""

import contextlib
import os
import signal
import socket

from lab import tools
from lab.process import Process


class Redis:
    """It keeps nothing on disk: after stop() and start() it is empty."""

    def __init__(self, folder):
        # Of several programs in one file, it is the one that it is called by.
        self._program = tools.program("redis-tools", "usr/bin/redis-check-rdb")
        self._folder = folder
        self.socket = os.path.join(folder, "redis.sock")
        self.address = f"unix:{self.socket}"
        self._process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        link = os.path.join(self._folder, "redis-server")
        with contextlib.suppress(FileExistsError):
            os.symlink(self._program, link)
        self._process = Process(
            [link, "--port", "0", "--unixsocket", self.socket, "--unixsocketperm", "777",
             "--save", "", "--dir", str(self._folder)],
            os.path.join(self._folder, "redis.log"))
        self._process.wait_until(self._answers)

    def stop(self):
        if self._process:
            self._process.stop()
            self._process = None

    def ask(self, command):
        """What it says to a command, as it says it."""
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.socket)
            client.sendall(command.encode() + b"\r\n")
            client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(10000), b"")).decode()

    @contextlib.contextmanager
    def hanging(self):
        """It takes connections and commands, and answers nothing."""
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    def _answers(self):
        with contextlib.suppress(OSError):
            return self.ask("PING") == "+PONG\r\n"
        return False
