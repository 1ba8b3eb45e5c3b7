"""The nouns of preflight: what each part of the users says to a chain, and the exit code of it all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from collector.detect.adoption import Curve
from collector.detect.client_paths import Held, Path
from collector.detect.governing import fits
from collector.pins.model import ShippedPinSet

HORIZONS = (0, 1, 2, 7)  # days after T
SAFE = 0.99


class Outcome(StrEnum):
    """What a version says to a chain, the worst first."""

    BREAKS = "breaks"
    UNKNOWN = "unknown"
    OFF = "pinning_off"  # the set expired, reports only, or is empty
    ACCEPTS = "accepts"


ORDER = tuple(Outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Versions that say the same: those of one pin set, or those that none covers (``pin_set`` None).

    ``versions``: in use, oldest first. ``shares`` at each of HORIZONS, of ``uses`` counted; None is not
    known. ``later``: what the set says at each of HORIZONS. ``breaking`` also if it is only then.
    """

    app: str | None
    platform: str | None
    outcome: Outcome
    reason: str
    pin_set: ShippedPinSet | None = None
    held: tuple[Held, ...] = ()
    later: tuple[Outcome, ...] = ()
    versions: tuple[str, ...] = ()
    shares: tuple[float | None, ...] = (None,) * len(HORIZONS)
    uses: float = 0.0
    learned: tuple[str, ...] = ()

    @property
    def breaking(self) -> bool:
        return Outcome.BREAKS in (self.outcome, *self.later)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """``totals``: shares of each outcome at HORIZONS, of all apps and platforms; None: not known.
    ``stretched``: what was counted is more than a day before T, so that "now" is a forecast as well.
    ``safe_in``: whole days after T until SAFE accept or do not pin; None: not known, or never."""

    host: str
    at: datetime
    path: Path
    parts: tuple[Part, ...]
    registered: int
    totals: Mapping[Outcome, tuple[float | None, ...]]
    uses: float
    curves: tuple[Curve, ...]
    stretched: bool
    safe_in: int | None

    @property
    def breaks(self) -> bool:
        return any(part.breaking for part in self.parts)

    @property
    def unknown(self) -> bool:
        return not self.registered or any(part.outcome is Outcome.UNKNOWN for part in self.parts)


def exit_code(
    told: Judgement, *, allow_unknown: bool = False, max_share: float | None = None
) -> int:
    """0 nobody breaks; 1 somebody; 3 nobody known, and some unknown or no pin set registered.

    max_share: up to this share of all is nobody, at T and within the week after it. A share that is
    not known, or that only failures tell, is above any.
    """
    if told.breaks and not _is_below(told, max_share):
        return 1
    return 3 if told.unknown and not allow_unknown else 0


def _is_below(told: Judgement, most: float | None) -> bool:
    if most is None or any(curve.source == "reports" for curve in told.curves):
        return False
    broken = [share for share in told.totals[Outcome.BREAKS] if share is not None]
    covered = {(curve.app, curve.platform) for curve in told.curves}
    counted = all(
        any(fits(part.app, part.platform, *place) for place in covered)
        for part in told.parts
        if part.breaking
    )
    return counted and told.totals[Outcome.BREAKS][0] is not None and max(broken) <= most
