"""Kotlin and Java source as tokens, with their brackets paired. Linear in the text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
_CHAR = re.compile(r"'(?:[^'\\\n]|\\.)*'")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_OPENING, _CLOSING = frozenset("({["), frozenset(")}]")


class Token(NamedTuple):
    """kind: "word", "text" (a string's inside) or "sign" (one character)."""

    kind: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Code:
    """``closes``: of each bracket that opens, which one closes it; the last token where none does."""

    tokens: Sequence[Token]
    closes: Mapping[int, int]

    def arguments(self, opening: int) -> list[tuple[int, int]]:
        """What stands between the commas of a call or a list."""
        return [(a, b) for a, b in self.split(opening + 1, self.closes[opening], ",") if a < b]

    def split(self, start: int, stop: int, sign: str) -> list[tuple[int, int]]:
        parts, begun, n = [], start, start
        while n < stop:
            if self.tokens[n].kind == "sign":
                if n in self.closes:
                    n = self.closes[n]
                elif self.tokens[n].text == sign:
                    parts.append((begun, n))
                    begun = n + 1
            n += 1
        parts.append((begun, stop))
        return parts


def code(source: str) -> Code:
    told = tokens(source)
    closes: dict[int, int] = {}
    waiting: list[int] = []
    for n, token in enumerate(told):
        if token.kind == "sign" and token.text in _OPENING:
            waiting.append(n)
        elif token.kind == "sign" and token.text in _CLOSING and waiting:
            closes[waiting.pop()] = n
    closes.update(dict.fromkeys(waiting, len(told) - 1))
    return Code(told, closes)


def tokens(source: str) -> list[Token]:
    """Without comments."""
    found: list[Token] = []
    place, line, end = 0, 1, len(source)
    while place < end:
        start = place
        sign = source[place]
        if sign == "\n":
            line += 1
            place += 1
            continue
        if sign.isspace():
            place += 1
            continue
        if source.startswith("//", place):
            place = _after(source, "\n", place) - 1
        elif source.startswith("/*", place):
            place = _after(source, "*/", place + 2)
        elif source.startswith('"""', place):
            place = _after(source, '"""', place + 3)
            found.append(Token("text", source[start + 3 : max(start + 3, place - 3)], line))
        elif (match := _STRING.match(source, place)) is not None:
            place = match.end()
            found.append(Token("text", _ESCAPE.sub(_escaped, match[1]), line))
        elif (match := _CHAR.match(source, place)) is not None:
            place = match.end()
        elif (match := _WORD.match(source, place)) is not None:
            place = match.end()
            found.append(Token("word", match[0], line))
        else:
            place += 1
            found.append(Token("sign", sign, line))
        line += source.count("\n", start, min(place, end))
    return found


def _escaped(match: re.Match[str]) -> str:
    """A dollar sign that is escaped begins no template: a blank after it keeps it from that."""
    return {"n": "\n", "r": "\r", "t": "\t", "$": "$ "}.get(match[1], match[1])


def _after(source: str, mark: str, place: int) -> int:
    """Behind the next mark; behind the end where there is none."""
    found = source.find(mark, place)
    return len(source) + 1 if found < 0 else found + len(mark)
