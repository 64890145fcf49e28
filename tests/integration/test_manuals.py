"""The manual pages say what the filter takes and gives: no more, no less, and with the true figures.

The keys are those that the program's --keys prints, the options those of its --help, the results those
of its --outcomes; the fields of the log are test_log.py's to compare. What the page about the configuration shows as an example, the filter itself has to take.
"""

import csv
import grp
import os
import pwd
import re
import subprocess
from dataclasses import dataclass

import pytest

from lab import tools
from lab.filter_process import run, write_secret
from lab.manual import CONFIGURATION, MANUALS, PROGRAM, exit_codes, section
from lab.outcomes import outcomes
from lab.texts import exit_code_names, texts

COMPLETION = (tools.ROOT / "conf/bash-completion/cancel-invite-milter").read_text()
INSTALLED = (tools.ROOT / "conf/cancel-invite-milter.conf").read_text()
DOCUMENTATION = "/usr/share/doc/cancel-invite-milter/"  # make install puts conf/ there

UNITS = {"duration": {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000},
         "size": {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3},
         "number": {"": 1}, "rate": {"": 1}}


@dataclass(frozen=True)
class Key:
    """A line of --keys."""
    section: str
    name: str
    type: str
    default: str
    range: tuple  # least and most in ms, bytes or as they are; None if it is no number
    choices: tuple  # () if it takes other things
    takes_a_restart: bool


@dataclass(frozen=True)
class Entry:
    """What the page says of a key."""
    section: str
    name: str
    text: str

    @property
    def default(self):
        found = re.search(r"^Default:(?: (empty)\.|\n\.Cm (.*) \.)$", self.text, re.M)
        assert found, f"{self.name} has no default"
        return found[2] or ""

    @property
    def range(self):
        found = re.search(r"^From (\S+) to (\S+)\.$", self.text, re.M)
        return found and found.groups()

    @property
    def choices(self):
        takes = self.text.partition(" No = ")[2].partition("\n")[0]
        return tuple(takes[3:].split(" | ")) if takes.startswith("Cm ") else ()

    @property
    def examples(self):
        return re.findall(r"^\.Dl (.*)$", self.text, re.M)

    @property
    def takes_a_restart(self):
        return "\nTakes a restart.\n" in self.text


# Asking the program

def keys():
    printed = run("--keys")
    assert printed.returncode == 0, printed.stderr
    for row in csv.DictReader(printed.stdout.splitlines(), dialect="excel-tab"):
        yield Key(row["section"], row["key"], row["type"], row["default"],
                  (int(row["least"]), int(row["most"])) if row["most"] else None,
                  tuple(row["choices"].split("|")) if row["choices"] else (),
                  row["restart"] == "yes")


KEYS = {(key.section, key.name): key for key in keys()}


def options():
    """-c or --try, as the usage has them: does it take an argument?"""
    return {name: bool(argument) for name, argument in re.findall(
        r"(?<![\w-])(--?[A-Za-z][\w-]*)( [A-Z1][\w|-]*)?", run("--help").stdout)}


# Reading the pages

def entries():
    headings = re.findall(r"^\.Sh (THE SECTIONS? \[(\w+)(?: NAME)?\])$", CONFIGURATION, re.M)
    for heading, name in headings:
        for item in re.split(r"^\.It Ic ", section(CONFIGURATION, heading), flags=re.M)[1:]:
            yield Entry(name, item.split()[0], item.partition("\n.El")[0] + "\n")


ENTRIES = {(entry.section, entry.name): entry for entry in entries()}


def literal_blocks(page):
    return re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed$", page, re.M | re.DOTALL)


def flags(text):
    return {f"-{name}" for name in re.findall(r"\bFl (-?[\w-]+)", text)}


def value_of(key, text):
    """A number as the page has it, in the table's unit."""
    if key.type == "octal":
        return int(text, 8)
    digits, unit = re.fullmatch(r"(\d+)([a-zA-Z]*)", text).groups()
    return int(digits) * UNITS[key.type][unit]


def installed_keys():
    """(section, key): (is it commented out, value) in the configuration that is installed."""
    section = None
    for line in INSTALLED.splitlines():
        if begins := re.fullmatch(r"#?\[(\w+).*\]", line):
            section = begins[1]
        elif found := re.fullmatch(r"(#?)(\w+) = ?(.*)", line):
            yield (section, found[2]), (found[1] == "#", found[3])


# Trying what they say

def check(workdir, text):
    """-n for a configuration from the page, with what it names put where a test may put things."""
    for name in re.findall(r"_file = ([\w./-]+)$", text, re.M):
        write_secret(workdir / os.path.basename(name), "k" * 40)
    workdir.folder("cancel-invite-milter")
    text = text.replace("/etc/cancel-invite-milter", str(workdir))
    text = text.replace("/var/spool/postfix", str(workdir))
    text = re.sub(r"^user = .*", f"user = {pwd.getpwuid(os.geteuid()).pw_name}", text, flags=re.M)
    text = re.sub(r"^socket_group = .*", f"socket_group = {grp.getgrgid(os.getegid()).gr_name}",
                  text, flags=re.M)
    for key, value in (("socket", f"unix:{workdir}/milter.sock"), ("stamp_key_file", "none.key")):
        if not re.search(rf"^{key} =", text, re.M):
            text += f"\n[milter]\n{key} = {value}\n"
    return run("-n", "-c", workdir.write("page.conf", text))


def with_key(section, line):
    """The least configuration that has this line in this section."""
    if line.startswith("api_key_file"):
        return f"[cronofy]\n{line}\n"
    heading = "account acme" if section == "account" else section
    redis = ("[redis]\nurl = redis://cache.example\nsecret_file = api.key\n"
             if line.startswith("shared") else "")
    return f"[cronofy]\napi_key_file = api.key\n{redis}[{heading}]\n{line}\n"


