"""Postfix in queued and in routed mode, and Sendmail in queued mode: the application is answered at
once, the queue does the rest.

What only one of them does is in test_postfix_queued.py, test_postfix_routed.py and
test_sendmail_queued.py.
"""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.cancellation import assert_cancellation, assert_shape, assert_untouched
from lab.messages import MESSAGES, PLAIN, RECIPIENT, SENDER, TEXT, tagged, untagged
from lab.mta import POSTFIX_QUEUED, POSTFIX_ROUTED, SENDMAIL_QUEUED, named
from lab.opendkim import OpenDKIM
from lab.queued import (BAD_TAGS, FORGED_TAGS, LONG_ID, LONG_TAG, PEOPLE, TAG_INSIDE,
                        assert_each_cancelled, assert_nobody_sees, deliveries, invite, received,
                        reports_of)
from lab.smtp import assert_refused, assert_temporary
from standin.client import forever, trouble


@pytest.fixture(scope="module", params=(POSTFIX_QUEUED, POSTFIX_ROUTED, SENDMAIL_QUEUED), ids=named)
def way(request):
    """The tests of this file go all three ways, but for those that are marked."""
    return request.param


# In routed mode the submission does not meet the filter.
only_queued = pytest.mark.parametrize("way", (POSTFIX_QUEUED, SENDMAIL_QUEUED), ids=named,
                                      indirect=True)
by_smtp_and_by_command = pytest.mark.parametrize("entrance", ("smtp", "sendmail"))


def send(mta, entrance, message):
    """To PEOPLE, by SMTP or by sendmail(1)."""
    if entrance == "smtp":
        assert mta.submit(SENDER, PEOPLE, message).code == 250
    else:
        mta.sendmail(message, "-f", SENDER, *PEOPLE)


# What recipients get

def test_each_recipient_gets_a_cancellation_of_their_own(mta, standin, sink):
    invite(standin, PEOPLE)
    reply = mta.submit(SENDER, PEOPLE, tagged("board-1"))
    assert reply.code == 250, reply
    got = assert_each_cancelled(sink, PEOPLE)
    for delivery in got.values():
        assert_shape(delivery, PLAIN)
        assert TEXT in delivery.data
        assert b"cancel-invite" not in delivery.header.lower()
        assert received(delivery) == 2
    assert sorted(standin.cancels()) == [("board-1", guest) for guest in PEOPLE]
    assert_nobody_sees(got, PEOPLE)


def test_sender_is_answered_while_cronofy_is_asked(mta, standin, sink):
    invite(standin, [RECIPIENT])
    standin.script("board-1", trouble("held"))
    assert mta.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    standin.wait_for_requests()
    assert sink.deliveries == []
    standin.release()
    assert_each_cancelled(sink, [RECIPIENT])


def test_blind_copies_stay_blind(mta, standin, sink):
    shown, hidden = PEOPLE[:2], PEOPLE[2:]
    invite(standin, PEOPLE)
    message = tagged("board-1", header=f"Cc: <{shown[1]}>\r\nBcc: <{hidden[0]}>\r\n",
                     recipient=shown[0])
    assert mta.submit(SENDER, PEOPLE, message).code == 250
    got = assert_each_cancelled(sink, PEOPLE)
    assert_nobody_sees(got, hidden)
    for delivery in got.values():
        assert shown[0] in delivery.message["To"] and shown[1] in delivery.message["Cc"]
        assert "Bcc" not in delivery.message


def test_sendmail_command_reads_recipients_from_to_cc_and_bcc(mta, standin, sink):
    invite(standin, PEOPLE)
    header = f"Cc: {PEOPLE[1]}, {PEOPLE[2]}\r\nBcc: {PEOPLE[3]}, {PEOPLE[4]}\r\n"
    message = tagged("board-1", header=header, recipient=PEOPLE[0])
    mta.sendmail(message.replace(b"\r\n", b"\n"), "-f", SENDER, "-t")
    got = assert_each_cancelled(sink, PEOPLE)
    assert_nobody_sees(got, PEOPLE[3:])


