"""cancel-invite-setup: what it shows, what it changes in Postfix's files, and that it takes everything
back. Postfix does not run here."""

import os
import re
import shutil
import socket
import subprocess

import pytest

from lab import tools
from lab.filter_process import binary, write_config
from lab.postfix import MAIL_OWNER, SETGID_GROUP

DONE, FAILED, USAGE, REFUSED, WAITING = range(5)
SETUP = tools.ROOT / "conf/setup/cancel-invite-setup"
SAMPLES = ("stock", "signing", "amavis")
MODES = ("direct", "queued", "routed")
FILES = ("main.cf", "master.cf")
TABLES = {"direct": set(), "queued": {"cancel-invite-route"},
          "routed": {"cancel-invite-route", "cancel-invite-strip", "cancel-invite-orcpt"}}

# What it takes to use the unpacked Postfix, on top of a server's own main.cf.
PLACES = """
# the end of the sample
daemon_directory = {libraries}/sbin
shlib_directory = {libraries}
command_directory = {commands}
sendmail_path = {commands}/sendmail
meta_directory = {meta}
queue_directory = {folder}/spool
data_directory = {folder}/data
mail_owner = {owner}
setgid_group = {group}
import_environment = MAIL_CONFIG LD_LIBRARY_PATH={libraries}
export_environment = MAIL_CONFIG LD_LIBRARY_PATH={libraries}
"""


class Server:
    """The configuration of a Postfix that does not run, and the program's dealings with it."""

    def __init__(self, workdir, sample, main="", master="", **filter_config):
        tools.need_root("Postfix's commands")
        self.commands = tools.program("postfix", "usr/sbin/postconf").parent
        self.libraries = tools.library_path("postfix")
        self.folder = workdir.folder("server")
        self.etc = workdir.folder("server/etc")
        workdir.folder("server/spool/cancel-invite-milter")
        workdir.folder("server/data", 0o700, MAIL_OWNER)
        self.socket_path = self.folder / "spool/cancel-invite-milter/milter.sock"
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(self.socket_path))
        self.socket_path.chmod(0o666)
        self.listening.listen(10)
        self.filter_config = filter_config
        self._workdir = workdir
        source = tools.ROOT / "tests/corpus/postfix" / sample
        places = PLACES.format(
            libraries=self.libraries, commands=self.commands, folder=self.folder,
            meta=tools.data("postfix", "etc/postfix"), owner=MAIL_OWNER, group=SETGID_GROUP)
        workdir.write("server/etc/main.cf", (source / "main.cf").read_text() + places + main, 0o640)
        workdir.write("server/etc/master.cf", (source / "master.cf").read_text() + master, 0o604)
        shutil.chown(self.etc / "main.cf", group=SETGID_GROUP)
        self.path = f"{self.commands}:{os.defpath}"

    def _settle(self):
        """Postfix's commands wait until a file that was just written is two seconds old."""
        for name in FILES:
            os.utime(self.etc / name, (1e9, 1e9))

    def configure(self, mode):
        """The filter's configuration; nobody but the filter itself changes it here."""
        given = {**self.filter_config}
        milter = {"socket": f"unix:{self.socket_path}", "mode": mode, **given.pop("milter", {})}
        return write_config(self._workdir, milter=milter, name="filter.conf", **given)

    def setup(self, *arguments, answer="", stdin=None, code=DONE, mode="queued"):
        self._settle()
        done = subprocess.run(
            ["bash", SETUP, "--config-dir", self.etc, "--filter-config", self.configure(mode),
             *arguments],
            **({"stdin": stdin} if stdin is not None else {"input": answer}),
            capture_output=True, text=True, timeout=60, env=self.environment())
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def apply(self, mode, *arguments, **options):
        return self.setup("--mode", mode, "--yes", *arguments, mode=mode, **options)

    def environment(self):
        return {"PATH": self.path, "LD_LIBRARY_PATH": str(self.libraries),
                "CANCEL_INVITE_MILTER": str(binary())}

    def postconf(self, *arguments):
        self._settle()
        return subprocess.run([self.commands / "postconf", "-c", self.etc, *arguments],
                              capture_output=True, text=True, check=True,
                              env=self.environment()).stdout.rstrip("\n")

    def value(self, name):
        return self.postconf("-h", name)

    def services(self):
        return [line.split()[0] for line in self.postconf("-M").splitlines()]

    def option(self, name):
        """A parameter of one service: "submission/inet/smtpd_milters"."""
        return self.postconf("-P", name).partition(" =")[2].strip()

    def state(self):
        """All that there is in the folder: bytes, mode and owner."""
        found = {}
        for path in sorted(self.etc.rglob("*")):
            status = path.stat()
            found[str(path.relative_to(self.etc))] = (
                status.st_mode, status.st_uid, status.st_gid,
                path.read_bytes() if path.is_file() else None)
        return found

    def shim(self, workdir, name, script):
        """Puts a program of that name before the real one, which the script can call as $real."""
        real = shutil.which(name, path=self.path)
        folder = workdir.folder("shims")
        workdir.write(f"shims/{name}", f"#!/bin/bash\nreal={real}\n{script}\n", 0o755)
        self.path = f"{folder}:{self.path}"


