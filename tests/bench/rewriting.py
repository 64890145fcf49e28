"""Rewriting messages of 50 MB: bytes a second, and memory beyond what a small one takes."""

import json
import os
import statistics
import subprocess
from base64 import b64encode

from bench.table import Row, note
from lab.workdir import Workdir
from standin.icalendar import ORGANIZER
from standin.replies import Invite

SIZE = 50_000_000
RUNS = 7
SPEED = 300e6        # bytes a second
MORE_MEMORY = 2e6    # bytes

HEADER = (f"From: <{ORGANIZER}>\r\nTo: <ann@example.com>\r\nSubject: Minutes\r\n"
          "Date: Mon, 27 Apr 2026 09:30:00 +0000\r\nMessage-ID: <minutes@acme.example>\r\n"
          "X-Cancel-Invite: invite-1\r\nMIME-Version: 1.0\r\n").encode()
TEXT = HEADER + b"Content-Type: text/plain; charset=us-ascii\r\n\r\n"
MIXED = HEADER + (
    b"Content-Type: multipart/mixed; boundary=outer\r\n\r\n"
    b"--outer\r\nContent-Type: text/plain\r\n\r\nThe minutes.\r\n"
    b"--outer\r\nContent-Type: application/octet-stream\r\n"
    b"Content-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\n")
LETTERS = b"The board meeting is off, and so is the dinner; we are sorry for the trouble"


def _filled(head, line, size, tail=b""):
    return head + line * ((size - len(head) - len(tail)) // len(line)) + tail


def _shapes(size):
    base64_line = b64encode(bytes(range(100, 157))) + b"\r\n"
    return {
        "text, lines of 76": _filled(TEXT, LETTERS[:76] + b"\r\n", size),
        "base64 attachment": _filled(MIXED, base64_line, size, b"--outer--\r\n"),
        "one line": _filled(TEXT, b"a", size, b"\r\n"),
        "lines of 1 byte": _filled(TEXT, b"a\r\n", size),
        "8-bit text (UTF-8)": _filled(
            TEXT.replace(b"us-ascii", b"UTF-8\r\nContent-Transfer-Encoding: 8bit"),
            "Sitzung fällt aus, das Essen auch; schöne Grüße\r\n".encode(), size),
        "text, line ends of Unix": _filled(TEXT, LETTERS[:76] + b"\r\n", size).replace(
            b"\r\n", b"\n"),
    }


def measure(build):
    binary = os.environ["CIM_BINARY"]
    with Workdir() as folder:
        calendar = folder.write("invite.ics", Invite("invite-1", "ann@example.com").text())
        small = folder.write("small.eml", _shapes(5_000)["text, lines of 76"])
        large = folder / "large.eml"
        copy = f"/var/tmp/cim-bench-{os.getpid()}"

        def rewrite(message):
            return _run(build, binary, "--rewrite", message, "--calendar", calendar)

        _, _, small_peak = rewrite(small)
        for name, content in _shapes(SIZE).items():
            note(f"rewriting: {name}")
            folder.write("large.eml", content)
            size = len(content)
            cat, *_ = _run(build, "cat", large)
            try:
                # The filter, too, gets a new file each time.
                cp, *_ = _run(build, "cp", "--remove-destination", large, copy)
            finally:
                if os.path.exists(copy):
                    os.unlink(copy)
            taken, processor, peak = rewrite(large)
            more = peak - small_peak
            met = size / taken > SPEED
            if not met and size / processor > SPEED:
                met = "NO, others kept the processor"
            yield Row(f"rewrite 50 MB, {name}: speed",
                      f"{_speed(size, taken)}, {_speed(size, processor)} of processor time",
                      f"{_speed(size, cat)} cat, {_speed(size, cp)} cp",
                      f"{cp / taken:.2f} of cp", "> 300 MB/s", met)
            yield Row(f"rewrite 50 MB, {name}: memory", f"{peak / 1e6:.1f} MB",
                      f"{small_peak / 1e6:.1f} MB for 5 KB", f"{more / 1e6:+.2f} MB", "< +2 MB",
                      more < MORE_MEMORY)


def _speed(size, seconds):
    return f"{size / seconds / 1e6:.0f} MB/s"


def _run(build, *command):
    """Of all runs of a command, the medians: seconds, of the processor too, and peak of bytes."""
    done = subprocess.run([build / "bench/measure", str(RUNS), *command], check=True,
                          stdout=subprocess.PIPE)
    runs = [json.loads(line) for line in done.stdout.splitlines()]
    seconds, processor, peak = (statistics.median(run[key] for run in runs)
                                for key in ("seconds", "processor", "peak_kib"))
    return seconds, processor, peak * 1024
