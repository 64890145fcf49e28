"""The MTA's side of the milter protocol, version 6, as strict as it can be.

    with MilterSession(filter.socket) as mta:
        result = mta.deliver(message, "app@acme.example", ["guest@example.org"])
        assert result.action == "accept", result.reply

It sends what the filter negotiated and nothing else, and fails (AssertionError) when the filter
does what one of the real MTAs would mind: an action that wasn't negotiated, a reply that nobody
awaits, header edits between the pieces of a body, CR in a header.
"""

import contextlib
import re
import select
import socket
import struct
import threading
from typing import NamedTuple

from lab.filter_process import connect

# Actions that the filter may take (SMFIF_*).
ADDHDRS, CHGBODY, ADDRCPT, DELRCPT, CHGHDRS, QUARANTINE, CHGFROM, ADDRCPT_PAR, SETSYMLIST = (
    1 << bit for bit in range(9))
ALL_ACTIONS = 0x1FF

# Steps that the filter can do without, or without answering them (SMFIP_*).
NOCONNECT, NOHELO, NOMAIL, NORCPT, NOBODY, NOHDRS, NOEOH, NR_HDR, NOUNKNOWN, NODATA, SKIP, \
    RCPT_REJ, NR_CONN, NR_HELO, NR_MAIL, NR_RCPT, NR_DATA, NR_UNKN, NR_EOH, NR_BODY, \
    HDR_LEADSPC = (1 << bit for bit in range(21))
ALL_STEPS = 0x1FFFFF
OLD_STEPS = 0x7F  # what MTAs of version 2 knew: no NR_*, no SKIP, no HDR_LEADSPC

# Each step: its command, the bit that leaves it out, the bit that leaves out its reply, the
# macros that both MTAs send with it unless the filter chose its own, and its SMFIM_* number.
STEPS = {
    "connect": (b"C", NOCONNECT, NR_CONN, ("j", "_", "{daemon_name}", "{daemon_addr}"), 0),
    "helo": (b"H", NOHELO, NR_HELO, ("{tls_version}",), 1),
    "mail": (b"M", NOMAIL, NR_MAIL, ("{auth_type}", "{auth_authen}", "{auth_author}",
                                     "{mail_addr}", "{mail_host}", "{mail_mailer}"), 2),
    "rcpt": (b"R", NORCPT, NR_RCPT, ("{rcpt_addr}", "{rcpt_host}", "{rcpt_mailer}"), 3),
    "data": (b"T", NODATA, NR_DATA, ("i",), 4),
    "header": (b"L", NOHDRS, NR_HDR, (), None),
    "eoh": (b"N", NOEOH, NR_EOH, ("i",), 6),
    "body": (b"B", NOBODY, NR_BODY, (), None),
    "eom": (b"E", 0, 0, ("i", "{msg_id}"), 5),
    "unknown": (b"U", NOUNKNOWN, NR_UNKN, (), None),
}

VERDICTS = {b"a": "accept", b"r": "reject", b"t": "tempfail", b"d": "discard", b"4": "shutdown",
            b"f": "connection failure"}

# What the filter may ask for at the end of a message, and the right that it needs.
ACTIONS = {b"h": ADDHDRS, b"i": ADDHDRS, b"m": CHGHDRS, b"b": CHGBODY, b"q": QUARANTINE,
           b"-": DELRCPT, b"2": ADDRCPT_PAR}

CHUNK = 65535
LOOPBACK = ("127.0.0.1", 50000)


class Result(NamedTuple):
    """What became of one message."""

    action: str  # "accept", "reject", "tempfail", "discard"
    reply: str  # "550 5.7.1 Text" if the filter chose one
    message_bytes: bytes  # as it goes on
    progress_count: int
    steps_seen: list  # the steps that were sent, one word each; the last one decided
    quarantine: str  # the reason, if it is to be held


