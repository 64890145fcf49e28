"""A real Postfix in queued and in routed mode: the application is answered at once, the queue does
the rest."""

import contextlib
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.cancellation import assert_cancellation, assert_shape, assert_untouched
from lab.messages import MESSAGES, PLAIN, RECIPIENT, SENDER, TEXT, tagged, untagged
from lab.opendkim import OpenDKIM
from lab.process import until
from lab.queued import (BAD_TAGS, FORGED_TAGS, ONE_TRY, LONG_ID, LONG_TAG, PEOPLE, TAG_INSIDE,
                        assert_each_cancelled, assert_nobody_sees, deliveries, invite, received,
                        reports_of)
from lab.smtp import assert_refused, assert_temporary
from standin.client import forever, status, trouble

STRANGER = {"ADDR": "203.0.113.9", "NAME": "mail.remote.test"}
# Two seconds: what is due before the process that put it off has let go of its file, Postfix skips
# ("still being delivered"), and looks at no more until it starts anew.
RETRIES = "minimal_backoff_time = 2s\nmaximal_backoff_time = 2s\nqueue_run_delay = 1s"


@pytest.fixture(scope="module", params=("queued", "routed"))
def mode(request):
    """The tests of this file run in both modes, but for those that are marked."""
    return request.param


only_queued = pytest.mark.parametrize("mode", ["queued"], indirect=True)


@pytest.fixture(scope="module")
def queued_filter(start_filter, mode):
    return start_filter(milter={"mode": mode})


@pytest.fixture
def start_queued(start_postfix, queued_filter, mode):
    """start_queued(main=..., ...): a Postfix in this mode, with a filter or the usual one."""
    def start(filter=queued_filter, **options):
        return start_postfix(filter.socket, **{mode: True}, **options)
    return start


@pytest.fixture
def postfix(start_queued, standin):
    return start_queued()


# What recipients get

def test_each_recipient_gets_a_cancellation_of_their_own(postfix, standin, sink):
    invite(standin, PEOPLE)
    reply = postfix.submit(SENDER, PEOPLE, tagged("board-1"))
    assert reply.code == 250, reply
    got = assert_each_cancelled(sink, PEOPLE)
    for delivery in got.values():
        assert_shape(delivery, PLAIN)
        assert TEXT in delivery.data
        assert b"cancel-invite" not in delivery.header.lower()
    assert sorted(standin.cancels()) == [("board-1", guest) for guest in PEOPLE]
    assert_nobody_sees(got, PEOPLE)


def test_sender_is_answered_while_cronofy_is_asked(postfix, standin, sink):
    invite(standin, [RECIPIENT])
    standin.script("board-1", trouble("held"))
    assert postfix.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    standin.wait_for_requests()
    assert sink.deliveries == []
    standin.release()
    assert_each_cancelled(sink, [RECIPIENT])


def test_blind_copies_stay_blind(postfix, standin, sink):
    shown, hidden = PEOPLE[:2], PEOPLE[2:]
    invite(standin, PEOPLE)
    message = tagged("board-1", header=f"Cc: <{shown[1]}>\r\nBcc: <{hidden[0]}>\r\n",
                     recipient=shown[0])
    assert postfix.submit(SENDER, PEOPLE, message).code == 250
    got = assert_each_cancelled(sink, PEOPLE)
    assert_nobody_sees(got, hidden)
    for delivery in got.values():
        assert shown[0] in delivery.message["To"] and shown[1] in delivery.message["Cc"]
        assert "Bcc" not in delivery.message


def test_sendmail_command_reads_recipients_from_to_cc_and_bcc(postfix, standin, sink):
    invite(standin, PEOPLE)
    header = f"Cc: {PEOPLE[1]}, {PEOPLE[2]}\r\nBcc: {PEOPLE[3]}, {PEOPLE[4]}\r\n"
    message = tagged("board-1", header=header, recipient=PEOPLE[0])
    postfix.sendmail(message.replace(b"\r\n", b"\n"), "-f", SENDER, "-t")
    got = assert_each_cancelled(sink, PEOPLE)
    assert_nobody_sees(got, PEOPLE[3:])


