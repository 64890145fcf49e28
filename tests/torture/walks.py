"""The walks: what is done while one call after another fails, and what is a wrong answer to that.

Each walk has positions(): the calls of each class that it makes, counted once without a fault; and
run(position): what became of it, as a Finding or None. Only what is proven to be the message's
fault may be a 5xx; memory, a descriptor or a disk that is missing never is.
"""

import os
import re
import signal
import socket
import subprocess
import time
from dataclasses import dataclass

from lab.filter_process import FilterProcess, binary, write_config
from lab.milter_client import TAG, MilterSession, mail
from lab.process import until
from lab.workdir import Workdir
from torture.inject import CLASSES, ERRORS, Injector, ended_by

TAGGED = mail(TAG)
FIRST = {"{daemon_name}": "smtpd"}
SECOND = {"{daemon_name}": "cancel-invite"}
A_HANG_S = 20  # no answer of a filter whose own waits are shorter (timeout, deadline)
SYSEXITS = range(64, 79)
FAULTS_OF_THE_MESSAGE = (os.EX_DATAERR, os.EX_UNAVAILABLE)


@dataclass(frozen=True)
class Position:
    call_class: str
    number: int
    lasting: bool
    error: str

    def __str__(self):
        return (f"{self.call_class} {self.number}{' and all after it' if self.lasting else ''}"
                f" ({self.error})")


@dataclass(frozen=True)
class Finding:
    kind: str  # "crash", "hang", "wrong answer"
    position: Position
    what: str
    site: tuple = ()  # (library, function), innermost first

    def __str__(self):
        calls = [f"{library}:{function.partition('+')[0]}" for library, function in self.site
                 if not library.startswith(("inject.so", "libc.so"))]
        return f"{self.kind}: {self.position}: {self.what}\n    from {' < '.join(calls[:8])}"


def positions_of(places):
    """Each call with each errno that it may have; of allocations also all from there on."""
    for call_class in CLASSES:
        for number in places[call_class]:
            for error in ERRORS[call_class]:
                yield Position(call_class, number, False, error)
            if call_class == "allocate":
                yield Position(call_class, number, True, "ENOMEM")


class Walk:
    def __init__(self, library, cronofy):
        self.folder = Workdir()
        self.cronofy = cronofy
        self.injector = Injector(library, str(self.folder.path))

    def arm(self, position):
        self.injector.arm(position.call_class, position.number, position.lasting, position.error)

    def finding(self, kind, position, what):
        return Finding(kind, position, str(what)[:300], tuple(self.injector.site()))

    def close(self):
        self.folder.__exit__(None, None, None)


class Command(Walk):
    """A command from its start to its end: its answer is the right one, or it says that it failed."""

    def __init__(self, library, cronofy, arguments, **sections):
        super().__init__(library, cronofy)
        self.name = f"command {arguments[0]}"
        (self.folder.path / "mail.eml").write_bytes(TAGGED)
        (self.folder.path / "cancel.ics").write_text(CALENDAR)
        config = write_config(self.folder.path, standin=cronofy, **sections)
        self.argv = [binary(), *(text.format(folder=self.folder.path, config=config)
                                 for text in arguments)]

    def _run(self):
        return subprocess.run(self.argv, capture_output=True, stdin=subprocess.DEVNULL,
                              env={**os.environ, **self.injector.env, "MAIL_CONFIG": "/nonexistent"},
                              timeout=A_HANG_S, check=False)

    def positions(self):
        self.injector.arm()
        self.right = self._run()
        places = self.injector.places()
        self.injector.disarm()
        assert self.right.returncode == 0, self.right
        return list(positions_of(places))

    def run(self, position):
        self.arm(position)
        try:
            done = self._run()
        except subprocess.TimeoutExpired:
            return self.finding("hang", position, f"no end within {A_HANG_S} s")
        finally:
            self.injector.disarm()
        if done.returncode < 0:
            return self.finding("crash", position, ended_by(done.returncode))
        if done.returncode == 0 and self.shape(done) != self.shape(self.right):
            return self.finding("wrong answer", position, "exit 0, and another output")
        if done.returncode in FAULTS_OF_THE_MESSAGE or (
                done.returncode and done.returncode not in SYSEXITS):
            return self.finding("wrong answer", position, f"exit {done.returncode}: {done.stderr}")
        return None

    def shape(self, done):
        """What is the same each time: boundaries are random."""
        return re.sub(rb"=_[0-9A-Za-z]{16,}", b"=_", done.stdout)


