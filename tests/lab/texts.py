"""What the filter can say: the texts in its program, and the formats of its log's lines."""

import functools
import re

from lab.filter_process import binary
from lab.tools import ROOT

LITERAL = r'"((?:[^"\\]|\\.)*)"'
FORMAT = rf'(?:{LITERAL}|[^",])*'  # all up to the first comma that is in no text


@functools.lru_cache(maxsize=None)
def texts():
    """Every text in the program: of what ends in another text only the longer one is there."""
    found = re.findall(rb"[\t\n\r -~\x80-\xff]{3,}(?=\0)", binary().read_bytes())
    return {each.decode(errors="replace") for each in found}


@functools.lru_cache(maxsize=None)
def log_formats():
    """The literal formats of log_write(); where one of two is chosen, both.

    They are found in the sources: the program holds them among all its texts, and most of them can be
    had from it only in troubles that no test can make.
    """
    found = set()
    for path in (ROOT / "milter").rglob("*.c"):
        for rest in re.findall(r"\blog_write\([^,;]+,(.*?)\);", path.read_text(), re.DOTALL):
            # Texts side by side are one; behind a ? or a : another begins.
            pieces = re.findall(rf"{LITERAL}|([?:])", re.match(FORMAT, rest)[0])
            joined = "".join("\0" if mark else text for text, mark in pieces)
            found.update(re.sub(r"\\(.)", r"\1", text) for text in joined.split("\0"))
    return {text for text in found if re.sub("%s|: ", "", text)}


def exit_code_names():
    """The constants of <sysexits.h> in the sources: as good as grep -woh 'EX_[A-Z]*' would be.

    There is no table of them to print, and one would say nothing of what main() gives in the end.
    """
    return {name for path in (ROOT / "milter").rglob("*.c")
            for name in re.findall(r"\bEX_[A-Z]+\b", path.read_text())}
