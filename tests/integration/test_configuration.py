"""What -n says about configuration files, right ones and wrong ones."""

import os
import re
import shutil

import pytest

from lab.filter_process import FilterProcess, run

# In the tables below this mark stands at the end of the line that is at fault.
HERE = "   <<<"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

KEY = """
[cronofy]
api_key_file = api.key
"""


@pytest.fixture
def folder(workdir):
    """A folder with a key file in it."""
    workdir.write("api.key", "CRN_configuration-test\n", 0o600)
    return workdir


def check(folder, text, **options):
    """Has -n judge a file with this text; gives its exit code and what it says, line by line."""
    raw = text if isinstance(text, bytes) else text.encode()
    done = run("-n", "-c", folder.write("filter.conf", raw), **options)
    return done.returncode, (done.stdout + done.stderr).splitlines()


def assert_faults(folder, text, *expected):
    """The file's faults are these: (line or None, words...) each, and no others."""
    code, said = check(folder, text)
    faults = [line for line in said if line.startswith(f"{folder}/filter.conf:")]
    assert code == 78, (code, said)
    assert len(faults) == len(expected), said
    for fault, (number, *words) in zip(faults, expected):
        where = f"{folder}/filter.conf:" + (f"{number}: " if number else "")
        assert fault.startswith(where), f"{fault}\nis not at {where}"
        for word in words:
            assert word in fault, f"{fault}\nsays nothing of {word}"


def assert_right(folder, text):
    code, said = check(folder, text)
    assert code == 0, said


def marked(text):
    """The text without its mark, and the number of the line that bore it; None if none did."""
    lines = text.split("\n")
    number = next((n for n, line in enumerate(lines, 1) if line.endswith(HERE)), None)
    return text.replace(HERE, ""), number


