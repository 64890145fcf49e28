"""--check-key: whether Cronofy takes a key, asked without touching an invite."""

import subprocess

import pytest

from lab.filter_process import SANITIZER, binary, write_config
from lab.process import Port
from standin.client import Standin, delayed, status, trouble

GOOD, USAGE, OTHER, TEMPORARY, NOT_ALLOWED, CONFIGURATION = 0, 64, 69, 75, 77, 78


def check_key(workdir, cronofy, *arguments, accounts=None, **keys):
    """(exit code, standard output, standard error)"""
    config = write_config(workdir, standin=cronofy, accounts=accounts,
                          cronofy={"timeout": "1s", "deadline": "2s", **keys})
    done = subprocess.run([binary(), "--check-key", *arguments, "-c", config], timeout=60,
                          capture_output=True, stdin=subprocess.DEVNULL, text=True)
    assert not SANITIZER.search(done.stderr), done.stderr
    assert "CRN_" not in done.stdout + done.stderr, "a key was told"
    return done.returncode, done.stdout, done.stderr


def test_takes_a_key_that_cronofy_takes(standin, workdir):
    code, told, _ = check_key(workdir, standin)
    assert code == GOOD
    assert told.endswith("/v1/smart_invites accepts the key\n")
    (request,) = standin.requests()
    assert request.method == "GET"
    assert request.recipient.endswith(".invalid")
    assert not standin.violations()
    assert not standin.cancels()


def test_over_http2_too(workdir):
    with Standin(http2=True) as cronofy:
        assert check_key(workdir, cronofy)[0] == GOOD
        assert [request.version for request in cronofy.requests()] == ["2"]


def test_names_the_data_centers_to_try_if_the_key_is_not_known(standin, workdir):
    standin.set(api_keys=["CRN_another"])
    code, told, reason = check_key(workdir, standin)
    assert (code, told) == (NOT_ALLOWED, "")
    assert "(HTTP 401)" in reason
    assert "another data_center (us, au, ca, de, sg, uk)" in reason


@pytest.mark.parametrize("answer, code, words", [
    (status(404, ""), GOOD, ""),
    (status(410), GOOD, ""),
    (status(402), NOT_ALLOWED, "plan"),
    (status(403), NOT_ALLOWED, "privileges"),
    (status(429), TEMPORARY, "429"),
    (status(503), TEMPORARY, "503"),
    (status(408), TEMPORARY, "408"),
    (trouble("reset"), TEMPORARY, "cannot be reached"),
    (delayed(5), TEMPORARY, "cannot be reached"),
    (status(400), OTHER, "says nothing about the key"),
    (status(422), OTHER, "says nothing about the key"),
    (status(405), OTHER, "says nothing about the key"),
    (trouble("redirect"), OTHER, "says nothing about the key"),
    (trouble("html"), OTHER, "says nothing about the key"),
    ({}, OTHER, "an invite that cannot exist; that says nothing about the key"),
])
def test_tells_every_answer_apart(standin, workdir, answer, code, words):
    standin.script_status("*", answer)
    got, told, reason = check_key(workdir, standin)
    assert got == code, reason
    assert words in reason
    assert bool(told) == (code == GOOD)
    assert len(standin.requests()) == 1


def test_cannot_tell_without_a_connection(standin, workdir):
    closed = Port()
    code, _, reason = check_key(workdir, standin, url=f"http://127.0.0.1:{closed.number}",
                                ca_file=None)
    closed.close()
    assert code == TEMPORARY, reason


ACCOUNTS = {name: {"senders": f"@{name}.example", "api_key": f"CRN_{name}"} for name in "abc"}


def test_tries_the_keys_of_all_accounts(standin, workdir):
    standin.set(api_keys=["CRN_a", "CRN_c"])
    code, told, reason = check_key(workdir, standin, accounts=ACCOUNTS)
    assert code == NOT_ALLOWED
    assert [line.split(":")[0] for line in told.splitlines()] == ["account a", "account c"]
    assert "account b: " in reason
    assert {request.api_key for request in standin.requests()} == {"CRN_a", "CRN_b", "CRN_c"}


def test_tries_the_key_of_the_account_that_is_named(standin, workdir):
    standin.set(api_keys=["CRN_b"])
    assert check_key(workdir, standin, "--account", "b", accounts=ACCOUNTS)[0] == GOOD
    assert [request.api_key for request in standin.requests()] == ["CRN_b"]
    code, _, reason = check_key(workdir, standin, "--account", "d", accounts=ACCOUNTS)
    assert code == USAGE and "a b c" in reason
    assert len(standin.requests()) == 1


def test_a_wrong_command_line_asks_nobody(standin, workdir):
    for arguments in (("--cancel", "x"), ("extra",), ("--json",)):
        assert check_key(workdir, standin, *arguments)[0] == USAGE
    assert not standin.requests()
