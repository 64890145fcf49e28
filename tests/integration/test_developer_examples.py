"""The programs of conf/developers, run as an application's developer runs them.

Against a real Postfix with the filter, in direct mode, where the reply is Cronofy's answer, and in
queued mode. One whose language isn't installed is skipped: "make check-examples" installs all of them.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import tools
from lab.cancellation import assert_cancellation
from lab.messages import RECIPIENT, SENDER
from lab.postfix import Postfix
from lab.process import Port
from lab.workdir import Workdir
from standin.client import forever, status

FOLDER = tools.ROOT / "conf" / "developers"
JARS = "/usr/share/java/jakarta-mail.jar:/usr/share/java/jakarta-activation.jar"
IMPATIENT = {"timeout": "300ms", "deadline": "1s", "attempts": 1}

# The mail servers are for all tests; what Cronofy answers is for each.
pytestmark = pytest.mark.usefixtures("standin")


@dataclass(frozen=True)
class Example:
    """run and build are command lines; {folder} is conf/developers, {built} a folder of the test's.

    needs: programs, or files by their paths.
    """

    needs: tuple
    run: str
    build: str = ""
    names_server: bool = True  # and is told what it answers


EXAMPLES = {
    "sendmail": Example((), "{folder}/send-sendmail.sh", names_server=False),
    "swaks": Example(("swaks",), "{folder}/send.sh"),
    "python": Example((), "/usr/bin/python3 {folder}/send.py"),
    "node": Example(("node", "/usr/share/nodejs/nodemailer"), "node {folder}/send.js"),
    "php": Example(("php", "/usr/share/php/libphp-phpmailer"), "php {folder}/send.php"),
    "ruby": Example(("ruby", "/usr/lib/ruby/vendor_ruby/mail.rb"), "ruby {folder}/send.rb"),
    "perl": Example(("perl", "/usr/share/perl5/Email/MIME.pm",
                     "/usr/share/perl5/Email/Sender/Transport/SMTP.pm"), "perl {folder}/send.pl"),
    "csharp": Example(("mcs", "mono"), "mono {built}/Send.exe",
                      "mcs -out:{built}/Send.exe {folder}/Send.cs"),
    "java": Example(("javac", "java", *JARS.split(":")), f"java -cp {JARS}:{{built}} Send",
                    f"javac -Werror -Xlint:all,-path -cp {JARS} -d {{built}} {{folder}}/Send.java"),
    "go": Example(("go",), "{built}/send", "go build -o {built}/send {folder}/send.go"),
}
TALKING = [name for name, example in EXAMPLES.items() if example.names_server]

INVITES = {
    "plain": "booking-4711",
    "of_any_language": "Café ☕ 4711",
    "of_special_characters": 'a;b "c" \\d\\n %41 $HOME `x` =5F',
    "long": "booking-" + "0123456789abcdef" * 20,
    "long_of_any_language": "予約" * 60,
}


@pytest.fixture(scope="module")
def folder():
    with Workdir() as made:
        yield made


def running_postfix(folder, sink, filter, **options):
    server = Postfix(folder, sink, filter.socket, **options)
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="module")
def postfix(folder, _sink, _filter):
    yield from running_postfix(folder, _sink, _filter)


@pytest.fixture(scope="module")
def queued_postfix(folder, _sink, start_filter):
    filter = start_filter(milter={"mode": "queued"})
    yield from running_postfix(folder, _sink, filter, queued=True)


@pytest.fixture(scope="module")
def impatient_postfix(folder, _sink, start_filter):
    yield from running_postfix(folder, _sink, start_filter(cronofy=IMPATIENT))


@pytest.fixture(scope="module")
def send(folder):
    """send("ruby", postfix, invite): runs an example, built once; gives the finished process."""
    built = set()

    def environment(**more):
        # Debian's own Node looks there by itself; a development machine may have another.
        return {"PATH": os.defpath, "HOME": str(folder), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8",
                "NODE_PATH": "/usr/share/nodejs", "GOCACHE": f"{folder}/go", "GO111MODULE": "off",
                "GOFLAGS": "-p=1", **more}

    def run(line, name, *arguments, **more):
        words = line.format(folder=FOLDER, built=folder / f"built-{name}").split()
        words += arguments
        return subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=60,
                              stdin=subprocess.DEVNULL, cwd=folder.path, env=environment(**more))

    def build(name):
        folder.folder(f"built-{name}")
        if EXAMPLES[name].build:
            done = run(EXAMPLES[name].build, name)
            assert done.returncode == 0, done.stdout + done.stderr
        built.add(name)

    def send(name, postfix, invite, server=None):
        example = EXAMPLES[name]
        need(example)
        if name not in built:
            build(name)
        words = [SENDER, RECIPIENT, invite]
        if not example.names_server:
            return run(example.run, name, *words, **postfix.sendmail_environment())
        return run(example.run, name, server or f"127.0.0.1:{postfix.smtp_port}", *words)

    return send


def need(example):
    for what in example.needs:
        if what.startswith("/"):
            if not Path(what).exists():
                raise tools.Missing(f"{what} isn't there: run tests/deps examples")
        elif not shutil.which(what, path=os.defpath):
            raise tools.Missing(f"{what} isn't installed: run tests/deps examples")


def assert_sent(done):
    assert (done.returncode, done.stderr) == (0, ""), done


@pytest.mark.parametrize("invite", INVITES)
@pytest.mark.parametrize("name", EXAMPLES)
def test_example_cancels_an_invite(send, postfix, standin, sink, name, invite):
    standin.create(INVITES[invite], RECIPIENT)
    assert_sent(send(name, postfix, INVITES[invite]))
    [delivery] = sink.wait()
    assert (delivery.mail_from, delivery.rcpt_to) == (SENDER, [RECIPIENT])
    assert_cancellation(delivery, INVITES[invite])
    assert b"Your booking is cancelled. We are sorry." in delivery.data
    assert delivery.message["Subject"] == "Your booking is cancelled"
    assert standin.cancels() == [(INVITES[invite], RECIPIENT)]


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_cancels_an_invite_in_queued_mode(send, queued_postfix, standin, sink, name):
    invite = INVITES["of_any_language"]
    standin.create(invite, RECIPIENT)
    assert_sent(send(name, queued_postfix, invite))
    [delivery] = sink.wait()
    assert_cancellation(delivery, invite)


@pytest.mark.parametrize("name", TALKING)
def test_developer_sees_why_the_invite_was_refused(send, postfix, sink, name):
    done = send(name, postfix, "unknown-4711")
    assert done.returncode != 0
    for said in ("554", 'invite "unknown-4711"', "no such invite for this recipient"):
        assert said in done.stdout + done.stderr
    assert sink.deliveries == []


@pytest.mark.parametrize("name", TALKING)
def test_developer_sees_that_it_may_go_better_later(send, impatient_postfix, standin, sink, name):
    standin.script("*", forever(status(503)))
    done = send(name, impatient_postfix, "booking-4711")
    assert done.returncode != 0
    for said in ("451", 'invite "booking-4711"', "outage"):
        assert said in done.stdout + done.stderr
    assert sink.deliveries == []


@pytest.mark.parametrize("name", TALKING)
def test_example_fails_when_no_server_is_there(send, postfix, name):
    nobody = Port()
    try:
        done = send(name, postfix, "booking-4711", f"127.0.0.1:{nobody.number}")
    finally:
        nobody.close()
    assert done.returncode != 0
    assert done.stdout + done.stderr


def test_refused_mail_of_the_sendmail_example_bounces_with_the_reason(send, postfix, sink):
    assert_sent(send("sendmail", postfix, "unknown-4711"))
    [bounce] = sink.wait()
    assert (bounce.mail_from, bounce.rcpt_to) == ("", [SENDER])
    assert b"no such invite" in bounce.body
