"""The filter itself: its configuration, written for one test, and its process.

    with Workdir() as folder, Standin() as cronofy, \\
            FilterProcess(folder, cronofy, trust={"untrusted": "reject"}) as filter:
        MilterSession(filter.socket).deliver(...)
        filter.wait_for_log("cancelled")

CIM_BINARY names the program to run, if it isn't build/cancel-invite-milter.
"""

import contextlib
import functools
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
from pathlib import Path

from lab import leftovers, manual, tools
from lab.process import tail, until
from lab.workdir import Workdir

# What sanitizers print when they found something.
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:")

API_KEY = "CRN_test-key"


def binary():
    """The Path of the filter's program. Raises Missing if it hasn't been built."""
    found = Path(os.environ.get("CIM_BINARY") or tools.ROOT / "build" / "cancel-invite-milter")
    if not found.exists():
        raise tools.Missing(f"{found} isn't there: run make")
    return found.resolve()


@functools.lru_cache(maxsize=None)
def binary_for_all():
    """The program where every user can run it: a checkout may be in a folder that is root's alone."""
    found = binary()
    if all(folder.stat().st_mode & 0o001 for folder in (found, *found.parents)):
        return found
    copy = Workdir() / found.name
    shutil.copy(found, copy)
    copy.chmod(0o755)
    return copy


def sanitized():
    """Is there a sanitizer in the program, or valgrind around it, which keep more memory?"""
    return re.search(rb"__[at]san_init|exec valgrind", binary().read_bytes()) is not None


def write_config(folder, *, standin=None, accounts=None, name="filter.conf", **sections):
    """Writes a configuration that suits tests, and the key files it names; gives its path.

    It keeps no ledger, so that the same message sent twice is two messages to Cronofy.

    Each keyword is a section's keys, e.g. milter={"dry_run": True}; accounts has such a dict for
    each account's name. A key with the value None is left out, even if there is a default; lists
    and booleans are written as the file wants them. `api_key` is not a key of the file: its text
    goes to a file of mode 0600, which is then named. Without any, [cronofy] has the stand-in's.
    standin: calls go to its url.
    """
    folder = Path(folder)
    milter = {
        "socket": f"unix:{folder}/milter.sock",
        "socket_mode": "0666",  # the mail servers that tests run have users of their own
        "temp_dir": folder,
        "stamp_key_file": "stamp.key",
        "max_message_size": "60M",
        "drain_timeout": "10s",
        "log": "stderr",
        "log_level": "info",
        **sections.pop("milter", {}),
    }
    ledger = {"file": "none", **sections.pop("ledger", {})}
    # Tests share a filter, and most of them mean other things than how often Cronofy is asked.
    cronofy = {"timeout": "5s", "deadline": "10s", "requests_per_second": 10000,
               "requests_per_minute": 100000, "breaker_failures": 1000}
    if standin is not None:
        cronofy["url"] = standin.url
        cronofy["ca_file"] = standin.ca_file
    given = sections.pop("cronofy", {})
    if not any("api_key" in keys or "api_key_file" in keys
               for keys in (given, *(accounts or {}).values())):
        cronofy["api_key"] = API_KEY if standin is None else standin.api_key
    cronofy.update(given)

    lines = []
    tables = {"milter": milter, "ledger": ledger, "cronofy": cronofy, **sections}
    tables.update((f"account {name}", keys) for name, keys in (accounts or {}).items())
    for section, keys in tables.items():
        lines.append(f"[{section}]")
        for key, value in keys.items():
            if key == "api_key":
                key, value = "api_key_file", write_secret(
                    folder / f"{section.replace(' ', '-')}.key", value)
            if value is not None:
                lines.append(f"{key} = {as_text(value)}")
        lines.append("")
    path = folder / name
    path.write_text("\n".join(lines))
    return path


def run(*arguments, **options):
    """Runs the program to its end: returncode, stdout and stderr, as text.

    It doesn't see the machine's own Postfix, which -n would have an opinion about.
    """
    options.setdefault("env", {**os.environ, "MAIL_CONFIG": "/nonexistent"})
    done = subprocess.run([binary_for_all(), *arguments], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, errors="replace", **options)
    found = SANITIZER.search(done.stderr)
    assert not found, done.stderr[found.start():][:8000]
    assert done.returncode in manual.exit_codes(), done
    return done


def log_fields_of(log):
    """The names of all fields of the messages' lines in a log that is plain text."""
    return {name for line in re.findall(r"^\w+: (queue_id=.*)$", log, re.M)
            for name in re.findall(r'(\w+)=(?:"(?:[^"\\]|\\.)*"|\S*)(?: |$)', line)}


def as_text(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)


