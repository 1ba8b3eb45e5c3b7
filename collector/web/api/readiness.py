"""May pins of a host be enforced, and are they worth it?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from aiohttp import web
from cryptography import x509
from cryptography.x509.oid import NameOID

from collector.detect.adoption import curves
from collector.detect.client_paths import path_of
from collector.detect.preflight import judge
from collector.detect.readiness import DAYS, ENOUGH, OWN, Heard, readiness
from collector.detect.verdict import YEAR, Known, verdict
from collector.model import Certificate, Hash, ProjectId
from collector.pins.issuers import issuer_of
from collector.pins.model import ShippedPinSet
from collector.probing.roots import public_certificates
from collector.reports.certificates import certificate_from_der, facts
from collector.reports.pem import told_name
from collector.store import adoption, holdings, pin_sets, projects
from collector.store import readiness as store
from collector.store.connect import Connection
from collector.web.api import asked
from collector.web.api.preflight_asked import host_of

_FRESH = timedelta(days=1)  # that a chain counts as served now
_BESIDE = timedelta(minutes=15)  # between those that are served side by side


@dataclass(frozen=True, slots=True)
class HostAdvice:
    pool: asyncpg.Pool
    clock: Callable[[], datetime]

    async def readiness(self, request: web.Request) -> web.Response:
        """What enforcing would have blocked, by day and cause; ready, not ready, or cannot tell."""
        asked.query(request, {})
        told = await self.readiness_of(
            request.match_info["project"], host_of(request.match_info["host"])
        )
        return web.json_response(told)

    async def readiness_of(self, name: str, host: str) -> dict[str, Any]:
        """Raises NotFoundError where there is no such project."""
        now = self.clock()
        since = _midnight(now - timedelta(days=DAYS - 1))
        async with self.pool.acquire() as connection:
            project = ProjectId((await projects.one(connection, name))["id"])
            sets = await pin_sets.of_host(connection, project, host)
            served = await holdings.served(connection, host, now - _FRESH)
            uses = await adoption.read(connection, project, now.date())
            beside = [chain for chain, seen in served if seen >= served[0][1] - _BESIDE]
            judged = [
                judge(host, path_of(c, (), public_certificates()), sets, at=now, today=now.date())
                for c in beside
            ]
            judged.sort(key=lambda told: not told.breaks)
            heard = Heard(
                reports=await store.by_day(connection, project, host, since),
                connections=await store.connections(connection, project, host, since),
                since=await store.heard_since(connection, project, host),
                pin_sets=[one for one in sets if one.pins],
                uses=uses,
                chain=judged[0] if judged else None,
            )
        told = readiness(heard, now.date())
        return {
            "project": name,
            "host": host,
            "verdict": told.verdict.value,
            "reasons": list(told.reasons),
            "by_cause": dict(told.by_cause),
            "days": [{"day": day.isoformat(), "by_cause": causes} for day, causes in told.by_day],
            "connections": None if heard.connections is None else round(heard.connections),
            "unseen": list(told.unseen),
        }

    async def verdict(self, request: web.Request) -> web.Response:
        """Keep, widen or drop pinning, or not enough is known; with sentences that say why."""
        asked.query(request, {})
        told = await self.verdict_of(
            request.match_info["project"], host_of(request.match_info["host"])
        )
        return web.json_response(told)

    async def verdict_of(self, name: str, host: str) -> dict[str, Any]:
        """Raises NotFoundError where there is no such project."""
        now = self.clock()
        year = now - timedelta(days=YEAR)
        async with self.pool.acquire() as connection:
            project = ProjectId((await projects.one(connection, name))["id"])
            sets = await pin_sets.of_host(connection, project, host)
            served = await holdings.served(connection, host, year)
            keys = await store.keys(connection, host)
            firsts = [*keys.values(), await store.watched_since(connection, host)]
            blocked = await store.incidents(connection, project, host, year, ENOUGH)
            own = [told for cause, told in blocked.items() if cause in OWN]
            intercepted, intercepted_reports = blocked.get("interception", (0, 0))
            known = Known(
                pin_sets=sets,
                leaf=served[0][0][0] if served else None,
                keys=keys,
                watched=min((at for at in firsts if at is not None), default=None),
                rotations=await store.rotations(connection, project, host, year, now),
                curves=curves(await adoption.read(connection, project, now.date()), now.date()),
                own=sum(count for count, _ in own),
                own_reports=sum(reports for _, reports in own),
                intercepted=intercepted,
                intercepted_reports=intercepted_reports,
                authorities=await _authorities(connection, sets, [c for c, _ in served]),
            )
        told = verdict(known, now)
        answer = {"project": name, "host": host, "verdict": told.advice.value}
        return {**answer, "reasons": list(told.reasons)}


def _midnight(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


async def _authorities(
    connection: Connection,
    sets: Iterable[ShippedPinSet],
    served: Iterable[tuple[Certificate, ...]],
) -> dict[Hash, str]:
    """Families of the pins that are of an authority: served above a leaf, a public root, or one
    that a report showed."""
    pins = {pin for one in sets for pin in one.pins}
    reported = await store.authorities(
        connection, [pin.digest for pin in pins if pin.kind == "sha256"]
    )
    certificates = [
        *(certificate_from_der(der) for der in reported),
        *(certificate for chain in served for certificate in chain[1:]),
        *public_certificates(),
    ]
    found: dict[Hash, str] = {}
    for certificate in certificates:
        pin = Hash("sha256", certificate.spki_sha256)
        if pin in pins:
            found[pin] = _family(certificate)
    return found


def _family(certificate: Certificate) -> str:
    """Authorities that may stand in for one another are one; of others, those of one organisation."""
    known = issuer_of(certificate)
    if known is not None:
        return known.family
    try:
        name = x509.Name.from_rfc4514_string(facts(certificate.der).subject or "")
        names = name.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    except ValueError:
        names = []
    return str(names[0].value)[:100] if names else told_name(certificate)
