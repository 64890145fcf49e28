"""The documents say all that the filter can say, and nothing that it no longer says.

The filter prints its words of result= and its SMTP replies (--outcomes), its texts are in the program;
the tables of conf/TROUBLESHOOTING.md and conf/developers/README.md must have each of them. In a document `…`
stands for what differs from message to message, and a text of the filter's is “quoted” or `a line`.
"""

import functools
import re
from pathlib import Path

import pytest

from lab.outcomes import enhanced_codes, replies, words
from lab.texts import log_formats, texts
from lab.tools import ROOT

TROUBLESHOOTING = ROOT / "conf" / "TROUBLESHOOTING.md"
DEVELOPERS = ROOT / "conf" / "developers"
SECURITY = ROOT / "SECURITY.md"
README, MAP, TESTS = ROOT / "README.md", ROOT / "milter/README.md", ROOT / "tests/README.md"
DOCUMENTS = [TROUBLESHOOTING, SECURITY, *sorted(DEVELOPERS.glob("*.md"))]

ENHANCED = re.compile(r"\b[245]\.\d{1,3}\.\d{1,3}\b")
CONVERSION = re.compile(r"%[-0-9.*]*(?:ll|l|z)?[a-z]")


# Reading the program

def log_lines():
    return {shown(text) for text in log_formats()}


def shown(text):
    """A format as the documents show it."""
    return CONVERSION.sub("…", text).replace("%%", "%")


@functools.lru_cache(maxsize=None)
def all_texts():
    return {shown(text) for text in texts()}


# Reading the documents