@pytest.fixture
def server(workdir):
    def make(sample="stock", **options):
        return Server(workdir, sample, **options)

    return make


def each_way(test):
    return pytest.mark.parametrize("mode", MODES)(
        pytest.mark.parametrize("sample", SAMPLES)(test))


# Showing, applying, repeating, taking back

@each_way
def test_shows_and_changes_nothing_when_it_is_only_to_show(server, sample, mode):
    postfix = server(sample)
    before = postfix.state()
    shown = postfix.apply(mode, "--dry-run")
    assert "+cancel_invite_milter = { unix:cancel-invite-milter/milter.sock," in shown
    assert postfix.state() == before


@each_way
def test_takes_back_everything_to_the_byte(server, sample, mode):
    postfix = server(sample)
    before = postfix.state()
    postfix.apply(mode)
    changed = postfix.state()
    assert changed["main.cf"][3] != before["main.cf"][3]
    for name in FILES:
        assert changed[name][:3] == before[name][:3]  # mode and owner
    assert {name for name in changed if name.startswith("cancel-invite-")} - {
        name for name in changed if name.startswith("cancel-invite-setup")} == TABLES[mode] - (
            {"cancel-invite-strip"} if sample == "stock" else set())  # it takes mail from nobody
    postfix.setup("--undo", "--yes")
    assert postfix.state() == before
    assert "nothing to take back" in postfix.setup("--undo", "--yes")


@each_way
def test_changes_nothing_the_second_time(server, sample, mode):
    postfix = server(sample)
    postfix.apply(mode)
    after = postfix.state()
    shown = postfix.setup("--yes", mode=mode)  # the mode is known
    assert f"What changes in {postfix.etc}:\n  nothing\n" in shown
    assert postfix.state() == after


@pytest.mark.parametrize("first, second", [("direct", "queued"), ("queued", "routed"),
                                           ("routed", "direct")])
def test_switches_the_mode_and_back(server, first, second):
    postfix = server("signing")
    before = postfix.state()
    postfix.apply(first)
    shown = postfix.state()
    postfix.apply(second)
    assert ("cancel-invite" in postfix.services()) == (second != "direct")
    assert {path for path in postfix.state() if path.startswith("cancel-invite-")
            and "setup" not in path} == TABLES[second]
    postfix.apply(first)
    assert postfix.state() == shown
    postfix.setup("--undo", "--yes")
    assert postfix.state() == before


def test_restores_files_that_are_links_and_have_no_last_newline(server, workdir):
    postfix = server()
    real = workdir / "main.cf"
    (postfix.etc / "main.cf").rename(real)
    real.write_bytes(real.read_bytes().rstrip(b"\n") + b"\nbiff =\n\t no")
    (postfix.etc / "main.cf").symlink_to(real)
    before = real.read_bytes()
    postfix.apply("queued")
    assert (postfix.etc / "main.cf").is_symlink() and real.read_bytes() != before
    postfix.setup("--undo", "--yes")
    assert (postfix.etc / "main.cf").is_symlink() and real.read_bytes() == before


@each_way
def test_takes_out_only_its_own_when_the_files_were_changed_since(server, sample, mode):
    postfix = server(sample)
    before = {name: (postfix.etc / name).read_text() for name in FILES}
    postfix.apply(mode)
    postfix.postconf("-e", "disable_vrfy_command = yes")
    with open(postfix.etc / "master.cf", "a") as file:
        file.write("2525 inet n - n - - smtpd\n")
    postfix.setup("--undo", "--yes")
    assert (postfix.etc / "main.cf").read_text() == before["main.cf"] + "disable_vrfy_command = yes\n"
    assert (postfix.etc / "master.cf").read_text() == (
        before["master.cf"] + "2525 inet n - n - - smtpd\n")


def test_says_what_is_set_up(server):
    postfix = server()
    assert "not set up" in postfix.setup("--status")
    postfix.apply("routed")
    status = postfix.setup("--status", mode="routed")
    assert "routed mode" in status and "127.0.0.1:10026" in status and "0 tagged" in status
    assert "mail can connect" in status and len(status.splitlines()) <= 12


