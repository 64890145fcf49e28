"""One run of --rewrite, and what must hold for its result whatever the message's shape is.

    result = Rewriting.run(message_path, calendar_path)
    result.check_body_was_only_inserted_into()

Every check raises AssertionError with the part of the message that is wrong. The rules are those of
RFC 2045, 2046, 5545 and 5322 and of the filter's own promise that it inserts and never edits.
"""

import functools
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab import mime_tree, tools
from lab.filter_process import binary
from lab.mime_tree import stamp

CORPUS = Path(__file__).resolve().parent

TAG = b"x-cancel-invite"
MOST_INSERTIONS = 4
LONGEST_INSERTION = 200_000
LONGEST_LINE = 998              # RFC 5322, 2.1.1, without the line end
LONGEST_CALENDAR_LINE = 75      # RFC 5545, 3.1
CALENDAR_COPIES = ("text/calendar method=CANCEL", "application/ics method=CANCEL attachment")


def mime_tree_gmime():
    """The Path of that program; make builds it beside the filter."""
    found = Path(os.environ.get("CIM_MIME_TREE_GMIME") or binary().parent / "mime_tree_gmime")
    if not found.exists():
        raise tools.Missing(f"{found} isn't there: run make")
    return found


@dataclass
class Rewriting:
    original: bytes             # as an MTA would give it: a Unix text file's line ends made CRLF
    given_calendar: bytes
    status: int
    output: bytes
    errors: str

    @classmethod
    def run(cls, message, calendar):
        done = subprocess.run([binary(), "--rewrite", message, "--calendar", calendar],
                              capture_output=True, timeout=60, check=False)
        return cls(with_crlf_like_an_mta(Path(message).read_bytes()),
                   Path(calendar).read_bytes(),
                   done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))

    @functools.cached_property
    def calendar(self):
        """As it has to be sent."""
        return prepared_calendar(self.given_calendar)

    @functools.cached_property
    def original_parts(self):
        return split_message(self.original)

    @functools.cached_property
    def output_parts(self):
        return split_message(self.output)

    @functools.cached_property
    def tree(self):
        return mime_tree.parse(self.output)

    @functools.cached_property
    def our_boundaries(self):
        quoted = re.findall(rb'boundary="(=_[^"\r\n]*)"', self.output)
        return [boundary for boundary in quoted if boundary not in self.original]

    def parts_of_type(self, media_type):
        return [part for part in self.tree.walk() if part.type == media_type]

    # ---- the result as a whole ----

    def check_succeeded(self):
        assert self.status == 0, f"exit {self.status}: {self.errors}"

    def check_refused(self, word):
        assert self.status == 65, f"exit {self.status}, not 65: {self.errors}"
        assert self.output == b"", "a refused message must not come out"
        assert word.lower() in self.errors.lower(), f"no {word!r} in the reason: {self.errors}"

    # ---- the header ----

    def check_other_headers_are_unchanged(self):
        before, after = ([without_space_before_colon(field) for field in fields
                          if not is_rewritten(name_of(field))]
                         for fields, _ in (self.original_parts, self.output_parts))
        assert after == before

    def check_tag_is_gone(self):
        names = [name_of(field) for field in self.output_parts[0]]
        assert TAG not in names

    def check_one_mime_version(self):
        versions = self._top_values(b"mime-version")
        assert len(versions) == 1, versions
        assert re.sub(rb"\([^)]*\)", b"", versions[0]).strip() == b"1.0"

    def check_top_transfer_encoding(self):
        """None, 8bit if there is an octet above 127, binary if that is what a part says."""
        assert self._top_values(b"content-transfer-encoding") == [
            wanted.encode() for wanted in self._container_encoding()]

    def _container_encoding(self):
        if b"content-transfer-encoding: binary" in self.output.lower():
            return ["binary"]
        return [] if self.output_parts[1].isascii() else ["8bit"]

    def check_no_content_length(self):
        assert self._top_values(b"content-length") == []

    def check_content_headers_went_inside(self):
        """In their order, byte for byte, unless the original mixed is still the top."""
        before, after = ([without_space_before_colon(field) for field in fields
                          if is_moved(name_of(field))]
                         for fields, _ in (self.original_parts, self.output_parts))
        if self.keeps_its_mixed():
            # A second Content-Type is the same as the first.
            before, after = ([field for field in dict.fromkeys(fields)
                              if name_of(field) != b"content-transfer-encoding"]
                             for fields in (before, after))
            assert after == before
        else:
            assert b"".join(before) in self.output_parts[1]

    def keeps_its_mixed(self):
        top = [field for field in self.output_parts[0] if name_of(field) == b"content-type"]
        return not any(boundary in top[0] for boundary in self.our_boundaries)

    def _top_values(self, name):
        return [field.partition(b":")[2].strip() for field in self.output_parts[0]
                if name_of(field) == name]

    # ---- the body ----

    def check_body_was_only_inserted_into(self):
        blocks = find_insertions(self.original_parts[1], self.output_parts[1], self._is_ours)
        assert blocks is not None, "the new body is not the old one with texts inserted"

    def _is_ours(self, block):
        return b"method=CANCEL" in block or any(ours in block for ours in self.our_boundaries)

    def check_long_lines_are_original(self):
        before, after = ({line.rstrip(b"\r") for line in message.split(b"\n")}
                         for message in (self.original, self.output))
        new = [line[:60] for line in after - before if len(line) > LONGEST_LINE]
        assert not new, "new lines that are too long"

    def check_no_bare_line_ends_were_added(self):
        before, after = (bare_line_ends(message) for message in (self.original, self.output))
        assert after == before, "(bare LF, bare CR) in the message"

    def check_boundaries(self):
        ours = self.our_boundaries
        assert len(set(ours)) == len(ours), ours
        for boundary in ours:
            assert len(boundary) <= 70
            assert re.fullmatch(rb"=_[0-9A-Za-z'()+_,./:=?-]{20,}", boundary), boundary
            prefixes = [other for other in ours if other != boundary and other in boundary]
            assert not prefixes, f"{boundary} begins with {prefixes}"
            lines = [line.rstrip() for line in self.output.split(b"\n")]
            assert lines.count(b"--" + boundary) >= 2, boundary
            assert lines.count(b"--" + boundary + b"--") == 1, boundary
        unquoted = re.findall(rb"boundary=(=_[0-9a-f]{32}[^\s;]*)", self.output)
        assert not [boundary for boundary in unquoted if boundary not in self.original]

    def check_inserted_multiparts_say_8bit(self):
        encoding = self._container_encoding()
        wanted = ["content-type"] + ["content-transfer-encoding"] * len(encoding)
        for part in self.tree.walk():
            if part.boundary.encode("latin-1", "replace") in self.our_boundaries:
                fields = [name.lower() for name, _ in part.fields
                          if is_moved(name.lower().encode())]
                assert fields == wanted, part.type
                assert value_of(part, "Content-Transfer-Encoding") == "".join(encoding)

    # ---- the calendar ----

    def check_calendar_part(self):
        part, = [found for found in self.parts_of_type("text/calendar")
                 if found.method == "CANCEL"]
        assert part.content == self.calendar
        assert unfolded_fields(part) == [
            ("Content-Type", 'text/calendar; charset="UTF-8"; method=CANCEL'),
            ("Content-Transfer-Encoding", "7bit" if is_fit_for_7bit(self.calendar) else "base64")]

    def check_attached_calendar(self):
        part = self.parts_of_type("application/ics")[-1]
        assert part.content == self.calendar
        assert sorted(unfolded_fields(part)) == [
            ("Content-Disposition", 'attachment; filename="invite.ics"'),
            ("Content-Transfer-Encoding", "base64"),
            ("Content-Type",
             'application/ics; charset="UTF-8"; method=CANCEL; name="invite.ics"')]

    # ---- the original's parts ----

    def check_leaves_are_unchanged(self, leaves):
        """leaves(message): (what it is, hash) of each leaf, as some parser reads the message."""
        after = leaves(self.output)
        for kind in CALENDAR_COPIES:
            copies = [f"{kind} {stamp(text)}" for text in (self.calendar, self.calendar.rstrip())]
            found = [leaf for leaf in after if leaf in copies]
            assert len(found) == 1, f"{len(found)} copies as {kind}"
            after.remove(found[0])
        assert after == leaves(self.original)

    def check_leaf_headers_are_unchanged(self):
        before = mime_tree.parse(self.original)
        ours = [part for part in self.tree.walk() if part.line().strip() in CALENDAR_COPIES]
        after = [part for part in self.tree.walk()
                 if part.content is not None and part not in ours[-2:]]
        for old, new in zip((part for part in before.walk() if part.content is not None), after):
            if old is before and new is not self.tree:
                wanted = [(name, value) for name, value in old.fields
                          if is_moved(name.lower().encode())]
                assert new.fields[:len(wanted)] == wanted
            else:
                assert new.fields == old.fields


