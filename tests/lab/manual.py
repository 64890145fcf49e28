"""What stands in the manual pages (mdoc)."""

import functools
import re

from lab.tools import ROOT

MANUALS = ROOT / "conf" / "man"
PROGRAM = (MANUALS / "cancel-invite-milter.8").read_text()
CONFIGURATION = (MANUALS / "cancel-invite-milter.conf.5").read_text()


def section(page, heading):
    """What stands below a heading, to the next one."""
    found = re.search(rf"^\.Sh {re.escape(heading)}\n(.*?)(?=^\.Sh |\Z)", page, re.M | re.DOTALL)
    assert found, f"no section {heading}"
    return found[1]


def items(text):
    """The words that the items of its lists explain."""
    return {word for line in re.findall(r"^\.It Cm (.*)$", text, re.M)
            for word in line.split(" , ")}


@functools.lru_cache(maxsize=None)
def log_fields():
    """The fields of a message's line in the log."""
    return frozenset(items(section(PROGRAM, "THE LOG")))


@functools.lru_cache(maxsize=None)
def exit_codes():
    return tuple(map(int, re.findall(r"^\.It (\d+)$", section(PROGRAM, "EXIT STATUS"), re.M)))
