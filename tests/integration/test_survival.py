"""Queued and routed mode while something breaks: nothing is lost, nothing is doubled.

Each scenario sends tagged messages to three recipients each through a real mail server, with real
processes, and kills or stops something in the middle; one message in twenty is about an invite
that Cronofy doesn't know. Its figures are shown at the end of the test run. CIM_SURVIVAL is the
number of messages; without it the most telling scenarios send 200 and the others 50.

A duplicate is allowed only where the mail server itself can promise no more than "at least once":
when a process of its own is killed after the one side has taken a message and before the other has
heard of it. Such a duplicate is the same mail with the same calendar.
"""

import contextlib
import os
import random
import time
from dataclasses import dataclass

import pytest

from lab.filter_process import FilterProcess
from lab.mta import POSTFIX_QUEUED, POSTFIX_ROUTED, SENDMAIL_QUEUED, sections
from lab.postfix import Postfix
from lab.sendmail import Sendmail
from lab.sink import Sink
from lab.survival import CLIENTS, RECIPIENTS, Books, Load
from lab.workdir import Workdir
from standin.client import Standin, forever, status

FULL_SIZE = {"test_filter_is_killed", "test_all_of_the_mail_server_is_killed"}
SEED = os.environ.get("CIM_SEED") or str(random.randrange(1_000_000))
KILLS = 4
CONCURRENCY = 50  # conf/*: at once on their way to the second listener

# While the queue is full: the way in is half of the progress, and goes before.
IN_THE_QUEUE = {"first": 0.52, "last": 0.65}

# A retry after two seconds in place of five minutes; a service that dies is started again as soon.
POSTFIX_IN_A_HURRY = """\
queue_run_delay = 1s
minimal_backoff_time = 2s
maximal_backoff_time = 2s
transport_retry_time = 1s
service_throttle_time = 1s
"""

SENDMAIL_IN_A_HURRY = "define(`confMIN_QUEUE_AGE', `0')dnl"

MTAS = {
    "postfix": lambda folder, sink, filter: Postfix(
        folder, sink, filter.socket, main=POSTFIX_IN_A_HURRY, queued=True),
    "routed": lambda folder, sink, filter: Postfix(
        folder, sink, filter.socket, main=POSTFIX_IN_A_HURRY, routed=True),
    "sendmail": lambda folder, sink, filter: Sendmail(
        folder, sink, filter.socket, mc=SENDMAIL_IN_A_HURRY, run="-qp1s", queued=True),
}
WAYS = {"postfix": POSTFIX_QUEUED, "routed": POSTFIX_ROUTED, "sendmail": SENDMAIL_QUEUED}


@dataclass
class House:
    """Everything that runs in one scenario."""

    standin: Standin
    filter: FilterProcess
    sink: Sink
    server: object
    load: Load
    random: random.Random
    refused: list  # messages whose invites Cronofy does not know

    @property
    def everybody(self):
        """How many recipients there are."""
        return len(self.load.messages) * RECIPIENTS

    def moments(self, count=KILLS, **between):
        return self.load.moments(count, self.random, **between)

    def pause(self, longest=0.3):
        time.sleep(self.random.uniform(0, longest))

    def know_all_invites(self):
        """So that Cronofy knows which ones it has cancelled."""
        for message in self.load.messages:
            for recipient in message.recipients:
                self.standin.create(message.invite, recipient)

    def refuse(self):
        for message in self.refused:
            self.standin.script(message.invite, forever(status(404)))


@pytest.fixture(params=sorted(MTAS))
def start(request):
    """start(launcher=..., **sections of the filter's configuration): a House where mail goes in."""
    with contextlib.ExitStack() as ending:
        folder = ending.enter_context(Workdir())
        standin = ending.enter_context(Standin(
            folder=folder.folder("cronofy"), open=True, latency="30ms"))
        sink = ending.enter_context(contextlib.closing(Sink()))

        def begin(milter=None, second_cancel=None, **options):
            filter = FilterProcess(folder.folder("filter"), standin, **{
                **sections(WAYS[request.param], milter=milter or {}), **options})
            filter.start()
            ending.callback(filter.close)
            server = MTAS[request.param](folder, sink, filter)
            ending.callback(server.close)
            server.start()
            size = "200" if request.node.originalname in FULL_SIZE else "50"
            load = Load(server, sink, int(os.environ.get("CIM_SURVIVAL", size)),
                        flush=request.param != "sendmail")
            house = House(standin, filter, sink, server, load,
                          random.Random(f"{SEED} {request.node.name}"), load.messages[7::20])
            house.refuse()
            if second_cancel:
                house.know_all_invites()
                standin.set(second_cancel=second_cancel)
            load.start()
            return house

        yield begin