def test_says_how_it_is_with_a_faulty_configuration_too(server):
    postfix = server()
    postfix.apply("routed")
    postfix.filter_config = {"milter": {"log_level": "loud"}}
    status = postfix.setup("--status", mode="routed")
    assert "routed mode" in status and "0 tagged" in status
    assert "mail can connect" in status
    assert 'log_level: invalid value "loud"' in status


def test_leaves_alone_what_was_set_up_by_hand(server):
    postfix = server()
    for name in FILES:
        text = (tools.ROOT / f"conf/postfix/{name}.queued").read_text()
        with open(postfix.etc / name, "a") as file:
            file.write("\n" + text)
    before = postfix.state()
    assert "by hand" in postfix.setup("--status")
    assert "by hand" in postfix.apply("queued", code=FAILED)
    assert "by hand" in postfix.setup("--undo", "--yes", code=FAILED)
    assert postfix.state() == before


# Merging with what is there

@pytest.mark.parametrize("there, becomes", [
    ("inet:localhost:7357", "inet:localhost:7357, $cancel_invite_milter"),
    ("inet:localhost:7357 inet:localhost:8891",
     "inet:localhost:7357, $cancel_invite_milter, inet:localhost:8891"),
    ("inet:localhost:11332", "$cancel_invite_milter, inet:localhost:11332"),
    ("{ inet:localhost:8891, default_action=accept }, inet:a:1",
     "$cancel_invite_milter, { inet:localhost:8891, default_action=accept }, inet:a:1"),
], ids=["behind", "between", "before_rspamd", "braces"])
def test_stands_before_the_signer_and_behind_those_that_refuse_mail(server, there, becomes):
    postfix = server(main=f"smtpd_milters = {there}\nnon_smtpd_milters = $smtpd_milters\n")
    postfix.apply("direct")
    assert postfix.value("smtpd_milters") == becomes
    assert postfix.value("non_smtpd_milters") == "$smtpd_milters"


def test_keeps_filters_and_services_of_a_server_that_signs(server):
    postfix = server("signing")
    shown = postfix.apply("queued")
    assert "rspamd" in shown and "unix:opendkim/opendkim.sock" in shown
    assert postfix.value("cancel_invite_signer") == "unix:opendkim/opendkim.sock"
    assert postfix.value("smtpd_milters") == (
        "unix:spamass/spamass.sock, $cancel_invite_milter, unix:opendkim/opendkim.sock")
    assert postfix.value("milter_header_checks") == (
        "regexp:$config_directory/cancel-invite-route, pcre:/etc/postfix/milter_header_checks")
    assert postfix.value("milter_default_action") == "accept"  # for the others; ours has its own
    assert postfix.option("submission/inet/smtpd_milters") == (
        "$cancel_invite_milter,unix:opendkim/opendkim.sock")


def test_keeps_header_checks_that_are_there_behind_its_own(server, workdir):
    table = workdir.write("checks", "/^X-/ DUNNO\n/^Subject: x/ FILTER smtp:\n")
    postfix = server("signing", main=f"header_checks = regexp:{table}\n")
    shown = postfix.apply("routed")
    assert postfix.value("header_checks") == (
        f"regexp:$config_directory/cancel-invite-strip, regexp:{table}")
    assert postfix.value("cancel_invite_header_checks") == (
        f"regexp:$config_directory/cancel-invite-route, regexp:{table}")
    for name in "mime_header_checks", "nested_header_checks":
        assert postfix.value(name) == f"regexp:{table}"
    assert f"warning: regexp:{table} has FILTER or REDIRECT" in shown


def test_lets_those_services_cancel_that_it_is_told(server):
    postfix = server("signing")
    postfix.apply("routed", "--may-cancel", "submission")
    assert postfix.option("submission/inet/cleanup_service_name") == "cleanup-cancel"
    assert postfix.option("submission/inet/smtpd_client_restrictions") == (
        "permit_sasl_authenticated,reject")
    assert postfix.option("pickup/unix/cleanup_service_name") == "cleanup-cancel"
    for name in "smtps", "smtp":
        assert postfix.option(f"{name}/inet/cleanup_service_name") == ""
    assert "smtps/inet has no restriction" not in postfix.setup("--status", mode="routed")


def test_lets_all_cancel_on_a_host_that_only_sends(server):
    postfix = server(main="inet_interfaces = loopback-only\n")
    postfix.apply("routed")
    assert postfix.value("header_checks") == "regexp:$config_directory/cancel-invite-route"
    assert "cleanup-cancel" not in postfix.services()
    assert not (postfix.etc / "cancel-invite-strip").exists()


