"""Reports of one release about one fault are alike but for who sent them and when: the rest is read once.

A body is taken apart where the install, the event and the client's time stand in it. What is left of two
bodies is the same to its last byte, or they are not alike. A likeness is used only after two bodies were
read in full and came to the same, and only for values so plain that they cannot change how the rest is
read; whatever is otherwise is read in full, as if nobody had looked.
"""

from __future__ import annotations

import re
from copy import copy
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import force_setattr

from collector.model import Dialect, TimeTrust, Violation
from collector.reports.agents import android
from collector.reports.times import client_time

_UUID = re.compile(rb"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_NOBODY = b"00000000-0000-0000-0000-000000000000"  # a test suite's
_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,20})?Z")
_EVENT = re.compile(rb"[A-Za-z0-9_.:-]{1,128}")
# An id in the part that is the same could be that of the install, and would then be taken out of a text: such a
# likeness is never proven. It is looked for where there is a second one, for it takes a while.
_ID = re.compile(rb"(?i)[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")
_USABLE = (TimeTrust.CLIENT_UTC, TimeTrust.CLIENT_LOCAL_LABELLED_UTC)
_STEP = 61  # of what follows the last hole, every such byte tells bodies apart before all of it is compared
_LARGE = 16_384  # bytes of a body that is remembered
_MOST = 1000  # of them in a generation: two of 16 MB at the worst
_LAYOUTS = 4  # of bodies of one length
_SAME = 8  # that only a whole comparison tells apart
_FIELDS = ("install_id", "event_id", "client_time_raw")
_PATTERNS = (_UUID, _EVENT, _TIME)

Holes = tuple[tuple[int, int, int], ...]  # (start, end, which of _FIELDS), in order


class Like(msgspec.Struct, gc=False):
    """What bodies have in common. ``filed`` is kept by whoever works it out (``intake.filing``)."""

    violation: Violation
    holes: Holes
    pieces: tuple[bytes, ...]  # before the first hole, between them, after the last
    is_proven: bool = False
    filed: Any = None

    def fits(self, body: bytes) -> bool:
        """Of a body of the same length."""
        at = 0
        for (_, end, _which), piece in zip(self.holes, self.pieces, strict=False):
            if not body.startswith(piece, at):
                return False
            at = end
        return body.endswith(self.pieces[-1])

    def filled(self, body: bytes, received_at: datetime) -> Violation | None:
        """The violation of a body that fits; None where a value is not plain."""
        violation = copy(self.violation)
        for start, end, which in self.holes:
            value = body[start:end]
            if not _PATTERNS[which].fullmatch(value) or value == _NOBODY:
                return None
            text = value.decode()
            force_setattr(violation, _FIELDS[which], text)
            if which == 2:
                at, trust = _time(self.violation, text, received_at)
                if trust not in _USABLE:
                    return None
                force_setattr(violation, "client_time", at)
                force_setattr(violation, "time_trust", trust)
        return violation


def _time(
    violation: Violation, raw: str, received_at: datetime
) -> tuple[datetime | None, TimeTrust | None]:
    on_android = violation.dialect is Dialect.TRUSTKIT_ANDROID
    return client_time(raw, received_at, local_labelled_utc=on_android)


class Alike:
    """Likenesses, as far as they are remembered: those that were not met for long are forgotten."""

    def __init__(self) -> None:
        self._layouts: dict[object, list[Holes]] = {}
        self._young: dict[tuple[object, ...], list[Like]] = {}
        self._old: dict[tuple[object, ...], list[Like]] = {}
        self._count = 0  # of the young

    def read(
        self, body: bytes, received_at: datetime, user_agent: str | None
    ) -> tuple[Violation, Like] | None:
        """What reading the body in full would say; None where that has to be done."""
        kind = (len(body), android(user_agent))
        layouts = self._layouts.get(kind)
        for holes in layouts or ():
            for like in self._at(_place(kind, holes, body)):
                if like.is_proven and like.fits(body):
                    violation = like.filled(body, received_at)
                    return None if violation is None else (violation, like)
        return None

    def learn(
        self, body: bytes, violation: Violation, received_at: datetime, user_agent: str | None
    ) -> None:
        """A body that was read in full."""
        holes = _holes(body, violation, received_at)
        if holes is None:
            return
        kind = (len(body), android(user_agent))
        place = _place(kind, holes, body)
        known = self._at(place)
        for like in known:
            if like.fits(body):
                if like.filled(body, received_at) == violation:
                    like.is_proven = not any(_ID.search(piece) for piece in like.pieces)
                else:
                    known.remove(like)
                return
        if self._count >= _MOST:
            self._old, self._young, self._count = self._young, {}, 0
            kinds = {place[0] for place in self._old}
            self._layouts = {kind: told for kind, told in self._layouts.items() if kind in kinds}
        layouts = self._layouts.setdefault(kind, [])
        if holes not in layouts:
            layouts[_LAYOUTS - 1 :] = []
            layouts.append(holes)
        known[_SAME - 1 :] = []
        known.append(Like(violation, holes, _pieces(body, holes)))
        self._young[place] = known
        self._count += 1

    @property
    def size(self) -> int:
        """Likenesses that are remembered."""
        return sum(map(len, (*self._young.values(), *self._old.values())))

    def _at(self, place: tuple[object, ...]) -> list[Like]:
        known = self._young.get(place)
        if known is None:
            known = self._old.pop(place, None)
            if known is None:
                return []
            self._young[place] = known
            self._count += len(known)
        return known


def _place(kind: object, holes: Holes, body: bytes) -> tuple[object, ...]:
    """Where bodies that are alike are found: some of what is not in a hole."""
    at = 0
    told: list[object] = [kind, holes]
    for start, end, _ in holes:
        told.append(body[at:start])
        at = end
    told.append(body[at::_STEP])
    return tuple(told)


def _pieces(body: bytes, holes: Holes) -> tuple[bytes, ...]:
    starts, ends = [0], []
    for start, end, _ in holes:
        ends.append(start)
        starts.append(end)
    return tuple(body[a:b] for a, b in zip(starts, [*ends, len(body)], strict=True))


def _holes(body: bytes, violation: Violation, received_at: datetime) -> Holes | None:
    """Where the values stand, each once and in quotes; None where this is not a body to learn from."""
    v = violation
    if len(body) > _LARGE or v.test or b"\\u" in body:
        return None
    holes = []
    for which, name in enumerate(_FIELDS):
        value = getattr(v, name)
        if value is None:
            continue
        raw = value.encode() if isinstance(value, str) else b""
        start = body.find(raw)
        end = start + len(raw)
        if (
            not _PATTERNS[which].fullmatch(raw)
            or raw == _NOBODY
            or body.count(raw) != 1
            or body[start - 1 : start] != b'"'
            or body[end : end + 1] != b'"'
        ):
            return None
        holes.append((start, end, which))
    timed = (v.client_time, v.time_trust)
    raw_time = v.client_time_raw
    if timed != (_time(v, raw_time, received_at) if isinstance(raw_time, str) else (None, None)):
        return None
    holes.sort()
    return tuple(holes)