# ---- leaves, by parser ----

def leaves_by_python(message):
    return _leaves(mime_tree.lines(message, content=True))


def leaves_by_python_without_last_line_ends(message):
    """For messages that end early: Python drops a last line end where a delimiter is missing."""
    return [f"{part.line().strip()} {stamp(part.content.rstrip())}"
            for part in mime_tree.parse(message).walk() if part.content is not None]


def leaves_by_gmime(message):
    return _leaves(gmime_lines(message))


def _leaves(lines):
    return [line.strip() for line in lines if re.search(r" [0-9a-f]{64} \d+$", line)]


def without_content(line):
    return re.sub(r" [0-9a-f]{64} \d+$", "", line)


def gmime_lines(message):
    done = subprocess.run([mime_tree_gmime()], input=message, capture_output=True, timeout=60,
                          check=True)
    return done.stdout.decode("utf-8", "replace").splitlines()


# ---- header fields ----

def split_message(message):
    """Its header fields, raw and with their line ends, and its body."""
    fields = []
    at = 0
    while at < len(message):
        end = message.find(b"\n", at) + 1 or len(message)
        line = message[at:end]
        at = end
        if line in (b"\r\n", b"\n"):
            break
        if line[:1] in (b" ", b"\t") and fields:
            fields[-1] += line
        else:
            fields.append(line)
    return fields, message[at:]


