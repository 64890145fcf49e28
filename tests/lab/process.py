"""Servers as children of the test run: started in the foreground, awaited, ended by pid."""

import contextlib
import os
import signal
import socket
import subprocess
import time

from lab import leftovers


def until(condition, timeout, what, pause=0.005):
    """Polls until condition() is true, and returns what it gave.

    When time is up an AssertionError names what was awaited: a text, or a function that makes it.
    """
    deadline = time.monotonic() + timeout
    while not (result := condition()):
        if time.monotonic() > deadline:
            reason = what() if callable(what) else what
            raise AssertionError(f"not within {timeout} s: {reason}")
        time.sleep(pause)
    return result


class Port:
    """A free port of 127.0.0.1 that stays ours until close().

    The socket is bound but never listens, so the kernel gives the number to nobody else, and a
    server that sets SO_REUSEADDR, as both mail servers do, can still listen there.
    """

    def __init__(self):
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number = self._socket.getsockname()[1]

    def answers(self):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.number), timeout=1).close()
            return True
        return False

    def close(self):
        self._socket.close()


class Process:
    """A program that runs in the foreground, in a session of its own.

    What it prints goes to the file at log_path.
    """

    def __init__(self, argv, log_path, env=None):
        self.name = os.path.basename(argv[0])
        self.log_path = log_path
        with open(log_path, "ab") as log:
            self._child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, cwd="/",
                start_new_session=True)
        self.pid = self._child.pid
        leftovers.remember("session", self.pid)

    def alive(self):
        return self._child.poll() is None

    def children(self):
        """The pids of its child processes."""
        with contextlib.suppress(OSError), \
                open(f"/proc/{self.pid}/task/{self.pid}/children") as children:
            return [int(pid) for pid in children.read().split()]
        return []

    def printed(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def wait_until(self, ready, timeout=10, log=None):
        """Waits for ready(); fails at once, with the log's end, if the program ends first."""
        log = log or self.printed

        def ready_or_dead():
            assert self.alive(), f"{self.name} ended with {self._child.returncode}:\n{tail(log())}"
            return ready()

        until(ready_or_dead, timeout, lambda: f"{self.name} ready:\n{tail(log())}")

    def signal(self, number):
        if self.alive():
            self._child.send_signal(number)

    def kill(self):
        """SIGKILL, for it and all that it started, at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._child.wait()
        leftovers.forget("session", self.pid)

    def stop(self, timeout=10):
        """SIGTERM, then after timeout SIGKILL, for it and all that it started."""
        self.signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(timeout)
        self.kill()


def tail(text, lines=30):
    return "\n".join(text.splitlines()[-lines:])
