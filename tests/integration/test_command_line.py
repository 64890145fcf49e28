"""What the program says and how it ends when a person runs it."""

import re
import subprocess

import pytest

from lab.filter_process import FilterProcess, binary, run, write_config
from lab.milter_client import TAG, MilterSession, mail
from lab.one_message import same_boundaries
from standin.client import forever, status, trouble

# The exit codes of <sysexits.h> that it uses.
OK, USAGE, DATAERR, NOINPUT, UNAVAILABLE, IOERR, TEMPFAIL, CONFIG = 0, 64, 65, 66, 69, 74, 75, 78

CALENDAR = "\r\n".join([
    "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//x//y//EN", "METHOD:CANCEL", "BEGIN:VEVENT",
    "UID:1@cronofy.example", "DTSTAMP:20260427T100000Z", "DTSTART:20260428T100000Z", "SEQUENCE:1",
    "ORGANIZER:mailto:app@acme.example", "ATTENDEE:mailto:guest@example.org",
    "STATUS:CANCELLED", "END:VEVENT", "END:VCALENDAR", ""])


@pytest.fixture
def cronofy(cronofy):
    """Of board-1 it gives always the same calendar, so that results can be compared."""
    cronofy.create("board-1", "guest@example.org", calendar=CALENDAR)
    return cronofy


@pytest.fixture
def config(workdir, cronofy):
    return write_config(workdir, standin=cronofy, cronofy={"attempts": 1},
                        milter={"log_level": "info"})


@pytest.fixture
def tagged(workdir):
    return workdir.write("tagged.eml", mail(TAG))


def output_of(*arguments):
    """Standard output's very bytes; the run must be a success."""
    done = subprocess.run([binary(), *arguments], capture_output=True, timeout=60)
    assert done.returncode == OK, done.stderr.decode()
    return done.stdout


class TestItself:
    def test_tells_its_version(self):
        done = run("-V")
        assert done.returncode == OK and not done.stderr
        assert re.match(r"cancel-invite-milter \d+\.\d+", done.stdout), done.stdout

    @pytest.mark.parametrize("option", ["--help", "-h"])
    def test_tells_how_it_is_used(self, option):
        done = run(option)
        assert done.returncode == OK and not done.stderr
        for word in ("-c", "-n", "--try", "-f", "--rewrite", "--calendar", "--cancel", "--account",
                     "--log-of", "--report", "--export", "--forget", "--reload", "--since", "--json", "-V"):
            assert word in done.stdout

    @pytest.mark.parametrize("arguments", [
        ["-z"], ["--unknown"], ["-c"], ["stray"], ["-n", "stray"],
        ["--try"], ["--try", "m.eml"], ["--try", "m.eml", "-f"], ["-f", "a@b.example"],
        ["--rewrite"], ["--rewrite", "m.eml"], ["--calendar", "c.ics"],
        ["--rewrite", "m.eml", "--calendar"], ["--rewrite", "m.eml", "--calendar", "c.ics", "x"],
        ["--cancel"], ["--cancel", "id"], ["--cancel", "id", "a@b.example", "x"],
        ["--account", "acme"], ["--cancel", "id", "a@b.example", "--account"],
        ["-n", "--try", "m.eml", "a@b.example"], ["-n", "--cancel", "id", "a@b.example"],
        ["--try", "m.eml", "--rewrite", "m.eml", "--calendar", "c.ics", "a@b.example"],
    ], ids=" ".join)
    def test_says_what_is_wrong_with_its_arguments(self, arguments):
        done = run(*arguments)
        assert done.returncode == USAGE, done
        assert not done.stdout and "cancel-invite-milter" in done.stderr

    def test_says_that_output_cannot_be_written(self, workdir, config, tagged):
        calendar = workdir.write("c.ics", CALENDAR)
        for arguments in (["--rewrite", tagged, "--calendar", calendar],
                          ["-c", config, "--try", tagged, "guest@example.org"],
                          ["-c", config, "--cancel", "board-1", "guest@example.org"]):
            with open("/dev/full", "w") as full:
                done = subprocess.run([binary(), *arguments], stdout=full, stderr=subprocess.PIPE,
                                      text=True, timeout=60)
            assert done.returncode == IOERR and "write" in done.stderr, (arguments, done)


