"""The books of a survival test: many tagged messages go in, something happens, what came of each?

    load = Load(server, sink, count=200)
    load.start()
    for _ in load.moments(5, random):
        ...kill something...
    load.wait_until_settled()
    books = Books(load, sink.deliveries)

For every recipient there must be one delivery or one bounce, and never both. More than one is a
duplicate; by the MTA's queue ids in the Received fields the books know which way it went twice:

    "in"      the application sent it again, because it heard no answer
    "second"  the queue sent it through the second listener again
    "out"     the next server got it again
    "bounce"  the sender was told again
"""

import collections
import queue
import re
import threading
import time
from typing import NamedTuple

from lab.cancellation import assert_cancellation
from lab.messages import SENDER, tagged
from lab.process import tail

RECIPIENTS = 3  # of a message
CLIENTS = 5
PATIENCE = 120  # s, with each step: other tests may have the machine
FIRST_SECONDS = 1.5  # how long the submission takes at least


class Message:
    """One message that an application sends until it is taken."""

    def __init__(self, number):
        self.invite = f"invite-{number}"
        self.id = f"<{number}.survival@acme.example>"
        self.recipients = [f"guest-{number}-{index}@example.com" for index in range(RECIPIENTS)]
        self.acknowledged = 0
        self.unheard = 0  # how often all was sent and the answer was missing, or temporary
        self.refused = False
        raw = tagged(self.invite, recipient=self.recipients[0])
        self.raw = re.sub(rb"(?m)^Message-ID: .*?\r", f"Message-ID: {self.id}\r".encode(), raw)


class Load:
    """Messages on their way in, from several clients at once, in threads of their own.

    server: a Postfix or Sendmail that retries by itself every second. count: of messages.
    flush: try its queue every second all the same; a Postfix needs that, because a queue manager
    that was killed is started again only when somebody asks for it.
    """

    def __init__(self, server, sink, count, flush=False):
        self.messages = [Message(number) for number in range(count)]
        self._server = server
        self._flush_at = 0 if flush else float("inf")
        self._sink = sink
        self._todo = queue.SimpleQueue()
        for message in self.messages:
            self._todo.put(message)
        self._errors = []
        self._threads = [threading.Thread(target=self._submit, daemon=True)
                         for _ in range(CLIENTS)]

    def start(self):
        for thread in self._threads:
            thread.start()

    @property
    def acknowledged(self):
        return sum(message.acknowledged for message in self.messages)

    def progress(self):
        """Between 0, nothing was sent, and 1, everything has arrived."""
        return (self.acknowledged / len(self.messages)
                + min(1, self._sink.count() / len(self.messages) / RECIPIENTS)) / 2

    def moments(self, count, random, first=0.05, last=0.8):
        """Lets go on at so many moments between these points of progress, at random but spread."""
        step = (last - first) / count
        for moment in [first + (number + random.random()) * step for number in range(count)]:
            deadline = time.monotonic() + PATIENCE
            while self.progress() < moment:
                assert not self._errors, self._errors
                assert time.monotonic() < deadline, (
                    f"progress is {self.progress():.2f}, not {moment:.2f}:\n"
                    f"{tail(self._server.log())}")
                self._flush()
                time.sleep(0.005)
            yield moment

    def wait_until_settled(self):
        """Waits until everything is taken and the server's queue is empty."""
        deadline = time.monotonic() + PATIENCE
        for thread in self._threads:
            thread.join(max(0, deadline - time.monotonic()))
        assert not self._errors, self._errors
        assert not any(thread.is_alive() for thread in self._threads), (
            f"only {self.acknowledged} messages were acknowledged:\n{tail(self._server.log())}")
        while waiting := self._server.queue():
            assert time.monotonic() < deadline, (
                f"still in the queue: {waiting[:20]}\n{tail(self._server.log())}")
            self._flush()
            time.sleep(0.1)

    def _flush(self):
        if time.monotonic() >= self._flush_at:
            self._server.flush()
            self._flush_at = time.monotonic() + 1

    def _submit(self):
        try:
            client = None
            while True:
                message = self._todo.get_nowait()
                client = self._submit_one(client, message)
                time.sleep(FIRST_SECONDS * CLIENTS / len(self.messages))
        except queue.Empty:
            if client:
                client.__exit__()
        except BaseException as error:
            self._errors.append(repr(error))

    def _submit_one(self, client, message):
        """As an application does it that keeps its connection: again until it's taken."""
        deadline, last = time.monotonic() + PATIENCE, None
        while not message.acknowledged:
            assert time.monotonic() < deadline, f"{message.id} is never taken: {last}"
            sent = False
            try:
                client = client or self._server.connect()
                reply = client.mail(SENDER)
                for recipient in message.recipients:
                    reply = client.rcpt(recipient) if reply.code < 400 else reply
                if reply.code < 400:
                    sent = True
                    reply = client.data(message.raw)
                if reply.code == 250:
                    message.acknowledged += 1
                    return client
                assert 400 <= reply.code < 500, f"{message.id}: {reply}"
                last = reply
            except OSError as error:
                last = error
            message.unheard += sent
            if client:
                client.drop()
            client = None
            time.sleep(0.05)
        return client