NOT_ROUTED = {
    "no_header_body_checks": ("submission", "-o receive_override_options=no_header_body_checks"),
    "cleanup service of its own": ("submission", "-o cleanup_service_name=pre"),
    "proxy filter": ("submission", "-o smtpd_proxy_filter=127.0.0.1:10024"),
    "takes mail from strangers": ("smtp", ""),
    "there is no service": ("587", ""),
}


@pytest.mark.parametrize("says", NOT_ROUTED)
def test_says_why_a_service_s_mail_cannot_be_routed(server, says):
    service, option = NOT_ROUTED[says]
    master = f"submission inet n - y - - smtpd\n  {option}\n" if service == "submission" else ""
    postfix = server("amavis" if master else "stock", master=master)
    before = postfix.state()
    assert says in postfix.apply("routed", "--may-cancel", service, code=FAILED)
    assert postfix.state() == before


def test_refuses_routed_mode_where_logins_choose_the_account(server):
    postfix = server(accounts={"acme": {"logins": "acme-app", "api_key": "CRN_acme"}})
    assert "by login" in postfix.apply("routed", code=FAILED)
    postfix.apply("queued")


# Ports, names

def test_takes_another_port_if_its_own_is_another_services(server):
    postfix = server("amavis")
    postfix.apply("queued")
    assert "127.0.0.1:10126" in postfix.services()
    assert "cancel-invite:[127.0.0.1]:10126" in (postfix.etc / "cancel-invite-route").read_text()
    assert postfix.option("127.0.0.1:10026/inet/content_filter") == ""
    postfix.apply("queued", "--port", "10045")
    assert "[127.0.0.1]:10045" in (postfix.etc / "cancel-invite-route").read_text()


@pytest.mark.parametrize("mode", ("queued", "routed"))
def test_routes_the_header_that_the_filter_is_configured_for(server, mode):
    postfix = server(milter={"header": "X-No.Way"})
    postfix.apply(mode)
    for header, routed in (("X-No.Way", True), ("X-No-Way", False), ("X-Cancel-Invite", False)):
        looked_up = subprocess.run(
            [postfix.commands / "postmap", "-c", postfix.etc, "-q", f"{header}: v1; id=x",
             f"regexp:{postfix.etc}/cancel-invite-route"],
            env=postfix.environment(), capture_output=True, text=True)
        assert ("FILTER cancel-invite:[127.0.0.1]:10026" in looked_up.stdout) == routed, header


# The filter's side

def test_does_not_touch_postfix_while_it_cannot_connect(server):
    postfix = server()
    before = postfix.state()
    postfix.socket_path.chmod(0o600)
    shown = postfix.apply("queued", code=FAILED)
    assert "Permission denied" in shown and "Postfix was not touched" in shown
    postfix.listening.close()
    postfix.socket_path.chmod(0o666)
    assert "Connection refused" in postfix.apply("queued", code=FAILED)
    assert postfix.state() == before


def test_says_which_socket_a_chroot_can_see(server, workdir):
    postfix = server("signing", milter={"socket": f"unix:{workdir}/elsewhere.sock"})
    before = postfix.state()
    shown = postfix.apply("direct", code=FAILED)
    assert f"unix:{postfix.folder}/spool/cancel-invite-milter/milter.sock" in shown
    assert postfix.state() == before


def test_does_not_change_postfix_for_a_filter_in_another_mode(server):
    postfix = server()
    before = postfix.state()
    shown = postfix.setup("--mode", "direct", "--yes", mode="queued", code=FAILED)
    assert "mode = direct" in shown and "everything is as it was" in shown
    assert postfix.state() == before


def test_writes_the_key_for_its_reader_alone(server):
    postfix = server(cronofy={"api_key_file": "new.key"})
    given = postfix.folder / "given"
    given.write_text("\ufeffCRN_new\n".lstrip("\ufeff"))
    postfix.apply("queued", "--key-file", given, "--data-center", "us", "--dry-run")
    assert not (postfix.folder.parent / "new.key").exists()
    postfix.apply("queued", "--key-file", given, "--data-center", "us")
    key = postfix.folder.parent / "new.key"
    assert key.read_text() == "CRN_new\n" and key.stat().st_mode & 0o777 == 0o400


