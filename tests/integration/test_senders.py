"""Whose API key a message uses, however its sender is spelled, and whatever the MTA makes of that.

Two accounts, one for each domain. A tenant who may send as evil.example only, and whose mail server
sees to that, must never have victim.example's invites cancelled.
"""

import pytest

from lab.messages import RECIPIENT, tagged
from lab.milter_client import TAG, MilterSession, mail
from lab.mta import POSTFIX, POSTFIX_QUEUED, SECTIONS, SENDMAIL, SENDMAIL_QUEUED
from lab.process import until

# What becomes of a message: the key that Cronofy sees, or who refuses it.
EVIL, VICTIM = "evil", "victim"
NOBODY = "no account"  # 550 5.7.1
ODD = "no plain sender"  # 550 5.1.7, by the filter
MTA = "the MTA"

# Behind MAIL FROM:, and what becomes of it behind Postfix and behind Sendmail.
SENDERS = [
    ("<evil@evil.example>", EVIL, EVIL),
    (" <evil@evil.example>", EVIL, EVIL),
    ("evil@evil.example", EVIL, EVIL),
    ("<>", NOBODY, NOBODY),
    ("<EVIL@Evil.Example>", EVIL, EVIL),
    ("<victim@victim.example>", VICTIM, VICTIM),
    ("<evil+tag@evil.example>", EVIL, EVIL),
    ("<evil=victim.example@evil.example>", EVIL, EVIL),
    ("<prvs=123=evil@evil.example>", EVIL, EVIL),
    ("<victim.example@evil.example>", EVIL, EVIL),
    ("<evil@evil.example.victim.example>", NOBODY, NOBODY),
    ("<evil@victim.example.evil.example>", NOBODY, NOBODY),
    ("<evil@xvictim.example>", NOBODY, NOBODY),
    # comments
    ("<evil@evil.example (@victim.example>", ODD, MTA),
    (r"<evil@evil.example(\)@victim.example>", ODD, MTA),
    ("<evil@evil.example(x)>", ODD, ODD),
    ("<evil@evil.example (@victim.example)>", ODD, ODD),
    ("<evil@evil.example(@victim.example)>", ODD, ODD),
    ("<(x)evil@evil.example>", ODD, ODD),
    ("<(evil@evil.example)victim@victim.example>", ODD, ODD),
    ("<evil (x)@evil.example>", ODD, ODD),
    ("<evil@(victim.example)evil.example>", ODD, ODD),
    # behind the bracket, before it, in it
    ("<evil@evil.example>@victim.example", MTA, ODD),
    ("<evil@evil.example>(x)@victim.example", MTA, ODD),
    ("<evil@evil.example>,@victim.example", MTA, ODD),
    ("<evil@evil.example>;@victim.example", MTA, ODD),
    ("<evil@evil.example><victim@victim.example>", MTA, ODD),
    ("<<evil@evil.example>>", ODD, ODD),
    ("evil@evil.example>", ODD, MTA),
    ("<evil@evil.example", MTA, MTA),
    ("Evil <evil@evil.example>", MTA, MTA),
    ('"x@victim.example" <evil@evil.example>', MTA, MTA),
    # lists and groups
    ("<evil@evil.example,victim@victim.example>", MTA, MTA),
    ("<evil@evil.example;victim@victim.example>", MTA, MTA),
    ("<evil:victim@victim.example;>", ODD, ODD),
    ("<evil@evil.example:victim@victim.example>", ODD, MTA),
    # white space
    ("< evil@evil.example >", ODD, ODD),
    ("<evil@evil.example >", ODD, ODD),
    ("<evil @evil.example>", ODD, ODD),
    ("<evil@ evil.example>", ODD, ODD),
    ("<evil@evil.example @victim.example>", ODD, MTA),
    ("<evil@evil.example\t@victim.example>", ODD, MTA),
    # quotes
    ('<"evil"@evil.example>', EVIL, EVIL),
    ('<"ev il"@evil.example>', EVIL, EVIL),
    ('<"evil@victim.example"@evil.example>', EVIL, EVIL),
    ('<"evil@evil.example"@victim.example>', VICTIM, VICTIM),
    (r'<"ev\"il"@evil.example>', EVIL, EVIL),
    (r'<"ev\il"@evil.example>', EVIL, EVIL),
    (r'<"evil\"@victim.example"@evil.example>', EVIL, EVIL),
    (r"<evil\@victim.example@evil.example>", ODD, ODD),
    (r"<ev\il@evil.example>", ODD, ODD),
    ('<evil"@victim.example"@evil.example>', MTA, ODD),
    ('<evil."x"@evil.example>', ODD, ODD),
    ('<"a"."b"@evil.example>', ODD, ODD),
    ('<evil@"evil.example">', ODD, ODD),
    ('<"evil@evil.example"@"victim.example">', ODD, ODD),
    ('<""@evil.example>', ODD, ODD),
    ('<"">', ODD, MTA),
    # routes
    ("<@victim.example:evil@evil.example>", ODD, ODD),
    ("<@evil.example:victim@victim.example>", ODD, ODD),
    ("<@evil.example,@victim.example:evil@evil.example>", ODD, ODD),
    ("<victim.example!evil@evil.example>", EVIL, EVIL),
    ("<evil.example!victim@victim.example>", VICTIM, VICTIM),
    ("<evil.example!evil>", ODD, ODD),
    ("<victim.example!victim>", ODD, ODD),
    ("<evil%victim.example@evil.example>", EVIL, EVIL),
    ("<victim%victim.example>", ODD, ODD),
    ("<victim%victim.example@mx.example.test>", ODD, ODD),
    # domains
    ("<evil@evil.example.>", ODD, ODD),
    ("<evil@evil.example..>", MTA, ODD),
    ("<evil@evil..example>", MTA, MTA),
    ("<evil@@evil.example>", ODD, MTA),
    ("<evil@victim.example@evil.example>", ODD, MTA),
    ("<evil@evil.example@victim.example>", ODD, MTA),
    ("<evil@evil.example/victim.example>", MTA, ODD),
    ("<evil@[127.0.0.1]>", NOBODY, NOBODY),
    ("<@evil.example>", ODD, MTA),
    ("<evil@>", MTA, MTA),
    ("<evil@localhost>", NOBODY, NOBODY),
    # dots
    ("<ev..il@evil.example>", EVIL, EVIL),
    ("<.evil@evil.example>", EVIL, EVIL),
    ("<evil.@evil.example>", EVIL, EVIL),
    # 8 bits
    ("<böse@evil.example>", EVIL, EVIL),
    ("<Ü@evil.example>", EVIL, MTA),
    ("<ß@evil.example>", ODD, MTA),
]
ACCOUNTS = {
    "evil": {"senders": "@evil.example", "api_key": "CRN_evil"},
    "victim": {"senders": "@victim.example", "api_key": "CRN_victim"},
}
WAYS = (POSTFIX, POSTFIX_QUEUED, SENDMAIL, SENDMAIL_QUEUED)


