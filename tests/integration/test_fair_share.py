"""Two tenants of one filter: what the one does to itself, the other must not feel."""

import pytest

from lab.milter_client import Delivery, MilterSession, mail
from lab.process import until
from standin.client import forever, trouble

NOISY, QUIET = "x@noisy.example", "x@quiet.example"
PATIENT = {"timeout": "20s", "deadline": "60s"}
ACCOUNTS = {
    # Its turns come one a second; the rest of its messages wait for theirs.
    "noisy": {"senders": "@noisy.example", "api_key": "CRN_noisy", "requests_per_second": 1},
    "quiet": {"senders": "@quiet.example", "api_key": "CRN_quiet"},
}


@pytest.fixture
def cronofy(standin):
    standin.set(open=True, api_keys=["CRN_noisy", "CRN_quiet"])
    return standin


def tagged(number):
    return mail(f"X-Cancel-Invite: board-{number}")


def test_account_over_its_budget_does_not_make_the_filter_busy_for_others(start_filter, cronofy):
    running = start_filter(milter={"max_active": 40}, accounts=ACCOUNTS, cronofy=PATIENT)
    noise = [Delivery(running.socket, tagged(n), sender=NOISY) for n in range(52)]
    refused = until(lambda: [d for d in noise if d.done() and d.result().action == "tempfail"], 10,
                    "the noisy account's last messages are refused")
    for delivery in refused:
        assert delivery.result().reply.startswith("451 4.3.2 "), delivery.result()
        assert "account noisy" in delivery.result().reply
    for number in range(12):
        with MilterSession(running.socket) as mta:
            result = mta.deliver(tagged(number), sender=QUIET)
        assert result.action == "accept", (number, result.reply)
    assert len([d for d in noise if not d.done()]) > 25, "the noisy one goes on as it may"
    running.kill()


def test_only_account_may_have_all_places(start_filter, standin):
    standin.script("*", forever(trouble("never")))
    running = start_filter(milter={"max_active": 5}, cronofy=PATIENT)
    deliveries = [Delivery(running.socket, tagged(n)) for n in range(8)]
    until(lambda: sum(d.done() for d in deliveries) >= 3, 10, "three are refused")
    busy = [d.result().reply for d in deliveries if d.done() and d.result().reply]
    assert len(busy) == 3 and all("account" not in reply for reply in busy), busy
    running.kill()