@pytest.mark.parametrize("before", [None, "CRN_before\n"])
def test_keeps_no_key_that_cronofy_refuses(server, standin, before):
    """The next call would not ask for another."""
    postfix = server(standin=standin, cronofy={"api_key_file": "new.key"})
    key = postfix.folder.parent / "new.key"
    given = postfix.folder / "given"
    given.write_text("CRN_wrong\n")
    if before:
        key.write_text(before)
        key.chmod(0o600)
    shown = postfix.apply("queued", "--key-file", given, code=FAILED)
    assert "Cronofy does not accept the key: account cronofy: " in shown and "--key-file" in shown
    assert shown.endswith("everything is as it was\n")
    assert (key.read_text() if key.exists() else None) == before


# Saying no, and failing

@pytest.mark.parametrize("answer", ["n\n", "no\n"])
def test_changes_nothing_unless_told_yes(server, answer):
    postfix = server()
    before = postfix.state()
    assert "Nothing was changed" in postfix.setup("--mode", "queued", answer=answer, code=REFUSED)
    assert postfix.state() == before


def test_asks_and_does_it(server):
    postfix = server("signing")
    shown = postfix.setup(answer="routed\nsubmission\nyes\n", mode="routed")
    assert "Which of Postfix's services" in shown and "never meets the filter" in shown
    assert postfix.option("submission/inet/cleanup_service_name") == "cleanup-cancel"


def test_asks_again_after_a_wrong_answer(server):
    """Somebody is there: a terminal."""
    postfix = server("signing")
    ours, theirs = os.openpty()
    os.write(ours, b"rooted\nrouted\nsubmision\nsubmission\nyes\n")
    shown = postfix.setup(stdin=theirs, mode="routed")
    os.close(ours), os.close(theirs)
    assert 'there is no mode "rooted"' in shown and 'there is no service "submision"' in shown
    assert postfix.option("submission/inet/cleanup_service_name") == "cleanup-cancel"


@pytest.mark.parametrize("arguments", [
    ["--mode"], ["--mode", "both"], ["--port", "0"], ["--port", "70000"], ["--what"],
    ["--data-center", "fr"]])
def test_explains_how_it_is_used(server, arguments):
    assert "--help" in server().setup(*arguments, code=USAGE)


FAILURES = {
    "no_room_for_main_cf": ("mv", '[[ $* != */etc/main.cf ]] || {once}; exec $real "$@"'),
    "no_room_for_master_cf": ("mv", '[[ $* != */etc/master.cf ]] || {once}; exec $real "$@"'),
    "no_room_for_the_undo": ("mkdir", '[[ $* != *cancel-invite-setup ]] || {once}; exec $real "$@"'),
    "killed": ("mv", '[[ $* != */etc/master.cf ]] || { kill -TERM $PPID; sleep 0.2; }; exec $real "$@"'),
}


@pytest.mark.parametrize("kind", FAILURES)
@pytest.mark.parametrize("earlier", [None, "direct"])
def test_takes_everything_back_if_a_step_fails(server, workdir, kind, earlier):
    postfix = server("signing")
    if earlier:
        postfix.apply(earlier)
    before = postfix.state()
    real = postfix.path
    name, script = FAILURES[kind]
    # Only the first time, or what is taken back could not be either.
    postfix.shim(workdir, name, script.replace("{once}", (
        f"{{ [ -e {workdir}/once ] || {{ touch {workdir}/once; exit 1; }}; }}")))
    assert "everything is as it was" in postfix.apply("queued", code=FAILED)
    assert postfix.state() == before
    postfix.path = real
    postfix.apply("queued")
    assert "cancel-invite" in postfix.services()


def test_runs_only_once_at_a_time(server):
    postfix = server()
    holder = subprocess.Popen(["flock", postfix.etc, "sleep", "30"], start_new_session=True)
    try:
        while subprocess.run(["flock", "-n", postfix.etc, "true"]).returncode == 0:
            pass
        assert "another cancel-invite-setup" in postfix.apply("direct", code=FAILED)
    finally:
        os.killpg(holder.pid, 9)
        holder.wait()


def test_manual_and_completion_have_every_option(server):
    usage = server().setup("--help")
    options = set(re.findall(r"--[a-z-]+", usage)) | {"--help"}
    manual = (tools.ROOT / "conf/man/cancel-invite-setup.8").read_text()
    assert {f"--{name}" for name in re.findall(r"^\.It Fl -([a-z-]+)", manual, re.M)} == options
    completion = (tools.ROOT / "conf/bash-completion/cancel-invite-setup").read_text()
    assert set(re.findall(r"--[a-z-]+", completion.partition("esac")[2])) == options
    codes = usage.partition("Exit codes:")[2]
    assert set(re.findall(r"\b(\d) ", codes)) == set(re.findall(r"^\.It (\d)$", manual, re.M))
