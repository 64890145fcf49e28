"""A real Postfix in routed mode: its own header_checks bring tagged mail to the second listener, and
untagged mail never meets the filter. What other modes have as well is in test_postfix_queued.py
and test_mta_queued.py."""

import time

import pytest

from lab.cancellation import assert_cancellation, assert_untouched
from lab.messages import MULTIPART, RECIPIENT, SENDER, tagged, untagged
from lab.mta import POSTFIX_ROUTED
from lab.postfix import RETRIES
from lab.process import until
from lab.queued import (BAD_TAGS, ONE_TRY, PEOPLE, assert_each_cancelled, deliveries, invite, received,
                        reports_of)
from lab.smtp import assert_temporary
from standin.client import forever, status, trouble


@pytest.fixture(scope="module")
def way():
    return POSTFIX_ROUTED


def with_header(text):
    return untagged(header=f"X-First: 1\r\n{text}\r\n")


def bounces(sink):
    return [report for each in sink.deliveries if each.mail_from == "" for report in reports_of(each)]


# Who may cancel

def test_the_header_is_removed_where_mail_may_not_cancel(mta, standin, sink):
    invite(standin, [RECIPIENT])
    assert mta.submit(SENDER, RECIPIENT, tagged("board-1"), port=mta.public_port).code == 250
    assert_untouched(sink.wait()[0], untagged())
    assert standin.requests() == []
    assert "strip: header X-Cancel-Invite" in mta.log()
    assert mta.second_hop not in mta.log()


@pytest.mark.parametrize("field", [
    "x-cancel-invite: board-1", "X-CANCEL-INVITE:board-1", "X-Cancel-Invite:\r\n board-1",
    "X-Cancel-Invite:\tboard-1", "X-Cancel-Invite : board-1",
    'X-Cancel-Invite: "board-1";\r\n\trecipient=guest@example.org',
])
@pytest.mark.parametrize("listener", ("may_cancel", "public"))
def test_forms_of_the_header_are_seen_by_postfix_and_filter_alike(mta, standin, sink, field, listener):
    invite(standin, [RECIPIENT, "guest@example.org"])
    port = mta.public_port if listener == "public" else mta.smtp_port
    message = untagged(header=field + "\r\n")
    assert mta.submit(SENDER, RECIPIENT, message, port=port).code == 250
    [delivery] = sink.wait()
    assert b"x-cancel-invite" not in delivery.data.lower()
    assert (b"method=CANCEL" in delivery.data) == (listener == "may_cancel")


@pytest.mark.parametrize("text", [
    "X-Cancel-Invite\r\n : board-1",  # ends the header: what follows is body
    " X-Cancel-Invite: board-1",      # goes on with the field before
    "X-Cancel-Invit\u0435: board-1",  # another letter
    "XX-Cancel-Invite: board-1", "X-Cancel-Invite-2: board-1",
])
def test_what_is_no_such_header_takes_no_second_hop(mta, standin, sink, text):
    assert mta.submit(SENDER, RECIPIENT, with_header(text)).code == 250
    [delivery] = sink.wait()
    assert received(delivery) == 1 and standin.requests() == []
    assert mta.second_hop not in mta.log()


def test_a_header_in_a_part_or_an_attached_message_is_only_text(mta, standin, sink):
    body = (b"--x\r\nX-Cancel-Invite: board-1\r\n\r\nhi\r\n--x\r\nContent-Type: message/rfc822\r\n\r\n"
            b"X-Cancel-Invite: board-1\r\n\r\nhi\r\n--x--\r\n")
    for port in mta.smtp_port, mta.public_port:
        sink.reset()
        message = untagged(body, MULTIPART % ("mixed", "x"))
        assert mta.submit(SENDER, RECIPIENT, message, port=port).code == 250
        [delivery] = sink.wait()
        assert delivery.data.count(b"X-Cancel-Invite: board-1") == 2
    assert mta.second_hop not in mta.log() and "strip:" not in mta.log()


# Replies and bounces

@pytest.mark.parametrize("value", BAD_TAGS)
def test_a_bad_tag_bounces_with_the_reason(mta, standin, sink, value):
    assert mta.submit(SENDER, RECIPIENT, tagged(value)).code == 250
    until(lambda: bounces(sink), 20, mta.log)
    [report] = bounces(sink)
    assert report["Action"] == "failed" and "X-Cancel-Invite" in report["Diagnostic-Code"]
    assert standin.requests() == []


def test_a_sender_of_no_account_bounces(start_mta, start_mta_filter, standin, sink):
    filter = start_mta_filter(accounts={
        "acme": {"senders": "@other.example", "api_key": "CRN_acme"}})
    mta = start_mta(filter)
    assert mta.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    until(lambda: bounces(sink), 20, mta.log)
    assert "belongs to no Cronofy account" in bounces(sink)[0]["Diagnostic-Code"]


