"""Headers by the thousand: the processor time that a mail server spends on them because of us.

Each kind of header that the filter changes, in direct and in queued mode, and as many as it changes
at most behind many others. Beside it: the same mail through the same server without a filter. What
is delivered is thrown away by the server itself.

Linear is what a message ten times as big makes ten times as dear at most; but Sendmail itself, without
any filter, takes a time that grows with the square. So with us it may grow tenfold, or as it does
without; STEADY allows for noise.
"""

import contextlib
import time

from bench import postfix, queued_sendmail
from bench.table import Row, note
from lab.filter_process import FilterProcess
from lab.messages import RECIPIENT, SENDER, untagged
from lab.postfix import Postfix
from lab.sendmail import Sendmail
from lab.smtp import SmtpClient
from lab.workdir import Workdir
from standin.client import Standin

# How many headers, and how many messages of that kind make one figure.
COUNTS = {10: 60, 100: 60, 1000: 20, 10_000: 5}
STEADY = 1.5  # a figure's noise
LEAST_S = 0.001  # of a message; less is not to be told from nothing

TAG = "X-Cancel-Invite: board-1\r\n"
STRANGER, TRUSTED = "127.0.0.2", "127.0.0.1"
# Who sends it, and the header.
KINDS = {
    "tags": (STRANGER, lambda count: TAG * count),
    "MIME-Version": (TRUSTED, lambda count: TAG + "MIME-Version: 1.0\r\n" * count),
    "Content-*": (TRUSTED, lambda count: TAG + "Content-Odd: x\r\n" * count),
    "others before 46 tags": (STRANGER, lambda count: "X: y\r\n" * count + TAG * 46),
    "others before one tag": (TRUSTED, lambda count: "X: y\r\n" * count + TAG),
}
# Its own limit is 32 KiB; this is what it costs without.
SENDMAIL_MC = "define(`confMAX_HEADERS_LENGTH', `10000000')dnl\n" + queued_sendmail.Nowhere.mc


def measure(build):
    for start in (start_postfix, start_sendmail):
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(Workdir("/dev/shm"))
            cronofy = stack.enter_context(Standin(open=True))
            server, route = start(stack, folder)
            servers = {"none": server(None)}
            for mode in ("direct", "queued"):
                running = FilterProcess(folder.folder(mode), cronofy,
                                        milter={"mode": mode, "route": route, "log_level": "error"},
                                        trust={"networks": TRUSTED})
                stack.callback(running.kill)
                servers[mode] = server(running.start().socket, queued=mode == "queued")
            for kind in KINDS:
                yield from compare(start.server, kind, servers)


def start_postfix(stack, folder):
    def server(milter, queued=False):
        made = Postfix(folder, postfix.Nowhere, milter, main=postfix.Nowhere.main, queued=queued)
        with open(made.etc / "master.cf", "a") as master:
            master.write(postfix.Nowhere.master)
        stack.callback(made.close)
        return made.start()
    return server, "header"


def start_sendmail(stack, folder):
    def server(milter, queued=False):
        made = Sendmail(folder, queued_sendmail.Nowhere, milter, mc=SENDMAIL_MC, queued=queued,
                        run="-qp10m", trace="/dev/null")
        stack.callback(made.close)
        return made.start()
    return server, "domain"


start_postfix.server, start_sendmail.server = "Postfix", "Sendmail"


def compare(name, kind, servers):
    source, header = KINDS[kind]
    costs = {mode: {} for mode in servers}
    for count, messages in COUNTS.items():
        note(f"headers: {name}, {count} {kind}")
        message = untagged(header=header(count))
        replies = {}
        for mode, server in servers.items():
            before = server.processor_time()
            for _ in range(messages):
                replies[mode] = submit(server, source, message)
            costs[mode][count] = (at_rest(server) - before) / messages
        for mode in ("direct", "queued"):
            ours, none = costs[mode][count], costs["none"][count]
            yield Row(f"{name}, {mode}, {count} {kind} ({replies[mode].code})", ms(ours),
                      f"{ms(none)} no filter", f"{ours / none:.2f}" if none else "")
    for mode in ("direct", "queued"):
        growth = {which: costs[which][10_000] / max(costs[which][1000], LEAST_S)
                  for which in (mode, "none")}
        most = STEADY * max(10, growth["none"])
        yield Row(f"{name}, {mode}, {kind}: 10,000 beside 1,000", f"{growth[mode]:.1f}",
                  f"{growth['none']:.1f} no filter", "", f"<= {most:.0f}", growth[mode] <= most)


def submit(server, source, message):
    with SmtpClient(server.smtp_port, source) as client:
        return client.send(SENDER, RECIPIENT, message)


def at_rest(server):
    """Its processor time, once it has nothing to do any more."""
    last = server.processor_time()
    while True:
        time.sleep(0.5)
        now = server.processor_time()
        if now == last:
            return now
        last = now


def ms(seconds):
    return f"{seconds * 1000:.2f} ms"
