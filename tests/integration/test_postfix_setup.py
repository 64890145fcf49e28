"""conf/postfix/setup: what it shows, what it changes, and that it takes everything back."""

import os
import re
import shlex
import shutil
import socket
import subprocess

import pytest

from lab import tools
from lab.filter_process import run, write_config
from lab.postfix import MAIL_OWNER, SETGID_GROUP

DONE, FAILED, USAGE, REFUSED, NOT_PROVED = range(5)
SETUP = tools.ROOT / "conf/postfix/setup"
SAMPLES = ("stock", "signing", "amavis")
MODES = ("direct", "queued")
FILES = ("main.cf", "master.cf")
ROUTE = "cancel-invite-route"
OURS = "unix:cancel-invite-milter/milter.sock"

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

    def __init__(self, workdir, sample, main="", master="", filter_config=None):
        tools.need_root("Postfix's commands")
        self.commands = tools.program("postfix", "usr/sbin/postconf").parent
        self.libraries = tools.library_path("postfix")
        self.folder = workdir.folder("server")
        self.etc = workdir.folder("server/etc")
        workdir.folder("server/spool")
        workdir.folder("server/data", 0o700, MAIL_OWNER)
        self.filter_config = workdir / "filter.conf"
        if filter_config is not None:
            workdir.write("filter.conf", filter_config)
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

    def setup(self, *arguments, answer="", code=DONE):
        self._settle()
        done = subprocess.run(
            ["bash", SETUP, "--config-dir", self.etc, "--filter-config", self.filter_config,
             *arguments],
            input=answer, capture_output=True, text=True, timeout=60, env=self.environment())
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def apply(self, mode, *arguments, **options):
        return self.setup("--mode", mode, "--yes", *arguments, **options)

    def environment(self):
        return {"PATH": self.path, "LD_LIBRARY_PATH": str(self.libraries)}

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
    shown = postfix.setup("--mode", mode, "--dry-run")
    assert "postconf -c" in shown and "smtpd_milters" in shown
    assert postfix.state() == before


@each_way
def test_commands_that_it_shows_do_what_it_does(server, sample, mode):
    postfix = server(sample)
    before = {name: (postfix.etc / name).read_bytes() for name in FILES}
    shown = postfix.setup("--mode", mode, "--dry-run")
    postfix.apply(mode)
    wanted = {name: (postfix.etc / name).read_bytes() for name in FILES}
    for name in FILES:
        (postfix.etc / name).write_bytes(before[name])
    for command in re.findall(r"^ +(postconf -c .*)", shown, re.M):
        postfix.postconf(*shlex.split(command)[3:])
    assert {name: (postfix.etc / name).read_bytes() for name in FILES} == wanted


@each_way
def test_has_nothing_to_change_the_second_time(server, sample, mode):
    postfix = server(sample)
    postfix.apply(mode)
    after = postfix.state()
    assert "nothing to change" in postfix.apply(mode)
    assert "nothing to change" in postfix.setup("--yes")  # the mode is known
    assert postfix.state() == after


@each_way
def test_takes_back_everything_to_the_byte(server, sample, mode):
    postfix = server(sample)
    before = postfix.state()
    postfix.apply(mode)
    changed = postfix.state()
    for name in FILES:
        assert (changed[name] != before[name]) == (name == "main.cf" or mode == "queued"
                                                   or sample == "signing")
        assert changed[name][:3] == before[name][:3]  # mode and owner
    assert (ROUTE in changed) == (mode == "queued")
    postfix.setup("--undo", "--yes")
    assert postfix.state() == before
    assert "nothing to take back" in postfix.setup("--undo", "--yes")


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("first, second", [MODES, MODES[::-1]])
def test_switches_the_mode_and_back(server, sample, first, second):
    postfix = server(sample)
    before = postfix.state()
    postfix.apply(first)
    shown = postfix.postconf("-n"), postfix.postconf("-M"), postfix.postconf("-P")
    postfix.apply(second)
    assert (ROUTE in postfix.state()) == (second == "queued")
    assert ("cancel-invite" in postfix.services()) == (second == "queued")
    postfix.apply(first)
    again = postfix.postconf("-n"), postfix.postconf("-M"), postfix.postconf("-P")
    assert [sorted(one.splitlines()) for one in again] == [
        sorted(one.splitlines()) for one in shown]
    postfix.setup("--undo", "--yes")
    assert postfix.state() == before