def rows(document, heading):
    """The cells of each row of the table below a heading that begins so."""
    section = re.search(rf"^## {re.escape(heading)}.*?(?=^## |\Z)", document.read_text(),
                        flags=re.DOTALL | re.MULTILINE)
    assert section, f"{document} has no heading {heading!r}"
    lines = [line for line in section[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def spans(text):
    return re.findall(r"`([^`]+)`", text)


def codes_of_the_mail_server():
    return {code for row in rows(TROUBLESHOOTING, "What the mail server says")
            for code in ENHANCED.findall(row[0])}


def is_said_by_the_filter(text):
    """Does one text of the program have its pieces, in this order?"""
    pattern = ".*".join(re.escape(piece.strip()) for piece in text.split("…"))
    return any(re.search(pattern, each, re.DOTALL) for each in all_texts())


def missing(what, where):
    return "\n  ".join((f"the filter can say, and {where.relative_to(ROOT)} doesn't explain:",
                        *sorted(what)))


def stale(what, where):
    return "\n  ".join((f"{where.relative_to(ROOT)} explains, and the filter never says:",
                        *sorted(what)))


# The tests

def test_the_filter_is_understood():
    """What everybody knows to be there is found, so the tests below look at something."""
    assert {"cancelled", "untrusted_stripped", "failed", "busy", "stopping", "refused",
            "not_taken"} <= words()
    assert {"5.6.0", "4.3.0", "4.7.8"} <= enhanced_codes()
    assert ("bad_tag", "554 5.6.0") in replies()
    assert "reload: … is in force" in log_lines()


def test_every_result_has_a_row():
    told = {word for row in rows(TROUBLESHOOTING, "result=") for word in spans(row[0])}
    assert not words() - told, missing(words() - told, TROUBLESHOOTING)
    assert not told - words(), stale(told - words(), TROUBLESHOOTING)


def test_every_reply_has_a_row_with_its_result():
    told = {(row[0].strip("`"), row[1]) for row in rows(TROUBLESHOOTING, "result=")}
    absent = {f"{result} with {reply}" for result, reply in replies() - told}
    assert not absent, missing(absent, TROUBLESHOOTING)


@pytest.mark.parametrize("document, heading, column", (
    (TROUBLESHOOTING, "result=", 1),
    (DEVELOPERS / "README.md", "What the reply means", 0),
), ids=("troubleshooting", "developers"))
def test_every_enhanced_code_has_a_row(document, heading, column):
    told = {code for row in rows(document, heading) for code in ENHANCED.findall(row[column])}
    absent = enhanced_codes() - told
    assert not absent, missing(absent, document)
    gone = told - enhanced_codes() - codes_of_the_mail_server()
    assert not gone, stale(gone, document)


def test_every_log_line_has_a_row():
    told = {line for row in rows(TROUBLESHOOTING, "Other lines") for line in spans(row[0])}
    assert not log_lines() - told, missing(log_lines() - told, TROUBLESHOOTING)
    gone = {line for line in told if not any(text.endswith(line) for text in all_texts())}
    assert not gone, stale(gone, TROUBLESHOOTING)


def test_quoted_texts_are_those_of_the_filter():
    quoted = set(re.findall(r"“([^”]+)”", TROUBLESHOOTING.read_text()))
    assert len(quoted) > 40
    gone = {text for text in quoted if not is_said_by_the_filter(text)}
    assert not gone, stale(gone, TROUBLESHOOTING)


def test_every_promise_of_security_has_tests_that_are_there():
    here = Path(__file__).parent
    tests = {name for folder, kind in ((here, "*.py"), (here.parent / "unit", "*.c"))
             for path in folder.glob(kind)
             for name in re.findall(r"(?:def|void) (\w+)\(", path.read_text())}
    promises = [row for row in rows(SECURITY, "What it promises") if row[1]]
    assert len(promises) > 15
    for promise, held_by in promises:
        assert spans(held_by), f"no test holds: {promise}"
        assert not set(spans(held_by)) - tests - {"make bench"}, promise


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_tables_have_whole_rows(document):
    width = 0
    for number, line in enumerate(document.read_text().splitlines(), 1):
        if not line.startswith("|"):
            width = 0
            continue
        cells = line.count("|") - line.count("\\|")
        width = width or cells
        assert cells == width, f"{document}:{number}: {cells - 1} cells, not {width - 1}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text())
    gone = [link for link in links
            if not link.startswith("http") and not (document.parent / link).exists()]
    assert not gone, f"{document}: {gone}"


def test_developers_page_names_every_example():
    files = {path.name for path in DEVELOPERS.iterdir() if path.suffix != ".md"}
    listed = {Path(name).name for row in rows(DEVELOPERS / "README.md", "Examples")
              for name in re.findall(r"\]\(([^)]+)\)", row[1])}
    assert files == listed


# README and the maps

def test_manual_sections_that_readme_names_are_there():
    named = re.findall(r"(cancel-invite-[a-z.-]+)\((\d)\), ([A-Z]{3}[A-Z ]*)", README.read_text())
    assert named
    for page, volume, section in named:
        assert f"\n.Sh {section}\n" in (ROOT / f"conf/man/{page}.{volume}").read_text()


def test_sources_that_the_map_names_are_there():
    named = set(re.findall(r"`((?:base|command|config|cronofy|daemon|ledger|mail|message|metrics|pace)"
                           r"/[a-z_0-9]*(?:\.[ch])?)`", MAP.read_text()))
    assert len(named) > 20
    assert {name for name in named
            if not any((ROOT / "milter" / (name + end)).exists() for end in ("", ".c"))} == set()


@pytest.mark.parametrize("document", (README, TESTS, ROOT / "CONTRIBUTING.md"), ids=lambda path: path.stem)
def test_make_targets_that_are_named_are_there(document):
    targets = re.findall(r"^([a-z][a-z -]*):", (ROOT / "Makefile").read_text(), re.M)
    named = set(re.findall(r"(?:^|`|&& )make ([a-z-]+)(?![/a-z])", document.read_text(), re.M))
    assert named and named <= {target for line in targets for target in line.split()}


def test_tests_that_the_map_runs_are_there():
    text = TESTS.read_text()
    ((file, word),) = re.findall(r"pytest -q (\S+) -k (\w+)", text)
    assert re.search(rf"def test_\w*{word}", (ROOT / file).read_text())
    assert all((ROOT / name).exists() for name in re.findall(r"^(?:python3 )?(tests/\S+\.py)", text, re.M))