def test_messages_are_kept_and_the_calendar_put_in(mta, standin, sink):
    for name, (header, body, _) in MESSAGES.items():
        guest = f"{name}@example.com"
        invite(standin, [guest])
        assert mta.submit(SENDER, guest, tagged("board-1", body, header)).code == 250, name
    got = assert_each_cancelled(sink, [f"{name}@example.com" for name in MESSAGES])
    for name, (_, body, tree) in MESSAGES.items():
        delivery = got[f"{name}@example.com"]
        assert_shape(delivery, tree)
        for line in body.split(b"\r\n"):
            assert line in delivery.data, name


def test_long_id_of_any_characters_survives_the_queue(mta, standin, sink):
    standin.create(LONG_ID, RECIPIENT)
    assert mta.submit(SENDER, RECIPIENT, tagged(LONG_TAG)).code == 250
    assert_cancellation(sink.wait()[0], LONG_ID)


@pytest.mark.parametrize("count", (50, 200))
def test_many_recipients_get_each_their_own(mta, standin, sink, count):
    people = [f"guest-{number}@example.com" for number in range(count)]
    invite(standin, people)
    assert mta.submit(SENDER, people, tagged("board-1")).code == 250
    assert_nobody_sees(assert_each_cancelled(sink, people, timeout=60), people)
    mta.wait_until_empty()


def test_untagged_mail_takes_no_second_hop(mta, standin, sink):
    message = untagged(b"\0.\r\n..\xff\r\n \t\r\n\r\n", "X-Odd:\r\n\tvalue \r\n")
    assert mta.submit(SENDER, PEOPLE, message).code == 250
    [delivery] = sink.wait()
    assert sorted(delivery.rcpt_to) == PEOPLE
    assert_untouched(delivery, message)
    assert received(delivery) == 1
    assert mta.second_hop not in mta.log()
    assert standin.requests() == []


def test_tag_inside_an_attached_message_is_only_text(mta, standin, sink):
    header, body = TAG_INSIDE
    message = untagged(body, header)
    assert mta.submit(SENDER, RECIPIENT, message).code == 250
    [delivery] = sink.wait()
    assert_untouched(delivery, message)
    assert received(delivery) == 1
    assert mta.second_hop not in mta.log()


def test_delivery_status_parameters_are_kept(mta, standin, sink):
    """All but RET in Sendmail, which loses it between its queues."""
    invite(standin, [RECIPIENT])
    with mta.connect() as client:
        client.mail(SENDER, "RET=HDRS", "ENVID=envelope-1")
        client.rcpt(RECIPIENT, "NOTIFY=FAILURE,DELAY", f"ORCPT=rfc822;{RECIPIENT}")
        assert client.data(tagged("board-1")).code == 250
    assert_each_cancelled(sink, [RECIPIENT])
    [delivery] = sink.deliveries
    kept = {"ENVID=envelope-1"} if mta.name == "sendmail" else {"RET=HDRS", "ENVID=envelope-1"}
    assert kept <= set(delivery.mail_parameters)
    assert {"NOTIFY=FAILURE,DELAY", f"ORCPT=rfc822;{RECIPIENT}"} <= set(delivery.rcpt_parameters[0])


# Whose tag the submission takes

@only_queued
def test_stranger_s_tag_is_removed_and_cancels_nothing(mta, standin, sink):
    invite(standin, [RECIPIENT])
    for tag in "board-1", *FORGED_TAGS:
        reply = mta.submit(SENDER, RECIPIENT, tagged(tag), **mta.stranger)
        assert reply.code == 250, reply
    for delivery in sink.wait(3):
        assert_untouched(delivery, untagged())
    assert standin.requests() == []


@only_queued
@pytest.mark.parametrize("value", BAD_TAGS)
def test_bad_tag_is_refused_at_once(mta, standin, sink, value):
    assert_refused(mta.submit(SENDER, PEOPLE, tagged(value)), "X-Cancel-Invite")
    assert standin.requests() == [] and sink.deliveries == []


@only_queued
def test_forged_stamp_at_the_second_listener_is_refused_and_logged(mta, mta_filter, standin, sink):
    invite(standin, [RECIPIENT])
    begun = len(mta_filter.log())
    with mta.connect_second() as client:
        for tag in FORGED_TAGS:
            assert_refused(client.send(SENDER, RECIPIENT, tagged(tag)), "X-Cancel-Invite")
    mta_filter.wait_for_log("(?s)bad_stamp.*bad_stamp", after=begun)
    assert standin.requests() == [] and sink.deliveries == []


