"""A judgement as one object of JSON: what the API answers, and what the command prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from collector.detect.adoption import Curve, percent
from collector.detect.advice import Proof, steps
from collector.detect.client_paths import Place
from collector.detect.outcomes import HORIZONS, Judgement, Outcome, Part, exit_code
from collector.model import Certificate, Hash
from collector.reports.line import utc

_VERSIONS = 20  # of a part that are named
_PARTS = 500  # that are told; all of them count
NAMES = ("now", "after_24h", "after_48h", "after_a_week")
Told = dict[str, object]


def told_judgement(
    told: Judgement,
    *,
    notes: Sequence[str] = (),
    served: Sequence[Sequence[Certificate]] = (),
    proven: Mapping[Hash, Proof] | None = None,
    allow_unknown: bool = False,
    max_share: float | None = None,
) -> Told:
    """notes: of the chain's file."""
    code = exit_code(told, allow_unknown=allow_unknown, max_share=max_share)
    return {
        "schema": "pinfall.preflight/1",
        "host": told.host,
        "at": utc(told.at),
        "exit": code,
        "verdict": _verdict(told, code),
        "registered": told.registered,
        "chain": [_place(place) for place in (*told.path.places, *told.path.ends)],
        "notes": list(notes),
        "parts": [_part(part, told.stretched) for part in told.parts[:_PARTS]],
        "parts_left_out": max(0, len(told.parts) - _PARTS),
        "totals": {
            outcome.value: _shares(told.totals[outcome], told.uses, told.stretched)
            for outcome in Outcome
        },
        "basis": [_basis(curve) for curve in told.curves],
        "safe_in_days": told.safe_in,
        "steps": list(steps(told, served=served, proven=proven)),
    }


def _verdict(told: Judgement, code: int) -> str:
    if told.breaks:
        number = sum(part.breaking for part in told.parts)
        sets = (
            "1 registered pin set refuses"
            if number == 1
            else f"{number} registered pin sets refuse"
        )
        share = told.totals[Outcome.BREAKS][0]
        weight = (
            "the share is not known"
            if share is None
            else percent(share, told.uses, forecast=told.stretched)
        )
        allowed = "" if code == 1 else "; allowed by --max-share"
        return f"{sets} this chain ({weight}){allowed}"
    if not told.registered:
        return "no pin set is registered for this host"
    if told.unknown:
        return "no registered pin set refuses this chain; of some versions it is not known"
    return "nobody breaks: every registered pin set accepts this chain, or does not pin"


def _place(place: Place) -> Told:
    return {
        "role": place.role,
        "subject": place.name,
        "pin": str(place.keys[0]),
        "not_after": utc(place.not_after),
        "sent": place.sent,
    }


def _part(part: Part, stretched: bool) -> Told:
    of = part.pin_set
    return {
        "app": part.app,
        "platform": part.platform,
        "version_from": of.version_from if of else None,
        "version_to": of.version_to if of else None,
        "outcome": part.outcome.value,
        "reason": part.reason,
        "later": [outcome.value for outcome in part.later],
        "held": [
            {
                "pin": str(held.pin),
                "role": held.place.role,
                "subject": held.place.name,
                "condition": held.condition,
            }
            for held in part.held
        ],
        "pins": [str(pin) for pin in of.pins] if of else [],
        "source": of.source if of else None,
        "versions": list(part.versions[-_VERSIONS:]),
        "versions_in_all": len(part.versions),
        "shares": _shares(part.shares, part.uses, stretched),
        "learned": list(part.learned[:_VERSIONS]),
    }


def _shares(shares: Sequence[float | None], uses: float, stretched: bool) -> dict[str, str | None]:
    """As texts: a number would have digits that nobody knows."""
    return {
        name: None if share is None else percent(share, uses, forecast=stretched or days > 0)
        for name, days, share in zip(NAMES, HORIZONS, shares, strict=True)
    }


_COUNTED = {
    "imported": "uses, as imported",
    "connections": "installs that connected",
    "reports": "installs that reported a failure, which may not be like the others",
}


def _basis(curve: Curve) -> Told:
    return {
        "app": curve.app,
        "platform": curve.platform,
        "source": curve.source,
        "uses": round(curve.uses),
        "day": curve.last.isoformat(),
        "fitted_days": curve.fitted,
        "text": f"{curve.app} {curve.platform}: {round(curve.uses):,} {_COUNTED[curve.source]} on {curve.last}; "
        + (
            f"forecast from {curve.fitted} days, each version's older users falling at their own pace"
            if curve.slopes is not None
            else "no forecast: fewer than two days with 100 uses"
        ),
    }
