"""Distinguished names as texts have them: RFC 4514, and as the JVM and Android write them."""

from __future__ import annotations

_WORST = 512  # characters
_KEPT = ("CN", "O", "OU")


def parts(name: str) -> dict[str, tuple[str, ...]]:
    """CN, O and OU of a name, as written. What is no name has none."""
    found: dict[str, tuple[str, ...]] = {}
    for piece in _split(name[:_WORST]):
        kind, equals, value = piece.partition("=")
        kind = kind.strip().upper()
        if equals and kind in _KEPT:
            found[kind] = (*found.get(kind, ()), _plain(value.strip()))
    return found


def _split(name: str) -> list[str]:
    """At commas and plus signs that are neither escaped nor within quotes."""
    pieces, start, quoted, place = [], 0, False, 0
    while place < len(name):
        character = name[place]
        if character == "\\":
            place += 1
        elif character == '"':
            quoted = not quoted
        elif character in ",+;" and not quoted:
            pieces.append(name[start:place])
            start = place + 1
        place += 1
    pieces.append(name[start:])
    return pieces


def _plain(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = value[1:-1]
    told, escaped = [], False
    for character in value:
        if character == "\\" and not escaped:
            escaped = True
            continue
        told.append(character)
        escaped = False
    return "".join(told)