@pytest.fixture
def cronofy(standin):
    """A Cronofy that knows both tenants, and every invite."""
    standin.set(open=True, api_keys=["CRN_evil", "CRN_victim"])
    return standin


@pytest.fixture
def start(request, start_filter):
    """The mail server of this name, in this mode, with a filter for both tenants."""
    def start_mta(mta, mode, **options):
        running = start_filter(accounts=ACCOUNTS, **SECTIONS[mta, mode])
        return request.getfixturevalue(f"start_{mta}")(
            running.socket, queued=mode == "queued", **options)
    return start_mta


def send(server, sender, invite_id):
    """A whole transaction, with the sender as it is; the reply that decided."""
    with server.connect() as client:
        reply = client.command(f"MAIL FROM:{sender}")
        if reply.code == 250:
            reply = client.rcpt(RECIPIENT)
        if reply.code == 250:
            reply = client.data(tagged(invite_id))
    return reply


def refusal(reply):
    if "X-Cancel-Invite: " not in reply.text:
        return MTA
    return {(550, "5.1.7"): ODD, (550, "5.7.1"): NOBODY}.get((reply.code, reply.enhanced), reply)


@pytest.mark.parametrize("mta, mode", WAYS)
def test_key_is_that_of_the_sender_that_the_mta_read(start, cronofy, sink, mta, mode):
    main = {"main": "mydestination = mx.example.test\n"} if mta == "postfix" else {}
    server = start(mta, mode, **main)
    expected, got, accepted = {}, {}, {}
    for number, (sender, *outcomes) in enumerate(SENDERS):
        expected[sender] = outcomes[mta == "sendmail"]
        reply = send(server, sender, f"board-{number}")
        if reply.code == 250:
            accepted[f"board-{number}"] = sender
        else:
            got[sender] = refusal(reply)
    delivered = sink.wait(len(accepted), timeout=60)
    for invite_id, sender in accepted.items():
        got[sender] = "+".join(r.api_key.removeprefix("CRN_") for r in cronofy.requests(invite_id))
    wrong = {s: (got[s], f"not {expected[s]}") for s in expected if got[s] != expected[s]}
    assert not wrong
    # Both MTAs say the same when they pass it on.
    used = {request.id: request.api_key.removeprefix("CRN_") for request in cronofy.requests()}
    assert len(delivered) == len(used) == len(accepted)
    for delivery in delivered:
        assert delivery.mail_from.rpartition("@")[2].lower() in ("evil.example", "victim.example")
    assert (sorted(d.mail_from.lower().rpartition("@")[2].partition(".")[0] for d in delivered)
            == sorted(used.values()))


@pytest.mark.parametrize("sender, typed", [
    ("evil@evil.example", EVIL), ("evil@evil.example (@victim.example", EVIL),
    ("EVIL@EVIL.EXAMPLE", EVIL), ('"ev il"@evil.example', EVIL), ("", NOBODY), ("evil", NOBODY)])