# The tests

@pytest.mark.parametrize("page", sorted(MANUALS.glob("*.[1-8]")), ids=lambda path: path.name)
def test_mandoc_has_nothing_to_say(page):
    said = subprocess.run([tools.installed("mandoc"), "-Tlint", "-Wwarning", page],
                          capture_output=True, text=True)
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_sources_are_understood():
    """What everybody knows to be there is found, so the tests below look at something."""
    assert KEYS["milter", "body_memory"].range == (0, 64 * 1024 * 1024)
    assert KEYS["milter", "socket_mode"].range == (0, 0o777)
    assert KEYS["cronofy", "deadline"].range == (10, 240_000)
    assert KEYS["trust", "untrusted"].choices == ("strip", "reject", "keep")
    assert KEYS["account", "senders"].default == ""
    assert options()["--try"] and not options()["-n"] and options()["-c"]
    assert KEYS["milter", "socket"].takes_a_restart


def test_every_key_is_explained_and_no_other():
    assert set(ENTRIES) == set(KEYS)


@pytest.mark.parametrize("at", KEYS, ids=".".join)
def test_a_key_has_its_true_default_and_range(at):
    key, entry = KEYS[at], ENTRIES[at]
    assert entry.default == key.default
    assert bool(entry.range) == bool(key.range)
    if key.range:
        assert tuple(value_of(key, text) for text in entry.range) == key.range


@pytest.mark.parametrize("at", [at for at, key in KEYS.items() if key.choices], ids=".".join)
def test_a_key_has_the_choices_that_the_filter_takes(at, workdir):
    key = KEYS[at]
    taken = tuple(choice for choice in key.choices if check(
        workdir, with_key(key.section, f"{key.name} = {choice}")).returncode == 0)
    assert ENTRIES[at].choices == taken
    assert key.default in taken


@pytest.mark.parametrize("at", KEYS, ids=".".join)
def test_a_key_has_an_example_that_works(at, workdir):
    (example,) = ENTRIES[at].examples
    name, _, value = example.partition(" = ")
    assert name == at[1] and value not in ("", KEYS[at].default)
    checked = check(workdir, with_key(at[0], example))
    assert checked.returncode == 0, checked.stderr


def test_keys_that_take_a_restart_say_so():
    assert ({at for at, entry in ENTRIES.items() if entry.takes_a_restart}
            == {at for at, key in KEYS.items() if key.takes_a_restart})


@pytest.mark.parametrize("number", range(len(literal_blocks(CONFIGURATION))))
def test_every_configuration_that_is_shown_works(number, workdir):
    checked = check(workdir, literal_blocks(CONFIGURATION)[number])
    assert checked.returncode == 0, checked.stderr


def test_a_faulty_example_would_be_noticed(workdir):
    assert check(workdir, with_key("milter", "max_active = many")).returncode == os.EX_CONFIG
    assert len(literal_blocks(CONFIGURATION)) >= 4


def test_the_installed_configuration_has_every_key_with_its_default():
    there = dict(installed_keys())
    examples = {at for at in there if at[0] == "account"}  # an account of somebody's
    assert set(KEYS) - set(there) == set()
    assert set(there) - examples == {at for at in KEYS if at[0] != "account"}
    assert all(there[at][0] for at in examples)
    given = {at: value for at, (commented, value) in there.items() if not commented}
    assert given == {("cronofy", "api_key_file"): "api.key"}
    shown = {at: value for at, (_, value) in there.items() if at not in examples | set(given)}
    assert shown == {at: KEYS[at].default for at in shown}


def test_every_option_is_explained_and_no_other():
    explained = {name: "Ar" in line for line in re.findall(r"^\.It (Fl .*)$", PROGRAM, re.M)
                 for name in flags(line)}
    assert explained == options()
    assert flags(PROGRAM + CONFIGURATION) <= set(options())


def test_every_option_but_long_names_is_in_the_synopsis():
    assert set(options()) - flags(section(PROGRAM, "SYNOPSIS")) == {"--version", "--help"}


def test_bash_completes_every_option_and_no_other():
    (offered,) = re.findall(r"compgen -W '(-[^']*)'", COMPLETION)
    assert set(offered.split()) == set(options())


def test_exit_codes_are_those_of_the_sources():
    assert list(exit_codes()) == sorted(getattr(os, name) for name in exit_code_names())


def test_the_table_of_results_is_the_filters_own():
    rows = re.findall(r"^\.It Cm (\w+)\n(.*) \((\w+)\): (.*)$", section(PROGRAM, "RESULTS"), re.M)
    assert rows == [(each.word, each.reply or "no reply", each.level, each.meaning)
                    for each in outcomes()]


def test_results_that_the_configuration_decides_name_its_keys():
    for each in outcomes():
        if each.choice != "-":
            assert f".Ic {each.choice}\n" in section(PROGRAM, "RESULTS"), each.word


def test_every_series_is_explained_and_no_other():
    series = {text for text in texts() if re.fullmatch(r"cancel_invite_\w+", text)}
    series -= {"cancel_invite_header_checks"}  # a parameter of Postfix's main.cf
    assert len(series) > 10
    assert set(re.findall(r"\bcancel_invite_\w+", PROGRAM)) == series


def test_documentation_that_is_named_is_there():
    named = re.findall(rf"{DOCUMENTATION}([\w./-]*\w)", PROGRAM + CONFIGURATION)
    assert "TROUBLESHOOTING.md" in named
    gone = [name for name in named
            if not (tools.ROOT / "conf" / name.removeprefix("examples").lstrip("/")).exists()]
    assert not gone