class TestCheck:
    def test_is_content_with_a_right_file(self, config):
        assert run("-n", "-c", config).returncode == OK

    def test_names_every_fault_on_a_line_of_its_own(self, config):
        with open(config, "a") as file:
            file.write("[trust]\nuntrusted = maybe\nnetworks = x\n[acount a]\n")
        first = len(config.read_text().splitlines()) - 2
        done = run("-n", "-c", config)
        assert done.returncode == CONFIG
        faults = [line for line in (done.stdout + done.stderr).splitlines() if str(config) in line]
        assert [line.split(":")[1] for line in faults] == [str(first + n) for n in range(3)], done

    @pytest.mark.parametrize("arguments", [
        [], ["--try", "m.eml", "a@b.example"], ["--cancel", "id", "a@b.example"]],
        ids=["run", "try", "cancel"])
    def test_is_made_before_anything_else(self, config, workdir, arguments):
        with open(config, "a") as file:
            file.write("[trust]\nuntrusted = maybe\n")
        arguments = [workdir.write(a, mail()) if a == "m.eml" else a for a in arguments]
        done = run("-c", config, *arguments)
        assert done.returncode == CONFIG and f"{config}:" in done.stderr, done
        assert "untrusted" in done.stderr

    @pytest.mark.parametrize("arguments", [[], ["-n"], ["--cancel", "id", "a@b.example"]],
                             ids=["run", "check", "cancel"])
    def test_needs_the_file(self, workdir, arguments):
        done = run("-c", workdir / "no.conf", *arguments)
        assert done.returncode == CONFIG and "no.conf" in done.stderr, done

    def test_asks_cronofy_nothing_and_opens_no_socket(self, config, cronofy, workdir):
        run("-n", "-c", config)
        assert not cronofy.requests() and not (workdir / "milter.sock").exists()