def test_restores_files_that_are_links(server, workdir):
    postfix = server()
    real = workdir / "main.cf"
    (postfix.etc / "main.cf").rename(real)
    (postfix.etc / "main.cf").symlink_to(real)
    before = real.read_bytes()
    postfix.apply("queued")
    assert (postfix.etc / "main.cf").is_symlink() and real.read_bytes() != before
    postfix.setup("--undo", "--yes")
    assert (postfix.etc / "main.cf").is_symlink() and real.read_bytes() == before


def test_says_what_is_set_up(server):
    postfix = server()
    assert "not set up" in postfix.setup("--status")
    postfix.apply("queued")
    status = postfix.setup("--status")
    assert "queued mode" in status and "127.0.0.1:10026" in status and "to the byte" in status
    postfix.postconf("-e", "biff = yes")
    assert "changed since" in postfix.setup("--status")


# Files that somebody changed meanwhile

@each_way
def test_takes_out_only_its_own_when_the_files_were_changed_since(server, sample, mode):
    postfix = server(sample)
    names = ("smtpd_milters", "non_smtpd_milters", "milter_header_checks", "milter_default_action")
    before = [postfix.postconf("-n", name) for name in names]
    services, options = postfix.services(), postfix.postconf("-P")
    postfix.apply(mode)
    postfix.postconf("-e", "biff = yes", "disable_vrfy_command = yes")
    shown = postfix.setup("--undo", "--yes")
    assert "changed since" in shown
    assert [postfix.postconf("-n", name) for name in names] == before
    assert (postfix.services(), postfix.postconf("-P")) == (services, options)
    assert postfix.value("disable_vrfy_command") == "yes" and postfix.value("biff") == "yes"
    assert "cancel" not in (postfix.etc / "main.cf").read_text()
    assert sorted(postfix.state()) == sorted(FILES)


def test_keeps_a_filter_that_somebody_added_since(server):
    postfix = server("signing")
    postfix.apply("direct")
    postfix.postconf("-e", "smtpd_milters = inet:localhost:7357, " + postfix.value("smtpd_milters"))
    postfix.setup("--undo", "--yes")
    assert postfix.value("smtpd_milters") == (
        "inet:localhost:7357, unix:spamass/spamass.sock, unix:opendkim/opendkim.sock")


def test_keeps_a_value_that_somebody_chose_since_and_says_so(server):
    postfix = server()
    postfix.apply("queued")
    postfix.postconf("-e", "milter_default_action = quarantine")
    assert "quarantine" in postfix.setup("--undo", "--yes")
    assert postfix.value("milter_default_action") == "quarantine"


def test_does_not_undo_what_others_did_between_two_calls(server):
    postfix = server()
    postfix.apply("direct")
    postfix.postconf("-e", "biff = yes")
    postfix.apply("queued")
    postfix.setup("--undo", "--yes")
    assert postfix.value("biff") == "yes"
    assert postfix.postconf("-n", "smtpd_milters") == ""
    assert "cancel-invite" not in postfix.services()


# Merging with what is there

def test_stands_before_the_signer_and_behind_those_that_refuse_mail(server):
    postfix = server("signing")
    postfix.apply("direct")
    ours = "{%s,default_action=tempfail}" % OURS  # main.cf says accept, for the others
    assert postfix.value("smtpd_milters") == (
        f"unix:spamass/spamass.sock, {ours}, unix:opendkim/opendkim.sock")
    assert postfix.value("non_smtpd_milters") == f"{ours}, unix:opendkim/opendkim.sock"
    assert postfix.value("milter_default_action") == "accept"
    assert postfix.value("milter_content_timeout") == "10m"  # longer than ours: stays
    assert postfix.option("submission/inet/smtpd_milters") == f"{ours},unix:opendkim/opendkim.sock"
    assert postfix.option("smtps/inet/smtpd_milters") == ours