@only_queued
def test_mail_without_a_message_id_gets_one(postfix, standin, sink):
    invite(standin, PEOPLE)
    message = re.sub(rb"Message-ID: .*\r\n", b"", tagged("board-1"))
    with postfix.connect(**STRANGER, LOGIN="acme-app") as client:
        assert client.send(SENDER, PEOPLE, message).code == 250
    got = assert_each_cancelled(sink, PEOPLE)
    [message_id] = {delivery.message["Message-ID"] for delivery in got.values()}
    assert re.fullmatch(r"<[^<>@\s]+@mx\.example\.test>", message_id)


@pytest.mark.parametrize("name", MESSAGES)
def test_message_is_kept_and_the_calendar_put_in(postfix, standin, sink, name):
    header, body, tree = MESSAGES[name]
    invite(standin, [RECIPIENT])
    assert postfix.submit(SENDER, RECIPIENT, tagged("board-1", body, header)).code == 250
    delivery = assert_each_cancelled(sink, [RECIPIENT])[RECIPIENT]
    assert_shape(delivery, tree)
    for line in body.split(b"\r\n"):
        assert line in delivery.data


def test_long_id_of_any_characters_survives_the_queue(postfix, standin, sink):
    standin.create(LONG_ID, RECIPIENT)
    assert postfix.submit(SENDER, RECIPIENT, tagged(LONG_TAG)).code == 250
    assert_cancellation(sink.wait()[0], LONG_ID)


@pytest.mark.parametrize("count", (50, 200))
def test_many_recipients_get_each_their_own(postfix, standin, sink, count):
    people = [f"guest-{number}@example.com" for number in range(count)]
    invite(standin, people)
    assert postfix.submit(SENDER, people, tagged("board-1")).code == 250
    assert_nobody_sees(assert_each_cancelled(sink, people, timeout=60), people)


def test_untagged_mail_takes_no_second_hop(postfix, standin, sink):
    message = untagged(b"\0.\r\n..\xff\r\n \t\r\n\r\n", "X-Odd:\r\n\tvalue \r\n")
    assert postfix.submit(SENDER, PEOPLE, message).code == 250
    [delivery] = sink.wait()
    assert delivery.rcpt_to == PEOPLE
    assert_untouched(delivery, message)
    assert received(delivery) == 1
    assert "postfix/cancel-invite/smtp[" not in postfix.log()
    assert standin.requests() == []


def test_tag_inside_an_attached_message_is_only_text(postfix, standin, sink):
    header, body = TAG_INSIDE
    message = untagged(body, header)
    assert postfix.submit(SENDER, RECIPIENT, message).code == 250
    assert_untouched(sink.wait()[0], message)
    assert "postfix/cancel-invite/smtp[" not in postfix.log()


def test_the_invite_is_that_of_the_address_before_aliases(start_queued, workdir, standin, sink):
    aliases = workdir.write("aliases", "/^team@example\\.com$/ t1@example.com, t2@example.com\n")
    postfix = start_queued(main=f"virtual_alias_maps = regexp:{aliases}")
    invite(standin, ["team@example.com", "bob@example.com"])
    people = ["team@example.com", "bob@example.com"]
    assert postfix.submit(SENDER, people, tagged("board-1")).code == 250
    got = deliveries(sink, 3)
    for member in "t1@example.com", "t2@example.com":
        assert_cancellation(got[member], "board-1", member, invited="team@example.com")
    assert_cancellation(got["bob@example.com"], "board-1", "bob@example.com")


