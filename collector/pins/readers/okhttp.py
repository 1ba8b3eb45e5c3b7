"""OkHttp's CertificatePinner, out of the Kotlin or Java source that builds it.

Best effort: hosts and pins that are constants of the same file are read; what is worked out at run time
is left out, and told. Where one pin of a host is not known, the host is left out: a set that lacks a
pin would be taken for what clients ship. Source of the patterns: CertificatePinner.kt of OkHttp 4.
"""

from __future__ import annotations

from collector.errors import PinfallError
from collector.model import Hash
from collector.pins.model import ShippedPinSet
from collector.pins.readers.document import Document, Shape
from collector.pins.readers.quoting import quoted
from collector.pins.readers.source import Code, Constants, Value, code, constants
from collector.pins.readers.values import MOST_PINS, Notes, Prefix, read_name, read_pins

NAME = "okhttp"
_LIMIT = 512 * 1024  # characters of source
_MARKS = ("sha256/", "sha1/")
_MOST = 500  # calls, and builders
_NEAR = 40  # tokens of a call in which pins make it one of a builder that stands elsewhere
_BLOCK = 2000  # tokens of a call, or of what is applied to a builder


def read(document: Document, notes: Notes) -> list[ShippedPinSet] | None:
    """None where the text does not name CertificatePinner."""
    if document.shape is not Shape.TEXT or "CertificatePinner" not in document.value:
        return None
    if len(document.value) > _LIMIT:
        raise PinfallError(f"is source of more than {_LIMIT // 1024} KiB")
    source = code(document.value)
    known = constants(source)
    found: dict[str, set[Hash]] = {}
    left_out: set[str] = set()
    for call in _calls(source):
        line = source.tokens[call].line
        pattern, pins = _read_call(source, call, known)
        if pattern is None:
            notes.add(
                f"line {line}: the host is no constant of this file, and the call was left out"
            )
        elif pins is None:
            notes.add(
                f"line {line}: {quoted(pattern)}: a pin is no constant of this file, and the host was left out"
            )
            left_out.add(pattern)
        else:
            have = found.setdefault(pattern, set())
            have.update(
                read_pins(pins, notes, f"line {line}: {quoted(pattern)}", Prefix.ALWAYS, sha1=True)
            )
            if len(have) > MOST_PINS:
                raise PinfallError(f"{quoted(pattern)}: more than {MOST_PINS} pins")
    return [
        _set(pattern, tuple(sorted(pins)), notes)
        for pattern, pins in found.items()
        if pattern not in left_out and pins
    ]


def _set(pattern: str, pins: tuple[Hash, ...], notes: Notes) -> ShippedPinSet:
    """``*.`` is one label, ``**.`` any depth and the domain itself."""
    star = "**." if pattern.startswith("**.") else "*." if pattern.startswith("*.") else ""
    host = read_name(pattern[len(star) :], wildcards="only *. and **. at the beginning")
    if any(pin.kind == "sha1" for pin in pins):
        notes.add(f"{quoted(pattern)}: has SHA-1 pins, which OkHttp compares with SHA-1 of the key")
    return ShippedPinSet(
        host=f"*.{host}" if star == "*." else host,
        pins=pins,
        include_subdomains=star == "**.",
        platform="ANDROID",
        enforced=True,
        format=NAME,
    )


def _calls(source: Code) -> list[int]:
    """Where ``add`` of such a builder is called: in its chain, on a variable of it, or with pins."""
    told = source.tokens
    chained, builders = _builders(source)
    found = []
    for n in range(len(told) - 1):
        if told[n].text != "add" or told[n].kind != "word" or told[n + 1].text != "(":
            continue
        on = told[n - 2].text if n > 1 and told[n - 1].text == "." else ""
        near = told[n + 2 : min(n + _NEAR, source.closes[n + 1])]
        pins = any(token.kind == "text" and token.text.startswith(_MARKS) for token in near)
        if pins or n in chained or on in builders:
            found.append(n)
    if len(found) > _MOST:
        raise PinfallError(f"more than {_MOST} calls that add pins")
    return found


def _builders(source: Code) -> tuple[set[int], set[str]]:
    """Places of ``add`` in chains and in apply blocks; names of variables that hold a builder."""
    told = source.tokens
    chained: set[int] = set()
    names: set[str] = set()
    starts = [
        n
        for n in range(len(told) - 3)
        if told[n].text == "CertificatePinner"
        and [token.text for token in told[n + 1 : n + 4]] == [".", "Builder", "("]
    ]
    for n in starts[:_MOST]:
        before = n - 2 if told[n - 1].text == "new" else n - 1
        if before > 0 and told[before].text == "=" and told[before - 1].kind == "word":
            names.add(told[before - 1].text)
        place = source.closes[n + 3] + 1
        for _ in range(_MOST):
            if place + 2 >= len(told) or told[place].text != "." or place + 2 not in source.closes:
                break
            stop = source.closes[place + 2]
            if told[place + 1].text == "add":
                chained.add(place + 1)
            elif told[place + 2].text == "{":
                block = range(place, min(stop, place + _BLOCK))
                chained.update(k for k in block if told[k].text == "add")
            place = stop + 1
    return chained, names


def _read_call(source: Code, call: int, known: Constants) -> tuple[str | None, list[str] | None]:
    """(pattern, pins), None for what is not known."""
    told = source.tokens
    if source.closes[call + 1] - call > _BLOCK:
        return None, None
    values: list[Value] = []
    for start, stop in source.arguments(call + 1):
        named = stop - start > 2 and told[start].kind == "word" and told[start + 1].text == "="
        begins = start + 2 if named else start  # pattern = "…"
        begins += told[begins].text == "*"  # *PINS
        values.append(known.value(begins, stop) if begins < stop else None)
    pattern = values[0] if values else None
    if not isinstance(pattern, str):
        return None, None
    pins: list[str] = []
    for value in values[1:]:
        if value is None:
            return pattern, None
        pins += [value] if isinstance(value, str) else value
    return pattern, pins or None
