"""A private Postfix, run from where tests/deps unpacked it.

Its configuration is conf/postfix/main.cf.direct, word for word but for the socket, on top of the
little that it takes to run on this machine without touching it. Nothing is delivered anywhere
but to the sink.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
from pathlib import Path

from lab import conf, tools
from lab.mta import Mta
from lab.process import Port, Process, tail, until
from lab.smtp import SmtpClient

# Postfix wants a user and a group that nothing else of it uses. These are in every Debian, so
# nobody has to be created, and no program of ours runs as either.
MAIL_OWNER = "mail"
SETGID_GROUP = "uucp"

MAIN_CF = """\
compatibility_level = 3.6
config_directory = {etc}
meta_directory = {etc}
queue_directory = {spool}
data_directory = {data}
shlib_directory = {libraries}
daemon_directory = {libraries}/sbin
command_directory = {commands}
sendmail_path = {commands}/sendmail
import_environment = MAIL_CONFIG TZ LANG LD_LIBRARY_PATH={libraries}
export_environment = TZ MAIL_CONFIG LANG LD_LIBRARY_PATH={libraries}
mail_owner = {owner}
setgid_group = {group}
maillog_file = {log}
maillog_file_prefixes = {folder}

myhostname = mx.example.test
mydestination =
mynetworks = 0.0.0.0/0
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
disable_dns_lookups = yes
smtp_host_lookup = native
smtpd_peername_lookup = no
alias_maps =
alias_database =
local_recipient_maps =
local_transport = error:nobody lives here
default_transport = smtp:[127.0.0.1]:{sink}
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions =
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_sasl_auth_enable = yes
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0s
message_size_limit = 80000000
mailbox_size_limit = 0
notify_classes =
queue_run_delay = 300s
minimal_backoff_time = 300s
maximal_backoff_time = 600s
"""

# More lines of main.cf, to have mail that waits tried again soon.
# Two seconds: what is due before the process that put it off has let go of its file, Postfix skips
# ("still being delivered"), and looks at no more until it starts anew.
RETRIES = "minimal_backoff_time = 2s\nmaximal_backoff_time = 2s\nqueue_run_delay = 1s"

MASTER_CF = """\
127.0.0.1:{port} inet n - {chroot} - - smtpd{may_cancel}
pickup     unix        n - n 300 1 pickup{pickup_may_cancel}
cleanup    unix        n - {chroot} - 0 cleanup
qmgr       unix        n - n 300 1 qmgr
rewrite    unix        - - n -   - trivial-rewrite
bounce     unix        - - n -   0 bounce
defer      unix        - - n -   0 bounce
trace      unix        - - n -   0 bounce
verify     unix        - - n -   1 verify
flush      unix        n - n -   0 flush
proxymap   unix        - - n -   - proxymap
proxywrite unix        - - n -   1 proxymap
smtp       unix        - - n -   - smtp
relay      unix        - - n -   - smtp
showq      unix        n - n -   - showq
error      unix        - - n -   - error
retry      unix        - - n -   - error
anvil      unix        - - n -   1 anvil
scache     unix        - - n -   1 scache
# One that ends, as it would after a hundred lines, is missed if master has much to tell just then:
# master waits for room in its socket, and so doesn't start the next one.
postlog    unix-dgram  n - n -   1 postlogd
    -o max_use=1000000
    -o max_idle=1d