@pytest.fixture
def house(start):
    return start()


@pytest.fixture
def survived(record_property, request):
    """survived(house, {"second": 5}): the Books; at most so many duplicates of each kind."""
    def settle(house, duplicates=None, killed=""):
        house.load.wait_until_settled()
        books = Books(house.load, house.sink.deliveries)
        found = books.duplicates()
        journal = house.standin.journal()
        twice = ", ".join(f"{count} {kind}" for kind, count in sorted(found.items()))
        record_property("survival", (
            f"{request.node.name.removeprefix('test_')}: {books.acknowledged} acknowledged, "
            f"{books.again} sent again, {books.delivered} delivered, {books.bounced} bounced, "
            f"{sum(found.values())} duplicates{f' ({twice})' if twice else ''}, "
            f"{len(journal)} calls{killed} (seed {SEED})"))
        assert house.filter.alive(), house.filter.log()
        assert books.acknowledged == len(house.load.messages)
        assert books.lost() == []
        assert books.contradictions() == []
        assert books.delivered + books.bounced == house.everybody
        assert {code for code, *_ in journal} <= {"200", "404", "503"}, journal
        books.assert_duplicates_are_the_same()
        books.assert_in_only_after_silence()
        for kind, count in found.items():
            assert count <= (duplicates or {}).get(kind, 0), f"{count} went twice: {kind}"
        assert house.standin.violations() == []
        assert "bad_stamp" not in house.filter.log()
        return books

    return settle


def assert_the_refused_bounced(books, house):
    for message in house.refused:
        for recipient in message.recipients:
            assert [each.bounced for each in books.outcomes[recipient]] == [True], recipient
    assert books.bounced == len(house.refused) * RECIPIENTS


def test_nothing_happens(house, survived):
    """The figures to compare the others with."""
    books = survived(house)
    assert_the_refused_bounced(books, house)
    assert books.again == 0
    assert len(house.standin.journal()) == house.everybody


def test_filter_is_killed(house, survived):
    for _ in house.moments():
        house.filter.kill()
        house.pause()
        house.filter.start()
    assert_the_refused_bounced(survived(house), house)


IN_DOUBT = "an earlier call whose answer was lost may have cancelled it"


def test_filter_is_killed_and_a_second_cancel_is_refused(start, survived):
    """Killed during a call: the invite is cancelled, and Cronofy says that there is none."""
    house = start(second_cancel="404", ledger={"file": "ledger.db"})
    for _ in house.moments():
        house.filter.kill()
        house.pause()
        house.filter.start()
    books = survived(house)
    refused = {recipient for message in house.refused for recipient in message.recipients}
    for recipient, got in books.outcomes.items():
        if recipient not in refused:
            assert all(IN_DOUBT in each.reason for each in got if each.bounced), (recipient, got)
    # Most calls were not under way when the filter was killed; some should have been.
    assert books.bounced - len(refused) <= house.everybody / 2
    assert house.filter.log().count("result=maybe_cancelled") >= books.bounced - len(refused)


def test_filter_is_down_for_a_while(house, survived):
    [_] = house.moments(1, **IN_THE_QUEUE)
    house.filter.stop()
    time.sleep(1.5)
    house.filter.start()
    assert_the_refused_bounced(survived(house), house)


def test_filter_reloads_its_configuration(house, survived):
    for count, _ in enumerate(house.moments()):
        so_far = len(house.filter.log())
        house.filter.reload(cronofy={"deadline": f"{9 - count}s"})
        house.filter.wait_for_log(r"reload: .* is in force", after=so_far)
    books = survived(house)
    assert_the_refused_bounced(books, house)
    assert books.again == 0 and len(house.standin.journal()) == house.everybody


def test_standin_is_killed(house, survived):
    """What Cronofy is told again, it answers again with the same calendar."""
    for _ in house.moments():
        house.standin.kill()
        house.pause()
        house.standin.restart()
        house.refuse()
    survived(house)


def test_cronofy_has_an_outage(house, survived):
    [_] = house.moments(1, **IN_THE_QUEUE)
    house.standin.script("*", forever(status(503)))
    time.sleep(1.5)
    house.standin.script("*")
    assert_the_refused_bounced(survived(house), house)
    assert "503" in [code for code, *_ in house.standin.journal()]


def test_next_server_is_away(house, survived):
    [_] = house.moments(1, **IN_THE_QUEUE)
    house.sink.go_away()
    time.sleep(1.5)
    house.sink.come_back()
    books = survived(house)
    assert_the_refused_bounced(books, house)
    assert len(house.standin.journal()) == house.everybody


