"""--cancel: the call to Cronofy alone, against every answer that the stand-in knows to give."""

import email.utils
import json
import os
import re
import socket
import subprocess
import time
from typing import NamedTuple

import pytest

from lab import tools
from lab.filter_process import SANITIZER, binary, write_config
from lab.process import Port, until
from standin.client import USUAL, Standin, delayed, forever, status, trouble
from standin.proxy import Proxy
from standin.replies import NON_ASCII

ID = "invite-1"
ANN = "ann@example.com"

CANCELLED, USAGE, REFUSED, TEMPORARY, CONFIGURATION = 0, 64, 69, 75, 78

# In seconds: what a process may need besides waiting for Cronofy, on a busy machine.
MARGIN = 1.5


class Result(NamedTuple):
    code: int
    calendar: bytes  # standard output
    reason: str      # standard error
    seconds: float


@pytest.fixture(scope="module")
def http2():
    with Standin(http2=True) as started:
        yield started


@pytest.fixture
def cronofy(standin):
    """It knows the invite, and doesn't offer HTTP/2."""
    standin.create(ID, ANN)
    return standin


def cancel(workdir, cronofy, *arguments, accounts=None, env=None, run_by=(), **keys):
    """Has the filter cancel ID for ANN, or what the arguments say. keys: of [cronofy]."""
    config = write_config(workdir, standin=cronofy, accounts=accounts, cronofy={
        "timeout": "500ms", "deadline": "2s", "attempts": 3, **keys})
    started = time.monotonic()
    done = subprocess.run(
        [*run_by, binary(), "--cancel", *(arguments or (ID, ANN)), "-c", config],
        capture_output=True, stdin=subprocess.DEVNULL, timeout=60, env=env)
    result = Result(done.returncode, done.stdout, done.stderr.decode(), time.monotonic() - started)
    assert not SANITIZER.search(result.reason), result.reason
    assert "CRN_" not in result.reason, "a key was told"
    assert b"CRN_" not in result.calendar, "a key was told"
    return result


def assert_cancelled(result):
    assert result.code == CANCELLED, result
    assert result.calendar.startswith(b"BEGIN:VCALENDAR\r\n"), result
    assert result.calendar.endswith(b"END:VCALENDAR\r\n"), result
    assert result.calendar.count(b"METHOD:CANCEL\r\n") == 1, result
    assert f"ATTENDEE:mailto:{ANN}\r\n".encode() in result.calendar, result


def assert_failed(result, code, *words):
    assert result.code == code, result
    assert result.calendar == b"", result
    for word in words:
        assert re.search(word, result.reason, re.I), f"{word} is not in {result.reason}"


