"""A real Postfix in queued and in routed mode: what it does otherwise than Sendmail, what its other
settings could do. What they have in common is in test_mta_queued.py.
"""

import re
import time

import pytest

from lab.cancellation import assert_cancellation, assert_untouched
from lab.messages import RECIPIENT, SENDER, tagged, untagged
from lab.mta import POSTFIX_QUEUED, POSTFIX_ROUTED, named
from lab.postfix import RETRIES
from lab.process import until
from lab.queued import ONE_TRY, PEOPLE, assert_each_cancelled, deliveries, invite
from standin.client import forever, status


@pytest.fixture(scope="module", params=(POSTFIX_QUEUED, POSTFIX_ROUTED), ids=named)
def way(request):
    """The tests of this file go both ways, but for those that are marked."""
    return request.param


only_queued = pytest.mark.parametrize("way", [POSTFIX_QUEUED], ids=named, indirect=True)


# What recipients get

@only_queued
def test_mail_without_a_message_id_gets_one(mta, standin, sink):
    invite(standin, PEOPLE)
    message = re.sub(rb"Message-ID: .*\r\n", b"", tagged("board-1"))
    with mta.connect(**mta.stranger, LOGIN="acme-app") as client:
        assert client.send(SENDER, PEOPLE, message).code == 250
    got = assert_each_cancelled(sink, PEOPLE)
    [message_id] = {delivery.message["Message-ID"] for delivery in got.values()}
    assert re.fullmatch(r"<[^<>@\s]+@mx\.example\.test>", message_id)


def test_the_invite_is_that_of_the_address_before_aliases(start_mta, workdir, standin, sink):
    aliases = workdir.write("aliases", "/^team@example\\.com$/ t1@example.com, t2@example.com\n")
    mta = start_mta(main=f"virtual_alias_maps = regexp:{aliases}")
    invite(standin, ["team@example.com", "bob@example.com"])
    people = ["team@example.com", "bob@example.com"]
    assert mta.submit(SENDER, people, tagged("board-1")).code == 250
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
        start_mta, way, workdir, standin, sink, case):
    """The mail is to an alias, and its id is long: both must arrive."""
    aliases = workdir.write("aliases", "/^team@example\\.com$/ t1@example.com, t2@example.com\n")
    if way == POSTFIX_QUEUED and case == "no_filters_for_this_machine":
        pytest.skip("it is for the first listener, too: nobody's mail is to be cancelled")
    mta = start_mta(main=f"virtual_alias_maps = regexp:{aliases}\n" + ELSEWHERE[case].replace(
        "{sink}", str(sink.port)) + "\ndefault_transport = untouched:[127.0.0.1]:" + str(sink.port),
        master="untouched unix - - n - - smtp\n    -o smtp_body_checks=\n"
               "    -o smtp_line_length_limit=998\n    -o smtp_mime_header_checks=\n")
    invited = "board-" + 335 * "x.y"  # its line is longer than 990
    standin.create(invited, "team@example.com")
    message = tagged(invited)
    assert mta.submit(SENDER, "team@example.com", message).code == 250
    got = deliveries(sink, 2)
    for member in "t1@example.com", "t2@example.com":
        assert_cancellation(got[member], invited, member, invited="team@example.com")


def test_no_other_way_is_taken_while_the_second_listener_is_away(start_mta, standin, sink):
    """smtp_fallback_relay in main.cf once took tagged mail past it."""
    mta = start_mta(main=f"smtp_fallback_relay = [127.0.0.1]:{sink.port}\n"
                                "transport_retry_time = 600s", second_listener=False)
    invite(standin, [RECIPIENT])
    assert mta.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    mta.wait_for_log("status=deferred")
    assert sink.deliveries == []


# Whom the submission believes

@only_queued
def test_stranger_who_has_logged_in_is_trusted(mta, standin, sink):
    invite(standin, [RECIPIENT])
    reply = mta.submit(SENDER, RECIPIENT, tagged("board-1"), **mta.stranger, LOGIN="acme-app")
    assert reply.code == 250, reply
    assert_each_cancelled(sink, [RECIPIENT])


@only_queued
def test_account_that_the_login_chose_cancels(start_mta, start_mta_filter, standin, sink):
    standin.set(api_keys=["CRN_acme", "CRN_zeta"])
    filter = start_mta_filter(accounts={
        "acme": {"senders": "@acme.example", "api_key": "CRN_acme"},
        "zeta": {"logins": "zeta-app", "api_key": "CRN_zeta"}})
    mta = start_mta(filter)
    invite(standin, [RECIPIENT])
    assert mta.submit(SENDER, RECIPIENT, tagged("board-1"), LOGIN="zeta-app").code == 250
    assert_each_cancelled(sink, [RECIPIENT])
    assert [each.api_key for each in standin.requests()] == ["CRN_zeta"]


# What Cronofy refuses, and when it can't be reached

def test_outage_is_an_ordinary_retry(start_mta, start_mta_filter, standin, sink):
    filter = start_mta_filter(cronofy=ONE_TRY)
    mta = start_mta(filter, main=RETRIES)
    invite(standin, PEOPLE)
    standin.script("board-1", forever(status(503)))
    assert mta.submit(SENDER, PEOPLE, tagged("board-1")).code == 250
    until(lambda: mta.log().count("status=deferred") >= 5, 10, mta.log)
    assert sink.deliveries == []
    assert mta.submit(SENDER, RECIPIENT, untagged()).code == 250
    assert_untouched(sink.wait()[0], untagged())

    sink.reset()
    standin.script("board-1")
    assert_each_cancelled(sink, PEOPLE)
    time.sleep(0.5)
    assert len(sink.deliveries) == 5


def test_a_second_listener_of_another_name_puts_mail_off(
        start_mta, start_mta_filter, standin, sink):
    """An administrator's slip: nothing goes out without its calendar, and the log says why."""
    filter = start_mta_filter(milter={"queue_daemon": "something-else"})
    mta = start_mta(filter)
    invite(standin, [RECIPIENT])
    assert mta.submit(SENDER, RECIPIENT, tagged("board-1")).code == 250
    mta.wait_for_log("status=deferred")
    filter.wait_for_log("misconfigured.*queue_daemon")
    assert standin.requests() == [] and sink.deliveries == []