def test_signs_at_the_second_listener_in_queued_mode(server):
    postfix = server("signing")
    shown = postfix.apply("queued")
    assert "leave-tagged-mail" in shown
    assert postfix.value("cancel_invite_signer") == "unix:opendkim/opendkim.sock"
    assert postfix.value("smtpd_milters") == (
        "unix:spamass/spamass.sock, $cancel_invite_milter, unix:opendkim/opendkim.sock")
    assert postfix.value("milter_header_checks") == (
        "regexp:$config_directory/cancel-invite-route, pcre:/etc/postfix/milter_header_checks")
    assert postfix.option("submission/inet/smtpd_milters") == (
        "$cancel_invite_milter,unix:opendkim/opendkim.sock")


@pytest.mark.parametrize("there, becomes", [
    ("inet:localhost:7357", "inet:localhost:7357, {ours}"),
    ("inet:localhost:7357 inet:localhost:8891", "inet:localhost:7357, {ours}, inet:localhost:8891"),
    ("inet:localhost:11332", "{ours}, inet:localhost:11332"),
    ("{{ inet:localhost:8891, default_action=accept }}, inet:a:1",
     "{ours}, {{ inet:localhost:8891, default_action=accept }}, inet:a:1"),
    ("$others inet:localhost:2", "{ours}, $others, inet:localhost:2"),
    ("unix:opendkim/opendkim.sock, {ours}", "{ours}, unix:opendkim/opendkim.sock"),
    ("{ours}, inet:localhost:7357", "{ours}, inet:localhost:7357"),
    ("inet:localhost:7357,{ours}", "inet:localhost:7357,{ours}"),
], ids=["behind", "between", "before_rspamd", "braces", "variable", "moved", "first", "as_it_is"])
def test_finds_its_place_in_a_list(server, there, becomes):
    main = f"others = inet:localhost:1, unix:dkim\nsmtpd_milters = {there.format(ours=OURS)}\n"
    postfix = server(main=main)
    shown = postfix.apply("direct")
    assert postfix.value("smtpd_milters") == becomes.format(ours=OURS)
    if "11332" in there:
        assert "may sign" in shown


def test_keeps_a_list_that_takes_the_other(server):
    postfix = server(main="smtpd_milters = inet:a:1\nnon_smtpd_milters = inet:b:2, $smtpd_milters\n")
    postfix.apply("direct")
    assert postfix.value("non_smtpd_milters") == "inet:b:2, $smtpd_milters"


def test_keeps_how_many_run_at_once(server):
    postfix = server()
    postfix.apply("queued")
    text = (postfix.etc / "master.cf").read_text()
    (postfix.etc / "master.cf").write_text(re.sub(
        r"^(cancel-invite .*) 50 ", r"\1 20 ", text, flags=re.M))
    assert "nothing to change" in postfix.apply("queued")


def test_takes_up_what_was_set_up_by_hand(server):
    postfix = server()
    installed = tools.ROOT / "conf/postfix"
    for name in FILES:
        text = (installed / f"{name}.queued").read_text()
        with open(postfix.etc / name, "a") as file:
            file.write("\n" + text.replace("unix:/run/cancel-invite-milter/milter.sock", OURS))
    shutil.copy(installed / "route.queued", postfix.etc / ROUTE)
    assert "by hand" in postfix.setup("--status")
    assert "nothing to change" in postfix.setup("--yes")


# Ports

