"""A private Sendmail, run from where tests/deps unpacked it.

Its configuration is conf/sendmail/direct.mc or queued.mc, word for word but for the socket
and the queue's folder, in the little that it takes to run on this machine without touching it.
Nothing is delivered anywhere but to the sink.
"""

import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
from pathlib import Path

from lab import conf, tools
from lab.mta import Mta
from lab.process import Port, Process, until
from lab.smtp import SmtpClient

HOST = "mx.example.test"

# sendmail(1) refuses to submit mail as root; this user owns its queue, and is in every Debian.
SUBMITTER = "mail"

SECOND_QUEUE = "cancel-invite"  # of queued mode, in the queue's folder

COMMON_MC = """\
divert(0)dnl
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `{host}')dnl
define(`confSERVICE_SWITCH_FILE', `{folder}/services')dnl
define(`confPID_FILE', `{folder}/{role}.pid')dnl
define(`STATUS_FILE', `{folder}/{role}.statistics')dnl
define(`QUEUE_DIR', `{queue}')dnl
define(`confDONT_BLAME_SENDMAIL', `GroupWritableDirPathSafe,TrustStickyBit')dnl
define(`RELAY_MAILER_ARGS', `TCP $h {relay_port}')dnl
dnl 0 wouldn't switch these off: mail would be queued whenever the machine is busy.
define(`confQUEUE_LA', `999')dnl
define(`confREFUSE_LA', `999')dnl
"""

DAEMON_MC = COMMON_MC + """\
define(`confCW_FILE', `-o {folder}/none')dnl
define(`confCT_FILE', `-o {folder}/none')dnl
define(`confCR_FILE', `-o {folder}/none')dnl
define(`confDEAD_LETTER_DROP', `{folder}/dead.letter')dnl
define(`ALIAS_FILE', `{folder}/aliases')dnl
define(`HELP_FILE', `')dnl
define(`confTO_IDENT', `0')dnl
define(`confTO_QUEUEWARN', `')dnl
define(`confBIND_OPTS', `')dnl
define(`confMAX_DAEMON_CHILDREN', `0')dnl
define(`confDELIVERY_MODE', `background')dnl
define(`SMART_HOST', `relay:[127.0.0.1]')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`nocanonify')dnl
FEATURE(`promiscuous_relay')dnl
FEATURE(`accept_unresolvable_domains')dnl
DAEMON_OPTIONS(`Name=MTA, Addr=127.0.0.1, Port={port}, Family=inet')dnl
{filters}
{mc}
MAILER(`smtp')dnl
MAILER(`local')dnl
"""

SUBMIT_MC = COMMON_MC + """\
define(`confCF_VERSION', `Submit')dnl
define(`_USE_DECNET_SYNTAX_', `1')dnl
define(`confTIME_ZONE', `USE_TZ')dnl
define(`confDONT_INIT_GROUPS', `True')dnl
define(`confDIRECT_SUBMISSION_MODIFIERS', `')dnl
define(`MSP_QUEUE_DIR', `{queue}')dnl
define(`confRUN_AS_USER', `{submitter}:{submitter}')dnl
define(`confTRUSTED_USER', `{submitter}')dnl
define(`confMIN_QUEUE_AGE', `0')dnl
FEATURE(`msp', `[127.0.0.1]')dnl
"""