class Daemon(Walk):
    """A running filter; while it is not armed it must do all that it ever did."""

    sections = {}
    mode = "queued"

    def __init__(self, library, cronofy):
        super().__init__(library, cronofy)
        self.running = None

    def start(self):
        self.running = FilterProcess(
            self.folder.path, self.cronofy, env=self.injector.env,
            milter={"mode": self.mode}, cronofy={"timeout": "2s", "deadline": "3s", "attempts": 2},
            ledger={"file": f"{self.folder.path}/ledger.db"},
            **self.sections)
        self.running.start()

    def close(self):
        if self.running:
            self.running.kill()
        super().close()

    def positions(self):
        self.start()
        self.act()  # what is done once only is done
        self.injector.arm()
        self.act()
        time.sleep(0.1)
        places = self.injector.places()
        self.injector.disarm()
        return list(positions_of(places))

    def run(self, position):
        if not self.running.alive():
            self.start()
        self.arm(position)
        try:
            wrong = self.act_on_faults()
        except socket.timeout:
            wrong = ("hang", f"no answer within {A_HANG_S} s")
        finally:
            self.injector.disarm()
        if wrong:
            kind, what = wrong
            found = self.finding(kind, position, what)
            self.restart()
            return found
        return self.check_health(position)

    def restart(self):
        self.running.kill()
        self.start()

    def check_health(self, position):
        """As soon as nothing fails any more all is as before, or the service manager starts it anew."""
        for patience in (0, 0.1, 0.5, 2, 5.5):
            time.sleep(patience)
            try:
                self.act()
                return None
            except (AssertionError, OSError) as error:
                last = error
            if not self.running.alive():
                return self.judge_end(position, self.running.wait(1))
        found = self.finding("wrong answer", position, f"not well afterwards: {last}")
        self.restart()
        return found

    def judge_end(self, position, code):
        self.start()
        if code == os.EX_SOFTWARE:
            return None  # it gave up by itself, and said so
        return self.finding("crash", position, ended_by(code) or f"exit {code}")


class Message(Daemon):
    """One message: never 5xx, never let through without its calendar or with another."""

    def __init__(self, library, cronofy, name, mode, macros, stamped=False):
        super().__init__(library, cronofy)
        self.name, self.mode, self._macros, self._stamped = name, mode, macros, stamped
        self._message = TAGGED
        self._number = 0

    def start(self):
        super().start()
        if self._stamped:
            with MilterSession(self.running.socket) as mta:
                self._message = mta.deliver(TAGGED, macros=FIRST).message_bytes

    def _deliver(self):
        # Another message each time, as far as the ledger is concerned.
        self._number += 1
        message = self._message
        if not self._stamped:
            message = message.replace(b"<1@", f"<{self._number}@".encode())
        with MilterSession(self.running.socket, timeout=A_HANG_S) as mta:
            return mta.deliver(message, macros=self._macros)

    def act(self):
        result = self._deliver()
        assert result.action == "accept" and self.is_right(result), result

    def is_right(self, result):
        body = result.message_bytes
        if self.name.endswith("first listener"):
            return b"X-Cancel-Invite: v1;" in body
        return (b"method=CANCEL" in body and body.count(b"BEGIN:VCALENDAR") == 1
                and b"X-Cancel-Invite" not in body)

    def act_on_faults(self):
        try:
            result = self._deliver()
        except (ConnectionError, BrokenPipeError, FileNotFoundError):
            return None  # the MTA defers
        if result.action == "accept" and not self.is_right(result):
            return "wrong answer", f"accepted as {result.message_bytes}"
        if result.action not in ("accept", "tempfail"):
            return "wrong answer", f"{result.action} {result.reply}"
        return None