# Name: a text with its faulty line marked, and words that the message must hold. Texts without
# an api_key_file are given one at the end.
FAULTY = {
    # The file itself
    "unknown_section": ("[miltre]   <<<\nlog = stderr", "miltre"),
    "unknown_key": ("[milter]\nsockt = unix:/run/x   <<<", "sockt"),
    "key_of_another_section": ("[milter]\nsenders = *   <<<", "senders"),
    "key_before_any_section": ("log = stderr   <<<", "log"),
    "key_twice": ("[milter]\nmax_active = 5\nmax_active = 6   <<<", "max_active", "2"),
    "key_twice_in_two_sections": (
        "[milter]\nmax_active = 5\n[trust]\n[milter]\nmax_active = 6   <<<", "max_active", "2"),
    "indented_key_twice": ("[milter]\n  max_active = 5\n  max_active = 6   <<<", "max_active"),
    "key_twice_with_the_same_value": (
        "[milter]\nlog = stderr\nlog = stderr   <<<", "log"),
    "key_without_equals_sign": ("[milter]\nlog stderr   <<<", ),
    "section_without_bracket": ("[milter   <<<", ),
    "continued_number": ("[milter]\nmax_active = 5\n  6   <<<", "max_active"),

    # Sockets, users, files
    "socket_of_no_kind": ("[milter]\nsocket = /run/milter.sock   <<<", "socket", "unix:"),
    "socket_of_unknown_kind": ("[milter]\nsocket = tcp:25@127.0.0.1   <<<", "tcp:25@127.0.0.1"),
    "socket_without_path": ("[milter]\nsocket = unix:   <<<", "socket"),
    "socket_path_too_long": (f"[milter]\nsocket = unix:/tmp/{'x' * 120}   <<<", "socket", "107"),
    "socket_without_host": ("[milter]\nsocket = inet:2525   <<<", "inet:2525"),
    "socket_port_too_high": ("[milter]\nsocket = inet:65536@127.0.0.1   <<<", "65536"),
    "socket_port_zero": ("[milter]\nsocket = inet:0@127.0.0.1   <<<", "socket"),
    "socket_port_no_number": ("[milter]\nsocket = inet:smtp@127.0.0.1   <<<", "smtp"),
    "socket_mode_not_octal": ("[milter]\nsocket_mode = 0888   <<<", "socket_mode", "0888"),
    "socket_mode_too_wide": ("[milter]\nsocket_mode = 10660   <<<", "socket_mode", "10660"),
    "socket_mode_in_letters": ("[milter]\nsocket_mode = rw-rw----   <<<", "socket_mode", "rw-"),
    "unknown_group": ("[milter]\nsocket_group = no-such-group   <<<", "no-such-group"),
    "unknown_user": ("[milter]\nuser = no-such-user   <<<", "no-such-user"),
    "temp_dir_missing": ("[milter]\ntemp_dir = /no/such/folder   <<<", "/no/such/folder"),
    "temp_dir_is_a_file": ("[milter]\ntemp_dir = api.key   <<<", "api.key"),

    # Words and numbers
    "header_with_space": ("[milter]\nheader = X Cancel   <<<", "header", "X Cancel"),
    "header_with_colon": ("[milter]\nheader = X-Cancel:   <<<", "X-Cancel:"),
    "header_of_a_standard": ("[milter]\nheader = Subject   <<<", "Subject", "X-"),
    "header_empty": ("[milter]\nheader =   <<<", "header"),
    "unknown_mode": ("[milter]\nmode = fast   <<<", "mode", "fast", "direct"),
    "unknown_log": ("[milter]\nlog = /var/log/filter   <<<", "log", "stderr"),
    "unknown_log_level": ("[milter]\nlog_level = loud   <<<", "loud", "info"),
    "log_level_that_would_log_nothing_more": ("[milter]\nlog_level = debug   <<<", "debug"),
    "unknown_facility": ("[milter]\nsyslog_facility = post   <<<", "post"),
    "unknown_on_refused": ("[milter]\non_refused = bounce   <<<", "bounce", "reject"),
    "on_unavailable_never_rejects": (
        "[milter]\non_unavailable = reject   <<<", "on_unavailable", "tempfail"),
    "unknown_untrusted": ("[trust]\nuntrusted = drop   <<<", "drop", "strip"),
    "unknown_data_center": ("[cronofy]\ndata_center = eu   <<<", "eu", "de"),
    "neither_yes_nor_no": ("[milter]\ndry_run = maybe   <<<", "dry_run", "maybe", "yes"),
    "empty_yes_or_no": ("[milter]\nstrict_calendar =   <<<", "strict_calendar"),
    "max_active_zero": ("[milter]\nmax_active = 0   <<<", "max_active", "0"),
    "max_active_negative": ("[milter]\nmax_active = -1   <<<", "max_active", "-1"),
    "max_active_huge": ("[milter]\nmax_active = 99999999999999999999   <<<", "max_active"),
    "max_active_no_number": ("[milter]\nmax_active = 5x   <<<", "max_active", "5x"),
    "attempts_zero": ("[cronofy]\nattempts = 0   <<<", "attempts", "0"),
    "attempts_no_whole_number": ("[cronofy]\nattempts = 1.5   <<<", "attempts", "1.5"),
    "duration_without_unit": ("[cronofy]\ntimeout = 5   <<<", "timeout", "5s"),
    "duration_of_unknown_unit": ("[cronofy]\ntimeout = 5w   <<<", "timeout", "5w"),
    "duration_negative": ("[cronofy]\ntimeout = -5s   <<<", "timeout", "-5s"),
    "duration_zero": ("[cronofy]\ntimeout = 0s   <<<", "timeout", "0s"),
    "duration_in_words": ("[cronofy]\ndeadline = soon   <<<", "deadline", "soon"),
    "ledger_keep_too_short": ("[ledger]\nkeep = 30s   <<<", "keep", "30s", "3600s", "3650d"),
    "ledger_file_empty": ("[ledger]\nfile =   <<<", "file", "none"),
    "ledger_required_but_none": ("[ledger]\nfile = none\nrequired = yes   <<<", "required",
                                 "none"),
    "duration_huge": ("[cronofy]\ndeadline = 99999999999999999999s   <<<", "deadline"),
    "duration_overflows": ("[cronofy]\ndeadline = 9223372036854775807h   <<<", "deadline"),
    "size_of_unknown_unit": ("[milter]\nbody_memory = 64Q   <<<", "body_memory", "64Q"),
    "size_negative": ("[milter]\nbody_memory = -64K   <<<", "body_memory", "-64K"),
    "size_huge": ("[milter]\nmax_message_size = 99999999999999999999   <<<", "max_message_size"),
    "size_overflows": ("[milter]\nmax_message_size = 18446744073709551615M   <<<",
                       "max_message_size"),
    "size_zero": ("[milter]\nmax_message_size = 0   <<<", "max_message_size"),

    # Trust
    "network_prefix_too_long": ("[trust]\nnetworks = 10.0.0.0/33   <<<", "10.0.0.0/33"),
    "network_prefix_too_long_v6": ("[trust]\nnetworks = ::1/129   <<<", "::1/129"),
    "network_prefix_empty": ("[trust]\nnetworks = 10.0.0.0/   <<<", "10.0.0.0/"),
    "network_prefix_negative": ("[trust]\nnetworks = 10.0.0.0/-8   <<<", "10.0.0.0/-8"),
    "network_bits_beyond_prefix": ("[trust]\nnetworks = 10.0.0.1/8   <<<", "10.0.0.1/8"),
    "network_no_address": ("[trust]\nnetworks = ::1, localhost   <<<", "localhost"),
    "network_octet_too_high": ("[trust]\nnetworks = 10.0.0.256   <<<", "10.0.0.256"),

    # Cronofy
    "url_to_others_in_clear": ("[cronofy]\nurl = http://api.cronofy.com   <<<", "https"),
    "url_to_others_named_alike": ("[cronofy]\nurl = http://localhost.example.org   <<<", "https"),
    "url_to_others_numbered_alike": (
        "[cronofy]\nurl = http://127.0.0.1.example.org   <<<", "https"),
    "url_with_loopback_as_its_user": (
        "[cronofy]\nurl = http://127.0.0.1@example.org   <<<", "url"),
    "url_with_loopback_as_its_user_and_port": (
        "[cronofy]\nurl = http://127.0.0.1:80@example.org   <<<", "url"),
    "url_with_password": ("[cronofy]\nurl = https://me:secret@api.cronofy.com   <<<", "url"),
    "url_of_no_kind": ("[cronofy]\nurl = api.cronofy.com   <<<", "https"),
    "url_of_unknown_kind": ("[cronofy]\nurl = ftp://api.cronofy.com   <<<", "https"),
    "url_without_host": ("[cronofy]\nurl = https://   <<<", "url"),
    "url_with_query": ("[cronofy]\nurl = https://api.cronofy.com/?a=b   <<<", "url"),
    "url_with_space": ("[cronofy]\nurl = https://api.cronofy.com/ x   <<<", "url"),
    "ca_file_missing": ("[cronofy]\nca_file = no-such.pem   <<<", "no-such.pem"),
    "key_file_missing": ("[cronofy]\napi_key_file = no-such.key   <<<", "no-such.key"),
    "key_file_empty_name": ("[cronofy]\napi_key_file =", "api_key_file"),
    "key_file_is_a_folder": ("[cronofy]\napi_key_file = /tmp   <<<", "/tmp"),

    # Accounts
    "account_without_name": ("[account]   <<<\nsenders = *", "account"),
    "account_without_senders_and_logins": (
        "[account acme]   <<<\ndata_center = de", "acme", "senders", "logins"),
    "account_twice": ("[account acme]\nsenders = @acme.example\n"
                      "[account acme]   <<<\nlogins = acme-app", "acme"),
    "account_with_unknown_key": ("[account acme]\nsenders = *\nsender = x   <<<", "sender"),
    "account_with_unknown_data_center": (
        "[account acme]\nsenders = *\ndata_center = mars   <<<", "mars"),
    "sender_without_at": ("[account acme]\nsenders = acme.example   <<<", "acme.example"),
    "sender_without_domain": ("[account acme]\nsenders = robot@   <<<", "robot@"),
    "sender_nothing_but_at": ("[account acme]\nsenders = @   <<<", "@"),
    "sender_with_other_wildcard": ("[account acme]\nsenders = *@acme.example   <<<",
                                   "*@acme.example"),
    "sender_claimed_twice": ("[account a]\nsenders = @acme.example\n"
                             "[account b]\nsenders = x@y.example, @acme.example   <<<",
                             "@acme.example", "a"),
    "sender_claimed_twice_in_other_case": (
        "[account a]\nsenders = Robot@Acme.example\n"
        "[account b]\nsenders = robot@acme.EXAMPLE   <<<", "robot@acme"),
    "everyone_claimed_twice": ("[account a]\nsenders = *\n[account b]\nsenders = *   <<<", "*"),
    "login_claimed_twice": ("[account a]\nlogins = app\n[account b]\nlogins = x, app   <<<",
                            "app", "a"),
}