def write_secret(path, text):
    """A file that only its owner can read, from its first moment on."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")
    return path


class FilterProcess:
    """The filter in a folder of its own.

    env: more variables; launcher: the beginning of a command line that ends by running the filter.
    All other keywords go to write_config().
    """

    def __init__(self, workdir, standin=None, *, env=None, launcher=(), **sections):
        self.folder = Path(workdir)
        self.log_path = self.folder / "filter.log"
        self._standin = standin
        self._sections = sections
        self._env = {**os.environ, **(env or {})}
        self._launcher = launcher
        self._child = None
        self.socket = None  # "unix:PATH" or "inet:PORT@HOST", once configured
        self.configure()

    def configure(self, **sections):
        """Writes the configuration anew, with these sections (and accounts) in place of the old."""
        self._sections.update(sections)
        self.config = write_config(self.folder, standin=self._standin, **self._sections)
        self.socket = re.search(r"^socket = (.*)$", self.config.read_text(), re.M)[1]

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        if kind is not None:
            self.kill()  # the test has failed already: a second failure would only hide why
        else:
            self.close()

    def close(self):
        """Ends it at once, if it still runs. Fails if check_log() does."""
        self.kill()
        self.check_log()

    @property
    def pid(self):
        return self._child.pid

    def alive(self):
        return self._child is not None and self._child.poll() is None

    def start(self, *options):
        """Starts it and waits until it converses."""
        with open(self.log_path, "ab") as log:
            self._child = subprocess.Popen(
                [*self._launcher, binary_for_all(), "-c", self.config, *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._env, cwd="/",
                start_new_session=True)
        leftovers.remember("session", self.pid)

        def ready_or_dead():
            assert self.alive(), f"ended with {self._child.returncode}:\n{tail(self.log())}"
            return self.converses()

        try:
            until(ready_or_dead, 20, lambda: f"the filter's start:\n{tail(self.log())}")
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self, timeout=30):
        """SIGTERM; gives the exit code. Fails if it doesn't end or check_log() does."""
        self.terminate()
        code = self.wait(timeout)
        self.check_log()
        return code

    def terminate(self, number=signal.SIGTERM):
        """SIGTERM, or another signal that ends it, without waiting for the end."""
        if self.alive():
            self._child.send_signal(number)

    def wait(self, timeout=30):
        """Waits for its end; gives the exit code."""
        try:
            code = self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"no end in {timeout} s:\n{tail(self.log())}")
        leftovers.forget("session", self.pid)
        return code

    def kill(self):
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            leftovers.forget("session", self.pid)

    def signal(self, number):
        self._child.send_signal(number)

    def reload(self, **sections):
        """SIGUSR1, after configure() if sections are given."""
        if sections:
            self.configure(**sections)
        self.signal(signal.SIGUSR1)

    def log(self):
        with contextlib.suppress(FileNotFoundError):
            return self.log_path.read_text(errors="replace")
        return ""

    def wait_for_log(self, pattern, timeout=10, after=0):
        """Waits until the log, from that character on, has the pattern; gives the match."""
        search = re.compile(pattern, re.M).search
        return until(lambda: search(self.log(), after), timeout,
                     lambda: f"{pattern} in the log:\n{tail(self.log())}")

    def check_log(self):
        """No sanitizer complained, and no message's line has a field that the manual does not explain."""
        log = self.log()
        found = SANITIZER.search(log)
        assert not found, log[found.start():][:8000]
        assert log_fields_of(log) <= manual.log_fields(), log_fields_of(log) - manual.log_fields()

    def rss_kib(self):
        return self._status("VmRSS")

    def assert_no_bigger_than(self, rss_kib):
        """Compares its memory; not if a sanitizer is in it, which keeps what was freed."""
        assert sanitized() or self.rss_kib() <= rss_kib, f"{self.rss_kib()} KiB, not {rss_kib}"

    def threads(self):
        return self._status("Threads")

    def descriptors(self):
        """How many are open, but for TCP: connections to Cronofy may be kept for the next call.

        0 for all but root: a process that keeps its keys to itself lets nobody else look.
        """
        if os.geteuid() != 0:
            return 0
        found = []
        for name in os.listdir(f"/proc/{self.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                found.append(os.readlink(f"/proc/{self.pid}/fd/{name}"))
        with open(f"/proc/{self.pid}/net/tcp") as tcp:
            connections = {f"socket:[{line.split()[9]}]" for line in tcp}
        return sum(target not in connections for target in found)

    def _status(self, name):
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"^{name}:\s*(\d+)", status, re.M)[1])

    def converses(self):
        """A whole option negotiation: an accepting socket isn't a running filter yet."""
        with contextlib.suppress(OSError), connect(self.socket) as client:
            client.sendall(struct.pack("!IcIII", 13, b"O", 6, 0x1FF, 0x1FFFFF))
            return len(client.recv(4)) == 4
        return False


def connect(spec, timeout=5):
    """A connected socket for "unix:PATH", "inet:PORT@HOST" or "inet6:PORT@HOST"."""
    kind, _, rest = spec.partition(":")
    if kind == "unix":
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(timeout)
        try:
            client.connect(rest)
        except BaseException:
            client.close()
            raise
        return client
    port, _, host = rest.partition("@")
    return socket.create_connection((host.strip("[]"), int(port)), timeout=timeout)