class MilterSession:
    """One connection of an MTA to a filter ("unix:PATH" or "inet:PORT@HOST").

    numbering: whose way of counting headers is followed, "postfix" or "sendmail".
    """

    def __init__(self, spec, *, actions=ALL_ACTIONS, steps=ALL_STEPS, version=6,
                 numbering="postfix", timeout=60, negotiate=True):
        self._where = (spec, timeout)
        self._offered = (version, actions, steps)
        self._numbering = numbering
        self._client = None  # the client that was told, in a list
        self.actions = self.steps = 0  # as negotiated
        self.recipient_changes = []  # of the last message: ["-", address], ["+", address, parameters]
        self.symbols = {}  # step -> the macros that the filter wants with it
        self._socket = connect(spec, timeout)
        if negotiate:
            self.negotiate()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.quit()

    def quit(self):
        with contextlib.suppress(OSError):
            self.send(b"Q")
        self.drop()

    def drop(self):
        """Hangs up without a word."""
        self._socket.close()

    # --- packets ---

    def send_raw(self, data):
        self._socket.sendall(data)

    def send(self, command, payload=b""):
        self.send_raw(struct.pack("!I", len(payload) + 1) + command + payload)

    def read(self):
        """The next packet: its code and payload. ConnectionError if the filter hung up."""
        length, = struct.unpack("!I", self._read_exactly(4))
        packet = self._read_exactly(length)
        return packet[:1], packet[1:]

    def has_answer(self):
        """Is there something to read? A poll: select takes no descriptor above 1023."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def _read_exactly(self, length):
        data = bytearray()
        while len(data) < length:
            piece = self._socket.recv(length - len(data))
            if not piece:
                raise ConnectionError("the filter hung up")
            data += piece
        return bytes(data)

    # --- steps ---

    def reconnect(self):
        """Another SMTP session."""
        self.quit()
        self._client = None
        self._socket = connect(*self._where)
        self.negotiate()

    def negotiate(self):
        version, actions, steps = self._offered
        self.send(b"O", struct.pack("!III", version, actions, steps))
        code, payload = self.read()
        assert code == b"O", (code, payload)
        _, self.actions, self.steps = struct.unpack("!III", payload[:12])
        assert not self.actions & ~actions, f"actions {self.actions:#x} of {actions:#x}"
        assert not self.steps & ~steps, f"steps {self.steps:#x} of {steps:#x}"
        payload = payload[12:]
        names = {number: name for name, (*_, number) in STEPS.items()}
        while payload:
            number, = struct.unpack("!I", payload[:4])
            symbols, payload = payload[4:].split(b"\0", 1)
            self.symbols[names[number]] = symbols.decode().split()

    def step(self, name, payload=b"", macros=None):
        """Takes a step: gives a (verdict, reply) to stop at, or None to go on."""
        if self.steps & STEPS[name][1]:
            return None
        self.announce(name, payload, macros)
        return None if self.steps & STEPS[name][2] else self.verdict()

    def announce(self, name, payload=b"", macros=None):
        """Sends a step and its macros, and reads nothing. Both MTAs send an empty list of them."""
        command = STEPS[name][0]
        if macros is not None:
            self.send(b"D", command + strings(*(text for pair in macros.items() for text in pair)))
        self.send(command, payload)

    def verdict(self):
        """Reads one plain reply."""
        verdict = decided(*self.read())
        self._expect_silence()
        return verdict

    def abort(self):
        self.send(b"A")

    # --- a whole message ---

    def deliver(self, message, sender="app@acme.example", recipients=("guest@example.org",),
                client=LOOPBACK, macros=None, chunk=CHUNK, size=1000):
        """Has the filter judge and change a message; the session stays usable.

        client: (address, port), None if the MTA doesn't know it, or a unix socket's path. Another
        one than last time begins a new SMTP session. An address of type bytes is sent as it is,
        without <>. A recipient may be a tuple of the address and its RCPT parameters. macros, e.g.
        {"{auth_authen}": "joe"}, go with the steps they belong to; None: the MTA doesn't give it. size: what MAIL announces.
        """
        values = {"i": "4XyZ1234", "j": "mta.example.test", "{daemon_name}": "smtpd",
                  "{mail_addr}": without_brackets(sender), **(macros or {})}
        message = Message(message, self.steps & HDR_LEADSPC)
        seen = []

        def macros_for(name):
            if STEPS[name][4] is None:
                return None
            return {s: values[s] for s in self.symbols.get(name, STEPS[name][3])
                    if values.get(s) is not None}

        def take(name, payload=b""):
            if not self.steps & STEPS[name][1]:
                seen.append(name)
            return self.step(name, payload, macros_for(name))

        def before_the_end():
            if self._client != [client]:
                if self._client:
                    self.reconnect()
                if verdict := (take("connect", connection(client))
                               or take("helo", strings("client.example.test"))):
                    return verdict
                self._client = [client]
            if verdict := take("mail", strings(in_brackets(sender), f"SIZE={size}")):
                return verdict
            several = [recipients] if isinstance(recipients, (str, bytes)) else recipients
            verdicts = [take("rcpt", strings(*recipient_arguments(each))) for each in several]
            if all(verdicts):
                self.abort()
                return verdicts[-1]
            if verdict := take("data"):
                return verdict
            for field in message.shown():
                if verdict := take("header", strings(field.name, message.value_shown(field))):
                    return verdict
            if verdict := take("eoh"):
                return verdict
            for start in range(0, len(message.body), chunk):
                if verdict := take("body", message.body[start:start + chunk]):
                    return None if verdict[0] == "skip" else verdict
            return None

        if verdict := before_the_end():
            return Result(*verdict, message.assembled(), 0, seen, "")
        seen.append("eom")
        self.announce("eom", macros=macros_for("eom"))
        verdict, progress, quarantine = self.end_of_message(message)
        return Result(*verdict, message.assembled(), progress, seen, quarantine)

    def begin(self, message, last, sender="app@acme.example", recipient="guest@example.org"):
        """Takes the steps of a message up to this one; the filter must want to go on.

        The end of the message is only announced. After it, or to give the message up, see
        end_of_message(), abort() and drop().
        """
        message = Message(message, self.steps & HDR_LEADSPC)
        steps = [("mail", strings(in_brackets(sender))), ("rcpt", strings(in_brackets(recipient))),
                 ("data", b""),
                 *(("header", strings(f.name, message.value_shown(f))) for f in message.shown()),
                 ("eoh", b""),
                 *(("body", message.body[at:at + CHUNK])
                   for at in range(0, len(message.body), CHUNK)),
                 ("eom", b"")]
        if not self._client:
            self._client = [LOOPBACK]
            steps.insert(0, ("connect", connection(LOOPBACK)))
        names = [name for name, _ in steps]
        for name, payload in steps[:len(names) - names[::-1].index(last)]:
            macros = None if STEPS[name][4] is None else {}
            if name == "eom":
                self.announce(name, payload, macros)
            else:
                assert self.step(name, payload, macros) is None
        return message

    def end_of_message(self, message):
        """Applies what the filter asks for until it decides.

        Gives (verdict, reply), how often it said that it is still at work, why to hold the mail.
        """
        progress, quarantine, codes, body = 0, "", b"", []
        self.recipient_changes = []
        edit = message.edit_like_postfix if self._numbering == "postfix" \
            else message.edit_like_sendmail
        while True:
            code, payload = self.read()
            if code == b"p":
                progress += 1
                continue
            if verdict := decided(code, payload, at_end=True):
                break
            codes += code
            assert code in ACTIONS, f"the filter asks for {code}, {payload[:100]}"
            assert self.actions & ACTIONS[code], f"{code} is not of {self.actions:#x}"
            if code == b"b":
                body.append(payload)
            elif code == b"q":
                quarantine = payload.rstrip(b"\0").decode()
            elif code in b"-2":
                self.recipient_changes.append(
                    ["-" if code == b"-" else "+", *payload.decode().rstrip("\0").split("\0")])
            else:
                index = 0
                if code != b"h":
                    index, payload = struct.unpack("!I", payload[:4])[0], payload[4:]
                name, value, nothing = payload.split(b"\0")
                assert not nothing and b"\r" not in value, payload
                assert not re.search(rb"\n(?![ \t])", value), payload
                edit(code, index, name, message.value_meant(value))
        assert not re.search(b"b[^b]+b", codes), f"the body comes with others between: {codes}"
        self._expect_silence()
        if body:
            message.body = b"".join(body)
        return verdict, progress, quarantine

    def _expect_silence(self):
        if self.has_answer():
            more = self._socket.recv(100, socket.MSG_PEEK)
            assert not more, f"a reply that nobody awaits: {more}"


class Delivery:
    """A message on its way in a thread of its own, so that the test can go on meanwhile."""

    def __init__(self, spec, message, **options):
        self._session = MilterSession(spec)
        self._outcome = None
        self._thread = threading.Thread(target=self._run, args=(message, options), daemon=True)
        self._thread.start()

    def _run(self, message, options):
        try:
            self._outcome = self._session.deliver(message, **options)
        except (OSError, AssertionError) as error:
            self._outcome = error
        self._session.quit()

    def done(self):
        return not self._thread.is_alive()

    def result(self, timeout=30):
        """Waits for it; raises what deliver() raised."""
        self._thread.join(timeout)
        assert self.done(), f"no result within {timeout} s"
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


class Field:
    """One header field; value is what follows the colon, its lines parted by LF alone."""

    def __init__(self, name, value, raw=None):
        self.name, self.value = name, value
        self.raw = raw or name + b":" + value.replace(b"\n", b"\r\n") + b"\r\n"
        self.deleted = False

    def change(self, name, value):
        self.__init__(name, value)
        self.deleted = not value


class Message:
    """A message that can be edited in the way of the one MTA or the other."""

    def __init__(self, raw, leading_space=False):
        self._leading_space = leading_space
        head, end_of_head, self.body = (b"\r\n" + raw).partition(b"\r\n\r\n")
        self._end_of_head = end_of_head[2:]
        # The MTA's own field is never shown, but counted where fields are inserted.
        self._own = Field(b"Received", b" by mta.example.test")
        self._fields = [self._own]
        for line in filter(None, re.split(rb"\r\n(?![ \t])", head[2:].removesuffix(b"\r\n"))):
            name, colon, value = line.partition(b":")
            assert colon, f"no header field: {line}"
            self._fields.append(Field(name.rstrip(b" \t"), value.replace(b"\r\n", b"\n"),
                                      line + b"\r\n"))

    def shown(self):
        return [field for field in self._fields if field is not self._own]

    def value_shown(self, field):
        return field.value if self._leading_space else field.value.removeprefix(b" ")

    def value_meant(self, value):
        return value if self._leading_space or not value else b" " + value

    def assembled(self):
        head = b"".join(field.raw for field in self.shown() if not field.deleted)
        return head + (self._end_of_head or (b"\r\n" if self.body else b"")) + self.body

    def edit_like_postfix(self, code, index, name, value):
        """Deleted fields are gone and no longer counted."""
        self._fields = [field for field in self._fields if not field.deleted]
        same = self._named(name)
        if code == b"i":
            self._fields.insert(index, Field(name, value))
        elif code == b"h" or max(index, 1) > len(same):
            if code == b"h" or value:
                self._fields.append(Field(name, value))
        else:
            same[max(index, 1) - 1].change(name, value)

    def edit_like_sendmail(self, code, index, name, value):
        """Deleted fields still count; changed ones keep their name's spelling."""
        same = self._named(name)
        if code == b"i":
            self._fields.insert(index, Field(name, value))
        elif code == b"h" or (value and (index == 0 or not same)):
            self._fields.insert(0 if same else len(self._fields), Field(name, value))
        elif 0 < index <= len(same):
            same[index - 1].change(same[index - 1].name, value)

    def _named(self, name):
        return [field for field in self.shown() if field.name.lower() == name.lower()]