@pytest.mark.parametrize("text, words", [
    pytest.param(text, words, id=name) for name, (text, *words) in FAULTY.items()])
def test_names_the_line_and_what_is_wrong_there(folder, text, words):
    if "api_key_file" not in text:
        text += "\napi_key_file = api.key\n" if "[cronofy]" in text else f"\n{KEY}"
    text, number = marked(text)
    assert_faults(folder, text, (number, *words))


def test_reports_all_faults_at_once(folder):
    text = KEY + "timeout = fast\n[milter]\nlog = x\ndry_run = 7\n[trust]\nnetworks = 1/2\n[nope]\n"
    assert_faults(folder, text, (4, "fast"), (6, "log"), (7, "7"), (9, "1/2"), (10, "nope"))


def test_asks_for_an_api_key(folder):
    assert_faults(folder, "", (None, "api_key_file"))
    assert_faults(folder, "[account acme]\nsenders = *\n", (None, "acme", "api_key_file"))


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o666, 0o607])
def test_refuses_a_key_file_that_everybody_can_use(folder, mode):
    (folder / "api.key").chmod(mode)
    assert_faults(folder, KEY, (3, "api.key", "0600"))


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640])
def test_takes_a_key_file_of_owner_and_group(folder, mode):
    (folder / "api.key").chmod(mode)
    assert_right(folder, KEY)