def test_takes_the_next_port_if_its_own_is_another_services(server):
    postfix = server("amavis")
    assert "10026 is taken" in postfix.apply("queued")
    route = (postfix.etc / ROUTE).read_text()
    [port] = re.findall(r"FILTER cancel-invite:\[127\.0\.0\.1\]:(\d+)", route)
    assert int(port) > 10026
    assert f"127.0.0.1:{port}" in postfix.services()
    assert postfix.option(f"127.0.0.1:{port}/inet/milter_macro_daemon_name") == "cancel-invite"
    assert postfix.option("127.0.0.1:10026/inet/content_filter") == ""


def test_takes_the_port_that_it_is_told(server):
    postfix = server()
    postfix.apply("queued", "--port", "10044")
    assert "127.0.0.1:10044" in postfix.services()
    assert "nothing to change" in postfix.apply("queued")
    postfix.apply("queued", "--port", "10045")
    assert "127.0.0.1:10044" not in postfix.services()
    assert "[127.0.0.1]:10045" in (postfix.etc / ROUTE).read_text()


def test_refuses_a_port_where_another_program_listens(server):
    postfix = server()
    before = postfix.state()
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        assert f"port {port} is taken" in postfix.apply("queued", "--port", port, code=FAILED)
    assert postfix.state() == before


# The filter's configuration

def test_names_a_socket_below_the_queue_directory_as_a_chroot_sees_it(server, workdir):
    spec = f"unix:{workdir}/server/spool/here/milter.sock"
    postfix = server(filter_config=f"[milter]\nsocket = {spec} # ours\nmode = direct\n")
    postfix.setup("--yes")
    assert postfix.value("smtpd_milters") == "unix:here/milter.sock"


def test_refuses_a_socket_that_a_chroot_cannot_see_and_says_what_to_write(server):
    postfix = server(filter_config="[milter]\nmode = queued\n")
    before = postfix.state()
    shown = postfix.setup("--yes", code=FAILED)
    assert f"socket = unix:{postfix.folder}/spool/cancel-invite-milter/milter.sock" in shown
    assert f"socket_group = {MAIL_OWNER}" in shown
    assert postfix.state() == before


@pytest.mark.parametrize("spec, means", [
    ("inet:9900@127.0.0.1", "inet:127.0.0.1:9900"),
    ("inet6:9900@[::1]", "inet:[::1]:9900"),
    ("inet6:9900@::1", "inet:[::1]:9900"),
    ("inet:9900", "inet:localhost:9900"),
    ("inet:localhost:9900", "inet:localhost:9900"),
    ("unix:a/b", "unix:a/b"),
])
def test_writes_sockets_in_postfix_words(server, spec, means):
    postfix = server()
    postfix.apply("direct", "--socket", spec)
    assert postfix.value("smtpd_milters") == means


def test_says_where_the_filter_is_configured_for_something_else(server):
    postfix = server(filter_config=(
        "[milter]\nsocket = inet:9900@127.0.0.1\nmode = direct\nqueue_daemon = other\n"))
    shown = postfix.apply("queued")
    assert "write: mode = queued" in shown and "write: queue_daemon = cancel-invite" in shown


def test_routes_the_header_that_the_filter_is_configured_for(server):
    postfix = server(filter_config="[milter]\nsocket = inet:9900@127.0.0.1\nheader = X-No.Way\n")
    postfix.apply("queued")
    table = f"regexp:{postfix.etc / ROUTE}"
    for header, routed in (("X-No.Way", True), ("X-No-Way", False), ("X-Cancel-Invite", False)):
        looked_up = subprocess.run(
            [postfix.commands / "postmap", "-c", postfix.etc, "-q", f"{header}: v1; id=x", table],
            env=postfix.environment(), capture_output=True, text=True)
        assert ("FILTER cancel-invite:[127.0.0.1]:10026" in looked_up.stdout) == routed, header


# What else counts

FILTER_9M = "[milter]\nsocket = inet:9900@127.0.0.1\nmax_message_size = 9M\n"