# Settings of main.cf that other mail may need, and that must not reach the second hop: each once led
# to another invite, or to a mail that left without its calendar.
ELSEWHERE = {
    "keyword_at_the_listeners": "smtpd_discard_ehlo_keywords = dsn",
    "keyword_at_the_clients": "smtp_discard_ehlo_keywords = dsn",
    "keyword_by_address": "smtpd_discard_ehlo_keyword_address_maps = static:dsn\n"
                          "smtp_discard_ehlo_keyword_address_maps = static:dsn",
    "no_filters_for_this_machine": "smtpd_milter_maps = cidr:{{ {{ 127.0.0.0/8 DISABLE }} }}",
    "fallback_relay": "smtp_fallback_relay = [127.0.0.1]:{sink}",
    "client_s_checks": "smtp_mime_header_checks = regexp:{{ {{ /./ IGNORE }} }}\n"
                       "smtp_nested_header_checks = regexp:{{ {{ /./ IGNORE }} }}\n"
                       "smtp_body_checks = regexp:{{ {{ /./ IGNORE }} }}",
    "short_lines": "smtp_line_length_limit = 60",
}


@pytest.mark.parametrize("case", ELSEWHERE)
def test_settings_for_other_mail_do_not_reach_the_second_hop(
        start_queued, mode, workdir, standin, sink, case):
    """The mail is to an alias, and its id is long: both must arrive."""
    aliases = workdir.write("aliases", "/^team@example\\.com$/ t1@example.com, t2@example.com\n")
    if mode == "queued" and case == "no_filters_for_this_machine":
        pytest.skip("it is for the first listener, too: nobody's mail is to be cancelled")
    postfix = start_queued(main=f"virtual_alias_maps = regexp:{aliases}\n" + ELSEWHERE[case].replace(
        "{sink}", str(sink.port)) + "\ndefault_transport = untouched:[127.0.0.1]:" + str(sink.port),
        master="untouched unix - - n - - smtp\n    -o smtp_body_checks=\n"
               "    -o smtp_line_length_limit=998\n    -o smtp_mime_header_checks=\n")
    invited = "board-" + 335 * "x.y"  # its line is longer than 990
    standin.create(invited, "team@example.com")
    message = tagged(invited)
    assert postfix.submit(SENDER, "team@example.com", message).code == 250
    got = deliveries(sink, 2)
    for member in "t1@example.com", "t2@example.com":
        assert_cancellation(got[member], invited, member, invited="team@example.com")


def test_no_other_way_is_taken_while_the_second_listener_is_away(start_queued, standin, sink):
    """smtp_fallback_relay in main.cf once took tagged mail past it."""
    postfix = start_queued(main=f"smtp_fallback_relay = [127.0.0.1]:{sink.port}\n"
                                "transport_retry_time = 600s", second_listener=False)
    invite(standin, [RECIPIENT])
    assert postfix.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    postfix.wait_for_log("status=deferred")
    assert sink.deliveries == []


def test_delivery_status_parameters_are_kept(postfix, standin, sink):
    invite(standin, [RECIPIENT])
    with postfix.connect() as client:
        client.mail(SENDER, "RET=HDRS", "ENVID=envelope-1")
        client.rcpt(RECIPIENT, "NOTIFY=FAILURE,DELAY", f"ORCPT=rfc822;{RECIPIENT}")
        assert client.data(tagged("board-1")).code == 250
    assert_each_cancelled(sink, [RECIPIENT])
    [delivery] = sink.deliveries
    assert {"RET=HDRS", "ENVID=envelope-1"} <= set(delivery.mail_parameters)
    assert {"NOTIFY=FAILURE,DELAY", f"ORCPT=rfc822;{RECIPIENT}"} <= set(delivery.rcpt_parameters[0])


# Whom the submission believes

@only_queued
def test_stranger_s_tag_is_removed_and_cancels_nothing(postfix, standin, sink):
    invite(standin, [RECIPIENT])
    assert postfix.submit(SENDER, RECIPIENT, tagged("board-1"), **STRANGER).code == 250
    assert_untouched(sink.wait()[0], untagged())
    assert standin.requests() == []