# What Cronofy answers, whether the filter may take it, and words that the reason must have.
ANSWERS = {
    # answered with a calendar
    "the usual": (USUAL, CANCELLED),
    "202": (status(202), CANCELLED),
    "201": (status(201), CANCELLED),
    "lf": (trouble("lf"), CANCELLED),
    "crlf": (trouble("crlf"), CANCELLED),
    "unfolded": (trouble("unfolded"), CANCELLED),
    "non_ascii": (trouble("non_ascii"), CANCELLED),
    "escaped_non_ascii": (trouble("escaped_non_ascii"), CANCELLED),
    "bom": (trouble("bom"), CANCELLED),
    "missing_method": (trouble("missing_method"), CANCELLED),
    "status_confirmed": (trouble("status_confirmed"), CANCELLED, "STATUS"),
    "two_events": (trouble("two_events"), CANCELLED),
    "event_start_string": (trouble("event_start_string"), CANCELLED),
    "other_recipient": (trouble("other_recipient"), CANCELLED),
    "lone_surrogate": (trouble("lone_surrogate"), CANCELLED),
    "unknown_members": (trouble("unknown_members"), CANCELLED),
    "3 MB": (trouble("huge", megabytes=3), CANCELLED),
    "chunked": (trouble("chunked"), CANCELLED),
    "gzip": (trouble("gzip"), CANCELLED),
    "hang_up": (trouble("hang_up"), CANCELLED),
    # refused
    "422": (status(422), REFUSED, "422", "smart_invite_id", "errors.required"),
    "422 html": (status(422, "<h1>No</h1>"), REFUSED, "422"),
    "422 empty": (status(422, ""), REFUSED, "422"),
    "422 odd errors": (status(422, '{"errors":[1,{"a":null}]}'), REFUSED, "422"),
    "422 texts": (status(422, '{"errors":{"recipient":["is gone"]}}'), REFUSED,
                  "recipient: is gone"),
    "422 text": (status(422, '{"errors":"too late"}'), REFUSED, "422.*: too late"),
    "422 list": (status(422, '{"errors":["too late","too bad"]}'), REFUSED, "too late; too bad"),
    "422 error": (status(422, '{"error":"too late"}'), REFUSED, "422.*: too late"),
    "several_recipients": (trouble("several_recipients"), REFUSED, "several recipients"),
    "removed_recipient": (trouble("removed_recipient"), REFUSED, "several recipients"),
    "404": (status(404), REFUSED, "404"),
    "404 html": (status(404, "<h1>Not found</h1>"), REFUSED, "404"),
    "410": (status(410), REFUSED, "410"),
    # only an administrator can mend it
    "400": (status(400), TEMPORARY, "400", "proxy or firewall"),
    "401": (status(401), TEMPORARY, "401", "key"),
    "402": (status(402), TEMPORARY, "402", "plan"),
    "403": (status(403), TEMPORARY, "403", "privileges"),
    "301": (trouble("redirect", status=301), TEMPORARY, "301"),
    "302": (trouble("redirect"), TEMPORARY, "302"),
    "307": (trouble("redirect", status=307), TEMPORARY, "307"),
    "308": (trouble("redirect", status=308), TEMPORARY, "308"),
    # a proxy's
    "408": (status(408), TEMPORARY, "408", "proxy"),
    "425": (status(425), TEMPORARY, "425", "proxy"),
    # outages
    "423": (status(423), TEMPORARY, "423"),
    "429": (status(429), TEMPORARY, "429"),
    "500": (status(500), TEMPORARY, "500"),
    "502": (status(502, "<h1>Bad gateway</h1>"), TEMPORARY, "502"),
    "503": (status(503), TEMPORARY, "503"),
    "504": (status(504), TEMPORARY, "504"),
    "409": (status(409), TEMPORARY, "409"),
    "an unknown status": (status(599), TEMPORARY, "599"),
    "reset": (trouble("reset"), TEMPORARY, "connection|receiv"),
    "close_mid_body": (trouble("close_mid_body"), TEMPORARY),
    "never": (trouble("never"), TEMPORARY, "time"),
    "slow_drip": (trouble("slow_drip"), TEMPORARY, "time"),
    "huge": (trouble("huge"), TEMPORARY),
    "huge_chunked": (trouble("huge_chunked"), TEMPORARY),
    "huge_headers": (trouble("huge_headers"), TEMPORARY),
    "gzip_bomb": (trouble("gzip_bomb"), TEMPORARY),
    # a 2xx that can't be right
    "204": (status(204), TEMPORARY),
    "truncated_json": (trouble("truncated_json"), TEMPORARY, "JSON"),
    "html": (trouble("html"), TEMPORARY, "JSON"),
    "empty_body": (trouble("empty_body"), TEMPORARY, "JSON|empty"),
    "json_array": (trouble("json_array"), TEMPORARY),
    "deep_json": (trouble("deep_json"), TEMPORARY, "JSON"),
    "nul_escape": (trouble("nul_escape"), TEMPORARY),
    "invalid_utf8": (trouble("invalid_utf8"), TEMPORARY, "UTF-8"),
    "empty_attachments": (trouble("empty_attachments"), TEMPORARY, "calendar"),
    "no_attachments": (trouble("no_attachments"), TEMPORARY, "calendar"),
    "no_icalendar": (trouble("no_icalendar"), TEMPORARY, "calendar"),
    "icalendar_is_a_map": (trouble("icalendar_is_a_map"), TEMPORARY, "calendar"),
    "other_invite": (trouble("other_invite"), TEMPORARY, "invite"),
    # a calendar that can't be sent
    "empty_icalendar": (trouble("empty_icalendar"), TEMPORARY, "calendar"),
    "no_calendar_at_all": (trouble("no_calendar_at_all"), TEMPORARY, "VCALENDAR"),
    "big_calendar": (trouble("big_calendar"), TEMPORARY, "larger"),
    "wrong_method": (trouble("wrong_method"), TEMPORARY, "METHOD"),
    "two_calendars": (trouble("two_calendars"), TEMPORARY, "VCALENDAR"),
    "no_event": (trouble("no_event"), TEMPORARY, "VEVENT"),
    "vtodo": (trouble("vtodo"), TEMPORARY, "VTODO"),
    "no_uid": (trouble("no_uid"), TEMPORARY, "UID"),
    "two_uids": (trouble("two_uids"), TEMPORARY, "UID"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_each_answer_has_its_outcome(cronofy, workdir, name):
    answer, code, *words = ANSWERS[name]
    cronofy.script(ID, forever(answer))
    result = cancel(workdir, cronofy, attempts=1)
    if code == CANCELLED:
        assert_cancelled(result)
    else:
        assert_failed(result, code, *words)
    assert not cronofy.violations()
    assert len(cronofy.requests()) == 1
    assert result.seconds < 0.5 + MARGIN


@pytest.mark.parametrize("name", ["the usual", "404", "503", "reset", "close_mid_body", "never",
                                  "huge", "huge_headers", "302", "gzip", "slow_drip"])
def test_each_answer_has_its_outcome_over_http2(http2, workdir, name):
    http2.reset()
    http2.script(ID, forever(ANSWERS[name][0]))
    result = cancel(workdir, http2, attempts=1)
    assert result.code == ANSWERS[name][1], result
    assert not http2.violations()


# The request

def test_sends_exactly_the_documented_request(cronofy, workdir):
    assert_cancelled(cancel(workdir, cronofy))
    (request,) = cronofy.requests()
    assert (request.method, request.path) == ("POST", "/v1/smart_invites")
    assert request.headers["host"] == cronofy.https.removeprefix("https://")
    assert request.headers["authorization"] == f"Bearer {cronofy.api_key}"
    assert request.headers["content-type"] == "application/json; charset=utf-8"
    assert json.loads(request.body) == {
        "method": "cancel", "recipient": {"email": ANN}, "smart_invite_id": ID}
    assert not cronofy.violations()


@pytest.mark.parametrize("id, recipient", [
    ('a "quoted" \\ id', ANN),
    ("日程/🎉?&=%20#", ANN),
    ("x" * 900, ANN),
    (ID, "jürgen@bücher.example"),
    (ID, "o'neil+tag=1@example.com"),
])
def test_any_id_and_recipient_arrive_as_they_were_given(cronofy, workdir, id, recipient):
    cronofy.create(id, recipient)
    result = cancel(workdir, cronofy, id, recipient)
    assert result.code == CANCELLED, result
    assert cronofy.cancels() == [(id, recipient)]
    assert not cronofy.violations()


def test_prints_the_calendar_with_the_text_unharmed(cronofy, workdir):
    for form in ("non_ascii", "escaped_non_ascii"):
        cronofy.script(ID, trouble(form))
        assert f"SUMMARY:{NON_ASCII}\r\n".encode() in cancel(workdir, cronofy).calendar


def test_puts_in_a_missing_method_and_nothing_else(cronofy, workdir):
    usual = cancel(workdir, cronofy).calendar
    cronofy.script(ID, trouble("missing_method"))
    without = cancel(workdir, cronofy).calendar
    assert sorted(without.split(b"\r\n")) == sorted(usual.split(b"\r\n"))


def test_folds_long_lines(cronofy, workdir):
    cronofy.script(ID, trouble("unfolded"))
    lines = cancel(workdir, cronofy).calendar.split(b"\r\n")
    assert max(map(len, lines)) <= 75
    for line in lines:
        line.decode()  # no character was cut in two


def test_each_account_has_its_own_key(cronofy, workdir):
    cronofy.set(api_keys=["CRN_acme", "CRN_globex"])
    accounts = {"acme": {"senders": "@acme.example", "api_key": "CRN_acme"},
                "globex": {"senders": "@globex.example", "api_key": "CRN_globex"}}
    for account in ("globex", "acme"):
        assert_cancelled(cancel(workdir, cronofy, ID, ANN, "--account", account, accounts=accounts))
    assert [request.api_key for request in cronofy.requests()] == ["CRN_globex", "CRN_acme"]


# Redirects

@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_never_follows_a_redirect(cronofy, workdir, code):
    cronofy.script(ID, forever(trouble("redirect", status=code, to=f"{cronofy.http}/elsewhere")))
    assert_failed(cancel(workdir, cronofy), TEMPORARY, str(code))
    assert {request.path for request in cronofy.requests()} == {"/v1/smart_invites"}


# TLS and HTTP/2

@pytest.mark.parametrize("listener, words", [
    ("untrusted", "certificate"),
    ("expired", "expired"),
    ("wrong_host", "localhost|host ?name"),
    ("tls11", "TLS|SSL"),
])
def test_no_faulty_tls_gets_the_key(cronofy, workdir, listener, words):
    url = getattr(cronofy, listener)
    if not url:
        pytest.skip("this OpenSSL can't speak TLS 1.1")
    assert_failed(cancel(workdir, cronofy, url=url, attempts=1), TEMPORARY, words)
    assert not cronofy.requests()


def test_trusts_no_private_ca_unless_told_to(cronofy, workdir):
    assert_failed(cancel(workdir, cronofy, ca_file=None, attempts=1), TEMPORARY, "certificate")
    assert not cronofy.requests()


@pytest.mark.parametrize("listener, version", [("http2", "2"), ("https", "1.1"), ("http", "1.1")])
def test_speaks_http2_where_it_is_offered(http2, workdir, listener, version):
    http2.reset()
    http2.create(ID, ANN)
    ca_file = None if listener == "http" else http2.ca_file
    assert_cancelled(cancel(workdir, http2, url=getattr(http2, listener), ca_file=ca_file))
    (request,) = http2.requests()
    assert request.version == version
    assert "upgrade" not in request.headers
    assert not http2.violations()


# Time and attempts

@pytest.mark.parametrize("name", ["503", "reset", "429", "408", "425"])
def test_tries_an_outage_again_as_often_as_configured(cronofy, workdir, name):
    cronofy.script(ID, forever(ANSWERS[name][0]))
    result = cancel(workdir, cronofy, attempts=3, deadline="10s")
    assert_failed(result, TEMPORARY, *ANSWERS[name][2:])
    assert len(cronofy.requests()) == 3


@pytest.mark.parametrize("name", ["400", "422", "404", "410", "401", "402", "403", "423", "302"])
def test_does_not_ask_again_when_that_cannot_help(cronofy, workdir, name):
    cronofy.script(ID, forever(ANSWERS[name][0]))
    assert_failed(cancel(workdir, cronofy), ANSWERS[name][1])
    assert len(cronofy.requests()) == 1


@pytest.mark.parametrize("name", ["503", "reset", "never", "close_mid_body", "429"])
def test_succeeds_when_an_outage_passes(cronofy, workdir, name):
    cronofy.script(ID, ANSWERS[name][0])
    assert_cancelled(cancel(workdir, cronofy, deadline="10s"))
    assert len(cronofy.requests()) == 2


def test_cancels_again_when_the_answer_was_lost(cronofy, workdir):
    cronofy.script(ID, trouble("lost"))
    assert_cancelled(cancel(workdir, cronofy, deadline="10s"))
    assert cronofy.cancels() == [(ID, ANN)] * 2


def test_says_so_when_a_refused_try_comes_after_one_whose_answer_was_lost(cronofy, workdir):
    cronofy.set(second_cancel="404")
    cronofy.script(ID, trouble("lost"))
    result = cancel(workdir, cronofy, deadline="10s")
    assert_failed(result, REFUSED, "404", "earlier try")


def test_gives_up_an_answer_after_timeout_and_the_message_after_deadline(cronofy, workdir):
    cronofy.script(ID, forever(trouble("never")))
    result = cancel(workdir, cronofy, timeout="300ms", deadline="2s", attempts=10)
    assert_failed(result, TEMPORARY)
    assert len(cronofy.requests()) in (2, 3)
    assert result.seconds < 2 + MARGIN


def test_the_deadline_cuts_a_call_short(cronofy, workdir):
    cronofy.script(ID, forever(delayed(10)))
    result = cancel(workdir, cronofy, timeout="10s", deadline="1s")
    assert_failed(result, TEMPORARY, "time|deadline")
    assert result.seconds < 1 + MARGIN


def test_a_slow_answer_in_time_is_taken(cronofy, workdir):
    cronofy.script(ID, delayed(0.3))
    assert_cancelled(cancel(workdir, cronofy, timeout="5s", deadline="5s", attempts=1))


def http_date():
    """Three seconds ahead; but it has no fractions, so it may be little more than two."""
    return email.utils.formatdate(time.time() + 3, usegmt=True)


@pytest.mark.parametrize("code, wait", [(429, lambda: 1), (503, lambda: 1), (429, http_date)],
                         ids=["429", "503", "HTTP-date"])
def test_waits_as_long_as_retry_after_says(cronofy, workdir, code, wait):
    cronofy.script(ID, status(code, retry_after=wait()))
    assert_cancelled(cancel(workdir, cronofy, deadline="10s"))
    first, second = cronofy.requests()
    assert second.time - first.time >= 0.9


def test_does_not_wait_when_retry_after_goes_beyond_the_deadline(cronofy, workdir):
    cronofy.script(ID, forever(status(429, retry_after=60)))
    result = cancel(workdir, cronofy, deadline="5s")
    assert_failed(result, TEMPORARY, "429")
    assert len(cronofy.requests()) == 1
    assert result.seconds < MARGIN


def test_begins_no_try_whose_answer_it_could_not_wait_for(cronofy, workdir):
    cronofy.script(ID, status(429, retry_after=1), delayed(0.3))
    result = cancel(workdir, cronofy, timeout="5s", deadline="1010ms")
    assert_failed(result, TEMPORARY, "429")
    assert len(cronofy.requests()) == 1


def test_does_not_ask_again_after_the_longest_retry_after(cronofy, workdir):
    cronofy.script(ID, forever(status(429, retry_after="9223372036854775807")))
    assert_failed(cancel(workdir, cronofy, deadline="5s"), TEMPORARY, "429")
    assert len(cronofy.requests()) == 1


@pytest.mark.parametrize("value", ["-5", "99999999999999999999", "soon", "1.5", "\x7f"])
def test_survives_an_odd_retry_after(cronofy, workdir, value):
    cronofy.script(ID, forever(status(429, retry_after=value)))
    result = cancel(workdir, cronofy, attempts=2)
    assert_failed(result, TEMPORARY, "429")
    assert result.seconds < 2 + MARGIN


@pytest.mark.parametrize("name", ["huge", "huge_chunked", "gzip_bomb"])
def test_stops_reading_a_reply_that_is_too_large(cronofy, workdir, name):
    cronofy.script(ID, forever(trouble(name)))
    result = cancel(workdir, cronofy, url=cronofy.http, ca_file=None, attempts=1,
                    timeout="10s", deadline="10s")
    assert_failed(result, TEMPORARY)
    assert result.seconds < 5  # of the ten it may take
    if name != "gzip_bomb":
        until(lambda: cronofy.requests()[0].cut_short, 5, "the rest of the reply was not read")


# The network between

def test_a_closed_port_is_temporary(cronofy, workdir):
    closed = Port()
    result = cancel(workdir, cronofy, url=f"http://127.0.0.1:{closed.number}", ca_file=None,
                    attempts=1)
    closed.close()
    assert_failed(result, TEMPORARY, "connect")


def test_a_host_that_accepts_and_says_nothing_is_temporary(cronofy, workdir):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://localhost:{silent.getsockname()[1]}"
        result = cancel(workdir, cronofy, url=url, deadline="1s", attempts=1)
    assert_failed(result, TEMPORARY, "time")
    assert result.seconds < 1 + MARGIN


def test_an_unknown_host_is_temporary(cronofy, workdir):
    result = cancel(workdir, cronofy, url="https://cronofy.invalid", deadline="1s",
                    attempts=1)
    assert_failed(result, TEMPORARY, "cronofy.invalid")
    assert result.seconds < 1 + MARGIN


def with_name_server(workdir, address):
    """What runs a program with another /etc/resolv.conf than everybody else's."""
    tools.need_root("a program with an /etc/resolv.conf of its own")
    unshare = [tools.installed("unshare"), "--mount", "sh", "-c"]
    if subprocess.run([*unshare, "true"], stderr=subprocess.DEVNULL).returncode:
        raise tools.Missing("unshare --mount is not allowed here")
    file = workdir.write("resolv.conf", f"nameserver {address}\n")
    return [*unshare, 'mount --bind "$0" /etc/resolv.conf && exec "$@"', file]


def test_a_name_server_that_says_nothing_is_temporary(cronofy, workdir):
    tools.need_root("a name server")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        address = f"127.53.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
        silent.bind((address, 53))
        result = cancel(workdir, cronofy, url="https://cronofy.example", deadline="1s", attempts=1,
                        run_by=with_name_server(workdir, address))
    assert_failed(result, TEMPORARY, "time")
    assert result.seconds < 1 + MARGIN


def test_ignores_proxies_of_the_environment(cronofy, workdir):
    with Proxy() as proxy:
        names = ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY")
        env = {**os.environ, **dict.fromkeys(names, proxy.url)}
        assert_cancelled(cancel(workdir, cronofy, env=env))
        assert_cancelled(cancel(workdir, cronofy, url=cronofy.http, ca_file=None, env=env))
        assert not proxy.requests


def test_writes_no_tls_keys_to_the_file_that_the_environment_names(cronofy, workdir):
    env = {**os.environ, "SSLKEYLOGFILE": str(workdir / "tls.keys")}
    assert_cancelled(cancel(workdir, cronofy, env=env))
    assert not (workdir / "tls.keys").exists()


def test_uses_the_proxy_that_is_configured(cronofy, workdir):
    with Proxy() as proxy:
        assert_cancelled(cancel(workdir, cronofy, proxy=proxy.url))
        (head,) = proxy.requests
    assert head.startswith(f"CONNECT {cronofy.https.removeprefix('https://')} ")
    assert "authorization" not in head.lower()
    assert not cronofy.violations()


def test_goes_past_no_proxy_because_of_the_environment(cronofy, workdir):
    with Proxy() as proxy:
        env = {**os.environ, "no_proxy": "*", "NO_PROXY": "*"}
        assert_cancelled(cancel(workdir, cronofy, proxy=proxy.url, env=env))
        assert len(proxy.requests) == 1


def test_a_proxy_that_refuses_is_temporary(cronofy, workdir):
    closed = Port()
    result = cancel(workdir, cronofy, proxy=f"http://127.0.0.1:{closed.number}", attempts=1)
    closed.close()
    assert_failed(result, TEMPORARY, "proxy|connect")


# The command line

@pytest.mark.parametrize("arguments", [
    (ID,),
    (ID, ANN, "bob@example.com"),
    (ID, ANN, "--acount", "acme"),
    ("", ANN),
    (ID, ""),
    (ID, "not an address"),
    (b"\xff", ANN),
    (ID, b"\xff@example.com"),
    (ID, ANN, "--account", "nobody"),
])
def test_a_wrong_command_line_calls_nobody(cronofy, workdir, arguments):
    assert_failed(cancel(workdir, cronofy, *arguments), USAGE)
    assert not cronofy.requests()


def test_asks_which_account_when_there_are_several(cronofy, workdir):
    accounts = {name: {"senders": f"@{name}.example", "api_key": f"CRN_{name}"}
                for name in ("acme", "globex")}
    assert_failed(cancel(workdir, cronofy, accounts=accounts), USAGE, "--account")
    assert not cronofy.requests()


@pytest.mark.parametrize("keys, words", [
    (dict(url="http://cronofy.example"), "url"),
    (dict(timeout="soon"), "timeout"),
    (dict(api_key_file="/nonexistent/key"), "/nonexistent/key"),
    (dict(ca_file="/nonexistent/ca.pem"), "/nonexistent/ca.pem"),
])
def test_a_wrong_configuration_calls_nobody(cronofy, workdir, keys, words):
    assert_failed(cancel(workdir, cronofy, **keys), CONFIGURATION, words)
    assert not cronofy.requests()
