"""The registry: pin sets that somebody who knows registered, backup keys that were shown to be there,
and pin sets that reports agree on, which only inform."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import asyncpg

from collector.errors import NotFoundError, PinfallError
from collector.model import Hash, ProjectId
from collector.pins.covering import covering
from collector.pins.model import LearnedPinSet, ShippedPinSet
from collector.store.connect import Connection

MOST = 5000  # of one project


class Added(StrEnum):
    """What became of a pin set that was registered."""

    NEW = "new"
    CHANGED = "changed"  # it was there, and says something else now
    KNOWN = "known"


# The same pins for the same releases are the same set; what else it says may change.
_ADD = """
INSERT INTO shipped_pin_set AS known
    (project, host, include_subdomains, app, platform, version_from, version_to, pins, enforced, starts,
     expires, report_uris, default_report_uri, format, source, imported_at, imported_by, first_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $16)
ON CONFLICT (project, host, include_subdomains, app, platform, version_from, version_to, pins) DO UPDATE SET
    enforced = EXCLUDED.enforced, starts = EXCLUDED.starts, expires = EXCLUDED.expires,
    report_uris = EXCLUDED.report_uris, default_report_uri = EXCLUDED.default_report_uri,
    format = EXCLUDED.format, source = EXCLUDED.source, imported_at = EXCLUDED.imported_at,
    imported_by = EXCLUDED.imported_by
WHERE (known.enforced, known.starts, known.expires, known.report_uris, known.default_report_uri, known.format)
    IS DISTINCT FROM (EXCLUDED.enforced, EXCLUDED.starts, EXCLUDED.expires, EXCLUDED.report_uris,
                      EXCLUDED.default_report_uri, EXCLUDED.format)
RETURNING xmax = 0 AS is_new
"""


async def add(
    connection: Connection, project: ProjectId, one: ShippedPinSet, *, now: datetime, who: str
) -> Added:
    is_new = await connection.fetchval(
        _ADD, project, one.host, one.include_subdomains, one.app, one.platform, one.version_from,
        one.version_to, sorted(str(pin) for pin in one.pins), one.enforced, one.starts, one.expires,
        list(one.report_uris), one.default_report_uri, one.format, one.source, now, who,
    )  # fmt: skip
    if is_new is None:
        return Added.KNOWN
    return Added.NEW if is_new else Added.CHANGED


async def hold_room(connection: Connection, project: ProjectId, more: int) -> None:
    """Whoever adds has the project's row. Raises PinfallError where there is no room."""
    count = "SELECT count(*) FROM shipped_pin_set WHERE project = $1"
    if await connection.fetchval(count, project) + more > MOST:
        raise PinfallError(f"a project has at most {MOST} pin sets: remove some")


_COLUMNS = """
s.host, s.pins, s.include_subdomains, s.app, s.platform, s.version_from, s.version_to, s.enforced, s.starts,
s.expires, s.report_uris, s.default_report_uri, s.format, s.source
"""
_LIST = f"""
SELECT s.id, p.name AS project, {_COLUMNS}, s.imported_at, s.imported_by,
    ARRAY(SELECT v.pin FROM proven_pin v WHERE v.project = s.project AND v.pin = ANY(s.pins) ORDER BY v.pin)
        AS proven
FROM shipped_pin_set s JOIN project p ON p.id = s.project AND p.forgotten_at IS NULL
WHERE ($1::text IS NULL OR p.name = $1) AND ($2::text IS NULL OR s.app = $2)
    AND ($3::text[] IS NULL OR s.host = ANY($3))
ORDER BY p.name, s.host, s.app NULLS FIRST, s.platform NULLS FIRST, s.id LIMIT $4
"""  # noqa: S608 (names of our own)


async def listed(
    connection: Connection,
    limit: int,
    *,
    project: str | None = None,
    app: str | None = None,
    host: str | None = None,
) -> list[asyncpg.Record]:
    """host: those that name it, or a domain above it."""
    return await connection.fetch(_LIST, project, app, _names(host) if host else None, limit)


_OF_HOST = f"""
SELECT {_COLUMNS} FROM shipped_pin_set s WHERE s.project = $1 AND s.host = ANY($2) ORDER BY s.id
"""  # noqa: S608


async def of_host(connection: Connection, project: ProjectId, host: str) -> list[ShippedPinSet]:
    """What each release pins for this host, as its client would choose: see ``pins.covering``."""
    rows = await connection.fetch(_OF_HOST, project, _names(host))
    return covering([_set(dict(row)) for row in rows], host)


def _names(host: str) -> list[str]:
    """What a set for this host may be registered as."""
    labels = host.split(".")
    above = [".".join(labels[n:]) for n in range(len(labels))]
    return [*above, f"*.{above[1]}"] if len(above) > 1 else above


def _set(told: dict[str, Any]) -> ShippedPinSet:
    pins, uris = _pins(told.pop("pins")), tuple(told.pop("report_uris"))
    return ShippedPinSet(pins=pins, report_uris=uris, **told)