def decided(code, payload, at_end=False):
    """The (verdict, reply) of a reply packet; None for one that goes on."""
    if code == b"c":
        return ("accept", "") if at_end else None
    if code == b"s" and not at_end:
        return ("skip", "")
    if code == b"y":
        text = payload.rstrip(b"\0").decode()
        assert "%" not in text.replace("%%", ""), f"not doubled, as the MTA needs it: {text}"
        text = text.replace("%%", "%")
        assert re.match(r"[45]\d\d [45]\.\d{1,3}\.\d{1,3} \S", text), text
        return ("tempfail" if text[0] == "4" else "reject", text)
    if code in VERDICTS:
        return (VERDICTS[code], "")
    if at_end:
        return None
    raise AssertionError(f"no reply to this step: {code}, {payload[:100]}")


def strings(*texts):
    """Each ended by NUL, as the protocol wants them."""
    return b"".join((t if isinstance(t, bytes) else t.encode()) + b"\0" for t in texts)


def connection(client, host="client.example.test"):
    """What the step "connect" says of a client; see MilterSession.deliver()."""
    if client is None:
        return strings(host) + b"U"
    if isinstance(client, str):
        return strings(host) + b"L" + struct.pack("!H", 0) + strings(client)
    address, port = client
    family = b"6" if ":" in address else b"4"
    return strings(host) + family + struct.pack("!H", port) + strings(address)


def in_brackets(address):
    return address if isinstance(address, bytes) else f"<{address}>"


def without_brackets(address):
    """As an MTA shows it in {mail_addr}."""
    return re.sub(b"^<(.*)>$", rb"\1", address) if isinstance(address, bytes) else address


def recipient_arguments(recipient):
    address, *parameters = recipient if isinstance(recipient, tuple) else (recipient,)
    return in_brackets(address), *parameters


# A field that makes a message a tagged one.
TAG = "X-Cancel-Invite: board-1"


def mail(*fields, body="The meeting is off.\r\n"):
    """A small message with these fields (text or bytes) after the usual ones."""
    usual = ("From: Acme <app@acme.example>", "To: guest@example.org", "Subject: Board meeting",
             "Message-ID: <1@acme.example>", "Date: Mon, 27 Apr 2026 10:00:00 +0000")
    lines = [*usual, *fields, "", body]
    return b"\r\n".join(t if isinstance(t, bytes) else t.encode() for t in lines)