@pytest.mark.parametrize("content, right", {
    "CRN_key": True, "CRN_key\n": True, "CRN_key\r\n": True, "\ufeffCRN_key\n": True,
    "\ufeff": False, "CRN\ufeffkey": False,
    "": False, "\n": False, "  \n": False, "CRN\nkey\n": False, "CRN\rkey": False,
    "CRN\0key": False, "CRN_\x1bkey\n": False, "CRN_k\u00e9y": False,
    "k" * 100000: False, "CRN key": False,
}.items(), ids=lambda value: repr(value)[:12])
def test_takes_one_line_of_a_key_file_as_the_key(folder, content, right):
    folder.write("api.key", content, 0o600)
    if right:
        assert_right(folder, KEY)
    else:
        assert_faults(folder, KEY, (3, "api.key"))


def test_never_says_a_key(folder):
    folder.write("api.key", "CRN_very-secret\nCRN_second-secret\n", 0o600)
    code, said = check(folder, KEY)
    assert code == 78 and not re.search("secret", "\n".join(said))


def test_finds_relative_paths_beside_the_file_wherever_it_is_started(folder):
    folder.folder("keys")
    folder.write("keys/acme.key", "CRN_key", 0o600)
    text = "[milter]\nsocket = unix:milter.sock\ntemp_dir = keys\n" \
           "[account acme]\nsenders = *\napi_key_file = keys/acme.key\n"
    code, said = check(folder, text, cwd="/")
    assert code == 0, said
    done = run("-n", "-c", "filter.conf", cwd=folder)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("value", [
    "https://api-de.cronofy.com", "https://proxy.example:8443", "http://127.0.0.1:8080",
    "http://127.8.9.10", "http://[::1]:8080", "http://localhost:8080"])
def test_takes_https_and_plain_http_to_itself(folder, value):
    assert_right(folder, f"{KEY}url = {value}\n")


@pytest.mark.parametrize("line", [
    "socket = unix:/run/x.sock", "socket = inet:8890@127.0.0.1", "socket = inet6:8890@[::1]",
    "socket_mode = 600", "socket_mode = 0777", "log = syslog", "log_level = error",
    "syslog_facility = local7", "dry_run = yes", "strict_calendar = no", "on_refused = deliver",
    "on_unavailable = hold", "body_memory = 1M", "max_message_size = 1073741824",
    "max_message_size = 1G", "drain_timeout = 2m", "drain_timeout = 250ms", "mode = direct",
    "max_active = 1", "socket_group =", "user =", "header = X-Cancel"])
def test_takes_documented_values_of_milter(folder, line):
    assert_right(folder, f"[milter]\n{line}\n{KEY}")