_OF_PROJECT = f"""
SELECT {_COLUMNS} FROM shipped_pin_set s WHERE s.project = $1 ORDER BY s.host, s.id
"""  # noqa: S608


async def of_project(connection: Connection, project: ProjectId) -> list[ShippedPinSet]:
    """All of them, as they were registered."""
    return [_set(dict(row)) for row in await connection.fetch(_OF_PROJECT, project)]


# Pins that an app did not have before, where it had others: not what is registered for the first time, and not
# what a pipeline registers again and again.
_PUSHED = f"""
SELECT s.project, s.first_at, {_COLUMNS} FROM shipped_pin_set s,
    LATERAL (
        SELECT count(*) FILTER (WHERE e.pins = s.pins) AS same, count(*) AS earlier FROM shipped_pin_set e
        WHERE e.project = s.project AND e.host = s.host AND e.first_at < s.first_at
            AND e.app IS NOT DISTINCT FROM s.app AND e.platform IS NOT DISTINCT FROM s.platform
    ) AS before
WHERE s.first_at > $1 AND before.earlier > 0 AND before.same = 0
ORDER BY s.id
"""  # noqa: S608


async def pushed(
    connection: Connection, since: datetime
) -> list[tuple[int, ShippedPinSet, datetime]]:
    """Sets with new pins, with their projects and when they were registered."""
    rows = [dict(row) for row in await connection.fetch(_PUSHED, since)]
    return [(row.pop("project"), _set(row), at) for row in rows for at in (row.pop("first_at"),)]


# Of hosts where some set expires: a newer one beside it may not.
_EXPIRING = f"""
SELECT p.name AS project, {_COLUMNS} FROM shipped_pin_set s
JOIN project p ON p.id = s.project AND p.forgotten_at IS NULL
WHERE (s.project, s.host) IN (SELECT project, host FROM shipped_pin_set WHERE expires IS NOT NULL)
ORDER BY s.id
"""  # noqa: S608


async def expiring(connection: Connection) -> list[tuple[str, ShippedPinSet]]:
    """Sets of hosts where one expires, with their projects' names."""
    rows = [dict(row) for row in await connection.fetch(_EXPIRING)]
    return [(row.pop("project"), _set(row)) for row in rows]


_REMOVE = """
DELETE FROM shipped_pin_set s USING project p
WHERE s.id = $1 AND p.id = s.project AND p.forgotten_at IS NULL
RETURNING p.name AS project, s.host, s.app, s.platform, s.version_from, s.version_to, s.pins
"""


async def remove(connection: Connection, id_: int) -> asyncpg.Record:
    """What is gone. Its host stays registered. Raises NotFoundError."""
    gone = await connection.fetchrow(_REMOVE, id_)
    if gone is None:
        raise NotFoundError(f"there is no pin set {id_}")
    return gone


_PROVE = """
INSERT INTO proven_pin (project, pin, how, subject, proven_at, proven_by)
SELECT $1, $2, $3, $4, $5, $6
WHERE EXISTS (SELECT FROM shipped_pin_set WHERE project = $1 AND $2 = ANY(pins))
ON CONFLICT (project, pin) DO NOTHING RETURNING pin
"""


async def prove(
    connection: Connection,
    project: ProjectId,
    pin: Hash,
    *,
    how: str,
    subject: str | None,
    now: datetime,
    who: str,
) -> bool:
    """Mark a registered pin as one whose key is there; False if it was so already. Raises NotFoundError
    where no pin set has it."""
    text = str(pin)
    made = await connection.fetchval(_PROVE, project, text, how, subject, now, who)
    if made is not None:
        return True
    if pin in await proven(connection, project):
        return False
    raise NotFoundError(f"{text} is in no pin set that is registered in this project")


async def proven(connection: Connection, project: ProjectId) -> frozenset[Hash]:
    rows = await connection.fetch("SELECT pin FROM proven_pin WHERE project = $1", project)
    return frozenset(Hash.parse(row["pin"]) for row in rows)


_LEARNED = """
SELECT host, app, app_version, platform, pins, installs, networks, first_seen, last_seen
FROM learned_pin_set WHERE project = $1 AND ($2::text IS NULL OR host = $2)
ORDER BY last_seen DESC, host, app, app_version, platform, pins LIMIT $3
"""


async def learned(
    connection: Connection, project: ProjectId, host: str | None = None, limit: int = 1000
) -> list[LearnedPinSet]:
    """Pin sets that enough installs of a version agree on, last seen first. Never the registry."""
    rows = await connection.fetch(_LEARNED, project, host, limit)
    told = [dict(row) for row in rows]
    return [LearnedPinSet(pins=_pins(row.pop("pins")), **row) for row in told]


def _pins(texts: Sequence[str]) -> tuple[Hash, ...]:
    return tuple(sorted(Hash.parse(text) for text in texts))
