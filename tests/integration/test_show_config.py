"""--show-config: each value of the configuration and where it comes from, for people and for shells."""

import csv
import os
import re
import subprocess

import pytest

from lab.filter_process import binary, run, write_config

FILE = """\
[milter]
socket = unix:run/milter.sock
mode = queued
max_message_size = 2M
[trust]
networks = 192.0.2.0/24,
  2001:db8::/32
[ledger]
file = none
[redis]
url = redis://joe:s3cret@cache.example:7000/3
share = 1/2
[cronofy]
api_key_file = /nowhere/api.key
deadline = 2m
proxy = http://joe:s3cret@proxy.example:3128
data_center = de
[account acme.one]
senders = @acme.example, robot@acme.org
timeout = 250ms
[account other]
logins = app
url = https://cronofy.example
"""


def show(config):
    shown = run("--show-config", "-c", config)
    assert (shown.returncode, shown.stderr) == (0, ""), shown
    return shown.stdout


def values(config):
    """{name: (value, origin)}, read as the manual says."""
    found = {}
    for line in show(config).splitlines():
        assignment, _, origin = line.rpartition("  # ")
        name, _, value = assignment.partition(" = ")
        assert name not in found
        found[name] = (value, origin)
    return found


@pytest.fixture
def config(workdir):
    return workdir.write("filter.conf", FILE, 0o640)  # there are passwords in it


def test_shows_each_value_and_where_it_comes_from(workdir, config):
    found = values(config)
    assert {name: value for name, (value, origin) in found.items() if origin != "default"
            and not name.startswith("account.")} == {
        "milter.socket": f"unix:{workdir}/run/milter.sock",
        "milter.mode": "queued",
        "milter.max_message_size": "2097152",
        "trust.networks": "192.0.2.0/24, 2001:db8::/32",
        "ledger.file": "none",
        "redis.url": "redis://joe:***@cache.example:7000/3",
        "redis.share": "1/2",
        "cronofy.api_key_file": "/nowhere/api.key",
        "cronofy.deadline": "120000ms",
        "cronofy.proxy": "http://joe:***@proxy.example:3128",
        "cronofy.data_center": "de",
    }
    lines = FILE.splitlines()
    for name, (_, origin) in found.items():
        if origin == "default":
            continue
        file, _, line = origin.rpartition(":")
        assert file == str(config)
        assert re.match(rf"{name.rpartition('.')[2]} = ", lines[int(line) - 1])


def test_shows_what_accounts_inherit_and_what_they_do_not(config):
    found = values(config)
    assert found["account.acme.one.senders"] == ("@acme.example, robot@acme.org", f"{config}:19")
    assert found["account.acme.one.timeout"] == ("250ms", f"{config}:20")
    assert found["account.acme.one.deadline"] == ("120000ms", f"{config}:15")
    assert found["account.acme.one.data_center"] == ("de", f"{config}:17")
    assert found["account.other.timeout"] == ("20000ms", "default")
    # What says by itself where its Cronofy is does not take that from [cronofy].
    assert found["account.other.url"] == ("https://cronofy.example", f"{config}:23")
    assert found["account.other.data_center"] == ("us", "default")


def test_shows_every_key_and_no_other(config):
    keys = list(csv.DictReader(run("--keys").stdout.splitlines(), dialect="excel-tab"))
    wanted = {f"{row['section']}.{row['key']}" for row in keys if row["section"] != "account"}
    wanted |= {f"account.{name}.{row['key']}" for row in keys for name in ("acme.one", "other")
               if row["section"] in ("account", "cronofy")}
    assert set(values(config)) == wanted


def test_without_accounts_there_is_one(workdir):
    found = values(workdir.write("filter.conf", ""))
    assert found["account.cronofy.senders"] == ("*", "default")


def test_shows_no_secret(workdir, config, standin):
    (workdir / "secret").mkdir()
    assert "s3cret" not in show(config)
    written = write_config(workdir / "secret", standin=standin)
    shown = show(written)
    assert standin.api_key not in shown and "account.cronofy.api_key_file = /" in shown


@pytest.mark.parametrize("url, shown", [
    ("http://joe:a%40b@proxy.example", "http://joe:***@proxy.example"),
    ("http://token@proxy.example", "http://***@proxy.example"),
    ("joe:secret@proxy.example:1", "joe:***@proxy.example:1"),
    ("http://proxy.example", "http://proxy.example")])
def test_redacts_what_may_be_a_password(workdir, url, shown):
    found = values(workdir.write("filter.conf", f"[cronofy]\nproxy = {url}\n", 0o640))
    assert found["cronofy.proxy"][0] == shown


def test_can_be_read_by_a_shell_as_the_manual_says(config):
    script = """
        value() { "$CIM" --show-config -c "$CONF" | sed -n "s/^$1 = \\(.*\\)  # .*/\\1/p"; }
        deadline=$(value cronofy.deadline)
        echo "$(value milter.mode) $(value trust.networks) $((${deadline%ms} / 1000)) <$(value milter.user)>"
    """
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True,
                          env={**os.environ, "CIM": str(binary()), "CONF": str(config)})
    assert done.stdout == "queued 192.0.2.0/24, 2001:db8::/32 120 <>\n"


def test_what_it_shows_is_a_configuration_that_means_the_same(workdir, config):
    """All but the passwords that it leaves out."""
    shown = {name: value for name, (value, _) in values(config).items() if "***" not in value}
    given = {name for name, (_, origin) in values(config).items() if origin != "default"}
    sections = {}
    for name in given & set(shown):
        section, _, key = name.rpartition(".")
        sections.setdefault(section.replace("account.", "account "), []).append(
            f"{key} = {shown[name]}\n")
    again = values(workdir.write("again.conf", "".join(
        f"[{section}]\n{''.join(lines)}" for section, lines in sections.items()), 0o640))
    assert shown == {name: again[name][0] for name in shown}


def test_needs_neither_keys_nor_users_nor_rights(workdir):
    config = workdir.write("filter.conf", "[milter]\nuser = no-such-user\n"
                                          "[cronofy]\napi_key_file = /nowhere/api.key\n")
    assert values(config)["milter.user"] == ("no-such-user", f"{config}:2")


def test_control_characters_do_not_reach_the_terminal(workdir):
    config = workdir.write("filter.conf", b"[milter]\nsocket_group = \x1b[31mred\n")
    assert values(config)["milter.socket_group"][0] == r"\x1b[31mred"


def test_a_faulty_file_is_said_to_be_so(workdir):
    done = run("--show-config", "-c", workdir.write("filter.conf", "[milter]\nlog = x\n"))
    assert done.returncode == os.EX_CONFIG and not done.stdout
    assert done.stderr == (f'{workdir}/filter.conf:2: log: invalid value "x": '
                           "expected one of: stderr, syslog\n")
