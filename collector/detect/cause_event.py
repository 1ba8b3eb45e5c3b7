"""Events after which clients may break: what a detector knows of them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

DAY = 1440


class Source(StrEnum):
    DECLARED = "declared"  # a rotation that an operator or a pipeline announced
    PROBED = "probed"  # a probe sees a new chain
    OBSERVED = "observed"  # enough installs report a new leaf
    PIN_PUSH = "pin_push"  # new pins were sent to clients
    NEW_VERSION = "new_version"  # of an app, first seen


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One cause event; ``at`` is tau, minutes since 1970.

    confirmed: False for what only reports told and no probe agreed with yet: that opens the window
    and earns no bonus. mixed_until: the last minute at which a probe saw old and new chains side by
    side; the window is as young as that.
    """

    at: int
    source: Source
    confirmed: bool = True
    mixed_until: int | None = None

    def age(self, now: int) -> int:
        """Minutes since it was over, 0 while it goes on."""
        over = self.at if self.mixed_until is None else max(self.at, self.mixed_until)
        return max(0, now - over)


def newest(changes: Iterable[Change], now: int) -> Change | None:
    """The last one that began by now and whose window of 24 h is open; confirmed ones come first."""
    going = [change for change in changes if change.at <= now and change.age(now) < DAY]
    return max(going, key=lambda change: (change.confirmed, change.at), default=None)