class TestTry:
    def test_shows_the_message_that_an_mta_would_get(self, workdir, config, tagged, cronofy):
        shown = output_of("-c", config, "--try", tagged, "guest@example.org")
        with FilterProcess(workdir, cronofy) as running, MilterSession(running.socket) as mta:
            result = mta.deliver(mail(TAG))
        assert same_boundaries(shown) == same_boundaries(result.message_bytes)
        assert cronofy.cancels() == [("board-1", "guest@example.org")] * 2

    def test_shows_an_untagged_message_as_it_is(self, workdir, config, cronofy):
        message = workdir.write("untagged.eml", mail())
        assert output_of("-c", config, "--try", message, "guest@example.org") == mail()
        assert not cronofy.requests()

    def test_takes_a_message_with_bare_line_feeds(self, workdir, config):
        message = workdir.write("lf.eml", mail(TAG).replace(b"\r\n", b"\n"))
        shown = output_of("-c", config, "--try", message, "guest@example.org")
        assert b"The meeting is off.\n" in shown.replace(b"\r\n", b"\n")
        assert b"X-Cancel-Invite" not in shown and b"method=CANCEL" in shown

    def test_says_on_standard_error_what_was_done(self, config, tagged):
        done = run("-c", config, "--try", tagged, "guest@example.org")
        assert "board-1" in done.stderr and "guest@example.org" in done.stderr

    def test_chooses_the_account_by_the_sender(self, workdir, cronofy, tagged):
        cronofy.set(api_keys=["CRN_a", "CRN_b"])
        config = write_config(workdir, standin=cronofy, accounts={
            "a": {"senders": "@a.example", "api_key": "CRN_a"},
            "b": {"senders": "@b.example", "api_key": "CRN_b"}})
        output_of("-c", config, "--try", tagged, "-f", "x@b.example", "guest@example.org")
        assert cronofy.requests()[-1].api_key == "CRN_b"
        done = run("-c", config, "--try", tagged, "-f", "x@c.example", "guest@example.org")
        assert done.returncode not in (OK, TEMPFAIL) and "x@c.example" in done.stderr

    @pytest.mark.parametrize("reply, code, words", [
        (status(404), UNAVAILABLE, ["404"]),
        (status(422), UNAVAILABLE, ["smart_invite_id", "errors.required"]),
        (status(503), TEMPFAIL, ["503"]), (status(401), TEMPFAIL, ["401"]),
        (trouble("reset"), TEMPFAIL, []), (trouble("no_calendar_at_all"), TEMPFAIL, []),
        (trouble("wrong_method"), TEMPFAIL, ["METHOD"]),
    ], ids=["404", "422", "503", "401", "reset", "no calendar", "wrong method"])
    def test_says_why_cronofy_did_not_cancel(self, config, tagged, cronofy, reply, code, words):
        cronofy.script("board-1", forever(reply))
        done = run("-c", config, "--try", tagged, "guest@example.org")
        assert done.returncode == code and not done.stdout, done
        for word in words:
            assert word in done.stderr

    @pytest.mark.parametrize("message", [
        mail(TAG, TAG), mail("X-Cancel-Invite:"), mail(TAG, "Content-Type: application/pkcs7-mime"),
        mail(TAG, "Content-Type: multipart/encrypted; boundary=b"),
    ], ids=["two tags", "empty tag", "encrypted", "multipart/encrypted"])
    def test_refuses_a_bad_message_without_asking_cronofy(self, workdir, config, cronofy, message):
        done = run("-c", config, "--try", workdir.write("bad.eml", message), "guest@example.org")
        assert done.returncode == DATAERR and not done.stdout and done.stderr, done
        assert not cronofy.requests()

    def test_needs_the_message(self, workdir, config):
        done = run("-c", config, "--try", workdir / "no.eml", "guest@example.org")
        assert done.returncode == NOINPUT and "no.eml" in done.stderr, done

    def test_cannot_take_a_folder_for_a_message(self, workdir, config):
        done = run("-c", config, "--try", workdir, "guest@example.org")
        assert done.returncode == NOINPUT and str(workdir) in done.stderr, done

    def test_works_beside_a_running_filter(self, workdir, cronofy, tagged):
        with FilterProcess(workdir, cronofy) as running:
            output_of("-c", running.config, "--try", tagged, "guest@example.org")
            assert running.alive()

    def test_changes_nothing_in_a_dry_run(self, workdir, cronofy, tagged):
        config = write_config(workdir, standin=cronofy, milter={"dry_run": True})
        assert output_of("-c", config, "--try", tagged, "guest@example.org") == mail(TAG)
        assert not cronofy.requests()

    def test_tells_that_a_probe_arrived(self, workdir, cronofy, config):
        probe = workdir.write("probe.eml", mail("X-Cancel-Invite: probe-1; probe=yes"))
        done = run("-c", config, "--try", probe, "guest@example.org")
        assert done.returncode == 0 and "a probe" in done.stderr and not done.stdout, done
        assert not cronofy.requests()


class TestRewrite:
    @pytest.fixture
    def calendar(self, workdir):
        return workdir.write("cancel.ics", CALENDAR)

    def test_needs_no_configuration_and_no_network(self, tagged, calendar, cronofy):
        shown = output_of("--rewrite", tagged, "--calendar", calendar)
        assert b"X-Cancel-Invite" not in shown and b"method=CANCEL" in shown
        assert not cronofy.requests()

    def test_gives_what_try_gives(self, config, tagged, workdir, cronofy):
        calendar = workdir.write("same.ics", output_of(
            "-c", config, "--cancel", "board-1", "guest@example.org"))
        assert (same_boundaries(output_of("--rewrite", tagged, "--calendar", calendar))
                == same_boundaries(output_of("-c", config, "--try", tagged, "guest@example.org")))

    @pytest.mark.parametrize("text", ["", "garbage", CALENDAR * 2,
                                      CALENDAR.replace("CANCEL\r", "REQUEST\r")],
                             ids=["empty", "garbage", "two", "REQUEST"])
    def test_refuses_a_calendar_that_cancels_nothing(self, workdir, tagged, text):
        done = run("--rewrite", tagged, "--calendar", workdir.write("bad.ics", text))
        assert done.returncode == DATAERR and not done.stdout and done.stderr, done

    def test_needs_both_files(self, workdir, tagged, calendar):
        for arguments in (["--rewrite", tagged, "--calendar", workdir / "no"],
                          ["--rewrite", workdir / "no", "--calendar", calendar]):
            done = run(*arguments)
            assert done.returncode == NOINPUT and f"{workdir}/no" in done.stderr, done