@only_queued
def test_stranger_who_has_logged_in_is_trusted(postfix, standin, sink):
    invite(standin, [RECIPIENT])
    reply = postfix.submit(SENDER, RECIPIENT, tagged("board-1"), **STRANGER, LOGIN="acme-app")
    assert reply.code == 250, reply
    assert_each_cancelled(sink, [RECIPIENT])


@only_queued
def test_account_that_the_login_chose_cancels(start_queued, start_filter, standin, sink):
    standin.set(api_keys=["CRN_acme", "CRN_zeta"])
    filter = start_filter(milter={"mode": "queued"}, accounts={
        "acme": {"senders": "@acme.example", "api_key": "CRN_acme"},
        "zeta": {"logins": "zeta-app", "api_key": "CRN_zeta"}})
    postfix = start_queued(filter)
    invite(standin, [RECIPIENT])
    assert postfix.submit(SENDER, RECIPIENT, tagged("board-1"), LOGIN="zeta-app").code == 250
    assert_each_cancelled(sink, [RECIPIENT])
    assert [each.api_key for each in standin.requests()] == ["CRN_zeta"]


@only_queued
@pytest.mark.parametrize("value", BAD_TAGS)
def test_bad_tag_is_refused_at_once(postfix, standin, sink, value):
    assert_refused(postfix.submit(SENDER, PEOPLE, tagged(value)), "X-Cancel-Invite")
    assert standin.requests() == [] and sink.deliveries == []


@only_queued
def test_forged_stamp_at_the_second_listener_is_refused_and_logged(
        postfix, queued_filter, standin, sink):
    invite(standin, [RECIPIENT])
    begun = len(queued_filter.log())
    with postfix.connect(postfix.second_port) as client:
        for tag in FORGED_TAGS:
            assert_refused(client.send(SENDER, RECIPIENT, tagged(tag)), "X-Cancel-Invite")
    queued_filter.wait_for_log("(?s)bad_stamp.*bad_stamp", after=begun)
    assert standin.requests() == [] and sink.deliveries == []


# What Cronofy refuses, and when it can't be reached

def test_each_refusal_is_reported_once_with_cronofy_s_reason(postfix, standin, sink):
    """Postfix may put what failed of one message into one report."""
    invite(standin, PEOPLE[:2])
    assert postfix.submit(SENDER, PEOPLE, tagged("board-1")).code == 250
    until(lambda: not postfix.queue(), 20, postfix.log)
    bounces = [each for each in sink.deliveries if each.mail_from == ""]
    assert {tuple(each.rcpt_to) for each in bounces} == {(SENDER,)}
    reports = [report for each in bounces for report in reports_of(each)]
    assert sorted(report["Final-Recipient"] for report in reports) == [
        f"rfc822; {guest}" for guest in PEOPLE[2:]]
    for report in reports:
        assert report["Action"] == "failed" and report["Status"] == "5.5.0"
        assert "no such invite" in report["Diagnostic-Code"], report.as_string()
    delivered = [each.rcpt_to[0] for each in sink.deliveries if each.mail_from]
    assert sorted(delivered) == PEOPLE[:2]


def test_outage_is_an_ordinary_retry(start_queued, start_filter, mode, standin, sink):
    filter = start_filter(milter={"mode": mode}, cronofy=ONE_TRY)
    postfix = start_queued(filter, main=RETRIES)
    invite(standin, PEOPLE)
    standin.script("board-1", forever(status(503)))
    assert postfix.submit(SENDER, PEOPLE, tagged("board-1")).code == 250
    until(lambda: postfix.log().count("status=deferred") >= 5, 10, postfix.log)
    assert sink.deliveries == []
    assert postfix.submit(SENDER, RECIPIENT, untagged()).code == 250
    assert_untouched(sink.wait()[0], untagged())

    sink.reset()
    standin.script("board-1")
    assert_each_cancelled(sink, PEOPLE)
    time.sleep(0.5)
    assert len(sink.deliveries) == 5


