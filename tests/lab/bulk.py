"""A cancellation for very many people through Postfix in queued mode, and what must become of it."""

from concurrent.futures import ThreadPoolExecutor

from lab.cancellation import assert_cancels
from lab.messages import SENDER, tagged
from lab.process import until


def submit(servers, messages, recipients):
    """Sends so many messages to so many people each, by turns over the servers, all at once.

    Gives {recipient: invite}; nobody is invited twice.
    """
    invites = [f"board-{number}" for number in range(messages)]

    def send(number):
        invite, server = invites[number], servers[number % len(servers)]
        message = tagged(invite).replace(b"<board-meeting@", f"<{invite}@".encode())
        people = [address(invite, guest) for guest in range(recipients)]
        return server.submit(SENDER, people, message)

    with ThreadPoolExecutor(messages) as pool:
        for reply in pool.map(send, range(messages)):
            assert reply.code == 250, reply
    return {address(invite, guest): invite for invite in invites for guest in range(recipients)}


def address(invite, guest):
    return f"guest-{guest}@{invite}.example"


def wait_for(condition, timeout, watch=lambda: None, what="what is waited for"):
    """watch() is called a few times a second meanwhile."""
    def met():
        watch()
        return condition()

    until(met, timeout, what, pause=0.2)


def wait_until_delivered(sink, count, timeout, watch=lambda: None):
    wait_for(lambda: sink.count() >= count, timeout, watch,
             lambda: f"{count} deliveries; there are {sink.count()}")


def assert_each_once(sink, standin, invited):
    """Every recipient has one delivery with their own calendar, and one cancel at Cronofy."""
    deliveries = sink.deliveries
    got = {delivery.rcpt_to[0]: delivery for delivery in deliveries}
    assert len(got) == len(deliveries) == len(invited)
    assert set(got) == set(invited)
    for recipient, delivery in got.items():
        [shown] = [part for part in delivery.message.walk()
                   if part.get_content_type() == "text/calendar"]
        assert_cancels(shown.get_payload(decode=True), invited[recipient], recipient)
    cancels = standin.cancels()
    assert len(cancels) == len(invited)
    assert {cancel.email: cancel.id for cancel in cancels} == invited


def least_time(count, per_second, per_minute):
    """Seconds from the first of so many requests to the last, if each goes as soon as it may."""
    moments = []
    for number in range(count):
        second = moments[number - per_second] + 1 if number >= per_second else 0
        minute = moments[number - per_minute] + 60 if number >= per_minute else 0
        moments.append(max(second, minute))
    return moments[-1]