@pytest.mark.parametrize("mode", ("direct", "queued"))
def test_sendmail_command_hands_on_what_postfix_has_read_already(
        start, cronofy, sink, mode, sender, typed):
    postfix = start("postfix", mode)
    postfix.sendmail(tagged("board-1").replace(b"\r\n", b"\n"), "-f", sender, RECIPIENT)
    if typed is NOBODY:
        postfix.wait_for_log("belongs to no Cronofy account")
        assert not cronofy.requests()
        return
    until(lambda: any(d.rcpt_to == [RECIPIENT] for d in sink.deliveries), 20, "a delivery")
    assert [request.api_key for request in cronofy.requests()] == [f"CRN_{typed}"]


def test_canonical_maps_are_for_what_leaves_and_not_for_whose_it_is(
        start, cronofy, sink, workdir):
    """Postfix checks the sender before it rewrites it."""
    table = workdir.write("canonical", "evil@evil.example victim@victim.example\n")
    postfix = start("postfix", "direct", main=f"sender_canonical_maps = texthash:{table}\n")
    reply = send(postfix, "<evil@evil.example>", "board-1")
    assert reply.code == 250, reply
    sink.wait()
    assert [request.api_key for request in cronofy.requests()] == ["CRN_evil"]


LOGINS = """\
smtpd_sender_login_maps = texthash:{table}
smtpd_sender_restrictions = reject_sender_login_mismatch
"""


@pytest.mark.parametrize("mode", ("direct", "queued"))
@pytest.mark.parametrize("sender", (
    "evil@evil.example (@victim.example", r"evil@evil.example(\)@victim.example"))
def test_tenant_that_postfix_checks_cannot_use_another_tenants_key(
        start, cronofy, workdir, mode, sender):
    table = workdir.write("logins", "@evil.example evil\n@victim.example victim\n")
    postfix = start("postfix", mode, main=LOGINS.format(table=table))
    as_evil = {"ADDR": "203.0.113.9", "NAME": "host.test", "LOGIN": "evil"}
    honest = postfix.submit("victim@victim.example", RECIPIENT, tagged("board-1"), **as_evil)
    assert honest.code == 553, honest
    reply = postfix.submit(sender, RECIPIENT, tagged("board-1"), **as_evil)
    assert (reply.code, reply.enhanced) == (550, "5.1.7"), reply
    assert not cronofy.requests()


@pytest.mark.parametrize("recipient", (
    "ann@example.com (@other.example)", "ann@example.com(x)", "@other.example:ann@example.com",
    r"ann\@other.example@example.com", "ann @example.com", "ann@example.com>(@other.example",
    "ann@example.com,bob@example.com", "ann@example.com/x", '"ann"."b"@example.com'))
@pytest.mark.parametrize("mode", ("direct", "queued"))
def test_recipient_that_is_no_plain_address_is_nobodys(start_filter, cronofy, mode, recipient):
    running = start_filter(milter={"mode": mode})
    with MilterSession(running.socket) as mta:
        result = mta.deliver(mail(TAG), recipients=recipient)
    assert result.reply.startswith("554 5.1.3 "), result
    assert not cronofy.requests()


class TestWithoutTheMtasWord:
    """An MTA that gives no {mail_addr}."""

    @pytest.fixture
    def deliver(self, start_filter, cronofy):
        def deliver_one(sender):
            with MilterSession(start_filter(accounts=ACCOUNTS).socket) as mta:
                return mta.deliver(mail(TAG), sender, macros={"{mail_addr}": None})
        return deliver_one

    def test_a_plain_sender_is_believed(self, deliver, cronofy):
        assert deliver("evil@evil.example").action == "accept"
        assert [request.api_key for request in cronofy.requests()] == ["CRN_evil"]

    @pytest.mark.parametrize("sender", (
        '"evil@victim.example"@evil.example', "victim%victim.example@evil.example",
        "victim.example!victim@evil.example"))
    def test_one_that_could_be_read_in_two_ways_waits(self, deliver, cronofy, sender):
        result = deliver(sender)
        assert result.action == "tempfail" and "{mail_addr}" in result.reply, result
        assert result.reply.startswith("451 4.3.5 ")
        assert not cronofy.requests()

    def test_an_odd_one_is_refused(self, deliver, cronofy):
        result = deliver("evil@evil.example (@victim.example")
        assert result.reply.startswith("550 5.1.7 "), result
        assert not cronofy.requests()


@pytest.mark.parametrize("typed, parsed", [
    ("evil@evil.example", "victim@victim.example"), ("evil@evil.example", ""),
    ("", "victim@victim.example"), ("victim%victim.example@mx.test", "victim@victim.example")])
def test_sender_that_is_another_to_the_mta_is_refused(start_filter, cronofy, typed, parsed):
    with MilterSession(start_filter(accounts=ACCOUNTS).socket) as mta:
        result = mta.deliver(mail(TAG), typed, macros={"{mail_addr}": parsed})
    assert result.reply.startswith("550 5.1.7 "), result
    assert not cronofy.requests()
