"""Headers by the thousand: what a stranger can have the MTA change, and so spend its time on."""

import time

import pytest

from lab.messages import RECIPIENT, SENDER, tagged, untagged
from lab.milter_client import TAG, MilterSession, mail
from lab.one_message import STRANGER

STAMP = 'X-Cancel-Invite: v1; account=cronofy; id="board-1"; time=1790000000; mac=' + "0" * 64
MAXIMUM = 50 - 4  # HEADERS_EDITS_MAXIMUM, less those that may be added

# Each kind of header that the filter touches, and all at once.
KINDS = {
    "tags": [TAG],
    "stamps": [STAMP],
    "mime_versions": ["MIME-Version: 1.0"],
    "content_types": ["Content-Type: text/plain"],
    "encodings": ["Content-Transfer-Encoding: 7bit"],
    "others": ["Content-Odd: x"],
    "all": [TAG, "mime-version: 1.0", "CONTENT-Odd: x", STAMP],
}
# Who sends it, with which configuration.
WAYS = {
    "trusted": ({}, {}),
    "trusted_submission": ({"milter": {"mode": "queued"}}, {}),
    "stripped": ({}, {"client": STRANGER}),
    "stripped_submission": ({"milter": {"mode": "queued"}}, {"client": STRANGER}),
    "kept": ({"trust": {"untrusted": "keep"}}, {"client": STRANGER}),
}


def many(kind, count):
    """`count` headers of that kind, one of them a tag, or a stamp, in any case."""
    first = [] if KINDS[kind][0] in (TAG, STAMP) else [TAG]
    lines = KINDS[kind]
    return first + [lines[i % len(lines)] for i in range(count - len(first))]


@pytest.mark.parametrize("way", WAYS)
def test_more_than_fifty_changes_are_refused_before_anything_is_cancelled(
        start_filter, cronofy, way):
    sections, options = WAYS[way]
    running = start_filter(**sections)
    for kind in KINDS:
        if way == "kept" and STAMP not in KINDS[kind]:
            continue
        for count in (MAXIMUM + 1, 1000):
            with MilterSession(running.socket) as mta:
                result = mta.deliver(mail(*many(kind, count)), **options)
            assert result.reply.startswith("554 5.6.0 "), (kind, count, result.reply)
            assert "too many headers" in result.reply
            assert "eom" not in result.steps_seen, "it is decided at the end of headers"
    assert not cronofy.requests()
    running.wait_for_log("result=bad_headers")


@pytest.mark.parametrize("way", ("trusted", "trusted_submission", "stripped", "stripped_submission"))
def test_more_than_a_mebibyte_of_headers_is_not_changed(start_filter, cronofy, way):
    sections, options = WAYS[way]
    running = start_filter(**sections)
    for line, count in (("X-Short: " + "y" * 100, 10_000), ("X-Long: " + "y" * 60_000, 18)):
        with MilterSession(running.socket) as mta:
            result = mta.deliver(mail(TAG, *[line] * count), **options)
        assert result.reply.startswith("554 5.6.0 ") and "bytes of headers" in result.reply, result
    assert not cronofy.requests()


@pytest.mark.parametrize("way", ("stripped", "kept"))
def test_fifty_changes_are_made(start_filter, cronofy, way):
    sections, options = WAYS[way]
    with MilterSession(start_filter(**sections).socket) as mta:
        result = mta.deliver(mail(*many("stamps", MAXIMUM)), **options)
        assert result.action == "accept" and result.message_bytes == mail(), result


def test_trusted_message_may_have_so_many(filter, cronofy):
    with MilterSession(filter.socket) as mta:
        result = mta.deliver(mail(*many("others", MAXIMUM)))
    assert result.action == "accept" and b"method=CANCEL" in result.message_bytes, result


@pytest.mark.parametrize("way", WAYS)
def test_untagged_mail_passes_with_as_many_as_it_likes(start_filter, way):
    sections, options = WAYS[way]
    message = mail(*["MIME-Version: 1.0", "Content-Odd: x"] * 5000)
    with MilterSession(start_filter(**sections).socket) as mta:
        result = mta.deliver(message, **options)
    assert result.action == "accept" and result.message_bytes == message, result


def test_tags_that_are_kept_are_no_changes(start_filter):
    sections, options = WAYS["kept"]
    message = mail(*[TAG] * 5000)
    with MilterSession(start_filter(**sections).socket) as mta:
        result = mta.deliver(message, **options)
    assert result.action == "accept" and result.message_bytes == message, result


def test_dry_run_tells_and_changes_nothing(start_filter):
    running = start_filter(milter={"dry_run": True})
    message = mail(*[TAG] * 60)
    with MilterSession(running.socket) as mta:
        result = mta.deliver(message, client=STRANGER)
    assert result.action == "accept" and result.message_bytes == message, result
    running.wait_for_log("result=bad_headers.*dry_run=yes")


@pytest.mark.parametrize("line", (TAG, "MIME-Version: 1.0", "Content-Odd: x"))
@pytest.mark.parametrize("client", ({}, {"ADDR": "203.0.113.9", "NAME": "mail.remote.test"}))
def test_postfix_goes_on_with_ordinary_mail(postfix, cronofy, sink, line, client):
    """Thirteen thousand changes made cleanup panic, and master throttle it: no mail for a minute."""
    message = tagged("board-1", header=f"{line}\r\n" * 13_000)
    for _ in range(4):
        reply = postfix.submit(SENDER, RECIPIENT, message, **client)
        assert (reply.code, reply.enhanced) == (554, "5.6.0"), reply
    begun = time.monotonic()
    assert postfix.submit(SENDER, RECIPIENT, untagged()).code == 250
    sink.wait()
    assert time.monotonic() - begun < 5
    assert "panic" not in postfix.log()
    assert not cronofy.requests()


@pytest.mark.parametrize("line", (TAG, "MIME-Version: 1.0", "Content-Odd: x"))
def test_sendmail_goes_on_with_ordinary_mail(sendmail, cronofy, sink, line):
    # as many as its limit for a message's headers lets pass
    message = tagged("board-1", header=f"{line}\r\n" * 1000)
    reply = sendmail.submit(SENDER, RECIPIENT, message)
    assert (reply.code, reply.enhanced) == (554, "5.6.0"), reply
    assert sendmail.submit(SENDER, RECIPIENT, untagged()).code == 250
    sink.wait()
    assert not cronofy.requests()