class Outcome(NamedTuple):
    """What one recipient got, or what the sender was told of them."""

    bounced: bool
    ways: tuple  # the queue ids that it had, the first listener's first
    message_id: str
    uid: str
    sequence: str
    reason: str = ""  # of a bounce


class Books:
    """What became of each recipient of a load."""

    def __init__(self, load, deliveries):
        self.messages = load.messages
        self._by_recipient = {recipient: message for message in load.messages
                              for recipient in message.recipients}
        self.outcomes = collections.defaultdict(list)
        for delivery in deliveries:
            if delivery.mail_from:
                self._enter_delivery(delivery)
            else:
                self._enter_bounces(delivery)

    @property
    def acknowledged(self):
        return sum(message.acknowledged > 0 for message in self.messages)

    @property
    def again(self):
        """Messages that were sent again though the MTA may have had them."""
        return sum(message.unheard > 0 for message in self.messages)

    @property
    def delivered(self):
        return sum(any(not each.bounced for each in got) for got in self.outcomes.values())

    @property
    def bounced(self):
        return sum(any(each.bounced for each in got) for got in self.outcomes.values())

    def lost(self):
        """Recipients of acknowledged messages about whom nobody ever heard."""
        return [recipient for message in self.messages if message.acknowledged
                for recipient in message.recipients if recipient not in self.outcomes]

    def contradictions(self):
        """Recipients with a delivery and a bounce."""
        return [recipient for recipient, got in self.outcomes.items()
                if len({each.bounced for each in got}) > 1]

    def duplicates(self):
        """How many came more than once: a Counter of the ways that they went twice."""
        counts = collections.Counter()
        for got in self.outcomes.values():
            for index, each in enumerate(got):
                before = got[:index]
                if not before:
                    continue
                if each.bounced:
                    counts["bounce"] += 1
                elif each.ways in [one.ways for one in before]:
                    counts["out"] += 1
                elif each.ways[0] in [one.ways[0] for one in before]:
                    counts["second"] += 1
                else:
                    counts["in"] += 1
        return counts

    def assert_duplicates_are_the_same(self):
        """RFC 5546, 3.2.5: a program that gets the same cancellation again does nothing."""
        for recipient, got in self.outcomes.items():
            same = {(each.message_id, each.uid, each.sequence) for each in got}
            assert len(same) == 1, f"{recipient} got {same}"

    def assert_in_only_after_silence(self):
        """Nobody's message went in twice whose sender was answered the first time."""
        for recipient, got in self.outcomes.items():
            message = self._by_recipient[recipient]
            first = {each.ways[0] for each in got if not each.bounced}
            assert len(first) <= 1 + message.unheard, (
                f"{recipient}'s went in as {first}, unheard {message.unheard} times")

    def _enter_delivery(self, delivery):
        [recipient] = delivery.rcpt_to
        message = self._by_recipient[recipient]
        calendar = assert_cancellation(delivery, message.invite, recipient).decode()
        assert delivery.message["Message-ID"] == message.id
        received = " ".join(delivery.message.get_all("Received"))
        self.outcomes[recipient].append(Outcome(
            False, tuple(reversed(re.findall(r"\bid ([A-Za-z0-9]+)", received))), message.id,
            re.search(r"^UID:(.*)\r$", calendar, re.M)[1],
            re.search(r"^SEQUENCE:(.*)\r$", calendar, re.M)[1]))

    def _enter_bounces(self, delivery):
        """RFC 3464: a delivery status notification, of one recipient or of several."""
        assert delivery.rcpt_to == [SENDER]
        [status] = [part for part in delivery.message.walk()
                    if part.get_content_type() == "message/delivery-status"]
        for fields in status.get_payload():
            if "Final-Recipient" not in fields:
                continue
            recipient = fields["Final-Recipient"].partition(";")[2].strip()
            recipient = recipient.removesuffix(".cancel-invite")
            message = self._by_recipient[recipient]
            assert fields["Action"] == "failed"
            assert f'invite "{message.invite}" of <{recipient}>' in " ".join(
                fields["Diagnostic-Code"].split()), fields["Diagnostic-Code"]
            self.outcomes[recipient].append(Outcome(
                True, (), message.id, "", "", " ".join(fields["Diagnostic-Code"].split())))