@pytest.mark.parametrize("line", [
    "timeout = 250ms", "deadline = 4m", "attempts = 1", "data_center = sg", "proxy =",
    "proxy = http://proxy.example:3128", "url =", "ca_file =", "organizer =",
    "organizer = desk@shop.example"])
def test_takes_documented_values_of_cronofy(folder, line):
    assert_right(folder, KEY + line + "\n")


@pytest.mark.parametrize("line", [
    "networks =", "networks = 0.0.0.0/0", "networks = ::/0", "networks = ::ffff:192.0.2.0/120",
    "networks = 192.0.2.1", "networks = 192.0.2.0/24 2001:db8::/32,::1", "untrusted = keep",
    "authenticated = no"])
def test_takes_documented_values_of_trust(folder, line):
    assert_right(folder, f"[trust]\n{line}\n{KEY}")


def test_takes_the_same_key_in_several_accounts(folder):
    assert_right(folder, KEY + "[account a]\nsenders = @a.example\ndata_center = de\n"
                               "[account b]\nlogins = b\ndata_center = uk\n")


class TestSyntax:
    """Each file has one fault, of known place and text: so it shows what was read, and where."""

    @pytest.mark.parametrize("text", [
        "# comment\n; another\n[milter]\n# log = x\n; log = x\nmax_active = 0",
        "[milter]\nmax_active = 0   ; comment",
        "[milter]\nmax_active = 0   # comment",
        "[milter]\n    max_active=0",
        "[milter]\n    log = stderr\n    max_active=0",
        "  [milter]  \nmax_active\t=\t0   ",
        "[milter]   ; comment\nmax_active = 0",
        "[milter]   # comment\nmax_active = 0",
        "[milter]\n\n\n\nmax_active = 0",
        "[trust]\nnetworks = ::1,\n  10.0.0.0/8,\n    192.0.2.1\n[milter]\nmax_active = 0",
    ])
    @pytest.mark.parametrize("encode", [
        lambda text: text, lambda text: text.replace("\n", "\r\n"), lambda text: "\ufeff" + text,
        lambda text: text.removesuffix("\n"),
    ], ids=["plain", "crlf", "bom", "no-last-line-end"])
    def test_reads(self, folder, encode, text):
        number = text.split("\n").index(next(t for t in text.split("\n") if "max_active" in t)) + 1
        assert_faults(folder, encode(text + "\n" + KEY), (number, "max_active", "0"))

    def test_reads_lists_over_several_lines(self, folder):
        text = f"{KEY}[trust]\nnetworks = ::1,\n  10.0.0.0/8\n  10.0.0.1/8\n"
        assert_faults(folder, text, (7, "10.0.0.1/8"))

    def test_reads_long_lists(self, folder):
        senders = "\n ".join(f"robot{n}@acme.example" for n in range(1000))
        assert_faults(folder, f"{KEY}[account acme]\nsenders = {senders}\n nonsense\n",
                      (1005, "nonsense"))

    def test_reads_lines_however_long(self, folder):
        senders = ", ".join(f"robot{n}@acme.example" for n in range(1000))
        assert_faults(folder, f"{KEY}[account acme]\nsenders = {senders}, nonsense\n",
                      (5, "nonsense"))

    def test_reads_words_however_long(self, folder):
        path = "long/" * 80
        folder.folder(path)
        folder.write(f"{path}/acme.key", "CRN_key", 0o600)
        sender = "robot@" + "domain." * 40 + "example"
        assert_right(folder, f"[account acme]\nsenders = {sender}\nlogins = {'x' * 200}\n"
                             f"api_key_file = {path}/acme.key\n")
        assert_faults(folder, f"{KEY}[account a]\nsenders = {sender}\n"
                              f"[account b]\nsenders = {sender}\n", (7, sender[:100]))

    def test_keeps_semicolons_and_hashes_inside_words(self, folder):
        assert_faults(folder, f"{KEY}[milter]\nlog = a;b#c\n", (5, "a;b#c"))

    def test_refuses_nul(self, folder):
        code, said = check(folder, KEY.encode() + b"[milter]\nlog = std\0err\n")
        assert code == 78 and "filter.conf:5: " in said[0], said

    def test_shows_bytes_that_are_no_text_as_numbers(self, folder):
        code, said = check(folder, KEY.encode() + b"[milter]\nlog = \x1b[31m\xff\n")
        assert code == 78 and r"\x1b[31m\xff" in said[0], said


