"""Finds the programs that tests/deps unpacked, and says why one can't be used.

They are looked for in CIM_TOOLS, or else in build/tools, one folder for each Debian package.
"""

import functools
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Missing(Exception):
    """A test can't run here. The text is the reason to skip with."""


def folder():
    return Path(os.environ.get("CIM_TOOLS") or ROOT / "build" / "tools").resolve()


def library_path(package):
    """Where a package keeps libraries of its own: what LD_LIBRARY_PATH must name."""
    own = folder() / package / "usr" / "lib"
    return ":".join(map(str, [own / package, *own.glob("*-linux-gnu")]))


@functools.lru_cache(maxsize=None)
def program(package, path, libraries=None):
    """The Path of an unpacked program, e.g. program("opendkim", "usr/sbin/opendkim").

    libraries: another unpacked package that has libraries which it needs. Raises Missing if it isn't there or a shared library of its isn't.
    """
    found = folder() / package / path
    if not found.exists():
        raise Missing(f"{found} isn't there: run tests/deps check")
    linked = subprocess.run(
        ["ldd", found], capture_output=True, text=True,
        env={**os.environ, "LD_LIBRARY_PATH": library_path(libraries or package)},
    ).stdout
    absent = [line.split()[0] for line in linked.splitlines() if "not found" in line]
    if absent:
        raise Missing(f"{path} of {package} lacks {', '.join(absent)}: run tests/deps check")
    return found


def data(package, path):
    """The Path of an unpacked file or folder that isn't a program."""
    found = folder() / package / path
    if not found.exists():
        raise Missing(f"{found} isn't there: run tests/deps check")
    return found


def installed(name):
    """The Path of a program of the system's own."""
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if not found:
        raise Missing(f"{name} isn't installed: run tests/deps check")
    return Path(found)


def readers():
    """The folder of the readers from npm, with tests/readers/act.mjs in it."""
    found = folder() / "readers"
    if not found.exists():
        raise Missing(f"{found} isn't there: run tests/deps check, where npm is installed")
    return found


def need_root(what):
    if os.geteuid() != 0:
        raise Missing(f"{what} needs root")
