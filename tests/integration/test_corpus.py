"""Every message of the corpus through --rewrite, its result before two independent parsers.

NAME.expect stands beside NAME.eml (or the message is made by generate.py) and says what is to come
out, as a person derived it from the rules:

    # why, for the reader
    warning: WORD               a word that must be on stderr
    refused: WORD               exit 65, and a word of the reason
    multipart/mixed             ... or the tree that comes out, as lab/mime_tree.py prints it;
      text/plain (30 times)     "(N times)" stands for N such lines
    python: what it misreads    ... where a parser sees something else: the tree that it sees, or
    gmime: what it misreads     no tree if it is of no use for this message
"""

import re
from dataclasses import dataclass, field
from functools import cache

import pytest

pytest.register_assert_rewrite("corpus.rewriting")

from corpus.generate import generate  # noqa: E402
from corpus.rewriting import (  # noqa: E402
    CORPUS, Rewriting, gmime_lines, leaves_by_gmime, leaves_by_python, without_content)
from lab import mime_tree  # noqa: E402
from lab.workdir import Workdir  # noqa: E402

CALENDARS = sorted((CORPUS / "calendars").glob("*.ics"))
BAD_CALENDARS = {
    "control-character-in-method": "a control character in METHOD, UID",
    "control-character-in-uid": "a control character in METHOD, UID",
    "cr-before-a-fold": "a CR without LF in it (line 14)",
    "cr-cr-lf": "a CR without LF in it (line 1)",
    "cr-only": "a CR without LF in it (line 1)",
    "deep": "nested deeper than 20",
    "event-in-an-event": "a VEVENT inside",
    "half-a-character": "not valid UTF-8",
    "libical-reads-another-uid": "libical",
    "line-end-in-a-quoted-parameter": "name;parameters:value (RFC 5545, 3.1) (line 15)",
    "line-without-a-colon": "(line 15)",
    "lone-cr": "a CR without LF in it (line 14)",
    "many-parameters": "more than 50 parameters (line 15)",
    "not-utf8": "not valid UTF-8",
    "nul": "a NUL",
    "parameter-without-a-value": "(line 15)",
    "quote-inside-a-parameter": "(line 15)",
    "quote-left-open": "(line 15)",
    "request-behind-the-event": "not CANCEL but REQUEST",
    "truncated": "in the middle",
    "two-methods": "two METHODs",
    "two-uids": "two UIDs",
    "uid-cut-by-a-line-end": "name;parameters:value (RFC 5545, 3.1) (line 7)",
}
USUAL_CALENDAR = CORPUS / "calendars/ascii-lf.ics"


@dataclass
class Expectation:
    refused: str = ""
    warning: str = ""
    tree: list = field(default_factory=list)
    misread: dict = field(default_factory=dict)     # parser: the tree that it sees

    def tree_for(self, parser):
        return self.misread.get(parser, self.tree)


@cache
def expectation(name):
    found = Expectation()
    tree = found.tree
    for line in (CORPUS / f"{name}.expect").read_text().splitlines():
        key, _, rest = line.partition(": ")
        if line.startswith("#"):
            continue
        if key in ("refused", "warning"):
            setattr(found, key, rest)
        elif key in ("python", "gmime"):
            tree = found.misread[key] = []
        else:
            repeated = re.fullmatch(r"(.*) \((\d+) times\)", line)
            tree.extend([repeated[1]] * int(repeated[2]) if repeated else [line])
    return found


NAMES = sorted(path.stem for path in CORPUS.glob("*.expect"))
REFUSED = [name for name in NAMES if expectation(name).refused]
REWRITTEN = [name for name in NAMES if not expectation(name).refused]
READ_BY_PYTHON = [name for name in REWRITTEN if expectation(name).tree_for("python")]
READ_BY_GMIME = [name for name in REWRITTEN if expectation(name).tree_for("gmime")]
READ_RIGHTLY_BY_PYTHON = [name for name in REWRITTEN if "python" not in expectation(name).misread]

every_rewritten = pytest.mark.parametrize("name", REWRITTEN)
each_read_by_python = pytest.mark.parametrize("name", READ_BY_PYTHON)
each_read_by_gmime = pytest.mark.parametrize("name", READ_BY_GMIME)


@cache
def messages():
    """Path by name. The folder of those that are made goes when this process ends."""
    paths = list(CORPUS.glob("*.eml")) + generate(Workdir())
    return {path.stem: path for path in paths}


@cache
def rewriting(name, calendar=USUAL_CALENDAR):
    return Rewriting.run(messages()[name], calendar)


def rewritten(name, calendar=USUAL_CALENDAR):
    result = rewriting(name, calendar)
    result.check_succeeded()
    return result


def test_every_message_has_an_expectation():
    assert sorted(messages()) == NAMES


@pytest.mark.parametrize("name", REFUSED)
def test_refuses(name):
    rewriting(name).check_refused(expectation(name).refused)


@pytest.mark.parametrize("name", [name for name in NAMES if expectation(name).warning])
def test_warns(name):
    assert expectation(name).warning in rewritten(name).errors.lower()


@each_read_by_python
def test_tree_as_python_reads_it(name):
    assert mime_tree.lines(rewritten(name).output) == expectation(name).tree_for("python")


@each_read_by_gmime
def test_tree_as_gmime_reads_it(name):
    tree = [without_content(line) for line in gmime_lines(rewritten(name).output)]
    assert tree == expectation(name).tree_for("gmime")


