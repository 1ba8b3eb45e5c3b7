"""Changes JSON as JSON, so that what is tried gets past the decoder to the readers."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from functools import cache
from typing import Any

from collector.reports import natural
from tests.make import EVERY_DIALECT, INSTALL, PIN_A, chain, ios_pem, okhttp_text

_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 65536, 2**31, 2**53, 2**63, 2**64, -(2**70), 10**30, 0.1, 1e-300, 1e300, -0.0,
    "", " ", "\x00", "\ud800", "\u202e", "a" * 300, "é" * 200, "\n", "{}", "[", "null", "NaN", "1e999", "-5", "٣",
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999+14:00", "294277-01-01T00:00:00Z", 8.64e15, -62135596800,
    "xn--", "xn--a", ".", "a.", "*.a.b", "::1", "[::1]:80", "fe80::1%eth0", "a.b:99999", "https://", "//a.b/c",
    "bücher.example", "ß.example", "\u0130.example", "1.2.3.4.5", "127.1", "0x7f.1", PIN_A, f"sha256/{PIN_A}",
    "sha256/", "pin-sha256=", "A" * 43, "Pin verification failed", "a@b.c", "https://a.b/?token=x", INSTALL,
    [], {}, [[]], [{}], {"a": {"b": {"c": {"d": {}}}}}, [None], ["x"] * 20, "-----BEGIN CERTIFICATE-----",
)  # fmt: skip


@cache
def _words() -> tuple[list[str], list[Any]]:
    """(keys, values) that some reader asks for."""
    keys = {name for names in natural._ALIASES.values() for name in names}
    values: list[Any] = [okhttp_text(), ios_pem(chain()[0].der)]
    for report in EVERY_DIALECT:
        for holder, key in _places(report):
            if isinstance(key, str):
                keys.add(key)
            values.append(holder[key])
    return sorted(keys), values


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs if isinstance(value, dict | list) else ():
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


def mutated(raw: bytes, chance: random.Random) -> bytes | None:
    """The same JSON with one to three places changed; None where it is none."""
    try:
        told = [json.loads(raw)]
    except (ValueError, RecursionError):
        return None
    keys, values = _words()
    for _ in range(chance.randint(1, 3)):
        holder, key = chance.choice(list(_places(told))[:2000])
        value: Any = json.loads(json.dumps(chance.choice(chance.choice([_ODD, values]))))
        match chance.randrange(7):
            case 0 if isinstance(holder, dict):
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[chance.choice(keys)] = value
            case 2 if isinstance(holder, dict):
                holder[chance.choice(keys)] = holder.pop(key)
            case 3 if isinstance(holder[key], str):
                holder[key] = _spliced(holder[key], chance)
            case 4:
                holder[key] = [holder[key]] * chance.choice([1, 2, 13, 65])
            case 5 if isinstance(holder[key], list):
                holder[key] = [*holder[key], value]
            case _:
                holder[key] = value
    return json.dumps(told[0], ensure_ascii=chance.random() < 0.9).encode("utf-8", "replace")


def _spliced(text: str, chance: random.Random) -> str:
    """A piece of the text repeated, left out, or replaced."""
    start, end = sorted(chance.randint(0, len(text)) for _ in range(2))
    odd = chance.choice(["", text[start:end] * 3, *[o for o in _ODD if isinstance(o, str)]])
    return text[:start] + odd + text[end:]
