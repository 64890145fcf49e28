"""What Postfix and Sendmail have in common, for the tests that both must pass.

The fixture `way` of such a test file names the mail server and the mode; see conftest.py.
"""

from lab.process import tail, until

POSTFIX = ("postfix", "direct")
POSTFIX_QUEUED = ("postfix", "queued")
POSTFIX_ROUTED = ("postfix", "routed")
SENDMAIL = ("sendmail", "direct")
SENDMAIL_QUEUED = ("sendmail", "queued")

# The configuration of the filter that each way wants. Sendmail knows no XCLIENT: there a stranger
# is another address of this machine.
SECTIONS = {
    POSTFIX: {},
    POSTFIX_QUEUED: {"milter": {"mode": "queued"}},
    POSTFIX_ROUTED: {"milter": {"mode": "routed"}},
    SENDMAIL: {"trust": {"networks": "127.0.0.1"}},
    SENDMAIL_QUEUED: {"milter": {"mode": "queued", "route": "domain"},
                      "trust": {"networks": "127.0.0.1"}},
}


def sections(way, **more):
    """The way's configuration, with more keys of some sections."""
    own = SECTIONS[way]
    return {name: {**own.get(name, {}), **more.get(name, {})} for name in {**own, **more}}


def named(way):
    """The way as pytest shows it."""
    name, mode = way
    return name if mode == "direct" else f"{name}-{mode}"


class Mta:
    """A mail server of a test. Each has start(), stop(), kill() and close(), and

    submit(sender, recipients, message) or connect(), with **stranger from no trusted network;
    connect_second(), to the second listener; sendmail(message, ...), which is the command;
    queue(), flush(), log(); wait_until_submission_waits(), after sendmail().
    """

    name = ""
    stranger = {}
    lost_client = ""  # what the log says of a client that hung up in DATA
    second_hop = ""  # ... of mail on its way to the second listener
    reported_as = ""  # the field of a bounce that has the recipient as the application named them

    def wait_for_log(self, text, timeout=10):
        until(lambda: text in self.log(), timeout,
              lambda: f"{text!r} in the log:\n{tail(self.log())}")

    def wait_until_empty(self, timeout=20):
        until(lambda: self.queue() == [], timeout,
              lambda: f"an empty queue, not {self.queue()[:20]}:\n{tail(self.log())}")

    def flush_until_delivered(self, sink, count=1, timeout=20):
        """Tries the queue until there are that many deliveries; gives them."""
        def delivered():
            self.flush()
            try:
                return sink.wait(count, 0.3)
            except AssertionError:
                return None

        return until(delivered, timeout, lambda: tail(self.log()))