def test_says_that_a_right_file_is_right(folder):
    done = run("-n", "-c", folder.write("filter.conf", KEY))
    assert done.returncode == 0 and done.stdout.startswith(f"{folder}/filter.conf: no faults")


def as_nobody(*arguments):
    return run(*arguments, user="nobody", group="nogroup", extra_groups=[])


class TestAccess:
    """What -n finds out about files and folders: can the filter's user do its work?"""

    @pytest.fixture
    def judge(self, folder):
        """judge("more of [milter]", ...): the exit code, the faults and the warnings of -n."""
        def judge(milter="", cronofy="", runner=run, mode=0o644):
            text = (f"[milter]\nsocket = unix:{folder}/run/milter.sock\n{milter}\n"
                    f"[ledger]\nfile = none\n"
                    f"[cronofy]\napi_key_file = api.key\n{cronofy}\n")
            done = runner("-n", "-c", folder.write("filter.conf", text, mode))
            said = [line for line in done.stderr.splitlines() if not line.startswith("info: ")]
            warnings = [line for line in said if line.startswith("warning: ")]
            return done.returncode, [line for line in said if line not in warnings], warnings

        folder.folder("run", user="nobody" if os.geteuid() == 0 else None)
        return judge

    def of_nobody(self, folder, name):
        shutil.chown(folder / name, "nobody")

    @needs_root
    def test_is_fine_if_the_user_can_do_all(self, folder, judge):
        self.of_nobody(folder, "api.key")
        assert judge("user = nobody") == (0, [], [])

    @needs_root
    def test_warns_of_a_start_that_stays_root(self, judge):
        code, faults, (warning,) = judge()
        assert (code, faults) == (0, []) and "user: empty" in warning

    @needs_root
    def test_warns_of_a_key_that_a_reload_cannot_read(self, folder, judge):
        code, faults, (warning,) = judge("user = nobody")
        assert (code, faults) == (0, [])
        assert f"{folder}/api.key" in warning and "reload" in warning

    @needs_root
    def test_warns_of_a_configuration_that_a_reload_cannot_read(self, folder, judge):
        self.of_nobody(folder, "api.key")
        code, faults, (warning,) = judge("user = nobody", mode=0o600)
        assert (code, faults) == (0, [])
        assert warning.count(f"{folder}/filter.conf") == 2 and "reload" in warning

    @needs_root
    def test_finds_a_temp_dir_that_the_user_cannot_write(self, folder, judge):
        self.of_nobody(folder, "api.key")
        folder.folder("temp")
        code, (fault,), warnings = judge("user = nobody\ntemp_dir = temp")
        assert (code, warnings) == (78, [])
        assert f"temp_dir: the filter's user cannot create files in {folder}/temp" in fault
        self.of_nobody(folder, "temp")
        assert judge("user = nobody\ntemp_dir = temp") == (0, [], [])

    @needs_root
    def test_finds_a_ca_file_that_the_user_cannot_read(self, folder, judge):
        self.of_nobody(folder, "api.key")
        folder.write("ca.pem", "", 0o600)
        code, (fault,), warnings = judge("user = nobody", "ca_file = ca.pem")
        assert (code, warnings) == (78, []) and f"ca_file: {folder}/ca.pem" in fault
        self.of_nobody(folder, "ca.pem")
        assert judge("user = nobody", "ca_file = ca.pem") == (0, [], [])

    @needs_root
    def test_judges_with_the_rights_of_who_starts_it(self, folder, judge):
        self.of_nobody(folder, "api.key")
        assert judge(runner=as_nobody) == (0, [], [])
        assert judge("user = nobody", runner=as_nobody) == (0, [], [])
        code, faults, (warning,) = judge("user = daemon", runner=as_nobody)
        assert (code, faults) == (0, []) and "only root can become daemon" in warning

    @needs_root
    def test_finds_a_folder_in_which_no_socket_can_be_made(self, folder, judge):
        self.of_nobody(folder, "api.key")
        shutil.chown(folder / "run", "root")
        code, (fault,), warnings = judge(runner=as_nobody)
        assert (code, warnings) == (78, [])
        assert f"no socket can be created in the directory {folder}/run" in fault

    def test_finds_a_folder_for_the_socket_that_is_not_there(self, folder, judge):
        (folder / "run").rmdir()
        code, (fault,), _ = judge()
        assert code == 78 and f"{folder}/run: No such file" in fault

    def test_only_warns_of_what_a_service_manager_makes(self, folder):
        code, said = check(folder, f"[milter]\nsocket = unix:/run/no-such-folder/sock\n{KEY}")
        assert code == 0
        assert any("/run/no-such-folder does not exist yet" in line for line in said), said

    def test_finds_something_else_in_the_place_of_the_socket(self, folder, judge):
        folder.write("run/milter.sock", "precious")
        code, (fault,), _ = judge()
        assert code == 78 and f"{folder}/run/milter.sock is not a socket" in fault
        assert (folder / "run/milter.sock").read_text() == "precious"

    @pytest.mark.parametrize("socket, words", (
        ("inet:2525@127.0.0.1", "any user of this machine"),
        ("inet6:2525@[::1]", "any user of this machine"),
        ("inet:2525@localhost", "any user of this machine"),
        ("inet:2525@0.0.0.0", "DANGER: inet:2525@0.0.0.0 is open to the network"),
        ("inet:2525@192.0.2.1", "DANGER: "), ("inet6:2525@[::]", "DANGER: "),
        ("inet:2525@localhost.evil.example", "DANGER: ")))
    def test_warns_of_a_port_and_loudly_of_the_networks(self, folder, socket, words):
        code, said = check(folder, f"[milter]\nsocket = {socket}\n{KEY}")
        warnings = [line for line in said if "socket" in line]
        assert code == 0 and len(warnings) == 1 and words in warnings[0], said

    @pytest.mark.parametrize("mode", (0o666, 0o646, 0o664, 0o660))
    def test_refuses_a_configuration_that_others_can_change(self, folder, judge, mode):
        judge()
        path = folder / "filter.conf"
        path.chmod(mode)
        done = run("-n", "-c", path)
        assert done.returncode == 78
        assert f"can be changed by others (mode 0{mode:o})" in done.stderr, done.stderr

    @pytest.mark.parametrize("section, line", (
        ("cronofy", "proxy = http://me:secret@proxy.example:3128"),
        ("redis", "url = redis://me:secret@127.0.0.1:6379")))
    def test_refuses_one_with_a_password_that_others_can_read(self, folder, section, line):
        folder.write("api.key", "CRN_1", 0o600)
        text = "[cronofy]\napi_key_file = api.key\n" + (
            f"{line}\n" if section == "cronofy" else f"[{section}]\n{line}\n")
        path = folder.write("filter.conf", text, 0o644)
        done = run("-n", "-c", path)
        assert done.returncode == 78 and "can be read or changed by others" in done.stderr, done
        assert "secret" not in done.stderr
        path.chmod(0o640)
        assert "by others" not in run("-n", "-c", path).stderr

    def test_changes_nothing(self, folder, judge):
        before = sorted(path.name for path in folder.path.rglob("*"))
        judge()
        assert sorted(path.name for path in folder.path.rglob("*")) == sorted(
            [*before, "filter.conf"])

    @needs_root
    def test_is_told_again_in_the_log_of_a_start_which_is_one_nevertheless(self, folder, standin):
        folder.folder("temp")
        with FilterProcess(folder, standin, milter={
                "temp_dir": folder / "temp", "user": "nobody"}) as running:
            assert "error: " in running.log() and f"{folder}/temp" in running.log()


