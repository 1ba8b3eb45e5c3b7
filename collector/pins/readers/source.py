"""Kotlin and Java source, as far as string constants go: tokens, and what expressions of them say.

No compiler: what is built at run time is not known, and is told as such. Linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

Value = str | tuple[str, ...] | None  # a text, a list of texts, or not known

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
_CHAR = re.compile(r"'(?:[^'\\\n]|\\.)*'")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_TEMPLATE = re.compile(
    r"\$\{\s*(?:[A-Za-z_]\w*\s*\.\s*)*([A-Za-z_]\w*)\s*\}|\$([A-Za-z_]\w*)|(\$\{)"
)
_LISTS = frozenset({"arrayOf", "listOf", "setOf", "asList", "of"})
_LONGEST = 4096  # characters of a value
_WIDEST = 1024  # tokens of an expression
_CONSTANTS = 5000
_OPENING, _CLOSING = frozenset("({["), frozenset(")}]")
_ENDING = _CLOSING | frozenset(";,=")
_CALLING = frozenset("({")
_GO_ON = frozenset("+.({")
_MOST = 256  # entries of a list
_DEEPEST = 20  # constants made of constants


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


@dataclass(slots=True)
class Constants:
    """Names that stand for a text, or for a list of them. One that is given twice, with two meanings,
    stands for neither."""

    _code: Code
    _defined: Mapping[str, list[tuple[int, int]]]  # where its expressions begin and end
    _known: dict[str, Value] = field(default_factory=dict)

    def value(self, start: int, stop: int, depth: int = 0) -> Value:
        """What the tokens from start to stop say: texts, known names, "+" and lists of these."""
        if stop - start > _WIDEST or depth > _DEEPEST:
            return None
        parts = self._code.split(start, stop, "+")
        if len(parts) == 1:
            return self._term(start, stop, depth)
        told = ""
        for a, b in parts:
            part = self._term(a, b, depth)
            if not isinstance(part, str) or len(told) + len(part) > _LONGEST:
                return None
            told += part
        return told

    def _term(self, start: int, stop: int, depth: int) -> Value:
        told = self._code.tokens[start:stop]
        if len(told) == 1 and told[0].kind == "text":
            return self._filled(told[0].text, depth)
        if told and all(
            token.kind == "word" if n % 2 == 0 else token.text == "."
            for n, token in enumerate(told)
        ):
            return self._named(told[-1].text, depth)
        return self._list(start, stop, depth)

    def _named(self, name: str, depth: int) -> Value:
        if name not in self._known:
            self._known[name] = None  # of itself: not known
            told = {self.value(a, b, depth + 1) for a, b in self._defined.get(name, [])}
            self._known[name] = told.pop() if len(told) == 1 else None
        return self._known[name]

    def _filled(self, text: str, depth: int) -> str | None:
        """A template of Kotlin with its names filled in."""
        parts: list[str] = []
        last = 0
        for match in _TEMPLATE.finditer(text):
            value = self._named(match[1] or match[2], depth) if not match[3] else None
            if not isinstance(value, str) or len(parts) > _MOST:
                return None
            parts += [text[last : match.start()], value]
            last = match.end()
        told = "".join([*parts, text[last:]])
        return told if len(told) <= _LONGEST else None

    def _list(self, start: int, stop: int, depth: int) -> Value:
        """listOf("a", B), new String[] {"a"}, {"a"}."""
        told = self._code.tokens
        opening = next(
            (
                n
                for n in range(start, min(stop, start + 12))
                if told[n].text in _CALLING and n in self._code.closes
            ),
            None,
        )
        if opening is None or self._code.closes.get(opening) != stop - 1:
            return None
        before = [token.text for token in told[start:opening]]
        called = told[opening].text == "(" and bool(before) and before[-1] in _LISTS
        braced = told[opening].text == "{" and before in ([], ["new", "String", "[", "]"])
        if not (called or braced):
            return None
        found: list[str] = []
        for a, b in self._code.arguments(opening):
            value = self.value(a, b, depth + 1)
            if value is None or len(found) > _MOST:
                return None
            found += [value] if isinstance(value, str) else value
        return tuple(found)


def constants(source: Code) -> Constants:
    """Every ``NAME = expression`` and ``NAME: Type = expression``, up to where the expression ends."""
    told = source.tokens
    defined: dict[str, list[tuple[int, int]]] = {}
    for n in range(1, len(told) - 1):
        if told[n].text != "=" or told[n].kind != "sign" or len(defined) > _CONSTANTS:
            continue
        if told[n - 1].text in ("=", "!", "+") or told[n + 1].text == "=":
            continue
        name = _name_before(told, n)
        if name is not None and len(defined.get(name, ())) < 4:
            stop = _ends(source, n + 1)
            if stop > n + 1:
                defined.setdefault(name, []).append((n + 1, stop))
    return Constants(source, defined)


def _name_before(told: Sequence[Token], place: int) -> str | None:
    """Of ``val NAME: List<String> =`` and ``String[] NAME =``."""
    for n in range(place - 1, max(0, place - 10), -1):
        if told[n].text == ":" and told[n - 1].kind == "word":
            return told[n - 1].text
        if told[n].text in ("val", "var") or (
            told[n].kind != "word" and told[n].text not in ("<", ">", "?", ".")
        ):
            break
    return told[place - 1].text if told[place - 1].kind == "word" else None


def _ends(source: Code, place: int) -> int:
    """Behind the expression that begins here: at ; , = or a bracket that closes, or where a line
    begins that does not go on with it."""
    told, n = source.tokens, place
    while n < len(told) and n - place <= _WIDEST:
        token = told[n]
        if token.kind == "sign" and token.text in _ENDING:
            return n
        goes_on = n == place or token.text in _GO_ON or told[n - 1].text in ("+", ".")
        if n > place and token.line > told[n - 1].line and not goes_on:
            return n
        n = source.closes.get(n, n) + 1
    return min(n, len(told))
