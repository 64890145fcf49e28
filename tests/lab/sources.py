"""The filter's C sources, read for what they can say: calls and literal texts."""

import re
from dataclasses import dataclass

from lab.tools import ROOT

STRING = r'"(?:[^"\\\n]|\\.)*"'
PASSED_ON = ("text",)  # said where it comes from


@dataclass(frozen=True)
class Call:
    file: str
    arguments: tuple  # as they are written

    def texts(self, number):
        """The literal texts among which this argument is chosen, or none if it is passed on."""
        found = literals(self.arguments[number])
        assert found or self.arguments[number] in PASSED_ON, (
            f"{self.file}: cannot tell what {self.arguments[number]!r} may be; teach {__file__}")
        return found


def without_comments(source):
    return re.sub(rf"({STRING}|'(?:[^'\\]|\\.)*')|/\*.*?\*/",
                  lambda found: found[1] or " ", source, flags=re.DOTALL)


SOURCES = {path.name: without_comments(path.read_text())
           for path in sorted((ROOT / "milter").rglob("*.[ch]"))}


def literals(code):
    """The strings in it; pieces side by side are one, and a macro among them is an …"""
    joined = rf"{STRING}(?:\s*(?:{STRING}|[A-Z_]{{4,}}(?=\s*{STRING})))*"
    return ["".join(piece[1:-1] if piece.startswith('"') else "…"
                    for piece in re.findall(rf"{STRING}|[A-Z_]{{4,}}", found)).replace('\\"', '"')
            for found in re.findall(joined, code)]


def calls(name):
    """Every call of a function, but for its declaration and definition."""
    for file, source in SOURCES.items():
        for found in re.finditer(rf"\b{name}\(", source):
            arguments = split_arguments(source[found.end():])
            if not any(re.match(r"(const |struct |enum )", each) for each in arguments):
                yield Call(file, arguments)


def split_arguments(code):
    """The arguments up to the parenthesis that closes their list."""
    arguments, depth = [""], 0
    for token in re.findall(rf"{STRING}|'(?:[^'\\]|\\.)*'|.", code, flags=re.DOTALL):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(token, 0)
        if depth < 0:
            break
        if token == "," and depth == 0:
            arguments.append("")
        else:
            arguments[-1] += token
    return tuple(each.strip() for each in arguments)