@pytest.mark.parametrize("mode, main, says", [
    ("direct", "milter_content_timeout = 301s\n", None),
    ("direct", "message_size_limit = 9500000\n", "message_size_limit"),
    ("direct", "message_size_limit = 10240000\n", None),
    ("direct", "message_size_limit = 0\nmailbox_size_limit = 0\n", None),
    ("queued", "always_bcc = a@b.test\n", "always_bcc"),
    ("queued", "recipient_bcc_maps = regexp:/x\n", "recipient_bcc_maps"),
    ("direct", "always_bcc = a@b.test\n", None),
    ("queued", "sender_canonical_maps = regexp:/x\n", "sender_canonical_maps"),
    ("queued", "masquerade_domains = b.test\n", "masquerade_domains"),
    ("queued", "masquerade_domains = b.test\nmasquerade_classes = header_sender\n", None),
    ("direct", "masquerade_domains = b.test\n", None),
    ("direct", "soft_bounce = yes\n", "soft_bounce"),
    ("direct", "milter_protocol = 2\n", "milter_protocol"),
    ("direct", "content_filter = scan:[127.0.0.1]:10024\n", "content_filter"),
])
def test_notes_what_the_filter_would_stumble_over(server, mode, main, says):
    postfix = server(main=main, filter_config=FILTER_9M + f"mode = {mode}\n")
    notes = [line for line in postfix.setup("--mode", mode, "--dry-run").splitlines()
             if line.startswith("Note:")]
    assert len(notes) == (says is not None), notes
    assert says is None or says in notes[0]


def test_notes_a_deadline_that_postfix_does_not_wait_for(server):
    config = FILTER_9M + "mode = direct\n[cronofy]\ndeadline = 10m\n[account a]\ndeadline = 1h\n"
    shown = server(filter_config=config).setup("--mode", "direct", "--dry-run")
    assert "deadline, 600 s [cronofy]" in shown and "deadline, 3600 s [account a]" in shown


def test_notes_services_that_keep_mail_from_the_filter(server):
    shown = server("amavis").setup("--mode", "queued", "--dry-run")
    assert "127.0.0.1:10025/inet has its own smtpd_milters" in shown
    for name in ("always_bcc", "soft_bounce", "content_filter"):
        assert f"main.cf: {name}" in shown
    no_milters = ("587 inet n - n - - smtpd\n  -o receive_override_options=no_milters\n"
                  "  -o milter_macro_daemon_name=cancel-invite\n")
    shown = server(master=no_milters).setup("--mode", "direct", "--dry-run")
    assert "587/inet has receive_override_options=no_milters" in shown


# Saying no, and failing

@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_changes_nothing_unless_told_yes(server, answer):
    postfix = server()
    before = postfix.state()
    assert "Nothing was changed" in postfix.setup("--mode", "queued", answer=answer, code=REFUSED)
    assert postfix.state() == before


def test_asks_and_does_it(server):
    postfix = server()
    postfix.setup("--mode", "queued", answer="y\n")
    assert "cancel-invite" in postfix.services()


@pytest.mark.parametrize("arguments", [
    ["--mode"], ["--mode", "both"], ["--port", "0"], ["--port", "70000"], ["--what"]])
def test_explains_how_it_is_used(server, arguments):
    assert "--help" in server().setup(*arguments, code=USAGE)


def test_help_tells_the_exit_codes(server):
    assert "Exit codes: 0" in server().setup("--help")


FAILURES = {
    "postfix_check": ("postfix", '[[ $* != *check ]] || { echo it says no; exit 1; }; exec $real "$@"'),
    "no_room_for_main_cf": ("mv", '[[ $* != */main.cf ]] || exit 1; exec $real "$@"'),
    "no_room_for_master_cf": ("mv", '[[ $* != */master.cf ]] || exit 1; exec $real "$@"'),
    "no_room_for_the_route": ("install", "exit 1"),
    "no_room_for_the_undo": ("mv", '[[ $* != *setup ]] || exit 1; exec $real "$@"'),
    "killed": ("postfix", '[[ $* != *check ]] || { kill -TERM $PPID; sleep 0.2; }; exec $real "$@"'),
}


