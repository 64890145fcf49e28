"""A forward proxy that only knows CONNECT (RFC 9110, 9.3.6), in threads of this process."""

import contextlib
import socket
import socketserver
import threading


class Proxy:
    """Runs until close(). requests has the head of every request that came, as text."""

    def __init__(self):
        self.requests = []
        self._server = _Server(("127.0.0.1", 0), _Tunnel)
        self._server.requests = self.requests
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


class _Tunnel(socketserver.BaseRequestHandler):
    def handle(self):
        with contextlib.suppress(OSError):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                more = self.request.recv(1)
                if not more:
                    return
                head += more
            self.server.requests.append(head.decode("latin-1"))
            method, target, _ = head.split(b"\r\n")[0].decode("latin-1").split(" ")
            if method != "CONNECT":
                self.request.sendall(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n")
                return
            host, _, port = target.rpartition(":")
            with socket.create_connection((host, int(port)), timeout=10) as server:
                self.request.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                threading.Thread(target=_pump, args=(server, self.request), daemon=True).start()
                _pump(self.request, server)


def _pump(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
