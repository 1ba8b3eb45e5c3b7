"""Tables of a TOML file, read field by field; every mistake is kept, with its place, and told at once."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_TEXT = 4096  # characters
_LARGEST = 4 * 1024 * 1024  # bytes of a file that is named


@dataclass(slots=True)
class Table:
    """One table, while it is read. ``place``: as mistakes name it, such as ``host[2]``.

    Each method reads one field; where it is wrong, the mistake is kept and something harmless
    returned. ``close`` says which fields nobody read.
    """

    told: Mapping[str, Any]
    place: str
    directory: Path  # that relative paths are from
    mistakes: list[str]
    _known: list[str] = field(default_factory=list)

    def wrong(self, name: str, words: str) -> None:
        self.mistakes.append(f"{self.place}.{name}: {words}" if name else f"{self.place}: {words}")

    def _take(self, name: str, kind: type, words: str, *, needed: bool) -> Any:
        self._known.append(name)
        value = self.told.get(name)
        if value is None:
            if needed:
                self.wrong(name, "is missing")
            return None
        # True is an int to Python, and no number to a person.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.wrong(name, f"should be {words}")
            return None
        return value

    def text(self, name: str, *, needed: bool = False) -> str | None:
        value = self._take(name, str, "a text", needed=needed)
        if value is None:
            return None
        if not value.strip() or len(value) > _TEXT or not value.isprintable():
            self.wrong(name, f"should be a printable text of 1 to {_TEXT} characters")
            return None
        return str(value).strip()

    def number(self, name: str, usual: int, least: int, most: int) -> int:
        value = self._take(name, int, f"a number from {least} to {most}", needed=False)
        if value is None:
            return usual
        if not least <= value <= most:
            self.wrong(name, f"should be a number from {least} to {most}")
            return usual
        return int(value)

    def boolean(self, name: str, *, usual: bool) -> bool:
        value = self._take(name, bool, "true or false", needed=False)
        return usual if value is None else bool(value)

    def texts(self, name: str, *, needed: bool = False) -> tuple[str, ...]:
        value = self._take(name, list, "a list of texts", needed=needed)
        if value is None:
            return ()
        if not all(isinstance(each, str) for each in value):
            self.wrong(name, "should be a list of texts")
            return ()
        return tuple(value)

    def one_of(self, name: str, choices: tuple[str, ...], usual: str | None = None) -> str | None:
        value = self.text(name, needed=usual is None)
        if value is None:
            return usual
        if value not in choices:
            near = _near(value, choices)
            self.wrong(name, f"should be {' or '.join(choices)}" + near)
            return usual
        return value

    def file(self, name: str, *, needed: bool = False) -> Path | None:
        """``file:PATH``, of a file that can be read."""
        value = self.text(name, needed=needed)
        if value is None:
            return None
        kind, _, rest = value.partition(":")
        if kind != "file" or not rest:
            self.wrong(name, "should be file:PATH")
            return None
        path = self.directory / Path(rest).expanduser()
        try:
            size = path.stat().st_size
            with path.open("rb"):
                pass
        except OSError as error:
            self.wrong(name, f"{path}: {error.strerror}")
            return None
        if size > _LARGEST:
            self.wrong(name, f"{path}: more than {_LARGEST} bytes")
            return None
        return path

    def close(self) -> None:
        for name in self.told:
            if name not in self._known:
                self.wrong(name[:80], "no such field" + _near(name, self._known))


def _near(name: str, known: list[str] | tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, known, 1, cutoff=0.6)
    return f"; is it {near[0]}?" if near else ""
