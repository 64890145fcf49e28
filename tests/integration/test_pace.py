"""The filter against a Cronofy that keeps its limits, or that is away."""

import re
import time

import pytest

from lab.filter_process import FilterProcess, run, write_config
from lab.milter_client import Delivery, MilterSession, mail
from lab.one_message import TAGGED, assert_cancelled, deliver
from lab.process import until
from lab.redis import Redis
from standin.client import forever, status, trouble

LONG = {"timeout": "20s", "deadline": "60s"}
MANY = {"max_active": 2000}


@pytest.fixture
def start(start):
    """As elsewhere; it has learnt that this server speaks HTTP/1.1, and has a connection."""
    def start_one(**sections):
        running = start(**sections)
        assert_cancelled(deliver(running))
        return running
    return start_one


@pytest.fixture
def redis(workdir):
    with Redis(str(workdir.path)) as running:
        yield running


A_BUSY_MACHINE_S = 0.25  # part of the permitted rate: less would be a pace that waits for nothing


def burst(filters, count):
    """So many messages at once, over the filters by turns."""
    return [Delivery(filters[n % len(filters)].socket, mail(f"X-Cancel-Invite: board-{n}"))
            for n in range(count)]


def seconds(action):
    begun = time.monotonic()
    action()
    return time.monotonic() - begun


def most_in(span, times):
    """The most of these times that any window of that length holds."""
    times = sorted(times)
    first = most = 0
    for last, moment in enumerate(times):
        while times[first] <= moment - span:
            first += 1
        most = max(most, last - first + 1)
    return most


def rate_of(cronofy, filters, per_second, count):
    """Sends so many; gives which part of the permitted rate was used. No request may be too early.

    How near it comes to 1 on a quiet machine is tests/bench/pacing.py's to show.
    """
    time.sleep(1)
    before = len(cronofy.requests())
    assert_all_accepted(burst(filters, count))
    assert cronofy.counts()["limited"] == 0
    times = sorted(request.time for request in cronofy.requests())[before:]
    assert len(times) == count
    # How long after each the one came for which it made room.
    waits = [later - earlier for earlier, later in zip(times, times[per_second:])]
    rate = len(waits) / sum(waits)
    print(f"of the permitted rate: {rate:.3f}")
    return rate


def assert_all_accepted(deliveries):
    for delivery in deliveries:
        assert delivery.result(60).action == "accept", delivery.result()


class TestLimit:
    def test_is_used_up_and_never_hit(self, start, cronofy):
        cronofy.set(per_second=100)
        running = start(milter=MANY, cronofy={**LONG, "requests_per_second": 100})

        assert rate_of(cronofy, [running], 100, 500) >= A_BUSY_MACHINE_S
        assert most_in(1, [request.time for request in cronofy.requests()]) == 100
        waited = [int(ms) for ms in re.findall(r" waited=(\d+) ", running.log())]
        assert max(waited) > 0

    def test_is_never_hit_though_the_first_calls_take_long_to_leave(self, cronofy, workdir):
        """Every one of a first burst waits for connections and their TLS handshakes."""
        cronofy.set(per_second=20)
        with FilterProcess(workdir.path, cronofy, milter=MANY,
                           cronofy={**LONG, "requests_per_second": 20}) as running:
            assert_all_accepted(burst([running], 70))
        assert cronofy.counts()["limited"] == 0

    def test_is_that_of_a_minute_too_and_who_would_be_too_late_is_told_at_once(self, start, cronofy):
        cronofy.set(per_minute=10)
        running = start(cronofy={"requests_per_minute": 10, "timeout": "5s", "deadline": "20s"})
        deliveries = burst([running], 20)
        assert seconds(lambda: [delivery.result() for delivery in deliveries]) < 5
        replies = [delivery.result().reply for delivery in deliveries]
        assert replies.count("") == 9
        for reply in filter(None, replies):
            assert reply.startswith("451 4.4.5 ") and "within the deadline" in reply, reply
        assert cronofy.counts()["limited"] == 0
        assert cronofy.counts()["requests"] == 10
        running.wait_for_log("result=no_turn .*reply=451_4.4.5")

    def test_is_of_the_key_whichever_account_has_it(self, start, cronofy):
        cronofy.set(per_minute=6)
        running = start(accounts={
            "first": {"senders": "@acme.example", "requests_per_minute": 6,
                      "api_key": cronofy.api_key},
            "second": {"senders": "@branch.example", "requests_per_minute": 9,
                       "api_key": cronofy.api_key}})
        deliveries = [Delivery(running.socket, TAGGED, sender=f"x@{name}.example")
                      for name in ("acme", "branch") * 6]
        assert sum(delivery.result().action == "accept" for delivery in deliveries) == 5
        assert cronofy.counts()["limited"] == 0

    def test_and_what_was_used_of_it_survive_a_reload(self, start, cronofy):
        running = start(cronofy={"requests_per_minute": 3})
        assert deliver(running).action == "accept"
        running.reload(cronofy={"requests_per_minute": 4})
        running.wait_for_log("is in force")
        assert [deliver(running).action for _ in range(3)] == ["accept", "accept", "tempfail"]
        assert cronofy.counts()["requests"] == 4

    def test_of_a_second_try_is_kept_too(self, start, cronofy):
        running = start(cronofy={**LONG, "requests_per_second": 2, "attempts": 3})
        cronofy.script("*", forever(status(503)))
        time.sleep(1)
        for delivery in burst([running], 3):
            assert delivery.result(30).action == "tempfail"
        times = [request.time for request in cronofy.requests()][1:]
        assert len(times) == 9
        assert most_in(1, times) == 2

    def test_lets_go_of_messages_whose_mta_is_gone(self, start, cronofy):
        running = start(cronofy={**LONG, "requests_per_second": 1})
        gone = MilterSession(running.socket)
        gone.begin(TAGGED, "eom")
        time.sleep(0.1)
        waiting = MilterSession(running.socket)
        message = waiting.begin(mail("X-Cancel-Invite: board-2"), "eom")
        gone.drop()
        assert waiting.end_of_message(message)[0] == ("accept", "")
        waiting.quit()