@only_queued
def test_mail_waits_while_the_filter_is_down(start_queued, start_filter, standin, sink):
    filter = start_filter(milter={"mode": "queued"})
    postfix = start_queued(filter, main=RETRIES)
    invite(standin, PEOPLE)
    standin.script("board-1", forever(trouble("held")))
    assert postfix.submit(SENDER, PEOPLE, tagged("board-1")).code == 250
    standin.wait_for_requests(5)
    filter.kill()
    assert_temporary(postfix.submit(SENDER, PEOPLE, tagged("board-1")))
    until(lambda: postfix.log().count("status=deferred") >= 5, 10, postfix.log)
    assert sink.deliveries == []

    standin.script("board-1")
    filter.start()
    assert_each_cancelled(sink, PEOPLE)


def test_a_second_listener_of_another_name_puts_mail_off(
        start_queued, start_filter, mode, standin, sink):
    """An administrator's slip: nothing goes out without its calendar, and the log says why."""
    filter = start_filter(milter={"mode": mode, "queue_daemon": "something-else"})
    postfix = start_queued(filter)
    invite(standin, [RECIPIENT])
    assert postfix.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    postfix.wait_for_log("status=deferred")
    filter.wait_for_log("misconfigured.*queue_daemon")
    assert standin.requests() == [] and sink.deliveries == []


def test_parallel_messages_do_not_mix(postfix, standin, sink):
    expected = {}
    for number in range(10):
        for guest in range(3):
            address = f"guest-{number}-{guest}@example.com"
            standin.create(f"board-{number}", address)
            expected[address] = f"board-{number}"
    standin.set(latency=0.05)

    def send(number):
        people = [each for each, invited in expected.items() if invited == f"board-{number}"]
        return postfix.submit(SENDER, people, tagged(f"board-{number}"))

    with ThreadPoolExecutor(10) as pool:
        assert {reply.code for reply in pool.map(send, range(10))} == {250}
    got = deliveries(sink, 30)
    for address, invite_id in expected.items():
        assert_cancellation(got[address], invite_id, address)


# Signatures

@pytest.fixture
def signing(start_queued, mode, workdir):
    """A Postfix and an OpenDKIM, with main.cf.queued's or main.cf.routed's lines for a signer."""
    with contextlib.ExitStack() as ending:
        opendkim = OpenDKIM(workdir, domain="acme.example", leave_tagged=True).start()
        ending.callback(opendkim.stop)
        before = "$cancel_invite_milter, " if mode == "queued" else ""
        postfix = start_queued(main=(
            f"smtpd_milters = {before}{opendkim.socket}\n"
            "non_smtpd_milters = $smtpd_milters\n"
            f"cancel_invite_signer = {opendkim.socket}"))
        yield postfix, opendkim


@pytest.mark.parametrize("way", ("smtp", "sendmail"))
def test_tagged_mail_is_signed_once_and_after_the_change(signing, standin, sink, way):
    postfix, opendkim = signing
    invite(standin, PEOPLE)
    if way == "smtp":
        assert postfix.submit(SENDER, PEOPLE, tagged("board-1")).code == 250
    else:
        postfix.sendmail(tagged("board-1"), "-f", SENDER, *PEOPLE)
    for delivery in assert_each_cancelled(sink, PEOPLE).values():
        assert len(delivery.message.get_all("DKIM-Signature")) == 1
        assert "succeeded" in opendkim.verify(delivery.data)


def test_untagged_mail_is_signed_where_it_comes_in(signing, sink):
    postfix, opendkim = signing
    assert postfix.submit(SENDER, PEOPLE, untagged()).code == 250
    [delivery] = sink.wait()
    assert len(delivery.message.get_all("DKIM-Signature")) == 1
    assert "succeeded" in opendkim.verify(delivery.data)