"""

# What main.cf.routed has a service say that may cancel invites.
MAY_CANCEL = "\n    -o cleanup_service_name=cleanup-cancel"
ORCPT_FILTER = "\n    -o {{ smtpd_command_filter = regexp:{etc}/cancel-invite-orcpt }}"

# What "postfix start" would make: name, owner, group, mode.
QUEUES = [(name, MAIL_OWNER, "root", 0o700) for name in (
    "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private",
    "saved", "trace")]
QUEUES += [
    ("maildrop", MAIL_OWNER, SETGID_GROUP, 0o730),
    ("public", MAIL_OWNER, SETGID_GROUP, 0o710),
    ("pid", "root", "root", 0o755),
]


class Postfix(Mta):
    """milter is a socket as cancel-invite-milter.conf writes it, or None for no filter at all.

    main is more lines for main.cf; where a parameter is named twice the later line counts, and
    {milter} stands for the socket as Postfix writes it. chroot: have smtpd and cleanup run in
    one, as Debian does. queued, routed: with the second listener, conf/postfix/*.queued or *.routed
    in place of main.cf.direct. Routed, smtp_port and sendmail(1) may cancel; public_port may not.
    second_listener: False if nobody is to answer there. master: more lines for master.cf.
    """

    name = "postfix"
    stranger = {"ADDR": "203.0.113.9", "NAME": "mail.remote.test"}
    lost_client = "lost connection after DATA"
    second_hop = "postfix/cancel-invite/smtp["
    reported_as = "Final-Recipient"

    def __init__(self, workdir, sink, milter=None, main="", chroot=False, queued=False,
                 routed=False, master="", second_listener=True):
        tools.need_root("Postfix")
        self._libraries = tools.library_path("postfix")
        self._commands = tools.program("postfix", "usr/sbin/sendmail").parent
        self._master = tools.program("postfix", "usr/lib/postfix/sbin/master")
        self._port = Port()
        self.smtp_port = self._port.number
        self._second_port = Port() if queued or routed else None
        self._public_port = Port() if routed else None
        self._process = None

        name = f"postfix-{self.smtp_port}"
        self.etc = workdir.folder(f"{name}/etc")
        self.spool = workdir.folder(f"{name}/spool")
        self.log_path = workdir / name / "log"
        for queue, owner, group, mode in QUEUES:
            workdir.folder(f"{name}/spool/{queue}", mode, owner, group)

        filters, second = "", ""
        if milter:
            milter = postfix_socket(milter)
            mode = "queued" if queued else "routed" if routed else "direct"
            filters = conf.installed(f"postfix/main.cf.{mode}", milter)
        if self._second_port:
            second = conf.with_listener(f"postfix/master.cf.{mode}", self.second_port)
            workdir.write(f"{name}/etc/cancel-invite-route",
                          conf.with_listener(f"postfix/route.{mode}", self.second_port))
            if not second_listener:
                second = re.sub(r"(?m)^127\.0\.0\.1:.*\n(    .*\n)*", "", second)
                self._second_port = None
        if routed:
            second += f"127.0.0.1:{self.public_port} inet n - n - - smtpd\n"
            for table in "strip", "orcpt":
                workdir.write(f"{name}/etc/cancel-invite-{table}",
                              (tools.ROOT / f"conf/postfix/{table}.routed").read_text())
        main_cf = workdir.write(f"{name}/etc/main.cf", _last_of_each("\n".join((
            MAIN_CF.format(
                folder=workdir / name, etc=self.etc, spool=self.spool, log=self.log_path,
                data=workdir.folder(f"{name}/data", 0o700, MAIL_OWNER),
                libraries=self._libraries, commands=self._commands,
                owner=MAIL_OWNER, group=SETGID_GROUP, sink=sink.port),
            filters, main.format(milter=milter), ""))))
        workdir.write(f"{name}/etc/master.cf", MASTER_CF.format(
            port=self.smtp_port, chroot="y" if chroot else "n",
            may_cancel=MAY_CANCEL + ORCPT_FILTER.format(etc=self.etc) if routed else "",
            pickup_may_cancel=MAY_CANCEL if routed else "") + second + master)
        # Postfix waits until a file that has just been written looks finished, two seconds later.
        os.utime(main_cf, (0, 0))

    def start(self):
        self._process = Process([self._master, "-c", self.etc], self.etc / "printed",
                                env=self._environment())
        for port in filter(None, (self._port, self._second_port, self._public_port)):
            self._process.wait_until(port.answers, log=self.log)
        return self

    def stop(self):
        """Ends Postfix. The queue stays, and start() goes on with it."""
        if self._process:
            self._process.stop()
        self._process = None

    def kill(self):
        """SIGKILL for all its processes at once. The queue stays, and start() goes on with it."""
        self._process.kill()
        self._process = None

    def kill_those(self, program, service=None):
        """SIGKILL for its processes of this program, e.g. "smtp"; how many.

        service: only those of this service, as master.cf names it.
        """
        killed = 0
        for pid in self._process.children():
            with contextlib.suppress(OSError):
                argv = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
                # master(8) tells a process its service's name unless it is the program's.
                name = argv[argv.index("-n") + 1] if "-n" in argv else program
                if argv[0] == program and service in (None, name):
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
        return killed

    def processor_time(self):
        """Seconds that it has run in all, with its processes that have ended and been noticed."""
        spent = 0
        for pid in (self._process.pid, *self._process.children()):
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                spent += sum(map(int, fields[11:15]))
        return spent / os.sysconf("SC_CLK_TCK")

    def close(self):
        self.stop()
        self._port.close()
        for port in filter(None, (self._second_port, self._public_port)):
            port.close()

    @property
    def second_port(self):
        """Where the queue's mail comes back, in queued and routed mode."""
        return self._second_port.number

    @property
    def public_port(self):
        """Where, in routed mode, mail comes in that may not cancel."""
        return self._public_port.number

    def reload(self):
        self._process.signal(signal.SIGHUP)

    def connect(self, port=None, **xclient):
        """An SmtpClient; with ADDR=, LOGIN= … Postfix takes it for somebody else."""
        client = SmtpClient(port or self.smtp_port)
        if xclient:
            client.xclient(**xclient)
        return client

    def connect_second(self):
        return self.connect(self.second_port)

    def submit(self, mail_from, rcpt_to, message, port=None, **xclient):
        """Sends a message by SMTP and returns the Reply that decided."""
        with self.connect(port, **xclient) as client:
            return client.send(mail_from, rcpt_to, message)

    def sendmail(self, message, *arguments):
        """Hands a message to sendmail(1), e.g. sendmail(raw, "-f", "me@a.test", "you@b.test")."""
        done = self._run("sendmail", "-i", *arguments, stdin=message)
        assert done.returncode == 0, done.stdout + done.stderr

    def sendmail_environment(self):
        """Variables for a program that is to find this Postfix's sendmail(1) as the machine's."""
        return {**self._environment(), "PATH": f"{self._commands}:{os.defpath}"}

    def queue(self):
        """What postqueue -j tells of each message: queue_name, queue_id, sender, recipients, …"""
        listing = self._run("postqueue", "-j").stdout
        return [json.loads(line) for line in listing.splitlines()]

    def flush(self):
        """Tries every waiting message again, now."""
        self._run("postqueue", "-f")

    def log(self):
        with contextlib.suppress(FileNotFoundError):
            return self.log_path.read_text(errors="replace")
        return self._process.printed()

    def wait_until_submission_waits(self):
        """pickup(8) passes on what sendmail(1) took, and puts back what the filter refused for now."""
        until(lambda: re.search("milter-reject|Service unavailable", self.log()), 10,
              lambda: f"a refused submission:\n{tail(self.log())}")
        assert [each["queue_name"] for each in self.queue()] == ["maildrop"]

    def _environment(self):
        return {"PATH": os.defpath, "LD_LIBRARY_PATH": str(self._libraries),
                "MAIL_CONFIG": str(self.etc)}

    def _run(self, command, *arguments, stdin=b""):
        """Postfix's commands all read MAIL_CONFIG; sendmail(1)'s -C would do the same."""
        done = subprocess.run([self._commands / command, *arguments], input=stdin,
                              capture_output=True, env=self._environment(), timeout=60)
        return subprocess.CompletedProcess(
            done.args, done.returncode, *(out.decode(errors="replace")
                                          for out in (done.stdout, done.stderr)))


def _last_of_each(main_cf):
    """main.cf with each parameter once, as it is given last.

    Every Postfix process would warn of the others when it starts, postlogd too: into its own
    socket, where it waits for itself for ever if that is full.
    """
    settings = re.split(r"^(?=[^\s#])", main_cf, flags=re.M)
    last = {setting.partition("=")[0].strip(): setting for setting in settings}
    return "".join(last.values())


def postfix_socket(spec):
    """unix:/path or inet:port@host, in Postfix's words: inet:host:port."""
    kind, _, rest = spec.partition(":")
    if kind == "unix":
        return spec
    port, _, host = rest.partition("@")
    return f"inet:{host or '127.0.0.1'}:{port}"