class TestTooManyRequests:
    def test_slow_the_account_down_which_then_recovers(self, start, cronofy):
        cronofy.set(per_second=30)
        running = start(milter=MANY, cronofy={**LONG, "requests_per_second": 100})
        assert_all_accepted(burst([running], 60))
        assert 0 < cronofy.counts()["limited"] <= 100
        told = running.log().count("over Cronofy's limit (429)")
        assert 1 <= told <= 4, running.log()
        cronofy.set(per_second=0)

        def recovered():
            assert deliver(running).action == "accept"
            return "pace: account cronofy has recovered" in running.log()

        until(recovered, 20, "the full rate")

    def test_are_not_repeated_before_the_moment_that_cronofy_names(self, start, cronofy):
        running = start(cronofy=LONG)
        cronofy.script("board-1", status(429, retry_after=2))
        first = Delivery(running.socket, TAGGED)
        cronofy.wait_for_requests(2)
        running.wait_for_log("over Cronofy's limit")
        second = Delivery(running.socket, mail("X-Cancel-Invite: board-2"))
        assert_all_accepted([first, second])
        limited, *later = [request.time for request in cronofy.requests()][1:]
        assert len(later) == 2
        assert min(later) >= limited + 2


class TestBreaker:
    KEYS = {"attempts": 1, "breaker_failures": 3, "breaker_pause": "1s"}

    def test_answers_for_a_dead_data_center_until_it_lives(self, start, cronofy):
        running = start(cronofy={**LONG, **self.KEYS})
        cronofy.script("*", forever(status(503)))
        for _ in range(3):
            assert deliver(running).reply.startswith("451 4.4.1 ")
        running.wait_for_log(r"^warning: breaker: account \w+: localhost:\d+ has not "
                             r"answered 3 times in a row")
        for _ in range(5):
            reply = deliver(running).reply
            assert re.search(r"^451 4.4.1 .*Cronofy \(localhost:\d+\) has not answered 3 times; "
                             r"the next call is at \d\d:\d\d:\d\d$", reply), reply
        assert len(cronofy.requests()) == 1 + 3
        time.sleep(1)
        # One at a time finds out.
        cronofy.script("*", forever(trouble("held")))
        probe = Delivery(running.socket, TAGGED)
        cronofy.wait_for_requests(5)
        others = burst([running], 10)
        for other in others:
            assert "a call is in progress" in other.result().reply
        assert len(cronofy.requests()) == 5
        cronofy.release()
        assert_all_accepted([probe])
        running.wait_for_log("^info: breaker: account .*: localhost:.* answers again")
        cronofy.script("*")
        assert_all_accepted(burst([running], 10))

    def test_stays_open_while_probes_fail(self, start, cronofy):
        running = start(cronofy={**LONG, **self.KEYS, "breaker_pause": "200ms"})
        cronofy.script("*", forever(trouble("reset")))
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            assert deliver(running).action == "tempfail"
        assert 1 + 3 + 4 <= len(cronofy.requests()) <= 1 + 3 + 8
        assert running.log().count("warning: breaker:") == 1

    @pytest.mark.parametrize("answer", [status(404), status(401), status(429), status(302)])
    def test_stays_closed_for_answers_of_a_living_one(self, start, cronofy, answer):
        running = start(cronofy={**LONG, **self.KEYS, "breaker_failures": 1})
        cronofy.script("*", forever(answer))
        for _ in range(2):
            deliver(running)
        assert "breaker" not in running.log()
        assert len(cronofy.cancel_requests()) == 3

    def test_of_one_account_leaves_the_others_alone(self, start, cronofy):
        cronofy.set(api_keys=["CRN_a", "CRN_b"])
        running = start(cronofy={**LONG, **self.KEYS, "attempts": 3, "breaker_pause": "30s"},
                        accounts={"a": {"senders": "@a.example, @acme.example", "api_key": "CRN_a"},
                                  "b": {"senders": "@b.example", "api_key": "CRN_b"}})
        cronofy.script("board-a", forever(status(500)))
        with MilterSession(running.socket) as mta:
            for _ in range(2):
                answer = mta.deliver(mail("X-Cancel-Invite: board-a"), "x@a.example")
                assert answer.action == "tempfail"
        running.wait_for_log("^warning: breaker: account a: ")
        with MilterSession(running.socket) as mta:
            for _ in range(3):
                assert mta.deliver(TAGGED, "x@b.example").action == "accept"
        assert "account b:" not in running.log()

    def test_wakes_those_who_wait_for_a_turn(self, start, cronofy):
        running = start(cronofy={**LONG, **self.KEYS, "requests_per_second": 1,
                                 "breaker_failures": 1, "breaker_pause": "30s"})
        cronofy.script("*", forever(status(503)))
        deliveries = burst([running], 20)
        assert seconds(lambda: [delivery.result() for delivery in deliveries]) < 4
        for delivery in deliveries:
            assert delivery.result().reply.startswith("451 4.4.1 "), delivery.result()
        assert len(cronofy.requests()) == 2

    def test_wakes_those_who_wait_for_another_try(self, start, cronofy):
        running = start(cronofy={**LONG, **self.KEYS, "attempts": 3, "breaker_pause": "30s"})
        cronofy.script("*", status(503, headers={"Retry-After": "15"}), forever(status(503)))
        patient = Delivery(running.socket, TAGGED)
        cronofy.wait_for_requests(2)
        for _ in range(2):
            deliver(running, mail("X-Cancel-Invite: board-2"))
        assert "has not answered" in patient.result(4).reply


