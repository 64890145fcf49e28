"""Speaks HTTP/2 in front of the stand-in: nghttpx, which passes every request on in HTTP/1.1."""

import asyncio
import ctypes
import signal
import socket
from pathlib import Path

from lab import tools

PR_SET_PDEATHSIG = 1


class Front:
    """nghttpx on a port of its own, once started. Raises lab.tools.Missing if it can't be."""

    def __init__(self, folder, streams):
        self._program = tools.program("nghttp2-proxy", "usr/sbin/nghttpx")
        self._folder = Path(folder)
        self._streams = streams
        self._process = None
        # Bound but not listening, this socket keeps the number ours; nghttpx, which sets
        # SO_REUSEADDR too, can listen there all the same.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind(("127.0.0.1", 0))
        self.port = self._reserved.getsockname()[1]

    async def start(self, backend_port):
        libc = ctypes.CDLL(None)
        self._process = await asyncio.create_subprocess_exec(
            str(self._program), "--conf=/dev/null", "--single-process", "--no-ocsp",
            f"--frontend=127.0.0.1,{self.port}", f"--backend=127.0.0.1,{backend_port}",
            f"--frontend-http2-max-concurrent-streams={self._streams}",
            "--backend-read-timeout=1h", "--frontend-http2-read-timeout=1h",
            "--no-location-rewrite", "--no-add-x-forwarded-proto",
            # By default the client's name is a random one for each connection: that's how the
            # stand-in tells them apart. Via says which HTTP version the client spoke.
            "--add-forwarded=for", "--strip-incoming-forwarded",
            "--response-header-field-buffer=1M",
            "--tls-min-proto-version=TLSv1.2", "--accesslog-file=/dev/null", "--log-level=WARN",
            str(self._folder / "server.key"), str(self._folder / "server.pem"),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM))
        while True:
            if self._process.returncode is not None:
                raise RuntimeError(f"nghttpx ended with {self._process.returncode}")
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                return
            except ConnectionRefusedError:
                await asyncio.sleep(0.005)

    async def stop(self):
        if self._process and self._process.returncode is None:
            self._process.kill()  # it has nothing to lose, and would wait for its clients
            await self._process.wait()
        self._reserved.close()
