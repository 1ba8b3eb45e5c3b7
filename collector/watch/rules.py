"""Which rules look at a host, and what each finds now."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import asyncpg

from collector.detect import cases, saying, standing, suspicions
from collector.detect.cause_event import newest
from collector.detect.finding import NOTHING, Finding, of_spike
from collector.detect.kinds import AlertKind
from collector.detect.spike_state import Verdict
from collector.detect.suspicions import Beside, Probed, Reach
from collector.model import Hash
from collector.reports.certificates import facts
from collector.store import causes, incidents
from collector.store.connect import Connection
from collector.store.minutes import UNTRUSTED
from collector.watch.knowing import World, minute
from collector.watch.telling import Around, Place, lead_of
from collector.watch.watched import INTERCEPTION, SELF, UNKNOWN, Watched

_DAY = timedelta(days=1)
_STRANGER = "misissuance_suspected"
SUSPECT = ("own_certificate_expired", _STRANGER, "new_public_key")  # rules of causes
_OWN_KINDS = {
    "wrong_environment": AlertKind.WRONG_ENVIRONMENT, "wrong_pins": AlertKind.WRONG_PINS,
}  # fmt: skip
OWN_KINDS = (AlertKind.PIN_FAILURE_SPIKE, *_OWN_KINDS.values())
SUSPECT_KINDS = (AlertKind.OWN_CERTIFICATE_EXPIRED, AlertKind.MISISSUANCE_SUSPECTED)
ONLY_WHERE_TOLD = frozenset({AlertKind.COLLECTOR_LOSING_REPORTS, AlertKind.ONE_ADDRESS})
_BESIDE = {
    INTERCEPTION: (AlertKind.INTERCEPTION_WAVE, Beside.INTERCEPTION),
    UNTRUSTED: (AlertKind.UNTRUSTED_CHAIN_SPIKE, Beside.UNTRUSTED_CHAIN),
    UNKNOWN: (AlertKind.UNKNOWN_SPIKE, Beside.UNKNOWN),
}


@dataclass(frozen=True, slots=True)
class Found:
    """``class_``: of the failures that it speaks of, None: of none. ``told``: read already. ``muted_until``:
    until then it is of silenced signatures alone; ``without``: those that it does not speak of, since it
    is there without them."""

    kind: AlertKind
    finding: Finding
    class_: str | None = None
    expected: float = 0.0
    told: Around | None = None
    muted_until: datetime | None = None
    without: frozenset[bytes] = frozenset()


def own_kind(watched: Watched, label: str) -> AlertKind:
    """Failures against our own chain are one alert, named by its cause when it opened."""
    for kind in OWN_KINDS:
        held = watched.alert(kind)
        if held is not None and held[1].stage.value != "resolved":
            return kind
    return _OWN_KINDS.get(label, AlertKind.PIN_FAILURE_SPIKE)


def own_spike(
    watched: Watched, verdict: Verdict, told: Around, counted: int, world: World, now: datetime,
    *, chains: bool,
) -> Found:  # fmt: skip
    """Of the class that may page. counted: installs since it began, where there are more than ``told`` looks
    at."""
    kind = own_kind(watched, told.label)
    lead, share = lead_of(told.crowd)
    change = newest(world.changes(watched.project, watched.host), minute(now))
    summary = saying.spike(
        verdict, minute(now), chains=chains, third_party=told.third_party, lead=lead, share=share,
        source=change.source if change else None,
    )  # fmt: skip
    leaf = told.crowd.leaf or ""
    reach = max(told.crowd.installs, counted)
    finding = of_spike(
        verdict, cause=told.label, lead=f"{leaf} {lead}".strip(), reach=reach, summary=summary
    )
    return Found(kind, finding, SELF if chains else UNKNOWN, verdict.expected, told)


def beside(stream: str, verdict: Verdict) -> Found:
    kind, what = _BESIDE[stream]
    return Found(kind, suspicions.beside_spike(what, verdict), stream, verdict.expected)


async def suspects(
    connection: Connection, place: Place, world: World, now: datetime,
    silenced: frozenset[bytes] = frozenset(), ends: datetime | None = None,
) -> list[Found]:  # fmt: skip
    """Rules that need few installs, since what they report cannot happen by itself. silenced: signatures
    that nobody is told of until ``ends``, unless others show the same."""
    since = now - _DAY
    rows = await incidents.suspects(connection, place.project, place.host, since, SUSPECT)
    some = [row["id"] for row in rows]
    reaches = await causes.reaches(connection, place.project, place.host, since, some)
    everything = _suspected(place, rows, reaches, world, now)
    if not silenced:
        return everything
    heard = [row for row in rows if row["id"] not in silenced]
    return [
        replace(other, without=silenced) if other.finding.severity
        else replace(one, muted_until=ends)
        for one, other in zip(everything, _suspected(place, heard, reaches, world, now), strict=True)
    ]  # fmt: skip


def _suspected(
    place: Place, rows: Sequence[asyncpg.Record], reaches: Mapping[bytes, cases.Reach], world: World,
    now: datetime,
) -> list[Found]:  # fmt: skip
    expired, stranger = NOTHING, NOTHING
    for row in rows:
        reach = reaches.get(row["id"])
        if reach is None:
            continue
        told = Reach(
            installs=reach.installs, networks=reach.networks, operators=reach.operator_networks
        )
        rule = json.loads(row["cause"])["rule"]
        sure = rule == _STRANGER
        if rule == "own_certificate_expired":
            expired = expired if expired.severity else _expired(place.host, told, world, now)
        elif not stranger.severity:
            stranger = suspicions.misissuance_suspected(
                "a new public key", told, timedelta(days=7) if sure else None,
                Probed.DOES_NOT if sure else Probed.FAILED,
            )  # fmt: skip
    return [
        Found(AlertKind.OWN_CERTIFICATE_EXPIRED, expired, UNTRUSTED),
        Found(AlertKind.MISISSUANCE_SUSPECTED, stranger, UNKNOWN),
    ]


def _expired(host: str, reach: Reach, world: World, now: datetime) -> Finding:
    ends = [
        end
        for chain in world.probed.get(host, [])
        if (end := facts(chain[0].der).not_after) is not None
    ]
    # A chain of ours that nobody probes any more had expired when it was reported.
    not_after = min([end for end in ends if end < now], default=now - timedelta(minutes=1))
    return suspicions.own_certificate_expired(reach, not_after, now)


def standing_rules(place: Place, world: World, now: datetime) -> list[Found]:
    """Dates, pins and rotations of a host."""
    sets = world.registered(place.project, place.host)
    chains = world.probed.get(place.host, [])
    served = {str(Hash("sha256", c.spki_sha256)) for chain in chains for c in chain}
    live = [one for one in sets if one.pins and (one.expires is None or one.expires > now - _DAY)]
    named = [(" ".join(p for p in (one.app, one.platform, one.version_to or one.version_from) if p)
              or one.host, one) for one in live]  # fmt: skip
    ends = [
        (facts(c.der).subject or place.host, end)
        for chain in chains
        for c in chain
        if (end := facts(c.der).not_after) is not None
    ]
    turns = [t for t in world.turns.get(place.host, []) if t.project in (None, place.project)]
    return [
        Found(AlertKind.PIN_SET_EXPIRING, standing.pin_set_expiring(
            ((name, one.expires) for name, one in named if one.expires is not None), now)),
        Found(AlertKind.CERTIFICATE_EXPIRING, standing.certificate_expiring(ends, now)),
        Found(AlertKind.BACKUP_PIN_MISSING, standing.backup_pin_missing(
            ((name, [str(pin) for pin in one.pins]) for name, one in named), served)),
        Found(AlertKind.ROTATION_NOT_SEEN, standing.rotation_not_seen(turns, now)),
    ]  # fmt: skip


def silent(days: Mapping[int, int], now: int) -> Finding:
    """days: newly affected installs of each day since 1970, of all classes."""
    today = now // 1440
    last = max((day for day, count in days.items() if count), default=None)
    if last is None or today - last < 1:
        return NOTHING
    before = [days.get(last - n, 0) for n in range(13, -1, -1)]
    usual = sum(before) / len(before)
    since = timedelta(minutes=now - (last + 1) * 1440)
    return standing.reporting_silent(before, usual * since / _DAY, since)
