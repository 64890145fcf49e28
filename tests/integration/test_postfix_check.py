"""What -n says of Postfix's configuration, as Postfix's own postconf tells it. Postfix does not run."""

import os
import re
import subprocess

import pytest

from lab import tools
from lab.filter_process import run, write_config

SAMPLE = tools.ROOT / "tests/corpus/postfix/stock"


class Folder:
    """A folder like /etc/postfix, and -n beside it."""

    def __init__(self, workdir):
        tools.need_root("Postfix's commands")
        self.commands = tools.program("postfix", "usr/sbin/postconf").parent
        self.libraries = tools.library_path("postfix")
        self.path = workdir.folder("etc")
        self.config = write_config(workdir, milter={"max_message_size": "9M"})
        self.socket = re.search("^socket = (.*)$", self.config.read_text(), re.M)[1]

    def write(self, main="", master=""):
        places = (f"\nmeta_directory = {tools.data('postfix', 'etc/postfix')}\n"
                  f"shlib_directory = {self.libraries}\ndaemon_directory = {self.libraries}/sbin\n")
        for name, text in (("main.cf", places + main), ("master.cf", master)):
            file = self.path / name
            file.write_text((SAMPLE / name).read_text() + text)
            os.utime(file, (1e9, 1e9))  # Postfix's commands wait for a file that was just written

    def check(self, **env):
        """The lines about Postfix; there are no faults."""
        done = run("-n", "-c", self.config, env={
            "PATH": f"{self.commands}:{os.defpath}", "LD_LIBRARY_PATH": str(self.libraries),
            "MAIL_CONFIG": str(self.path), **env})
        assert done.returncode == 0 and "no faults" in done.stdout, done
        return [line.removeprefix(f"warning: {self.path}: ") for line in done.stderr.splitlines()
                if str(self.path) in line or "postconf" in line]


@pytest.fixture
def folder(workdir):
    return Folder(workdir)


def test_has_nothing_to_say_of_what_is_right(folder):
    folder.write(f"ours = {folder.socket}\nsmtpd_milters = $ours\nnon_smtpd_milters = $smtpd_milters\n")
    assert folder.check() == []


def test_names_what_does_not_fit(folder):
    folder.write(f"smtpd_milters = unix:opendkim/s, {folder.socket}\n"
                 "milter_content_timeout = 9s\nmessage_size_limit = 9500000\n")
    said = folder.check()
    assert len(said) == 4, said
    for word in ("non_smtpd_milters", "(9 s) is shorter", "message_size_limit", "signature"):
        assert any(word in line for line in said), said


def test_says_that_postfix_does_not_use_the_filter(folder):
    folder.write()
    (said,) = folder.check()
    assert "does not use it" in said


def test_reads_what_postfix_reads(folder):
    """Lines that go on, comments between them, $names, and services with a list of their own."""
    folder.write(f"smtpd_milters =\n  # not this one\n  {folder.socket}\n"
                 "non_smtpd_milters = ${smtpd_milters}\nchosen = inet:localhost:1\n",
                 "submission inet n - y - - smtpd\n  -o smtpd_milters=$chosen\n")
    (said,) = folder.check()
    assert said.startswith("master.cf: submission has smtpd_milters of its own")


def test_what_the_package_ships_for_queued_mode_is_right(folder):
    postfix = tools.ROOT / "conf/postfix"
    own = re.sub("^cancel_invite_milter = .*$", f"cancel_invite_milter = {folder.socket}",
                 (postfix / "main.cf.queued").read_text(), flags=re.M)
    folder.write(own, (postfix / "master.cf.queued").read_text())
    folder.config.write_text(folder.config.read_text().replace("[milter]\n",
                                                               "[milter]\nmode = queued\n"))
    assert folder.check() == []


@pytest.mark.parametrize("parameter", ("header_checks", "cancel_invite_header_checks"))
def test_what_the_package_ships_for_routed_mode_is_right(folder, parameter):
    """Every service may cancel, as cancel-invite-setup has it by default; or only chosen ones."""
    postfix = tools.ROOT / "conf/postfix"
    own = re.sub("^cancel_invite_milter = .*$", f"cancel_invite_milter = {folder.socket}",
                 (postfix / "main.cf.routed").read_text(), flags=re.M)
    own = re.sub("^(cancel_invite_)?header_checks = .*$", "", own, flags=re.M)
    folder.write(f"{own}{parameter} = regexp:$config_directory/cancel-invite-route\n",
                 (postfix / "master.cf.routed").read_text())
    folder.config.write_text(folder.config.read_text().replace("[milter]\n",
                                                               "[milter]\nmode = routed\n"))
    assert folder.check() == []


def test_asks_postconf_for_every_parameter_that_it_judges(folder):
    """One that it does not ask for is always empty: what is said of it is said always, or never."""
    folder.write()
    known = subprocess.run([folder.commands / "postconf", "-c", folder.path, "-dH"], text=True,
                           env={"LD_LIBRARY_PATH": str(folder.libraries)}, capture_output=True,
                           check=True).stdout.split()
    ours = re.findall("^([a-z_-]+) =", (tools.ROOT / "conf/postfix/main.cf.routed").read_text(), re.M)
    named, asked = (set(re.findall(r'"([a-z_-]+)"', (tools.ROOT / "milter/command" / file).read_text()))
                    for file in ("postfix_check.c", "postfix.c"))
    judged = named & {*known, *ours} - {"milter_macro_daemon_name"}  # only looked at in master.cf
    assert len(judged) > 20 and judged - asked == set()


def test_says_where_it_did_not_look(folder):
    folder.write()
    if not os.path.exists("/usr/sbin/postconf"):
        assert folder.check(PATH="/nonexistent") == [
            "info: there is no postconf in PATH or /usr/sbin: Postfix's configuration was not checked"]
    (folder.path / "main.cf").write_text("a line that is none\n")
    (said,) = folder.check()
    assert "not checked: postconf ended with code" in said