@pytest.mark.parametrize("kind", FAILURES)
@pytest.mark.parametrize("earlier", [None, "direct"])
def test_takes_everything_back_if_a_step_fails(server, workdir, kind, earlier):
    postfix = server("signing")
    if earlier:
        postfix.apply(earlier)
    before = postfix.state()
    real = postfix.path
    postfix.shim(workdir, *FAILURES[kind])
    if kind.startswith("no_room"):
        # Only the first time, or what is taken back could not be either.
        shim = workdir / "shims" / FAILURES[kind][0]
        shim.write_text(shim.read_text().replace(
            "exit 1", f"{{ [ -e {workdir}/once ] || {{ touch {workdir}/once; exit 1; }}; }}"))
    shown = postfix.apply("queued", code=FAILED)
    assert "everything is as it was" in shown
    assert postfix.state() == before
    postfix.path = real
    postfix.apply("queued")
    assert "cancel-invite" in postfix.services()


def test_takes_an_undo_back_if_it_fails(server, workdir):
    postfix = server("signing")
    postfix.apply("queued")
    before = postfix.state()
    postfix.shim(workdir, *FAILURES["postfix_check"])
    assert "it says no" in postfix.setup("--undo", "--yes", code=FAILED)
    assert postfix.state() == before


def test_refuses_a_postfix_that_is_too_old(server, workdir):
    postfix = server()
    postfix.shim(workdir, "postconf", '[[ $* != *mail_version ]] || { echo 2.11.3; exit; }; exec $real "$@"')
    assert "2.11.3" in postfix.setup("--mode", "direct", "--yes", code=FAILED)


def test_runs_only_once_at_a_time(server):
    postfix = server()
    holder = subprocess.Popen(["flock", postfix.etc, "sleep", "30"], start_new_session=True)
    try:
        while subprocess.run(["flock", "-n", postfix.etc, "true"]).returncode == 0:
            pass
        assert "another setup" in postfix.setup("--mode", "direct", "--yes", code=FAILED)
    finally:
        os.killpg(holder.pid, 9)
        holder.wait()


# What the filter itself says of Postfix's files

def test_check_of_the_configuration_warns_about_postfix(workdir):
    config = write_config(workdir)
    socket_line = re.search("^socket = (.*)$", config.read_text(), re.M)[1]
    folder = workdir.folder("etc")

    def check(main_cf):
        (folder / "main.cf").write_text(main_cf)
        done = run("-n", "-c", config, env={**os.environ, "MAIL_CONFIG": str(folder)})
        assert done.returncode == 0 and "no faults" in done.stdout, done
        return "".join(line for line in done.stderr.splitlines(True) if str(folder) in line)

    assert check(f"smtpd_milters = {socket_line}\nnon_smtpd_milters = $smtpd_milters\n"
                 "message_size_limit = 0\n") == ""
    warnings = check(f"smtpd_milters = unix:opendkim/s, {socket_line}\n"
                     "milter_content_timeout = 9s\nmessage_size_limit = 10000000\n")
    assert len(warnings.splitlines()) == 4
    for line in warnings.splitlines():
        assert line.startswith(f"warning: {folder}: ")
    for word in ("non_smtpd_milters", "(9 s) is shorter", "message_size_limit", "signature"):
        assert word in warnings
    assert "does not use it" in check("biff = no\n")


def test_agrees_with_the_check_about_what_it_set_up(server, workdir):
    """What setup leaves behind gives -n nothing to warn of but what the sample itself has."""
    postfix = server("signing")
    config = write_config(workdir, milter={
        "socket": f"unix:{postfix.folder}/spool/cancel-invite-milter/milter.sock",
        "max_message_size": "9M"})
    (postfix.folder / "spool/cancel-invite-milter").mkdir(parents=True, exist_ok=True)
    postfix.apply("direct")
    done = run("-n", "-c", config, env={**os.environ, "MAIL_CONFIG": str(postfix.etc)})
    assert done.returncode == 0 and str(postfix.etc) not in done.stderr, done