class TestDoubts:
    """What keeps the filter from its work, or is most likely a mistake: never plain "no faults"."""

    def judge(self, folder, text, code=0):
        done = run("-n", "-c", folder.write("filter.conf", text))
        assert done.returncode == code, done
        if code == 0:
            assert done.stdout == f"{folder}/filter.conf: no faults, but see the warnings\n"
        return done.stderr

    @needs_root
    @pytest.mark.parametrize("what, keys", [
        ("stamp_key_file: no key", "[milter]\nmode = queued\nstamp_key_file = {}/stamp.key\n"),
        ("file: no ledger", "[milter]\nuser = nobody\n[ledger]\nfile = {}/ledger.db\n")],
        ids=["stamp_key", "ledger"])
    def test_a_folder_that_cannot_be_used(self, folder, what, keys):
        (folder / "there").mkdir()  # root's
        shutil.chown(folder / "api.key", "nobody")
        (folder / "api.key").chmod(0o400)
        text = KEY + keys.format("absent")
        assert f"{what} can be created in the directory {folder}/absent: No such file" in self.judge(
            folder, text, 78)
        if "nobody" in keys:
            text = KEY + keys.format("there")
            assert f"{what} can be created in the directory {folder}/there: Permission" in self.judge(
                folder, text, 78)

    @needs_root
    def test_a_ledger_of_somebody_else(self, folder):
        folder.folder("there", user="nobody")
        folder.write("there/ledger.db", "", 0o600)
        shutil.chown(folder / "api.key", "nobody")
        assert f"filter.conf:7: file: {folder}/there/ledger.db cannot be read and written" in self.judge(
            folder, f"{KEY}[milter]\nuser = nobody\n[ledger]\nfile = there/ledger.db\n", 78)

    def test_a_timeout_longer_than_the_deadline(self, folder):
        said = self.judge(folder, f"{KEY}timeout = 20s\ndeadline = 10s\n")
        assert (f"warning: {folder}/filter.conf:4: timeout: 20000 ms for one call is longer than "
                "the deadline (10000 ms)") in said

    @pytest.mark.parametrize("senders", ["app@shop.example", "@shop.example, @shop2.example",
                                         "@notinvites.example", "@s.invites.exampl"])
    def test_an_organizer_whom_no_sender_can_be(self, folder, senders):
        said = self.judge(folder, f"{KEY}organizer = organizer@invites.example\n"
                                  f"[account shop]\nsenders = {senders}\n")
        assert (f"warning: {folder}/filter.conf:4: organizer: no sender of account shop has the "
                "domain of organizer@invites.example") in said

    @pytest.mark.parametrize("account", [
        "senders = desk@Shop.example", "senders = @shop.example", "senders = *",
        "senders = @bounces.shop.example", "senders = @example", "senders = a@b.example\nlogins = x",
        "senders = a@b.example\norganizer ="])
    def test_no_organizer_whom_a_sender_may_be(self, folder, account):
        assert_right(folder, f"{KEY}organizer = desk@shop.example\n[account shop]\n{account}\n")

    @pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0"])
    def test_trust_in_everybody(self, folder, network):
        said = self.judge(folder, f"{KEY}[trust]\nnetworks = ::1, {network}\n")
        assert (f"{folder}/filter.conf:5: networks: {network} is the whole Internet" in said)