def name_of(field):
    return field.partition(b":")[0].strip().lower()


def value_of(part, name):
    """The value of a part's field in one line, "" without."""
    for field, value in part.fields:
        if field.lower() == name.lower():
            return re.sub(r"\r?\n", "", value).strip()
    return ""


def unfolded_fields(part):
    return [(name, re.sub(r"\r?\n[ \t]*", " ", value).strip()) for name, value in part.fields]


def without_space_before_colon(field):
    return re.sub(rb"^([^\s:]+)[ \t]+:", rb"\1:", field)


def is_moved(name):
    """Does a message's field go inside with its body?"""
    return name.startswith(b"content-") and name not in (b"content-length", b"content-class")


def is_rewritten(name):
    return name in (TAG, b"mime-version", b"content-length") or is_moved(name)


# ---- bytes ----

def with_crlf_like_an_mta(message):
    """A file whose first line ends with a bare LF is a Unix text file: all its lines get CRLF."""
    first = message.find(b"\n")
    if first == -1 or message[first - 1:first] == b"\r":
        return message
    return re.sub(rb"\r?\n", b"\r\n", message)


def bare_line_ends(message):
    crlf = message.count(b"\r\n")
    return message.count(b"\n") - crlf, message.count(b"\r") - crlf


def find_insertions(original, output, is_ours):
    """
    The few blocks of whole lines whose removal turns output into original, each at the beginning of
    a line of the original or at its end; None if there are no such blocks.
    """

    @functools.cache
    def search(at, out, left):
        if len(original) - at == len(output) - out and original[at:] == output[out:]:
            return []
        if left == 0:
            return None
        same = common_prefix_length(original, at, output, out)
        # Two insertions may be close together, so what follows one may be only a few bytes long.
        for known in (48, 6):
            for cut in line_starts(at, at + same):
                start = out + cut - at
                for end in ends(original[cut:cut + known], start):
                    block = output[start:end]
                    rest = search(cut, end, left - 1) if is_ours(block) else None
                    if rest is not None:
                        return [block] + rest
        return None

    def line_starts(first, last):
        """The last few, from the back: an insertion may begin like what it is put in front of."""
        if last == len(original):
            yield last
        for _ in range(8):
            last = max(original.rfind(b"\n", first, last) + 1, first)
            yield last
            last -= 1
            if last < first:
                return

    def ends(following, start):
        if not following:
            return [len(output)]
        found = re.compile(rb"(?<=\n)" + re.escape(following))
        return [match.start()
                for match in found.finditer(output, start + 1, start + LONGEST_INSERTION)]

    return search(0, 0, MOST_INSERTIONS)


def common_prefix_length(a, i, b, j):
    low, high = 0, min(len(a) - i, len(b) - j)
    while low < high:
        middle = (low + high + 1) // 2
        if a[i + low:i + middle] == b[j + low:j + middle]:
            low = middle
        else:
            high = middle - 1
    return low


# ---- the calendar ----

def prepared_calendar(text):
    """
    Cronofy's text as it has to be sent: no BOM, no empty lines, no control characters, CRLF, METHOD
    in front, folded between characters.
    """
    text = re.sub(rb"(\r?\n)+", b"\n", text.removeprefix(b"\xef\xbb\xbf").strip())
    text = re.sub(rb"\n[ \t]", b"", text)
    lines = re.sub(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", b"", text).split(b"\n")
    if b"METHOD:CANCEL" not in lines[:lines.index(b"BEGIN:VEVENT")]:
        lines = [line for line in lines if line != b"METHOD:CANCEL"]
        lines.insert(lines.index(b"VERSION:2.0") + 1, b"METHOD:CANCEL")
    return b"".join(map(fold, lines))


def is_fit_for_7bit(calendar):
    return calendar.isascii() and not any(line.startswith(b"--") for line in calendar.splitlines())


def fold(line):
    folded = b""
    room = LONGEST_CALENDAR_LINE
    while len(line) > room:
        cut = room
        while line[cut] & 0xC0 == 0x80:
            cut -= 1
        folded += line[:cut] + b"\r\n "
        line = line[cut:]
        room = LONGEST_CALENDAR_LINE - 1
    return folded + line + b"\r\n"
