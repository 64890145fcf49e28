#!/usr/bin/python3
"""Very many messages of all kinds, with a reload each second: tests/torture/soak.py [MESSAGES]

Memory, descriptors and threads of the filter must be the same at the end as after the first tenth, and
each message must have had an answer that its kind may have. Prints figures; exit code 1 if one is wrong.
"""

import collections
import contextlib
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.dont_write_bytecode = True

from lab.filter_process import FilterProcess  # noqa: E402
from lab.milter_client import MilterSession, mail  # noqa: E402
from standin import replies  # noqa: E402
from standin.client import Standin, forever, status, trouble  # noqa: E402

SENDERS = 8
STRANGER = ("203.0.113.9", 40000)
STATUSES = (400, 401, 402, 403, 404, 408, 410, 422, 423, 425, 429, 500, 502, 503)


def kinds():
    """name -> (message fields, what deliver() is given, the answers that are right)"""
    found = {
        "untagged": ((), {}, {"accept"}),
        "empty tag": (("X-Cancel-Invite:",), {}, {"reject"}),
        "two tags": (("X-Cancel-Invite: a", "X-Cancel-Invite: b"), {}, {"reject"}),
        "unknown parameter": (("X-Cancel-Invite: a; colour=red",), {}, {"reject"}),
        "control character": (("X-Cancel-Invite: a\x07b",), {}, {"reject"}),
        "stranger": (("X-Cancel-Invite: good",), {"client": STRANGER}, {"accept"}),
        "no sender": (("X-Cancel-Invite: good",), {"sender": ""}, {"accept", "reject"}),
        "two recipients": (("X-Cancel-Invite: good",),
                           {"recipients": ("a@example.org", "b@example.org")}, {"reject"}),
        "good": (("X-Cancel-Invite: good",), {}, {"accept", "tempfail"}),
        "encrypted": (("X-Cancel-Invite: good", "MIME-Version: 1.0",
                       "Content-Type: application/pkcs7-mime; smime-type=enveloped-data"), {},
                      {"reject"}),
    }
    for code in STATUSES:
        found[f"status {code}"] = ((f"X-Cancel-Invite: status-{code}",), {},
                                   {"accept", "reject", "tempfail"} if code in (404, 410, 422)
                                   else {"tempfail"})
    for name in replies.UNUSUAL:
        found[f"reply {name}"] = ((f"X-Cancel-Invite: reply-{name}",), {},
                                  {"accept", "reject", "tempfail"})
    return found


class Soak:
    def __init__(self, messages):
        self.left = messages
        self.lock = threading.Lock()
        self.kinds = kinds()
        self.answers = collections.Counter()
        self.wrong = []
        self.sent = 0

    def take(self):
        with self.lock:
            self.left -= 1
            self.sent += 1
            return self.sent if self.left >= 0 else 0

    def send(self, running, seed):
        chance = random.Random(seed)
        while True:
            with MilterSession(running.socket, timeout=60) as mta:
                for _ in range(50):
                    number = self.take()
                    if not number:
                        return
                    self.send_one(mta, chance.choice(list(self.kinds)), number)

    def send_one(self, mta, kind, number):
        fields, options, right = self.kinds[kind]
        message = mail(*fields).replace(b"<1@", f"<{number}@".encode())
        result = mta.deliver(message, **options)
        with self.lock:
            self.answers[kind, result.action] += 1
            if result.action not in right:
                self.wrong.append((kind, result.action, result.reply))


def figures(running):
    return {"kB": running.rss_kib(), "threads": running.threads(),
            "descriptors": running.descriptors()}


def settled(running):
    """The figures once nobody sends any more."""
    time.sleep(3)
    return figures(running)


def soak(running, messages, seed):
    going = Soak(messages)
    threads = [threading.Thread(target=going.send, args=(running, f"{seed} {number}"))
               for number in range(SENDERS)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(1)
        running.reload()
        assert running.alive(), running.log()[-2000:]
    for thread in threads:
        thread.join()
    return going


def main():
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory(prefix="cim-soak-") as folder, contextlib.ExitStack() as stack:
        cronofy = stack.enter_context(Standin())
        cronofy.set(open=True)
        for code in STATUSES:
            cronofy.script(f"status-{code}", forever(status(code)))
        for name in replies.UNUSUAL:
            cronofy.script(f"reply-{name}", forever(trouble(name)))
        running = stack.enter_context(FilterProcess(
            folder, cronofy, milter={"log_level": "error"}, ledger={"file": f"{folder}/ledger.db"},
            cronofy={"attempts": 1, "requests_per_second": "none", "requests_per_minute": "none"}))
        soak(running, messages // 10, "warm")
        before, begun = settled(running), time.monotonic()
        going = soak(running, messages - messages // 10, "soak")
        seconds = time.monotonic() - begun
        after = settled(running)
        print(f"{messages} messages of {len(going.kinds)} kinds, {len(going.answers)} outcomes, "
              f"{going.sent / seconds:.0f} a second, a reload each second")
        for name in before:
            print(f"{name:12} after a tenth {before[name]:>7}, at the end {after[name]:>7}")
        for wrong, count in collections.Counter(going.wrong).most_common(10):
            print(f"wrong: {count} times {wrong}")
        flat = (after["kB"] <= before["kB"] * 1.1 + 2000 and after["threads"] <= before["threads"] + 2
                and after["descriptors"] <= before["descriptors"] + 5)
        print("flat" if flat else "NOT FLAT")
        return 0 if flat and not going.wrong else 1


if __name__ == "__main__":
    sys.exit(main())
