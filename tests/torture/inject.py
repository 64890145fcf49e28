"""The driver's side of inject.c: which call of a program is to fail, and how many there were."""

import contextlib
import ctypes
import mmap
import os
import re
import signal

CLASSES = ("allocate", "open", "read", "write", "fsync", "rename", "mmap", "socket", "connect",
           "accept", "poll", "thread", "random")

# What each class may really fail with.
ERRORS = {
    "allocate": ("ENOMEM",), "open": ("EMFILE", "EACCES"), "read": ("EIO", "ECONNRESET"),
    "write": ("ENOSPC", "EPIPE"), "fsync": ("EIO",), "rename": ("EIO",), "mmap": ("ENOMEM",),
    "socket": ("EMFILE",), "connect": ("ECONNREFUSED",), "accept": ("EMFILE", "ECONNABORTED"),
    "poll": ("ENOMEM",), "thread": ("EAGAIN",), "random": ("EIO",),
}


class _Shared(ctypes.Structure):
    _fields_ = [("armed", ctypes.c_uint32), ("call_class", ctypes.c_uint32),
                ("lasting", ctypes.c_uint32), ("error", ctypes.c_int32), ("at", ctypes.c_uint64),
                ("clock_step", ctypes.c_int64), ("failed", ctypes.c_uint64),
                ("counts", ctypes.c_uint64 * len(CLASSES)),
                ("stacks", ctypes.c_uint64 * 65536 * len(CLASSES))]


class Injector:
    """env is for the program's environment; disarmed at first."""

    def __init__(self, library, folder):
        self._path = os.path.join(folder, "torture")
        with open(self._path, "wb") as file:
            file.write(bytes(ctypes.sizeof(_Shared)))
        os.chmod(self._path, 0o666)
        self._file = open(self._path, "r+b")
        self._memory = mmap.mmap(self._file.fileno(), 0)
        self._shared = _Shared.from_buffer(self._memory)
        self.env = {"LD_PRELOAD": str(library), "CIM_TORTURE": self._path}

    def arm(self, call_class="allocate", at=0, lasting=False, error="ENOMEM"):
        """From now on calls are counted, from 1, and the one at that position fails."""
        import errno
        shared = self._shared
        shared.armed = 0
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path + ".site")
        ctypes.memset(ctypes.addressof(shared.counts), 0, ctypes.sizeof(shared.counts))
        shared.failed = 0
        shared.call_class = CLASSES.index(call_class)
        shared.lasting, shared.at = lasting, at
        shared.error = getattr(errno, error)
        shared.armed = 1

    def disarm(self):
        self._shared.armed = 0

    def step_clock(self, seconds):
        self._shared.clock_step = seconds

    @property
    def counts(self):
        return dict(zip(CLASSES, self._shared.counts))

    def places(self, each=2):
        """Of what was counted, by class: the first and the last of the calls from each place."""
        found = {}
        for number, name in enumerate(CLASSES):
            by_stack = {}
            for at in range(min(self._shared.counts[number], 65536)):
                by_stack.setdefault(self._shared.stacks[number][at], []).append(at + 1)
            found[name] = sorted({at for calls in by_stack.values()
                                  for at in calls[:each - 1] + calls[-1:]})
        return found

    @property
    def failed(self):
        return self._shared.failed

    def site(self):
        """Where the first call that failed came from: libraries and functions, innermost first."""
        with contextlib.suppress(FileNotFoundError), open(self._path + ".site") as file:
            return re.findall(r"([^/\s]+)\(([^)]*)\)", file.read())
        return []


def ended_by(code):
    """The name of the signal that a process was ended by, or ""."""
    return signal.Signals(-code).name if code is not None and code < 0 else ""
