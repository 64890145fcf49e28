"""Random messages through --rewrite: what must hold for all of them.

CIM_SEED chooses other messages than the usual ones, CIM_MESSAGES more or fewer of them. A failure
prints the seed; the message's number is in the test's name.
"""

import os
from functools import cache

import pytest

pytest.register_assert_rewrite("corpus.rewriting")

from corpus.random_message import RandomMessage  # noqa: E402
from corpus.rewriting import (  # noqa: E402
    CORPUS, Rewriting, leaves_by_gmime, leaves_by_python, leaves_by_python_without_last_line_ends)
from lab.workdir import Workdir  # noqa: E402

SEED = os.environ.get("CIM_SEED", "1")
MESSAGES = int(os.environ.get("CIM_MESSAGES", "300"))
CALENDAR = CORPUS / "calendars/fold-in-emoji.ics"

each_message = pytest.mark.parametrize("number", range(MESSAGES))
each_orderly_message = pytest.mark.parametrize(
    "number", [number for number in range(MESSAGES) if RandomMessage(SEED, number).orderly])


@cache
def folder():
    return Workdir()


def rewrite(content):
    path = folder() / "message.eml"
    path.write_bytes(content)
    return Rewriting.run(path, CALENDAR)


@cache
def rewritten(number):
    return rewrite(RandomMessage(SEED, number).bytes)


@pytest.fixture(autouse=True)
def say_the_seed():
    print(f"CIM_SEED={SEED}")


@each_message
def test_calendar_is_inserted_and_nothing_else_changes(number):
    result = rewritten(number)
    result.check_succeeded()
    result.check_calendar_part()
    result.check_attached_calendar()
    result.check_body_was_only_inserted_into()
    result.check_other_headers_are_unchanged()
    result.check_tag_is_gone()


@each_message
def test_result_is_well_formed(number):
    result = rewritten(number)
    result.check_one_mime_version()
    result.check_top_transfer_encoding()
    result.check_long_lines_are_original()
    result.check_no_bare_line_ends_were_added()
    result.check_boundaries()


@each_message
def test_python_finds_every_original_leaf_unchanged(number):
    orderly = RandomMessage(SEED, number).orderly
    rewritten(number).check_leaves_are_unchanged(
        leaves_by_python if orderly else leaves_by_python_without_last_line_ends)


@each_orderly_message
def test_gmime_finds_every_original_leaf_unchanged(number):
    rewritten(number).check_leaves_are_unchanged(leaves_by_gmime)


@each_message
def test_second_rewriting_is_refused(number):
    again = rewrite(b"X-Cancel-Invite: corpus-invite\r\n" + rewritten(number).output)
    again.check_refused("already")
