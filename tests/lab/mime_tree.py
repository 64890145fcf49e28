"""A message as a tree of parts, as Python's email package reads it.

mime_tree_gmime.c prints the same lines as GMime reads it: two independent parsers, one notation.
One line a part, two spaces of indent a level:

    type/subtype [method=NAME] [attachment|inline] [SHA-256 and length of the decoded content]

The content is there for leaves only. An attached message is a part with one child. A multipart in
which the parser found no delimiter is a leaf; its line ends count as LF and those at its end not
at all, because GMime keeps no others there.

As a program: the message on stdin, its tree on stdout.
"""

import email
import email.policy
import hashlib
import sys
from dataclasses import dataclass, field


@dataclass
class Part:
    depth: int
    type: str
    method: str             # of a calendar, in upper case; "" without
    disposition: str        # in lower case; "" without
    boundary: str           # "" without
    fields: list            # the header as (name, value) in order, values folded as they came
    content: bytes = None   # decoded; None when the part has children
    children: list = field(default_factory=list)

    def line(self):
        words = [self.type]
        if self.method:
            words.append(f"method={self.method}")
        if self.disposition:
            words.append(self.disposition)
        return "  " * self.depth + " ".join(words)

    def line_with_content(self):
        if self.content is None:
            return self.line()
        return f"{self.line()} {stamp(self.content)}"

    def walk(self):
        yield self
        for child in self.children:
            yield from child.walk()


def stamp(content):
    """A leaf's content, short: SHA-256 and length."""
    return f"{hashlib.sha256(content).hexdigest()} {len(content)}"


def parse(message):
    """The root Part of a message given as bytes."""
    return _part(email.message_from_bytes(message, policy=email.policy.compat32), 0)


def lines(message, content=False):
    """The tree of a message given as bytes, one string a part."""
    return [part.line_with_content() if content else part.line()
            for part in parse(message).walk()]


def _part(entity, depth):
    part = Part(depth, entity.get_content_type().partition("(")[0].rstrip(),
                str(entity.get_param("method", "")).upper(),
                entity.get_content_disposition() or "",
                _boundary(entity),
                [(name, str(value)) for name, value in entity._headers])
    if entity.is_multipart():
        part.children = [_part(child, depth + 1) for child in entity.get_payload()]
    else:
        part.content = entity.get_payload(decode=True)
        if part.type.startswith("multipart/"):
            part.content = part.content.replace(b"\r\n", b"\n").rstrip(b"\n")
    return part


def _boundary(entity):
    try:
        return str(entity.get_boundary(""))
    except (UnicodeError, ValueError):
        return ""


if __name__ == "__main__":
    print("\n".join(lines(sys.stdin.buffer.read(), content=True)))