class Reload(Daemon):
    """A reload: the new configuration is in force or the old one, and both work."""

    name = "reload"
    mode = "direct"

    def act(self):
        before = len(self.running.log())
        self.running.signal(signal.SIGUSR1)
        self.running.wait_for_log(r"reload|in force", after=before)
        with MilterSession(self.running.socket, timeout=A_HANG_S) as mta:
            result = mta.deliver(TAGGED)
        assert result.action == "accept" and b"method=CANCEL" in result.message_bytes, result

    def act_on_faults(self):
        self.running.signal(signal.SIGUSR1)
        time.sleep(0.15)
        return None


class Starting(FilterProcess):
    """Started as soon as it says so: while everything fails nobody can converse with it."""

    def converses(self):
        return "listens on" in self.log()


class Start(Walk):
    """From exec() on: it runs, or ends and says why."""

    name = "start"

    def __init__(self, library, cronofy):
        super().__init__(library, cronofy)
        self.running = None

    def _start(self):
        """None, or the exit code."""
        self.running = Starting(
            self.folder.path, self.cronofy, env=self.injector.env, milter={"mode": "queued"},
            ledger={"file": f"{self.folder.path}/ledger.db"})
        try:
            self.running.start()
        except AssertionError as error:
            ended = re.search(r"ended with (-?\d+)", str(error))
            if not ended:
                raise
            return int(ended[1])
        return None

    def _await_conversation(self):
        """None, or the exit code of one that gave up after it had said that it listens."""
        until(lambda: not self.running.alive() or FilterProcess.converses(self.running), A_HANG_S,
              "a conversation")
        return None if self.running.alive() else self.running.wait(1)

    def positions(self):
        self._start()
        self.running.kill()
        self.running.log_path.unlink()
        self.injector.arm()
        assert self._start() is None
        time.sleep(0.2)
        places = self.injector.places()
        self.injector.disarm()
        self.running.kill()
        return list(positions_of(places))

    def run(self, position):
        self.arm(position)
        try:
            code = self._start()
            self.injector.disarm()
            if code is None:
                code = self._await_conversation()
            if code is None:
                with MilterSession(self.running.socket, timeout=A_HANG_S) as mta:
                    result = mta.deliver(TAGGED, macros=FIRST)
                if result.action not in ("accept", "tempfail"):
                    return self.finding("wrong answer", position, result)
        except (AssertionError, OSError) as error:
            return self.finding("hang", position, error)
        finally:
            self.injector.disarm()
            self.running.kill()
            self.running.log_path.unlink()
        if code is not None and code < 0:
            return self.finding("crash", position, ended_by(code))
        if code is not None and code not in SYSEXITS:
            return self.finding("wrong answer", position, f"exit {code}")
        return None

    def close(self):
        if self.running:
            self.running.kill()
        super().close()


CALENDAR = "\r\n".join([
    "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Cronofy//Cronofy//EN", "METHOD:CANCEL",
    "BEGIN:VEVENT", "UID:torture@cronofy.example", "DTSTAMP:20260428T093000Z", "SEQUENCE:1",
    "STATUS:CANCELLED", "ORGANIZER:mailto:app@acme.example", "ATTENDEE:mailto:guest@example.org",
    "DTSTART:20260501T093000Z", "SUMMARY:Board meeting", "END:VEVENT", "END:VCALENDAR", ""])


def walks(library, cronofy):
    """Functions that make the walks, by name."""
    def command(*arguments, **sections):
        return lambda: Command(library, cronofy, arguments, **sections)

    def message(name, mode, macros=None, stamped=False):
        return lambda: Message(library, cronofy, name, mode, macros, stamped)

    return {
        "-n": command("-n", "-c", "{config}"),
        "--show-config": command("--show-config", "-c", "{config}"),
        "--rewrite": command("--rewrite", "{folder}/mail.eml", "--calendar", "{folder}/cancel.ics"),
        "--try": command("--try", "{folder}/mail.eml", "-c", "{config}", "-f", "app@acme.example",
                         "guest@example.org"),
        "start": lambda: Start(library, cronofy),
        "direct": message("message in direct mode", "direct"),
        "first": message("message at the first listener", "queued", FIRST),
        "second": message("message at the second listener", "queued", SECOND, stamped=True),
        "reload": lambda: Reload(library, cronofy),
    }
