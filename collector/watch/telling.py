"""From what is found to the alert that people read."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from collector.alert import (
    Acknowledged,
    Alert,
    Audience,
    Cause,
    Fact,
    Link,
    Links,
    Reach,
    Severity,
    State,
    Turn,
)
from collector.detect.finding import Finding
from collector.detect.judgement import OWN_FACTS, PRIVATE_FACTS
from collector.detect.kinds import AlertKind
from collector.detect.reported_words import app, reported, version
from collector.detect.served import Rotation, ServedChain, served_before
from collector.detect.steps import Situation, next_steps
from collector.lifecycle import AlertState, Stage
from collector.model import Certificate, Hash
from collector.pins.model import ShippedPinSet
from collector.reports.certificates import certificate_from_der, facts, role
from collector.store import hosts, incidents, pin_sets, rotations, served
from collector.store.connect import Connection
from collector.store.incidents import Crowd

_DAY = timedelta(days=1)
_SECURITY = frozenset({AlertKind.MISISSUANCE_SUSPECTED, AlertKind.INTERCEPTION_WAVE})
_CONFIDENCE = {"high": 0.9, "medium": 0.6, "low": 0.3}
_PINS = 16  # that are told
_NOBODY = Crowd(0, 0, 0, (), (), (), None, None, None, None, None)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an alert stands."""

    project: int
    project_name: str
    host: str


@dataclass(frozen=True, slots=True)
class Around:
    """What a host's alert speaks of beside its finding. ``cause``: as the rules told it, as JSON;
    ``said``: an operator's label."""

    crowd: Crowd = _NOBODY
    cause: Mapping[str, object] = field(default_factory=dict)
    said: str | None = None
    chain: tuple[Certificate, ...] = ()
    pins: tuple[str, ...] = ()
    turns: Sequence[Rotation] = ()
    chains: Sequence[ServedChain] = ()
    shipped: Sequence[ShippedPinSet] = ()
    proven: frozenset[str] = frozenset()
    third_party: bool = False  # the host is somebody else's

    @property
    def label(self) -> str:
        return self.said or str(self.cause.get("label", "unknown"))


async def around(
    connection: Connection,
    place: Place,
    class_: str | None,
    since: datetime,
    now: datetime,
    third_parties: Container[str] = (),
    without: Collection[bytes] = (),
) -> Around:
    """class_: of the failures; None: the alert is of no failure. third_parties: hosts that are somebody
    else's, beside those that are registered so. without: signatures that it does not speak of."""
    foreign = place.host in third_parties or await hosts.is_third_party(
        connection, place.project_name, place.host
    )
    turns = await rotations.of_host(connection, place.host, now - timedelta(days=8))
    turns = [turn for turn in turns if turn.project in (None, place.project)]
    chains = await served.of_host(connection, place.host, now - timedelta(days=30), 20)
    shipped = await pin_sets.of_host(connection, place.project, place.host)  # type: ignore[arg-type]
    proven = frozenset(map(str, await pin_sets.proven(connection, place.project)))  # type: ignore[arg-type]
    if class_ is None:
        return Around(
            turns=turns, chains=chains, shipped=shipped, proven=proven, third_party=bool(foreign)
        )
    crowd = await incidents.crowd(connection, place.project, place.host, since, class_, without)
    told = await incidents.cause(connection, crowd.signature) if crowd.signature else None
    ders = await incidents.chain(connection, crowd.chain) if crowd.chain else []
    pins = json.loads(await incidents.pins(connection, crowd.pin_set)) if crowd.pin_set else []
    return Around(
        crowd,
        json.loads(told["cause"]) if told and told["cause"] else {},
        told["said"] if told else None,
        tuple(certificate_from_der(der) for der in ders),
        tuple(pins[:_PINS]), turns, chains, shipped, proven, bool(foreign),
    )  # fmt: skip


def lead_of(crowd: Crowd) -> tuple[str, float]:
    """What most of the installs have in common, in words, and their share."""
    if crowd.lead is None or not crowd.installs:
        return "", 0.0
    platform, release, installs = crowd.lead
    told = (reported(platform), version(release) if release else "")
    words = " ".join(part for part in told if part)
    return words, installs / crowd.installs