# What Cronofy refuses, and when it can't be reached

@by_smtp_and_by_command
def test_each_refusal_is_reported_once_with_cronofy_s_reason(mta, standin, sink, entrance):
    """Postfix may put what failed of one message into one bounce; Sendmail sends one each."""
    invite(standin, PEOPLE[:2])
    send(mta, entrance, tagged("board-1"))
    sink.wait(3)
    mta.wait_until_empty()
    bounces = [each for each in sink.deliveries if each.mail_from == ""]
    assert {tuple(each.rcpt_to) for each in bounces} == {(SENDER,)}
    reports = [report for each in bounces for report in reports_of(each)]
    assert mta.name == "postfix" or len(bounces) == len(reports)
    assert sorted(report[mta.reported_as].replace(" ", "") for report in reports) == [
        f"rfc822;{guest}" for guest in PEOPLE[2:]]
    for report in reports:
        assert report["Action"] == "failed" and report["Status"] == "5.5.0"
        assert "no such invite" in report["Diagnostic-Code"], report.as_string()
    delivered = [each.rcpt_to[0] for each in sink.deliveries if each.mail_from]
    assert sorted(delivered) == PEOPLE[:2]


@only_queued
def test_mail_waits_while_the_filter_is_down(start_mta, start_mta_filter, standin, sink):
    filter = start_mta_filter()
    mta = start_mta(filter)
    invite(standin, PEOPLE)
    standin.script("board-1", forever(trouble("held")))
    assert mta.submit(SENDER, PEOPLE, tagged("board-1")).code == 250
    standin.wait_for_requests(3)  # two of Sendmail's may share a queue runner
    filter.kill()
    assert_temporary(mta.submit(SENDER, PEOPLE, tagged("board-1")))
    assert sink.deliveries == []

    standin.script("board-1")
    filter.start()
    mta.flush_until_delivered(sink, len(PEOPLE))
    assert_each_cancelled(sink, PEOPLE)


def test_parallel_messages_do_not_mix(mta, standin, sink):
    expected = {}
    for number in range(10):
        for guest in range(3):
            address = f"guest-{number}-{guest}@example.com"
            standin.create(f"board-{number}", address)
            expected[address] = f"board-{number}"
    standin.set(latency=0.05)

    def submit(number):
        people = [each for each, invited in expected.items() if invited == f"board-{number}"]
        return mta.submit(SENDER, people, tagged(f"board-{number}"))

    with ThreadPoolExecutor(10) as pool:
        assert {reply.code for reply in pool.map(submit, range(10))} == {250}
    got = deliveries(sink, 30)
    for address, invite_id in expected.items():
        assert_cancellation(got[address], invite_id, address)


# Signatures

@pytest.fixture
def signing(start_mta, way, workdir):
    """A mail server and an OpenDKIM, with the lines that conf/ has for a signer."""
    with contextlib.ExitStack() as ending:
        opendkim = OpenDKIM(workdir, domain="acme.example", leave_tagged=True).start()
        ending.callback(opendkim.stop)
        if way == SENDMAIL_QUEUED:
            yield start_mta(signer=opendkim.socket), opendkim
        else:
            before = "$cancel_invite_milter, " if way == POSTFIX_QUEUED else ""
            yield start_mta(main=(f"smtpd_milters = {before}{opendkim.socket}\n"
                                  "non_smtpd_milters = $smtpd_milters\n"
                                  f"cancel_invite_signer = {opendkim.socket}")), opendkim


@by_smtp_and_by_command
def test_tagged_mail_is_signed_once_and_after_the_change(signing, standin, sink, entrance):
    mta, opendkim = signing
    invite(standin, PEOPLE)
    send(mta, entrance, tagged("board-1"))
    for delivery in assert_each_cancelled(sink, PEOPLE).values():
        assert len(delivery.message.get_all("DKIM-Signature")) == 1
        assert "succeeded" in opendkim.verify(delivery.data)


def test_untagged_mail_is_signed_where_it_comes_in(signing, sink):
    mta, opendkim = signing
    assert mta.submit(SENDER, PEOPLE, untagged()).code == 250
    [delivery] = sink.wait()
    assert received(delivery) == 1
    assert len(delivery.message.get_all("DKIM-Signature")) == 1
    assert "succeeded" in opendkim.verify(delivery.data)
