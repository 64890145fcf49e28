"""A real Postfix in queued mode: the application is answered at once, the queue does the rest."""

import contextlib

import pytest

from lab.cancellation import assert_cancellation, assert_shape, assert_untouched
from lab.messages import PLAIN, RECIPIENT, SENDER, TEXT, tagged, untagged

PEOPLE = [f"guest-{number}@example.com" for number in range(5)]


@pytest.fixture(autouse=True)
def asks_only_what_is_documented(standin):
    yield
    assert standin.violations() == []


@pytest.fixture(scope="module")
def queued_filter(start_filter):
    return start_filter(milter={"mode": "queued"})


@pytest.fixture
def postfix(start_postfix, queued_filter, standin):
    return start_postfix(queued_filter.socket, queued=True)


def test_each_recipient_gets_a_cancellation_of_their_own(postfix, standin, sink):
    for guest in PEOPLE:
        standin.create("board-1", guest)
    reply = postfix.submit(SENDER, PEOPLE, tagged("board-1"))
    assert reply.code == 250, reply
    got = {each.rcpt_to[0]: each for each in sink.wait(5)}
    for guest in PEOPLE:
        assert_cancellation(got[guest], "board-1", guest)
        assert_shape(got[guest], PLAIN)
    assert sorted(standin.cancels()) == [("board-1", guest) for guest in PEOPLE]