def test_next_server_defers(house, survived):
    [_] = house.moments(1, **IN_THE_QUEUE)
    house.sink.defer("*")
    time.sleep(1.5)
    house.sink.accept()
    books = survived(house)
    assert_the_refused_bounced(books, house)
    assert len(house.standin.journal()) == house.everybody


TEMP_DIR = "/mnt"
SMALL_DISK = ("unshare", "--mount", "sh", "-c",
              f'mount -t tmpfs -o size=64k none {TEMP_DIR} && exec "$@"', "sh")


def test_disk_is_full(start, survived):
    """The filter alone sees this disk: it is mounted in a namespace of the filter's own."""
    house = start(launcher=SMALL_DISK, milter={"temp_dir": TEMP_DIR, "body_memory": 0})
    for _ in house.moments(2, **IN_THE_QUEUE):
        path = f"/proc/{house.filter.pid}/root{TEMP_DIR}/ballast"
        with open(path, "wb", buffering=0) as ballast:
            end = time.monotonic() + 1
            while time.monotonic() < end:
                with contextlib.suppress(OSError):  # ENOSPC, until a message leaves some
                    ballast.write(b"x" * 512)
            os.unlink(path)
    books = survived(house)
    assert "No space left on device" in house.filter.log()
    assert_the_refused_bounced(books, house)
    assert len(house.standin.journal()) == house.everybody  # what has no room isn't begun


# program, service, how many duplicates of which kind one killed process may cause at most: what it
# had in hand. A bounce tells of all recipients of a message, and is itself a mail on its way; what
# came in twice and is refused bounces twice.
POSTFIX_PROCESSES = {
    "first_listener": ("smtpd", "{smtp_port}", {"in": RECIPIENTS, "bounce": RECIPIENTS}),
    "second_listener": ("smtpd", "{second_port}", {"second": 1}),
    "queue_client": ("smtp", "cancel-invite", {"second": 1, "bounce": 1}),
    "client": ("smtp", "smtp", {"out": 1, "bounce": RECIPIENTS}),
    "cleanup": ("cleanup", None, {"in": RECIPIENTS, "second": 1, "bounce": RECIPIENTS}),
    "queue_manager": ("qmgr", None, {"bounce": RECIPIENTS}),
    "bounce": ("bounce", None, {"bounce": RECIPIENTS}),
}


# The same for Sendmail, by what ps shows of a process. Its clients for the next server are too
# short-lived to be found; they die with the others when all is killed.
SENDMAIL_PROCESSES = {
    "server": (r"sendmail: (server|\w+ localhost \[)",
               {"in": RECIPIENTS, "second": 1, "bounce": RECIPIENTS}),
    "queue_client": (r"sendmail: cancel-invite/", {"second": 1, "bounce": RECIPIENTS}),
    # It delivers by itself, and has this name again before it has noted down what it delivered.
    "queue_runner": (r"sendmail: running queue", {"second": 1, "bounce": RECIPIENTS}),
}


def kill_several(house, *which, last=0.8):
    """Gives how many were killed: at each moment all that are at work then, or soon after."""
    killed = 0
    for _ in house.moments(last=last):
        here = 0
        while not here and house.load.progress() < 0.95:
            here = house.server.kill_those(*which)
        killed += here
    assert killed
    return killed


def assert_survived_the_killing(house, survived, killed, allowed):
    survived(house, {kind: each * killed for kind, each in allowed.items()},
             f", {killed} killed")


@pytest.mark.parametrize("start", ["postfix", "routed"], indirect=True)
@pytest.mark.parametrize("name", POSTFIX_PROCESSES)
def test_a_process_of_postfix_is_killed(house, survived, name):
    program, service, allowed = POSTFIX_PROCESSES[name]
    if service and service.startswith("{"):
        service = f"127.0.0.1:{getattr(house.server, service.strip('{}'))}"
    # The first listener has nothing to do once everything is in.
    killed = kill_several(house, program, service, last=0.4 if name == "first_listener" else 0.8)
    assert_survived_the_killing(house, survived, killed, allowed)


@pytest.mark.parametrize("start", ["sendmail"], indirect=True)
@pytest.mark.parametrize("name", SENDMAIL_PROCESSES)
def test_a_process_of_sendmail_is_killed(house, survived, name):
    pattern, allowed = SENDMAIL_PROCESSES[name]
    killed = kill_several(house, pattern)
    assert_survived_the_killing(house, survived, killed, allowed)


def test_all_of_the_mail_server_is_killed(house, survived):
    """Each message in work may be in the hands of a process that knows more than the queue."""
    for _ in house.moments():
        house.server.kill()
        house.pause()
        house.server.start()
    most = KILLS * CONCURRENCY
    survived(house, {"in": KILLS * CLIENTS * RECIPIENTS, "second": most, "out": most,
                     "bounce": most * RECIPIENTS})
