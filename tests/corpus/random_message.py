"""Random messages: nested multiparts with awkward boundaries, line ends, white space and ends.

    message = RandomMessage(seed, number)
    message.bytes, message.orderly

The same seed and number always give the same message. Every message begins with a complete header
with CRLF line ends; none is of a kind that the filter refuses. An orderly one is correct by the
RFCs, so all parsers read it in the same way; the others may end early, have bare LF line ends, or
use one boundary on several levels.
"""

import base64
import random

DEEPEST = 5
SUBTYPES = ["mixed"] * 4 + ["alternative"] * 4 + ["related"] * 2 + ["signed", "parallel", "x-new"]
BOUNDARIES = ["b", "bb", "b1", "b-1", "b--1", "B", "=_b", "----=_Part_7.b", "b b", "b'()+,./:=?b",
              "-b", "--b", "b" * 69, "b" * 70]


class RandomMessage:
    def __init__(self, seed, number):
        self.random = random.Random(f"{seed}/{number}")
        self.orderly = self.random.random() < 0.6
        self.open_boundaries = []
        self.used_boundaries = []
        fields, body = self._entity(0)
        lines = ["From: reservations@app.example", "To: ada@customer.example",
                 f"Subject: Random message {number}", "Date: Tue, 14 Oct 2025 09:30:00 +0000",
                 f"Message-ID: <random-{number}@app.example>", "MIME-Version: 1.0"] + fields
        lines.insert(self.random.randrange(len(lines) + 1), "X-Cancel-Invite: corpus-invite")
        header = "".join(line + "\r\n" for line in lines).encode() + b"\r\n"
        self.bytes = header + self._spoilt("\n".join(body).encode("utf-8", "surrogateescape"))
        if self.orderly and not self.bytes.endswith(b"\n"):
            self.bytes += b"\r\n"

    def _chance(self, probability):
        return self.random.random() < probability

    # ---- the body's bytes ----

    def _spoilt(self, body):
        """With its line ends; unless the message is orderly, with what may be wrong about them."""
        if self.orderly or self._chance(0.4):
            body = body.replace(b"\n", b"\r\n")
        elif self._chance(0.5):
            ends = [self.random.choice([b"\n", b"\r\n"]) for _ in range(body.count(b"\n"))] + [b""]
            body = b"".join(line + end for line, end in zip(body.split(b"\n"), ends))
        if not self.orderly and self._chance(0.4):
            body = body[:self.random.randrange(len(body) + 1)]
        return body

    # ---- entities: header fields and body lines ----

    def _entity(self, depth):
        if depth < DEEPEST and self._chance(0.75 if depth == 0 else 0.35):
            return self._multipart(depth)
        if depth and self._chance(0.05):
            fields, body = self._entity(depth + 1)
            return ["Content-Type: message/rfc822"], ["Subject: Attached"] + fields + [""] + body
        return self._leaf()

    def _leaf(self):
        fields = []
        if self._chance(0.2):
            fields.append("Content-Description: " + "a part " * self.random.randrange(1, 9))
        if self._chance(0.15):
            fields.append(self.random.choice(["Content-Disposition: attachment; filename=a.txt",
                                              "Content-Disposition: inline"]))
        kind = self.random.random()
        if kind < 0.2:
            content = self.random.randbytes(self.random.randrange(1, 400))
            encoded = base64.encodebytes(content).decode().splitlines()
            return fields + ["Content-Type: application/octet-stream",
                             "Content-Transfer-Encoding: base64"], encoded + [""]
        if kind < 0.85:
            fields.insert(0, self.random.choice(["Content-Type: text/plain; charset=utf-8",
                                                 "Content-Type: text/html",
                                                 "Content-Type:\n\ttext/plain"])
                          .replace("\n", "\r\n" if self._is_top() else "\n"))
        return fields, self._text()

    def _is_top(self):
        return not self.open_boundaries

    def _text(self):
        lines = [self._text_line() for _ in range(self.random.randrange(1, 8))]
        return lines + [""] * self.random.randrange(3)

    def _text_line(self):
        near = self.random.choice(self.open_boundaries or ["b"])
        return self.random.choice([
            "", "Your booking was cancelled.", "Grüße ✓", "\udcff\udc80 no UTF-8", "--", "-- ",
            "-", "--" + near + "x", " --" + near, "--" + near + "--x", "--" + near[:-1] + "!",
            "--=_0123456789abcdef", "x" * 1200, "Content-Type: text/html", "."])

    def _multipart(self, depth):
        boundary = self._boundary()
        is_top = self._is_top()
        self.open_boundaries.append(boundary)
        lines = self._around() if self._chance(0.3) else []
        for _ in range(self.random.choice([1, 1, 2, 2, 2, 3, 4])):
            fields, body = self._entity(depth + 1)
            lines += ["--" + boundary + self._white_space()] + fields + [""] + body
        self.open_boundaries.pop()
        if self.orderly or not self._chance(0.1):
            lines.append("--" + boundary + "--" + self._white_space())
        lines += self._around() if self._chance(0.3) else [""] * self.random.randrange(2)
        fold = self.random.choice([" ", "\r\n " if is_top else "\n\t"])
        subtype = self.random.choice(SUBTYPES)
        fields = [f"Content-Type: multipart/{subtype};{fold}boundary=\"{boundary}\""]
        if is_top and self._chance(0.2):
            fields.append("Content-Transfer-Encoding: 8bit")
        return fields, lines

    def _boundary(self):
        if not self.orderly and self._chance(0.1):
            used = self.random.choice(self.used_boundaries or ["b"])
            return self.random.choice([used, used, used + "--"])
        choice = self.random.choice(BOUNDARIES)
        while self._collides(choice):
            choice = "".join(self.random.choices("ab1-_=", k=self.random.randrange(1, 40))) + "b"
        self.used_boundaries.append(choice)
        return choice

    def _collides(self, boundary):
        """Would a delimiter of one be a close delimiter of the other, or is it in use?"""
        return any(boundary in (used, used + "--") or used == boundary + "--"
                   for used in self.used_boundaries)

    def _around(self):
        """A preamble or an epilogue."""
        return self.random.choice([["This is a multi-part message in MIME format."],
                                   ["", "--", "-- not a delimiter", ""], [""]])

    def _white_space(self):
        return self.random.choice([" ", "\t", " \t "]) if self._chance(0.15) else ""