@each_read_by_python
def test_python_finds_every_original_leaf_unchanged(name):
    rewritten(name).check_leaves_are_unchanged(leaves_by_python)


@each_read_by_gmime
def test_gmime_finds_every_original_leaf_unchanged(name):
    rewritten(name).check_leaves_are_unchanged(leaves_by_gmime)


@pytest.mark.parametrize("name", READ_RIGHTLY_BY_PYTHON)
def test_headers_of_every_leaf_are_unchanged(name):
    rewritten(name).check_leaf_headers_are_unchanged()


@every_rewritten
def test_body_was_only_inserted_into(name):
    rewritten(name).check_body_was_only_inserted_into()


@every_rewritten
def test_header(name):
    result = rewritten(name)
    result.check_tag_is_gone()
    result.check_other_headers_are_unchanged()
    result.check_one_mime_version()
    result.check_top_transfer_encoding()
    result.check_no_content_length()
    result.check_content_headers_went_inside()


@every_rewritten
def test_lines_and_boundaries(name):
    result = rewritten(name)
    result.check_long_lines_are_original()
    result.check_no_bare_line_ends_were_added()
    result.check_boundaries()


@pytest.mark.parametrize("name", READ_RIGHTLY_BY_PYTHON)
def test_inserted_parts(name):
    result = rewritten(name)
    result.check_calendar_part()
    result.check_attached_calendar()
    result.check_inserted_multiparts_say_8bit()


@pytest.mark.parametrize("name", ["plain", "alternative", "mixed-text-pdf", "image"])
@pytest.mark.parametrize("calendar", CALENDARS, ids=lambda path: path.stem)
def test_calendar_is_prepared_and_both_copies_are_the_same(name, calendar):
    result = rewritten(name, calendar)
    result.check_calendar_part()
    result.check_attached_calendar()
    result.check_leaves_are_unchanged(leaves_by_python)
    result.check_body_was_only_inserted_into()
    result.check_long_lines_are_original()


@pytest.mark.parametrize("name, wanted", [
    ("no-content-type", "text/plain; charset=us-ascii"),
    ("no-content-type-utf8", "text/plain; charset=utf-8"),
    ("no-content-type-8bit-latin1", "text/plain"),
    ("no-content-type-utf8-broken-at-the-end", "text/plain"),
    ("no-content-type-quoted-printable", "text/plain"),
    ("no-content-type-base64", "text/plain"),
    ("no-body", "text/plain; charset=us-ascii"),
])
def test_text_without_a_content_type_claims_only_what_is_true(name, wanted):
    text = rewritten(name).parts_of_type("text/plain")[0]
    stated, = [value for field, value in text.fields if field == "Content-Type"]
    assert stated.lower().replace('"', "") == wanted


@pytest.mark.parametrize("name", ["no-content-type-utf8", "no-content-type-8bit-latin1"])
def test_8bit_text_without_a_content_type_says_8bit(name):
    text = rewritten(name).parts_of_type("text/plain")[0]
    assert ("Content-Transfer-Encoding", "8bit") in text.fields


@pytest.mark.parametrize("name", ["plain", "alternative", "mixed-text-pdf", "image", "html"])
def test_second_rewriting_is_refused(name, tmp_path):
    again = tmp_path / "again.eml"
    again.write_bytes(b"X-Cancel-Invite: corpus-invite\r\n" + rewritten(name).output)
    Rewriting.run(again, USUAL_CALENDAR).check_refused("already")


def test_every_bad_calendar_is_expected():
    assert sorted(path.stem for path in (CORPUS / "bad-calendars").iterdir()) == sorted(BAD_CALENDARS)


@pytest.mark.parametrize("name", BAD_CALENDARS)
def test_calendar_that_leaves_doubt_is_refused(name):
    result = Rewriting.run(messages()["plain"], CORPUS / "bad-calendars" / f"{name}.ics")
    result.check_refused(BAD_CALENDARS[name])


@pytest.mark.parametrize("calendar, mended", [
    ("ascii-crlf", ""),
    ("blank-lines", "empty lines dropped"),
    ("control-characters", "control characters dropped"),
    ("fold-in-a-character", ""),
    ("inline-attachment", ""),
    ("line-over-998", ""),
    ("method-behind-the-event", "METHOD:CANCEL put in front of the events"),
    ("method-inside-the-event", "METHOD:CANCEL put in front of the events"),
    ("no-method", "METHOD:CANCEL put in"),
    ("attendee-by-email-parameter", ""),
])
def test_what_was_mended_is_said(calendar, mended):
    errors = rewritten("plain", CORPUS / "calendars" / f"{calendar}.ics").errors
    assert errors == (f"mended: {mended}\n" if mended else "")


@pytest.mark.parametrize("line, instead", [
    ("METHOD:CANCEL", "METHOD:REQUEST"), ("BEGIN:VEVENT", "BEGIN:VTODO"), ("END:VCALENDAR", "")])
def test_calendar_that_is_no_cancellation_is_refused(line, instead, tmp_path):
    calendar = tmp_path / "other.ics"
    calendar.write_text(USUAL_CALENDAR.read_text().replace(line, instead))
    Rewriting.run(messages()["plain"], calendar).check_refused("other.ics")


def test_boundaries_differ_from_one_run_to_the_next():
    first = Rewriting.run(messages()["plain"], USUAL_CALENDAR)
    second = Rewriting.run(messages()["plain"], USUAL_CALENDAR)
    assert not set(first.our_boundaries) & set(second.our_boundaries)
