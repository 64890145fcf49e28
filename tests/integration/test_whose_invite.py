"""Whose invite it is: that of the address in the application's RCPT TO, in every set-up, whatever
becomes of the address on its way, and whatever the application says of its original recipient."""

import pytest

from lab.messages import SENDER, tagged
from lab.process import until

MODES = {"direct": {}, "queued": {"queued": True}, "routed": {"routed": True}}
ALIASES = {
    "alias": ("virtual_alias_maps = regexp:{{ {{ /^team@example\\.com$$/ t1@example.com }} }}",
              "team@example.com", "t1@example.com"),
    "members": ("virtual_alias_maps = "
                "regexp:{{ {{ /^team@example\\.com$$/ t1@example.com, t2@example.com }} }}",
                "team@example.com", "t1@example.com t2@example.com"),
    "canonical": ("recipient_canonical_maps = "
                  "regexp:{{ {{ /^ada@example\\.com$$/ lovelace@example.com }} }}",
                  "ada@example.com", "lovelace@example.com"),
    "case": ("", "Ada.L@Example.com", "Ada.L@Example.com"),
    "case_behind_an_alias": ("virtual_alias_maps = "
                             "regexp:{{ {{ /^team@example\\.com$$/ t1@example.com }} }}",
                             "Team@Example.com", "t1@example.com"),
    "extension": ("recipient_delimiter = +\nvirtual_alias_maps = "
                  "regexp:{{ {{ /^(ada)\\+x@example\\.com$$/ $$1@example.com }} }}",
                  "ada+x@example.com", "ada@example.com"),
    "equals": ("", "a=b@example.com", "a=b@example.com"),
}
SAID = {
    "nothing": [],
    "another": ["ORCPT=rfc822;other@example.com"],
    "no_address": ["NOTIFY=FAILURE", "ORCPT=x400;what+2Bever"],
}
NO_DSN = "smtpd_discard_ehlo_keywords = dsn\nsmtp_discard_ehlo_keywords = dsn\n"


@pytest.fixture(scope="module", params=sorted(MODES))
def mode(request):
    return request.param


@pytest.fixture(scope="module")
def filter_in_mode(start_filter, mode):
    return start_filter(milter={"mode": mode})


@pytest.fixture
def start(start_postfix, filter_in_mode, mode, standin):
    standin.set(open=True)
    return lambda main="": start_postfix(filter_in_mode.socket, main=main, **MODES[mode])


def asked(standin):
    """Whose invites Cronofy was asked to cancel."""
    return {recipient for _, recipient in standin.cancels()}


def wait_for(sink, people):
    until(lambda: {to for each in sink.deliveries for to in each.rcpt_to} == set(people.split()), 20,
          lambda: f"{people}, not {[each.rcpt_to for each in sink.deliveries]}")


def submit(postfix, recipient, *said, mail_parameters=()):
    with postfix.connect() as client:
        assert client.mail(SENDER, *mail_parameters).code == 250
        reply = client.rcpt(recipient, *said)
        assert reply.code == 250, reply
        reply = client.data(tagged("board-1"))
        assert reply.code == 250, reply


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("case", ALIASES)
def test_it_is_that_of_the_address_in_rcpt_to(start, standin, sink, case, said):
    main, recipient, arrives = ALIASES[case]
    postfix = start(main)
    submit(postfix, recipient, *SAID[said])
    wait_for(sink, arrives)
    assert asked(standin) == {recipient}


@pytest.mark.parametrize("case", ("members", "case_behind_an_alias", "canonical"))
def test_so_it_is_where_main_cf_discards_the_keyword_dsn(start, standin, sink, case):
    main, recipient, arrives = ALIASES[case]
    submit(start(NO_DSN + main), recipient)
    wait_for(sink, arrives)
    assert asked(standin) == {recipient}


def test_so_it_is_by_sendmail(start, standin, sink):
    main, recipient, arrives = ALIASES["members"]
    start(main).sendmail(tagged("board-1"), "-f", SENDER, "-N", "failure", recipient)
    wait_for(sink, arrives)
    assert asked(standin) == {recipient}


@pytest.mark.parametrize("said", ("nothing", "another"))
def test_so_it_is_in_utf_8(start, standin, sink, said):
    main = ("smtputf8_enable = yes\nvirtual_alias_maps = "
            "regexp:{{ {{ /^team@example\\.com$$/ t1@example.com }} }}")
    postfix = start(main)
    submit(postfix, "jörg@example.com", *SAID[said], mail_parameters=["SMTPUTF8"])
    until(lambda: asked(standin), 20, postfix.log)
    assert asked(standin) == {"jörg@example.com"}
    sink.wait()