def test_several_recipients_at_the_second_listener_are_put_off(start_mta, standin, sink):
    mta = start_mta(main="cancel-invite_destination_recipient_limit = 50")
    invite(standin, PEOPLE)
    assert mta.submit(SENDER, PEOPLE, tagged("board-1")).code == 250
    mta.wait_for_log("status=deferred")
    assert "misconfigured" not in mta.log() and "one recipient per message" in mta.log()
    assert standin.requests() == [] and sink.deliveries == []


def test_mail_without_the_header_goes_on_from_the_second_listener(mta, sink):
    message = untagged()
    with mta.connect_second() as client:
        assert client.send(SENDER, PEOPLE, message).code == 250
    [delivery] = sink.wait()
    assert delivery.rcpt_to == PEOPLE
    assert_untouched(delivery, message)


def test_the_archive_s_copy_goes_on_without_a_calendar(start_mta, start_mta_filter, standin, sink):
    filter = start_mta_filter(milter={"archives": "archive@example.org"})
    mta = start_mta(filter, main="always_bcc = archive@example.org")
    invite(standin, [RECIPIENT])
    assert mta.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    got = deliveries(sink, 2)
    assert_cancellation(got[RECIPIENT], "board-1", RECIPIENT)
    assert b"method=CANCEL" not in got["archive@example.org"].data
    assert b"x-cancel-invite" not in got["archive@example.org"].data.lower()


# Where the filter must not be

def test_the_filter_at_another_listener_puts_tagged_mail_off(start_mta, mta_filter, standin, sink):
    """Set up as for direct mode, and mode = routed: nothing leaves without its calendar."""
    mta = start_mta(main="smtpd_milters = $cancel_invite_milter\n"
                                "header_checks =\ncancel_invite_header_checks =")
    reply = mta.submit(SENDER, RECIPIENT, tagged("board-1"))
    assert_temporary(reply)
    assert "mode = routed" in reply.text
    assert mta.submit(SENDER, RECIPIENT, untagged()).code == 250
    assert_untouched(sink.wait()[0], untagged())
    assert standin.requests() == []


# Outages

def test_untagged_mail_does_not_notice_that_the_filter_is_down(
        start_mta, start_mta_filter, standin, sink):
    filter = start_mta_filter()
    mta = start_mta(filter, main=RETRIES)
    invite(standin, PEOPLE)
    filter.kill()
    assert mta.submit(SENDER, PEOPLE, tagged("board-1")).code == 250
    until(lambda: mta.log().count("status=deferred") >= len(PEOPLE), 10, mta.log)
    for port in mta.smtp_port, mta.public_port:
        assert mta.submit(SENDER, RECIPIENT, untagged(), port=port).code == 250
    mta.sendmail(untagged(), "-f", SENDER, RECIPIENT)
    assert [each.rcpt_to for each in sink.wait(3)] == [[RECIPIENT]] * 3
    sink.reset()
    filter.start()
    mta.flush()
    assert_each_cancelled(sink, PEOPLE)
    time.sleep(0.5)
    assert len(sink.deliveries) == len(PEOPLE)


def test_untagged_mail_does_not_notice_that_the_filter_hangs(
        start_mta, start_mta_filter, standin, sink):
    filter = start_mta_filter(cronofy={"deadline": "60s", "timeout": "60s"})
    mta = start_mta(filter)
    invite(standin, PEOPLE)
    standin.script("board-1", forever(trouble("held")))
    assert mta.submit(SENDER, PEOPLE, tagged("board-1")).code == 250
    standin.wait_for_requests(1)
    begun = time.monotonic()
    assert mta.submit(SENDER, RECIPIENT, untagged()).code == 250
    assert_untouched(sink.wait()[0], untagged())
    assert time.monotonic() - begun < 3
    sink.reset()
    standin.script("board-1")
    standin.release()
    assert_each_cancelled(sink, PEOPLE)


def test_what_waited_goes_out_when_the_queue_is_flushed(start_mta, start_mta_filter, standin, sink):
    filter = start_mta_filter(cronofy=ONE_TRY)
    mta = start_mta(filter)
    invite(standin, PEOPLE)
    standin.script("board-1", forever(status(503)))
    assert mta.submit(SENDER, PEOPLE, tagged("board-1")).code == 250
    until(lambda: mta.log().count("status=deferred") >= len(PEOPLE), 10, mta.log)
    standin.script("board-1")
    mta.flush()
    assert_each_cancelled(sink, PEOPLE)


def test_a_change_from_queued_to_routed_mode_loses_no_stamped_mail(
        start_mta, start_filter, start_postfix, standin, sink):
    filter = start_filter(milter={"mode": "queued"})
    mta = start_postfix(filter.socket, queued=True, main=RETRIES)
    invite(standin, PEOPLE)
    standin.script("board-1", forever(trouble("held")))
    assert mta.submit(SENDER, PEOPLE, tagged("board-1")).code == 250
    standin.wait_for_requests(len(PEOPLE))
    filter.reload(milter={"mode": "routed"})
    filter.wait_for_log("is in force")
    standin.script("board-1")
    standin.release()
    assert_each_cancelled(sink, PEOPLE)