class TestCredential:
    def check(self, folder, value, **env):
        text = f"[cronofy]\napi_key_file = {value}\n"
        return check(folder, text, env={**os.environ, **env})

    def test_is_a_file_in_the_folder_of_the_service_manager(self, folder):
        folder.write("credentials/key_acme", "CRN_acme\n", 0o400)
        code, said = self.check(folder, "credential:key_acme",
                                CREDENTIALS_DIRECTORY=f"{folder}/credentials")
        assert code == 0, said

    def test_that_is_not_there_is_missed_by_its_whole_path(self, folder):
        folder.folder("credentials")
        code, said = self.check(folder, "credential:key_acme",
                                CREDENTIALS_DIRECTORY=f"{folder}/credentials")
        assert code == 78 and f"{folder}/credentials/key_acme" in said[0], said

    def test_is_looked_for_with_the_running_service_by_a_command_of_root(self, folder):
        code, said = self.check(folder, "credential:no-such-key", CREDENTIALS_DIRECTORY="")
        assert code == 78
        assert "/run/credentials/cancel-invite-milter.service/no-such-key" in said[0], said

    @pytest.mark.parametrize("name", ["", "../api.key", "/etc/passwd", ".", "..", "a/b",
                                      "x" * 256])
    def test_has_a_name_that_leads_nowhere_else(self, folder, name):
        folder.folder("credentials")
        code, said = self.check(folder, f"credential:{name}",
                                CREDENTIALS_DIRECTORY=f"{folder}/credentials")
        assert code == 78 and "is not the name of a credential" in said[0], said


@pytest.mark.parametrize("name", ["missing.conf", "."])
def test_says_when_the_file_cannot_be_read(folder, name):
    done = run("-n", "-c", folder / name)
    assert done.returncode == 78 and str(folder / name) in done.stderr, done
