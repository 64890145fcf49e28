"""Routed mode at the protocol: the MTA brings tagged mail as it is to the second listener, and there
alone the filter believes it."""

import pytest

from lab.milter_client import mail
from lab.one_message import TAGGED, assert_cancelled, at_second, at_submission, deliver

FORGED = 'v1; account=cronofy; id="board-1"; time=1790000000; mac=' + "0" * 64


@pytest.fixture(scope="module")
def _routed(start_filter):
    return start_filter(milter={"mode": "routed"})


@pytest.fixture
def running(_routed, cronofy):
    return _routed


@pytest.mark.parametrize("client", [("127.0.0.1", 40000), ("127.9.9.9", 40000), ("::1", 40000)])
def test_cancels_for_this_machine_at_the_second_listener(running, cronofy, client):
    assert_cancelled(at_second(running, client=client))
    assert [each.id for each in cronofy.requests()] == ["board-1"]


@pytest.mark.parametrize("networks", ("127.0.0.0/8", "0.0.0.0/0, ::/0"))
@pytest.mark.parametrize("client", [("203.0.113.9", 40000), ("2001:db8::9", 40000)])
def test_puts_mail_from_elsewhere_off_at_the_second_listener(
        start_filter, cronofy, client, networks):
    """It is for this machine alone, whatever [trust] says, which is for other modes."""
    running = start_filter(milter={"mode": "routed"}, trust={"networks": networks})
    result = at_second(running, client=client)
    assert result.reply.startswith("451 4.3.5") and "this machine only" in result.reply, result
    assert cronofy.requests() == []


@pytest.mark.parametrize("daemon", ("", "smtpd", "cancel-invite-2"))
def test_puts_tagged_mail_off_at_any_other_listener(running, cronofy, daemon):
    begun = len(running.log())
    result = deliver(running, macros={"{daemon_name}": daemon})
    assert result.reply.startswith("451 4.3.5") and "mode = routed" in result.reply, result
    running.wait_for_log("error: .*result=misconfigured", after=begun)
    assert cronofy.requests() == []


@pytest.mark.parametrize("daemon", ("smtpd", "cancel-invite"))
def test_lets_mail_without_the_header_go_on(running, cronofy, daemon):
    result = deliver(running, mail(), macros={"{daemon_name}": daemon})
    assert (result.action, result.message_bytes) == ("accept", mail()), result


def test_puts_several_recipients_off(running, cronofy):
    result = at_second(running, TAGGED, "app@acme.example", ["a@example.org", "b@example.org"])
    assert result.reply.startswith("451 4.3.5") and "one recipient" in result.reply, result
    assert cronofy.requests() == []


@pytest.mark.parametrize("tag", ("", "a; b=c", FORGED))
def test_refuses_a_bad_tag(running, cronofy, tag):
    result = at_second(running, mail(f"X-Cancel-Invite: {tag}"))
    assert result.action == "reject" and result.reply.startswith("554 5.6.0"), result
    assert cronofy.requests() == []


def test_refuses_a_sender_of_no_account(start_filter, cronofy):
    running = start_filter(milter={"mode": "routed"}, accounts={
        "acme": {"senders": "@other.example", "api_key": "CRN_acme"}})
    result = at_second(running)
    assert result.reply.startswith("550 5.7.1") and "no Cronofy account" in result.reply, result


def test_leaves_the_archive_s_copy_without_a_calendar(start_filter, cronofy):
    running = start_filter(milter={"mode": "routed", "archives": "archive@example.org"})
    result = at_second(running, TAGGED, "app@acme.example", ["archive@example.org"])
    assert (result.action, result.message_bytes) == ("accept", mail()), result
    assert cronofy.requests() == []


@pytest.mark.parametrize("dry_run", (False, True))
def test_ends_a_probe_without_a_call(start_filter, cronofy, dry_run):
    running = start_filter(milter={"mode": "routed", "dry_run": dry_run})
    assert at_second(running, mail("X-Cancel-Invite: probe-1; probe=yes")).action == "discard"
    assert cronofy.requests() == []


def test_changes_nothing_in_a_dry_run(start_filter, cronofy):
    running = start_filter(milter={"mode": "routed", "dry_run": True})
    result = at_second(running)
    assert (result.action, result.message_bytes) == ("accept", TAGGED), result
    running.wait_for_log("result=dry_run")
    assert cronofy.requests() == []


def test_takes_the_stamp_of_queued_mode_before(start_filter, cronofy):
    running = start_filter(milter={"mode": "queued"})
    stamped = at_submission(running).message_bytes
    assert b"X-Cancel-Invite: v1; account=" in stamped
    running.reload(milter={"mode": "routed"})
    running.wait_for_log("is in force")
    assert_cancelled(at_second(running, stamped))
    forged = at_second(running, mail(f"X-Cancel-Invite: {FORGED}"))
    assert forged.action == "reject" and "the stamp is not valid" in forged.reply, forged


def test_queued_mode_refuses_what_only_routed_mode_takes(start_filter, cronofy):
    running = start_filter(milter={"mode": "queued"})
    assert at_second(running).action == "reject"


def test_the_invite_is_that_of_the_original_recipient(running, cronofy):
    result = at_second(running, TAGGED, "app@acme.example",
                       [("t1@example.org", "ORCPT=rfc822;team+2Bx@example.org")])
    assert_cancelled(result)
    assert [each.recipient for each in cronofy.requests()] == ["team+x@example.org"]
