"""A Redis of one test's own: the one that tests/deps unpacked, on a unix socket, never the machine's.

    with Workdir() as folder, Redis(folder) as redis:
        FilterProcess(..., pace={"redis": redis.address, "share": "1/2"})
"""

import contextlib
import os
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

    def _answers(self):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.connect(self.socket)
            client.sendall(b"PING\r\n")
            return client.recv(100) == b"+PONG\r\n"
        return False