class TestCancel:
    def test_prints_the_calendar(self, config, cronofy):
        shown = output_of("-c", config, "--cancel", "board-1", "guest@example.org")
        assert shown.startswith(b"BEGIN:VCALENDAR\r\n") and b"METHOD:CANCEL\r\n" in shown
        assert cronofy.cancels() == [("board-1", "guest@example.org")]

    @pytest.mark.parametrize("reply, code", [(status(404), UNAVAILABLE), (status(503), TEMPFAIL)],
                             ids=["404", "503"])
    def test_says_why_cronofy_did_not_cancel(self, config, cronofy, reply, code):
        cronofy.script("board-1", forever(reply))
        done = run("-c", config, "--cancel", "board-1", "guest@example.org")
        assert done.returncode == code and not done.stdout and done.stderr, done

    @pytest.mark.parametrize("arguments", [["", "a@b.example"], ["board-1", "nobody"],
                                           ["board-1", ""], ["a\nb", "a@b.example"]])
    def test_refuses_what_no_tag_could_say(self, config, cronofy, arguments):
        done = run("-c", config, "--cancel", *arguments)
        assert done.returncode in (USAGE, DATAERR) and not done.stdout and done.stderr, done
        assert not cronofy.requests()

    def test_uses_the_account_that_is_named(self, workdir, cronofy):
        cronofy.set(api_keys=["CRN_a", "CRN_b"])
        config = write_config(workdir, standin=cronofy, accounts={
            name: {"senders": f"@{name}.example", "api_key": f"CRN_{name}"} for name in "ab"})
        cancel = ["-c", config, "--cancel", "board-1", "guest@example.org"]
        output_of(*cancel, "--account", "b")
        assert cronofy.requests()[-1].api_key == "CRN_b"
        for more in ([], ["--account", "c"]):
            done = run(*cancel, *more)
            assert done.returncode == USAGE and "account" in done.stderr, done


def test_never_shows_the_key(config, tagged, cronofy):
    cronofy.script("*", forever(status(401)))
    key = cronofy.api_key
    for arguments in (["-n"], ["--try", tagged, "guest@example.org"],
                      ["--cancel", "board-1", "guest@example.org"]):
        done = run("-c", config, *arguments)
        assert key not in done.stdout + done.stderr


class TestNeeds:
    """A command asks for what it uses, and names what it cannot have."""

    @pytest.mark.parametrize("command", [["--report"], ["--export"], ["--log-of", "x"]],
                             ids=lambda command: command[0])
    def test_the_ledger_is_read_without_any_key(self, workdir, command):
        config = workdir.write("filter.conf", "[ledger]\nfile = ledger.db\n"
                                              "[cronofy]\napi_key_file = no-such.key\n")
        done = run("-c", config, *command)
        assert done.returncode == NOINPUT and f"{workdir}/ledger.db" in done.stderr, done

    @pytest.mark.parametrize("command", [["--cancel", "id", "a@b.example"],
                                         ["--try", "m.eml", "a@b.example"], ["-n"], []], ids=str)
    def test_the_key_file_that_cannot_be_read_is_named(self, workdir, command):
        config = workdir.write("filter.conf", "[ledger]\nfile = ledger.db\n"
                                              "[cronofy]\napi_key_file = no-such.key\n")
        done = run("-c", config, *command)
        assert done.returncode == CONFIG, done
        assert done.stderr == (f"{config}:4: api_key_file: {workdir}/no-such.key: "
                               "No such file or directory\n")