class TestSharedBudget:
    def test_is_used_up_and_never_hit_by_two_together(self, start, cronofy, redis):
        cronofy.set(per_second=100)
        filters = [start(milter=MANY, cronofy={**LONG, "requests_per_second": 100},
                         redis={"url": redis.address, "share": "1/2"}) for _ in range(2)]
        assert rate_of(cronofy, filters, 100, 500) >= A_BUSY_MACHINE_S
        for running in filters:
            assert "Redis" not in running.log()
            assert len(re.findall("result=cancelled", running.log())) == 250 + 1

    def test_is_used_up_by_one_if_the_other_is_idle(self, start, cronofy, redis):
        cronofy.set(per_second=50)
        busy, _ = [start(milter=MANY, cronofy={**LONG, "requests_per_second": 50},
                         redis={"url": redis.address, "share": "1/2"}) for _ in range(2)]
        assert rate_of(cronofy, [busy], 50, 200) >= A_BUSY_MACHINE_S

    def test_is_kept_when_redis_goes_and_when_it_comes(self, start, cronofy, redis):
        cronofy.set(per_second=50)
        filters = [start(milter=MANY, cronofy={**LONG, "requests_per_second": 50},
                         redis={"url": redis.address, "share": "1/2"}) for _ in range(2)]
        deliveries = burst(filters, 400)
        time.sleep(1.3)
        redis.stop()
        for running in filters:
            running.wait_for_log(r"^warning: pace: Redis cannot be used \(.*\): .* 1/2 of each")
        time.sleep(1.5)
        redis.start()
        for running in filters:
            running.wait_for_log("^info: pace: Redis is back")
        assert_all_accepted(deliveries)
        assert cronofy.counts()["limited"] == 0
        times = [request.time for request in cronofy.requests()]
        assert most_in(1, times) <= 50
        for running in filters:
            assert running.log().count("Redis") == 2, running.log()
        # Alone, each used its half; 9.5 s is what it takes if each uses a third meanwhile.
        assert max(times) - min(times) < 12

    def test_goes_on_when_redis_hangs_for_a_moment(self, start, cronofy, redis):
        """Turns that it gives to those who no longer wait would count for half a minute."""
        cronofy.set(per_second=50)
        filters = [start(milter=MANY, cronofy={**LONG, "requests_per_second": 50},
                         redis={"url": redis.address, "share": "1/2"}) for _ in range(2)]
        deliveries = burst(filters, 400)
        time.sleep(1)
        with redis.hanging():
            time.sleep(1.5)
        assert_all_accepted(deliveries)
        assert cronofy.counts()["limited"] == 0
        times = sorted(request.time for request in cronofy.requests())
        assert max(later - earlier for earlier, later in zip(times, times[1:])) < 2.5
        assert times[-1] - times[0] < 13

    def test_is_a_share_if_redis_is_not_there_at_the_start(self, start, cronofy, workdir):
        cronofy.set(per_minute=6)
        filters = [start(cronofy={"requests_per_second": 6, "requests_per_minute": 6},
                         redis={"url": f"unix:{workdir.path}/no-redis.sock", "share": "1/2"})
                   for _ in range(2)]
        for delivery in burst(filters, 12):
            delivery.result()
        assert cronofy.counts()["requests"] <= 6
        assert cronofy.counts()["limited"] == 0
        for running in filters:
            running.wait_for_log("^warning: pace: Redis cannot be used .*No such file")

    def test_never_holds_the_key(self, start, cronofy, redis):
        start(redis={"url": redis.address})
        names = redis.ask("KEYS *")
        assert re.search(r"cancel-invite-milter:pace:\{[0-9a-f]{64}\}", names), names
        assert cronofy.api_key not in names

    def test_faults_of_its_configuration_are_named(self, workdir, cronofy):
        for keys, words in (({"url": "cache.example"}, 'url: invalid value "cache.example": expected redis://'),
                            ({"share": "2"}, 'share: invalid value "2": expected 1'),
                            ({"share": "1/0"}, 'share: invalid value "1/0": expected 1'),
                            ({"share": "1/20000"}, "share"),
                            ({"prefix": "x" * 65}, "prefix"),
                            ({"password_file": "none"}, "password_file"),
                            ({"colour": "red"}, r"colour: unknown key in \[redis\]")):
            done = run("-n", "-c", write_config(workdir.path, standin=cronofy, redis=keys))
            assert done.returncode == 78 and re.search(words, done.stderr), done