class Sendmail(Mta):
    """milter is a socket as cancel-invite-milter.conf writes it, or None for no filter at all.

    mc is more lines of the daemon's .mc file, which come after the filter's. aliases: the text of
    /etc/mail/aliases. queued: conf/sendmail/queued.mc in place of direct.mc; with the socket of a
    signer as that file describes; run is how Sendmail is to run its queues. trace: the file to
    write each conversation to, which takes time, and is what log() reads.
    """

    name = "sendmail"
    stranger = {"source": "127.0.0.2"}
    lost_client = "Lost input channel"
    second_hop = "cancel-invite.sock"
    reported_as = "Original-Recipient"

    def __init__(self, workdir, sink, milter=None, mc="", aliases="", queued=False, signer="",
                 run="-q10m", trace=""):
        tools.need_root("Sendmail")
        self._program = tools.program("sendmail-bin", "usr/libexec/sendmail/sendmail")
        self._in_namespace = _named(HOST)
        self._port = Port()
        self.smtp_port = self._port.number
        self._process = None

        name = f"sendmail-{self.smtp_port}"
        self.folder = workdir.folder(name)
        self.queue_folder = workdir.folder(f"{name}/queue", 0o700)
        self.submit_queue = workdir.folder(f"{name}/submit-queue", 0o770, SUBMITTER, SUBMITTER)
        workdir.write(f"{name}/services", "hosts files\naliases files\npasswd files\n")
        workdir.write(f"{name}/aliases", aliases)
        self._run_queues = run if queued else ""
        self._trace = Path(trace or self.folder / "trace")
        filters = ""
        if queued:
            workdir.folder(f"{name}/queue/{SECOND_QUEUE}", 0o700)
            filters = conf.in_folder("sendmail/queued.mc", milter, self.queue_folder)
            if signer:
                filters = filters.replace("InputMailFilters=cancel-invite,",
                                          "InputMailFilters=cancel-invite;signer,")
                mc += f"INPUT_MAIL_FILTER(`signer', `S={signer}, F=T')dnl\n"
        elif milter:
            filters = conf.installed("sendmail/direct.mc", milter)
        self._daemon_cf = self._make_cf(
            "daemon", DAEMON_MC, queue=self.queue_folder, relay_port=sink.port,
            port=self.smtp_port, filters=filters, mc=mc)
        self._submit_cf = self._make_cf(
            "submit", SUBMIT_MC, queue=self.submit_queue, relay_port=self.smtp_port,
            submitter=SUBMITTER)

    def start(self):
        self._process = Process(
            [*self._in_namespace, self._program, "-C", self._daemon_cf, "-bD",
             *self._run_queues.split(), "-X", self._trace],
            self.folder / "printed")
        self._process.wait_until(self._port.answers)
        return self

    def stop(self):
        """Ends Sendmail. The queue stays, and start() goes on with it."""
        if self._process:
            self._process.stop()
        self._process = None

    def close(self):
        self.stop()
        self._port.close()

    @property
    def second_listener(self):
        """The path of the socket where the queue's mail comes back, in queued mode."""
        return self.queue_folder / "cancel-invite.sock"

    def reload(self):
        self._process.signal(signal.SIGHUP)

    def connect(self, source="127.0.0.1"):
        return SmtpClient(self.smtp_port, source)

    def connect_second(self):
        return SmtpClient(self.second_listener)

    def submit(self, mail_from, rcpt_to, message, source="127.0.0.1"):
        """Sends a message by SMTP and returns the Reply that decided."""
        with self.connect(source) as client:
            return client.send(mail_from, rcpt_to, message)

    def sendmail(self, message, *arguments):
        """Hands a message to sendmail(1), e.g. sendmail(raw, "-f", "me@a.test", "you@b.test").

        It tries to pass it on by SMTP before it ends; what is put off stays in its queue.
        """
        self._run(self._submit_cf, "-i", *arguments, stdin=message)

    def wait_until_submission_waits(self):
        """sendmail(1) has tried to pass it on before it ended."""
        assert [each["queue_name"] for each in self.queue()] == ["submit"]

    def queue(self):
        """Each message that waits: queue_name (submit, daemon, second or hold) and queue_id."""
        return [{"queue_name": name, "queue_id": path.name[2:]}
                for name, folder, kind in (("submit", self.submit_queue, "qf"),
                                           ("daemon", self.queue_folder, "qf"),
                                           ("second", self.queue_folder / SECOND_QUEUE, "qf"),
                                           ("hold", self.queue_folder, "hf"))
                for path in sorted(folder.glob(f"{kind}*")) if not _is_empty(path)]

    def processes(self, at_work_with=""):
        """How many of Sendmail's processes have this text in what ps shows of them."""
        shown = subprocess.run(["ps", "-o", "args=", "-s", str(self._process.pid)],
                               capture_output=True, text=True, check=True).stdout
        return sum(at_work_with in line for line in shown.splitlines())

    def kill(self):
        """SIGKILL for all its processes at once. The queue stays, and start() goes on with it.

        But for half-written files: Sendmail (8.17) waits up to half an hour for the end of who made
        a message's tf file, dead or not, before it writes that message's qf file anew.
        """
        session = self._process.pid
        self._process.kill()
        self._process = None
        until(lambda: not _alive_in(session), 10, "the end of all killed processes")
        for left in self.queue_folder.glob("**/tf*"):
            left.unlink()

    def kill_those(self, at_work_with):
        """SIGKILL for its processes that have this pattern in what ps shows of them; how many.

        As with kill(), none leaves a tf file.
        """
        return sum(_kill_one(pid) for pid, shown in _alive_in(self._process.pid)
                   if re.search(at_work_with, shown))

    def processor_time(self):
        """Seconds that its processes have run, those that have ended too."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    def flush(self):
        """Tries every waiting message again, now."""
        self._run(self._submit_cf, "-Ac", "-q")
        # All but messages of no such id: unlike -q alone, that doesn't ask how long ago the last
        # try was.
        self._run(self._daemon_cf, "-q!Ino-such")

    def release(self, queue_id):
        """Lets a message go that is held (quarantined), and tries it."""
        self._run(self._daemon_cf, "-qQ", f"-qI{queue_id}", "-Q")
        self.flush()

    def log(self):
        """Every SMTP conversation, as -X traces it: there is no syslog to write to."""
        with contextlib.suppress(FileNotFoundError):
            return self._trace.read_text(errors="replace")
        return self._process.printed()

    def _make_cf(self, role, template, **values):
        """Has m4 make a configuration; gives its path."""
        macros = tools.data("sendmail-cf", "usr/share/sendmail/cf")
        source = template.format(role=role, host=HOST, folder=self.folder, **values)
        (self.folder / f"{role}.mc").write_text(source)
        made = subprocess.run(
            [tools.installed("m4"), f"-D_CF_DIR_={macros}/", macros / "m4/cf.m4", "-"],
            input=source, capture_output=True, text=True, check=True)
        path = self.folder / f"{role}.cf"
        path.write_text(made.stdout)
        path.chmod(0o644)
        return path

    def _run(self, cf, *arguments, stdin=b""):
        return subprocess.run(
            [*self._in_namespace, self._program, "-C", cf, *arguments],
            input=stdin, capture_output=True, timeout=60, env={"PATH": os.defpath})


def _alive_in(session):
    """(pid, what ps shows of it) of each process of a session that runs."""
    shown = subprocess.run(["ps", "-o", "stat=,pid=,args=", "-s", str(session)],
                           capture_output=True, text=True).stdout
    lines = [line.split(None, 2) for line in shown.splitlines()]
    return [(int(pid), args) for state, pid, args in lines if not state.startswith("Z")]


def _kill_one(pid):
    """Once it has stopped: no tf file is made between our look at its files and its end."""
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGSTOP)
        until(lambda: _state(pid) in "TZ", 10, "a stopped process")
        descriptors = Path(f"/proc/{pid}/fd")
        files = [Path(os.readlink(each)) for each in descriptors.iterdir()]
        os.kill(pid, signal.SIGKILL)
        until(lambda: _state(pid) == "Z", 10, "a killed process")
        for path in files:
            if path.name.startswith("tf"):
                path.unlink(missing_ok=True)
        return True
    return False


def _state(pid):
    """As ps shows it. "Z" if it is no more."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return "Z"


def _is_empty(path):
    """What a process leaves that is killed before it has a message's first byte, or gone."""
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size == 0
    return True


def _named(host):
    """What to put before a command so that it runs on a machine of that name.

    Where the machine's own name has no dot, Sendmail sleeps for a minute before it starts. A UTS
    namespace of its own gives it another without changing the machine's.
    """
    if "." in socket.gethostname():
        return []
    return [tools.installed("unshare"), "--uts", "sh", "-c",
            f'hostname {shlex.quote(host)} && exec "$@"', "sh"]
