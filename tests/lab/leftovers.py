"""Ends and removes what a test run left behind because it was killed.

A small program beside each Python that starts servers (PR_SET_PDEATHSIG would be simpler, but mail
servers lose it when they change users). It is told on its standard input what there is, and once
that input ends, which it also does when Python is killed, it does away with what is still there:

    + session PID       a process and all in its process group
    + folder PATH
    - session PID       has ended, - folder PATH: was removed
"""

import functools
import os
import shutil
import signal
import subprocess
import sys


def remember(kind, name):
    _tell(f"+ {kind} {name}\n")


def forget(kind, name):
    _tell(f"- {kind} {name}\n")


def _tell(line):
    _watcher().stdin.write(line)
    _watcher().stdin.flush()


@functools.lru_cache(maxsize=None)
def _watcher():
    return subprocess.Popen([sys.executable, "-B", __file__], stdin=subprocess.PIPE, text=True,
                            cwd="/", start_new_session=True)


def _watch():
    left = {}
    for line in sys.stdin:
        sign, what = line.rstrip("\n").split(" ", 1)
        if sign == "+":
            left[what] = None
        else:
            left.pop(what, None)
    for kind, name in sorted((what.split(" ", 1) for what in left), reverse=True):
        if kind == "folder":
            shutil.rmtree(name, ignore_errors=True)
        else:
            try:
                os.killpg(int(name), signal.SIGKILL)
            except ProcessLookupError:
                pass


if __name__ == "__main__":
    _watch()