SHARED = mail("X-Cancel-Invite: shared-1")


class TestSharedCalendars:
    @pytest.fixture(autouse=True)
    def secret(self, workdir):
        """What both filters know, and who may only write to Redis does not."""
        self.secret_file = workdir.write("redis.secret", "s" * 40, 0o600)

    def two(self, start, redis, **ledger):
        keys = {"url": redis.address, "share": "1/2", "secret_file": self.secret_file}
        return [start(redis=keys, ledger=ledger) for _ in range(2)]

    def test_need_a_secret(self, start, redis):
        with pytest.raises(AssertionError, match="shared: .*it needs a secret that all hosts share"):
            start(redis={"url": redis.address}, ledger={"shared": True})

    def test_are_found_by_the_other_host(self, start, cronofy, redis):
        one, other = self.two(start, redis, shared=True)
        first = deliver(one, SHARED)
        cronofy.script("shared-1", forever(status(404)))
        again = deliver(other, SHARED)
        assert first.action == again.action == "accept"
        assert b"method=CANCEL" in again.message_bytes
        other.wait_for_log("result=cancelled .*kept=same_message")
        assert len(cronofy.requests("shared-1")) == 1

    def test_that_somebody_else_put_there_are_not_sent(self, start, cronofy, redis):
        one, other = self.two(start, redis, shared=True)
        deliver(one, SHARED)
        for name in re.findall(r"\S+:calendar:\S+", redis.ask("KEYS *")):
            redis.ask(f"SETRANGE {name} 100 forged")
        assert b"forged" not in deliver(other, SHARED).message_bytes
        other.wait_for_log("^error: ledger: the calendar in Redis for invite shared-1 has no valid")
        assert len(cronofy.requests("shared-1")) == 2

    def test_are_shared_only_if_somebody_wants_it(self, start, cronofy, redis):
        one, other = self.two(start, redis)
        deliver(one, SHARED), deliver(other, SHARED)
        assert len(cronofy.requests("shared-1")) == 2

    def test_can_be_done_without_while_redis_is_away(self, start, cronofy, redis):
        one, other = self.two(start, redis, shared=True)
        redis.stop()
        assert deliver(one, SHARED).action == deliver(other, SHARED).action == "accept"
        assert len(cronofy.requests("shared-1")) == 2

    def test_need_a_redis(self, start):
        with pytest.raises(AssertionError, match="shared: it needs Redis"):
            start(ledger={"shared": True})