def compose(
    place: Place,
    kind: AlertKind,
    id_: str,
    state: AlertState,
    finding: Finding,
    told: Around,
    expected: float,
    now: datetime,
    pages: str | None,
    runbooks: Mapping[str, str],
) -> Alert:
    """pages: URL of the operator's pages, as people reach it. expected: installs of an ordinary time."""
    over = state.stage is Stage.RESOLVED
    crowd, label = told.crowd, state.cause or told.label
    is_ours = str(told.cause.get("class", "")) == "self"
    root = f"{pages}/runbooks/{kind.value}" if pages else None
    return Alert(
        id=id_,
        kind=kind.value,
        severity=Severity(state.severity.value),
        audience=Audience.SECURITY if kind in _SECURITY else Audience.ONCALL,
        state=State.RESOLVED if over else State.FIRING,
        acknowledged=(
            Acknowledged(state.acknowledged.by, state.acknowledged.at)
            if state.acknowledged
            else None
        ),
        silenced_until=state.silenced_until,
        project=place.project_name,
        host=place.host,
        apps=tuple(map(app, crowd.apps)),
        started_at=state.started_at,
        updated_at=state.updated_at,
        ended_at=state.ended_at if over else None,
        summary=_summary(place, kind, finding, told),
        cause=Cause(
            label,
            _CONFIDENCE.get(str(told.cause.get("confidence")), 0.5),
            _evidence(told.cause, place.host),
        ),
        reach=Reach(
            installs=max(crowd.installs, state.reach),
            networks=crowd.networks,
            expected=round(expected, 2),
            app_versions=tuple(dict.fromkeys(map(version, crowd.versions))),
            platforms=tuple(map(reported, crowd.platforms)),
        ),
        chain=tuple(_link(n, c, is_ours, place.host) for n, c in enumerate(told.chain)),
        pins=told.pins,
        rotation=_turn(told.turns, state.tau),
        next_steps=next_steps(
            now,
            _situation(place.host, label, told)
            if crowd.installs
            else Situation(host=place.host, label=kind.value, third_party=told.third_party),
        ),
        links=Links(
            page=f"{pages}/alerts/{id_}" if pages else None,
            runbook=runbooks.get(kind.value, root),
        ),
        dedup_key=f"pinfall/{id_}",
    )


# A version, and its share of the installs.
_SHARED = re.compile(r"(.*?)( \(\d{1,3}%\))?", re.DOTALL)


def _summary(place: Place, kind: AlertKind, finding: Finding, told: Around) -> str:
    """Whose host it is, is said once."""
    said = finding.summary or f"{kind.value.replace('_', ' ')}: {place.host}"
    if not told.third_party or "a third party's" in said:
        return said
    return f"{said.removesuffix('.')}. The host is a third party's."


def _evidence(cause: Mapping[str, object], host: str) -> tuple[Fact, ...]:
    """Without what is for operators only."""
    given = cause.get("evidence")
    if not isinstance(given, list):
        return ()
    return tuple(
        Fact(str(one["fact"]), _value(str(one["fact"]), str(one["value"]), host))
        for one in given
        if one["fact"] not in PRIVATE_FACTS
    )


def _value(fact: str, value: str, host: str) -> str:
    if fact in OWN_FACTS:
        return value
    if fact == "app_version" and (match := _SHARED.fullmatch(value)):
        return version(match[1]) + (match[2] or "")
    return reported(value, host)


def _link(number: int, certificate: Certificate, is_ours: bool, host: str) -> Link:
    """Subjects of private issuers stay with operators."""
    known = facts(certificate.der)
    subject = reported(known.subject, host) if is_ours and known.subject is not None else None
    pin = str(Hash("sha256", certificate.spki_sha256))
    return Link(role(number, certificate), subject, pin, known.not_after)


def _turn(turns: Sequence[Rotation], tau: datetime | None) -> Turn | None:
    if tau is None:
        return None
    near = [turn for turn in turns if abs(turn.at - tau) < timedelta(minutes=20)]
    if not near:
        return None
    turn = near[0]
    return Turn(turn.at, turn.state.value, tuple(s.value for s in turn.sources), turn.note)


def _situation(host: str, label: str, told: Around) -> Situation:
    """What can be served instead: the chain before, and pins that those who fail hold."""
    held = set(told.pins)
    in_use = {str(Hash("sha256", x.spki_sha256)) for c in told.chains for x in c.chain}
    backups = tuple((pin, told.crowd.holding) for pin in told.pins if pin not in in_use)
    products = [
        reported(str(one["value"]))
        for one in _listed(told.cause.get("evidence"))
        if one["fact"] == "calls_itself"
    ]
    return Situation(
        host=host,
        label=label,
        previous_until=served_before(told.chains, held),
        backups=backups,
        proven=told.proven & held,
        version=version(told.crowd.versions[0]) if told.crowd.versions else None,
        products=tuple(products),
        many_networks=told.crowd.networks > 3,
        may_mute=told.crowd.networks <= 3,
        third_party=told.third_party,
    )


def _listed(value: object) -> list[dict[str, object]]:
    return value if isinstance(value, list) else []
