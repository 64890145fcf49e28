"""The filter's own table of what can become of a message, as --outcomes prints it."""

import functools
import re
from dataclasses import dataclass

from lab.filter_process import run


@dataclass(frozen=True)
class Outcome:
    word: str  # of result=
    action: str
    choice: str  # the key that may choose another action; "-": none
    level: str  # of its log line
    by_cronofy: bool  # Cronofy was called, and that decided
    reply: str  # "554 5.5.4 5.5.0": one of these enhanced codes; "" if the filter gives none
    meaning: str


@functools.lru_cache(maxsize=None)
def outcomes():
    """All of them, in the table's order."""
    head, *rows = run("--outcomes").stdout.splitlines()
    assert len(re.split(r"  +", head)) == 7 and len(rows) > 20
    return tuple(map(_read, rows))


def _read(row):
    word, action, choice, level, cronofy, reply, meaning = re.split(r"  +", row)
    return Outcome(word, action, choice, level, cronofy == "yes", reply.replace("none", ""), meaning)


def words():
    return {each.word for each in outcomes()}


def replies():
    """(result, reply) of each reply that the filter can give by default."""
    return {(each.word, f"{each.reply.split()[0]} {enhanced}")
            for each in outcomes() for enhanced in each.reply.split()[1:]}


def enhanced_codes():
    return {reply.split()[1] for _, reply in replies()}
