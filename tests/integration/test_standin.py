"""The stand-in for Cronofy must itself be right, or tests against it mean nothing."""

import http.client
import json
import shutil
import socket
import ssl
import subprocess
import time
from urllib.parse import urlsplit

import pytest

from lab import tools
from standin import icalendar
from standin.client import USUAL, Standin, delayed, forever, status, trouble

CANCEL = {"method": "cancel", "recipient": {"email": "ann@example.com"},
          "smart_invite_id": "invite-1"}


@pytest.fixture
def standin(_standin):
    """As elsewhere, but it may be asked what is wrong."""
    _standin.reset()
    return _standin


def post(url, body=CANCEL, *, key="CRN_test-key", path="/v1/smart_invites", context=None,
         **headers):
    """(status, the answer's text)."""
    netloc = urlsplit(url).netloc
    connection = (http.client.HTTPSConnection(netloc, timeout=10, context=context)
                  if url.startswith("https:") else http.client.HTTPConnection(netloc, timeout=10))
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        connection.request("POST", path, raw, {"Authorization": f"Bearer {key}",
                                               "Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def calendar_of(answer):
    return json.loads(answer[1])["attachments"]["icalendar"]


@pytest.mark.parametrize("listener", ["http", "https"])
def test_cancels_an_invite_that_was_created(standin, listener):
    standin.create("invite-1", "ann@example.com", summary="Lunch, with Bob", uid="uid-1")
    answer = post(getattr(standin, listener),
                  context=ssl.create_default_context(cafile=standin.ca_file))
    assert answer[0] == 200
    for line in ("METHOD:CANCEL", "UID:uid-1", "SUMMARY:Lunch\\, with Bob", "STATUS:CANCELLED",
                 "ATTENDEE:mailto:ann@example.com"):
        assert line in calendar_of(answer).splitlines()
    assert standin.cancels() == [("invite-1", "ann@example.com")]
    assert not standin.violations()


@pytest.mark.parametrize("change, code", [
    (dict(body={**CANCEL, "callback_url": "https://x.example"}), 422),
    (dict(body={**CANCEL, "method": "request"}), 422),
    (dict(body={**CANCEL, "recipient": "ann@example.com"}), 422),
    (dict(body={**CANCEL, "smart_invite_id": 7}), 422),
    (dict(body=json.dumps(CANCEL).encode()[:-1]), 400),
    (dict(body=b'{"method":"cancel",' + json.dumps(CANCEL).encode()[1:]), 400),
    (dict(body=json.dumps({**CANCEL, "smart_invite_id": "é"}, ensure_ascii=False)
          .encode("latin-1")), 400),
    (dict(path="/v1/smart_invites/"), 404),
    (dict(Host="api.cronofy.com"), 400),
    ({"Content-Type": "text/json"}, 400),
    ({"Authorization": "Basic Q1JOX3Rlc3Q="}, 401),
])
def test_refuses_and_remembers_what_is_not_the_documented_request(standin, change, code):
    standin.create("invite-1", "ann@example.com")
    assert post(standin.http, **change)[0] == code
    assert len(standin.violations()) == 1
    assert not standin.cancels()


def test_refuses_what_is_not_http_at_all(standin):
    with socket.create_connection(urlsplit(standin.http).netloc.split(":"), timeout=10) as client:
        client.sendall(b"EHLO app.example\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 400 ")
    assert len(standin.violations()) == 1


def test_a_wrong_key_or_an_unknown_invite_is_an_answer_not_a_violation(standin):
    assert post(standin.http, key="CRN_other")[0] == 401
    assert post(standin.http)[0] == 404
    standin.create("invite-1", "bob@example.com")
    assert post(standin.http)[0] == 404
    assert not standin.violations()


@pytest.mark.parametrize("choice, code, sequence", [
    ("same", 200, 1), ("higher", 200, 2), ("404", 404, None), ("422", 422, None)])
def test_a_second_cancel_is_answered_as_chosen(standin, choice, code, sequence):
    standin.set(second_cancel=choice)
    standin.create("invite-1", "ann@example.com")
    assert "SEQUENCE:1" in calendar_of(post(standin.http))
    again = post(standin.http)
    assert again[0] == code
    assert sequence is None or f"SEQUENCE:{sequence}" in calendar_of(again)


def get(url, query, *, key="CRN_test-key", path="/v1/smart_invites", **headers):
    netloc = urlsplit(url).netloc
    connection = http.client.HTTPConnection(netloc, timeout=10)
    connection.request("GET", f"{path}?{query}", headers={"Authorization": f"Bearer {key}",
                                                          **headers})
    answer = connection.getresponse()
    result = answer.status, answer.read().decode()
    connection.close()
    return result


STATUS = "recipient_email=ann%40example.com&smart_invite_id=invite-1&include_ics=true"


@pytest.mark.parametrize("choice, code, words", [
    ("404", 404, ""), ("usual", 200, "METHOD:CANCEL"), ("invitation", 200, "METHOD:REQUEST"),
    ("no_icalendar", 200, '"attachments": {}'), ("no_calendar_at_all", 200, "cancelled"),
    ("other_uid", 200, "another@"), ("other_attendee", 200, "somebody.else")])
def test_tells_the_status_of_a_cancelled_invite_as_chosen(standin, choice, code, words):
    standin.set(after_cancel=choice)
    assert get(standin.http, STATUS)[0] == 404
    standin.create("invite-1", "ann@example.com")
    assert "METHOD:REQUEST" in get(standin.http, STATUS)[1]
    post(standin.http)
    answer = get(standin.http, STATUS)
    assert answer[0] == code and words in answer[1]
    assert standin.cancels() == [("invite-1", "ann@example.com")]
    assert not standin.violations()


@pytest.mark.parametrize("query, code", [
    ("recipient_email=ann@example.com&smart_invite_id=invite-1&include_ics=true", 400),
    ("recipient_email=ann%40example.com&smart_invite_id=a+b&include_ics=true", 400),
    ("recipient_email=ann%40example.com&smart_invite_id=%ff&include_ics=true", 400),
    ("recipient_email=ann%40example.com&smart_invite_id=invite-1", 422),
    (STATUS.replace("true", "1"), 422),
    (f"{STATUS}&smart_invite_id=invite-2", 400),
])
def test_refuses_another_question_than_the_documented_one(standin, query, code):
    assert get(standin.http, query)[0] == code
    assert len(standin.violations()) == 1


def test_status_calls_have_scripts_and_limits_like_any(standin):
    standin.create("invite-1", "ann@example.com")
    standin.set(per_second=3)
    standin.script("invite-1", status(500))
    standin.script_status("invite-1", status(503, "busy"))
    assert get(standin.http, STATUS) == (503, "busy")
    assert get(standin.http, STATUS, key="CRN_other")[0] == 401
    assert get(standin.http, STATUS)[0] == 200
    assert post(standin.http)[0] == 500
    assert get(standin.http, STATUS)[0] == 429


def test_scripted_replies_come_in_order_then_the_usual_one(standin):
    standin.create("invite-1", "ann@example.com")
    standin.script("invite-1", status(503, "busy"), status(429, retry_after=7), trouble("reset"))
    assert post(standin.http) == (503, "busy")
    assert post(standin.http)[0] == 429
    with pytest.raises(ConnectionError):
        post(standin.http)
    assert post(standin.http)[0] == 200


def test_a_script_for_all_lasts_as_long_as_it_says(standin):
    standin.script("*", forever(status(500)))
    assert [post(standin.http)[0] for _ in range(3)] == [500] * 3
    standin.script("invite-1", USUAL)
    assert [post(standin.http)[0] for _ in range(2)] == [200, 500]


def test_a_misspelt_trouble_is_not_taken(standin):
    with pytest.raises(ValueError, match="rest"):
        standin.script("invite-1", trouble("rest"))


def test_a_held_request_is_answered_when_released(standin):
    standin.script("invite-1", trouble("held"))
    with socket.create_connection(urlsplit(standin.http).netloc.split(":"), timeout=10) as client:
        client.sendall(raw_request(standin))
        standin.wait_for_requests(1)
        assert standin.counts()["in_flight"] == 1
        assert standin.release() == 1
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")


def ask(standin, key="CRN_test-key", count=1):
    """The status of each of `count` requests in a row."""
    return [post(standin.http, key=key)[0] for _ in range(count)]


def test_has_no_limits_unless_told_to(standin):
    standin.set(open=True)
    assert ask(standin, count=120) == [200] * 120
    assert standin.counts()["limited"] == 0


def test_lets_no_more_requests_of_a_key_arrive_in_any_second(standin):
    standin.set(open=True, per_second=3, api_keys=["CRN_test-key", "CRN_other"])
    assert ask(standin, count=5) == [200, 200, 200, 429, 429]
    assert ask(standin, "CRN_other") == [200]
    assert standin.counts()["limited"] == 2
    assert standin.counts()["cancels"] == 4
    first = standin.requests()[0].time
    while time.monotonic() < first + 0.95:
        time.sleep(0.01)
    assert ask(standin) == [429]
    while time.monotonic() < first + 1:
        time.sleep(0.01)
    assert ask(standin) == [200]


def test_lets_no_more_requests_of_a_key_arrive_in_any_minute(standin):
    standin.set(open=True, per_second=5, per_minute=7)
    assert ask(standin, count=5) == [200] * 5
    time.sleep(1)
    assert ask(standin, count=4) == [200, 200, 429, 429]
    standin.set(per_minute=0)
    assert ask(standin) == [200]


def test_counts_a_request_when_all_of_it_has_arrived(standin):
    standin.set(open=True, per_second=1)
    raw = json.dumps(CANCEL).encode()
    with socket.create_connection(("127.0.0.1", urlsplit(standin.http).port)) as client:
        client.sendall(b"POST /v1/smart_invites HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                       b"Authorization: Bearer CRN_test-key\r\nContent-Type: application/json\r\n"
                       b"Content-Length: %d\r\n\r\n" % (client.getpeername()[1], len(raw)))
        time.sleep(0.1)
        assert ask(standin) == [200]
        sent = time.monotonic()
        client.sendall(raw)
        assert client.recv(100).startswith(b"HTTP/1.1 429 ")
    assert standin.requests()[1].time >= sent


@pytest.mark.parametrize("seconds, header", [(None, None), (0, "0"), (7, "7")])
def test_says_with_429_when_to_come_back_if_told_to(standin, seconds, header):
    standin.set(open=True, per_second=1, retry_after=seconds)
    assert ask(standin) == [200]
    connection = http.client.HTTPConnection(urlsplit(standin.http).netloc, timeout=10)
    connection.request("POST", "/v1/smart_invites", json.dumps(CANCEL),
                       {"Authorization": "Bearer CRN_test-key", "Content-Type": "application/json"})
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Retry-After")) == (429, header)
    connection.close()


def test_starts_with_the_limits_it_is_given():
    with Standin(open=True, per_second=2, per_minute=9, retry_after=3) as standin:
        assert ask(standin, count=3) == [200, 200, 429]
        standin.set(per_second=0)
        standin.reset()
        assert ask(standin, count=3) == [200, 200, 429]
        assert not standin.violations()


@pytest.mark.parametrize("listener", ["untrusted", "expired", "wrong_host", "tls11"])
def test_faulty_tls_is_noticed_by_a_client_that_looks(standin, listener):
    if not getattr(standin, listener):
        pytest.skip("this OpenSSL can't speak TLS 1.1")
    with pytest.raises(ssl.SSLError):
        post(getattr(standin, listener),
             context=ssl.create_default_context(cafile=standin.ca_file))
    assert not standin.requests()


def test_two_hundred_requests_wait_at_once(standin):
    standin.set(open=True)
    standin.script("*", forever(delayed(0.1)))
    address = urlsplit(standin.http).netloc.split(":")
    clients = [socket.create_connection(address, timeout=10) for _ in range(200)]
    started = time.monotonic()
    for client in clients:
        client.sendall(raw_request(standin))
    for client in clients:
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
        client.close()
    assert time.monotonic() - started < 1  # one after the other: 20 s
    assert standin.counts()["cancels"] == len(standin.connections()) == 200


def test_http2_requests_are_known_by_their_client_connection():
    if not shutil.which("curl"):
        pytest.skip("there is no curl to speak HTTP/2 with")
    with Standin(http2=True, open=True) as standin:
        url = f"{standin.http2}/v1/smart_invites"
        for _ in range(2):
            done = subprocess.run(
                ["curl", "-sS", "--fail", "--http2", "--cacert", standin.ca_file,
                 "-H", f"Authorization: Bearer {standin.api_key}",
                 "-H", "Content-Type: application/json", "-d", json.dumps(CANCEL), url, url],
                capture_output=True, text=True, timeout=30)
            assert done.returncode == 0, done.stderr
        assert [request.version for request in standin.requests()] == ["2"] * 4
        assert len(standin.connections()) == 2
        assert not standin.violations()


def test_ends_with_its_starter_and_takes_the_http2_front_along():
    try:
        standin = Standin(http2=True).start()
    except tools.Missing:
        standin = Standin().start()
    addresses = [standin.http, standin.http2 or standin.https]
    assert standin.stop() == 0
    for address in addresses:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", urlsplit(address).port), timeout=10)


def test_calendars_are_folded_between_characters():
    lines = icalendar.cancellation("uid-1", "ann@example.com", summary="ü🎉" * 60)
    folded = icalendar.text(lines)
    assert max(len(line.encode()) for line in folded.split("\r\n")) <= 75
    assert folded.replace("\r\n ", "") == "\r\n".join([*lines, ""])


def raw_request(standin):
    body = json.dumps(CANCEL)
    return "\r\n".join([
        "POST /v1/smart_invites HTTP/1.1", f"Host: {urlsplit(standin.http).netloc}",
        f"Authorization: Bearer {standin.api_key}", "Content-Type: application/json",
        f"Content-Length: {len(body)}", "", body]).encode()


def test_one_that_was_killed_goes_on_where_it_was(workdir):
    with Standin(folder=workdir.folder("cronofy"), open=True) as standin:
        context = ssl.create_default_context(cafile=standin.ca_file)
        where = standin.https
        assert post(where, context=context)[0] == 200
        before = calendar_of(post(where, context=context)).splitlines()
        standin.kill()
        standin.restart()
        assert standin.https == where
        after = calendar_of(post(where, context=context)).splitlines()
        same = [line for line in before if line.startswith(("UID", "SEQUENCE"))]
        assert [line for line in after if line.startswith(("UID", "SEQUENCE"))] == same
        assert standin.journal() == [("200", "invite-1", "ann@example.com")] * 3
        assert standin.counts()["requests"] == 1
