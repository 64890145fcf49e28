"""A short-lived folder that mail servers running as other users can enter."""

import os
import shutil
import tempfile
from pathlib import Path

from lab import leftovers


class Workdir:
    """A folder below /tmp or another, removed by close() or at the latest when the test run ends."""

    def __init__(self, below="/tmp"):
        # Not TMPDIR: paths of unix sockets are limited to 107 bytes.
        self.path = Path(tempfile.mkdtemp(prefix="cim-", dir=below))
        self.path.chmod(0o755)
        leftovers.remember("folder", self.path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __truediv__(self, name):
        return self.path / name

    def __fspath__(self):
        return str(self.path)

    __str__ = __fspath__

    def folder(self, name, mode=0o755, user=None, group=None):
        """Makes a folder of that name (a/b/c too), the last with this mode and owner."""
        path = self.path / name
        path.mkdir(parents=True, exist_ok=True)
        if user:
            shutil.chown(path, user, group)
        path.chmod(mode)
        return path

    def write(self, name, content, mode=0o644):
        """Writes str or bytes to a file, which never has wider permissions than mode."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = content.encode() if isinstance(content, str) else content
        path.unlink(missing_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(raw)
        return path

    def close(self):
        shutil.rmtree(self.path, ignore_errors=True)
        leftovers.forget("folder", self.path)
