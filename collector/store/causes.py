"""Causes of signatures: what they are judged by, what was judged, and what an operator said instead."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import asyncpg

from collector.detect.cases import Reach, Seen
from collector.detect.classes import Reported
from collector.detect.judgement import Judgement
from collector.errors import NotFoundError
from collector.model import Hash
from collector.store import reported
from collector.store.connect import Connection

_AGAIN = timedelta(minutes=1)  # at most so often while reports come in
_ANYHOW = timedelta(minutes=10)  # since what is known beside the reports may have changed
_ACTIVE = timedelta(days=1)
_SIGHTINGS = timedelta(days=7)
_MOST = 2000  # sightings of one case
_READ = 20_000  # of its host, among which they are found
_WHOLE = 200  # violations of one case that are read whole
_UNSEEN = b"\x00"  # network of what was never sighted

# Half of them those seen last, half those with most violations: neither many new ones nor old large
# ones keep the rest waiting.
_CHANGED = """
WITH due AS (
    SELECT id, project, host, kind, first_seen, last_seen, violations FROM signature
    WHERE last_seen > $1
        AND (cause_at IS NULL OR (cause_at < last_seen AND cause_at < $2) OR cause_at < $3)
)
(SELECT * FROM due ORDER BY last_seen DESC LIMIT $4)
UNION (SELECT * FROM due ORDER BY violations DESC LIMIT $4)
"""


async def changed(connection: Connection, now: datetime, most: int) -> list[asyncpg.Record]:
    """Signatures to judge: reported within a day, and since they were judged."""
    half = (most + 1) // 2
    return await connection.fetch(_CHANGED, now - _ACTIVE, now - _AGAIN, now - _ANYHOW, half)


_ASKED = """
SELECT id, project, host, kind, first_seen, greatest(last_seen, $2) AS last_seen, violations
FROM signature WHERE id = $1
"""


async def asked(connection: Connection, id_: bytes, now: datetime) -> list[asyncpg.Record]:
    """One to judge by all that was reported until now, whenever it was judged last."""
    return await connection.fetch(_ASKED, id_, now)


_OF_SIGNATURE = """
SELECT install, network, operator_network, received_at, leaf, environment, app, app_version, platform,
    pin_set, chain
FROM (
    SELECT * FROM sighting
    WHERE project = $1 AND host = $2 AND received_at > $3 AND received_at <= $4
    ORDER BY received_at DESC LIMIT $5
) newest
WHERE signature = $6 ORDER BY received_at DESC LIMIT $7
"""
_VIOLATIONS = """
SELECT received_at, delivery, install, environment, coalesce(app_id, app_key) AS app,
    coalesce(app_version, '') AS app_version, coalesce(platform, '') AS platform, os_version, sdk,
    sdk_version, pin_set, validated_chain, served_chain, test,
    details->'flags' ? 'browser_sent' AS browser
FROM violation WHERE signature = $1 AND received_at > $2 AND received_at <= $3
ORDER BY received_at DESC LIMIT $4
"""


async def sightings(connection: Connection, signature: asyncpg.Record) -> list[Seen]:
    """Of a signature, the newest first, at most 2,000. Those of tests and of web pages are never
    sighted: where there are no others, they stand for themselves."""
    last = signature["last_seen"]
    since = last - _SIGHTINGS
    rows = await connection.fetch(
        _OF_SIGNATURE, signature["project"], signature["host"], since, last, _READ, signature["id"], _MOST
    )  # fmt: skip
    whole = await connection.fetch(_VIOLATIONS, signature["id"], since, last, _WHOLE)
    chains = {row["chain"] for row in rows} | {
        row[name] for row in whole for name in ("validated_chain", "served_chain")
    }
    known = await reported.chains(connection, chains - {None})
    pins = await reported.pin_sets(connection, {row["pin_set"] for row in (*rows, *whole)} - {None})
    if not rows:
        return [_of_violation(row, known, pins) for row in whole]
    validated = {row["validated_chain"] for row in whole}
    return [
        Seen(
            install=row["install"], network=row["network"], operator_network=row["operator_network"],
            at=row["received_at"], chain=known.get(row["chain"]),
            leaf=Hash.parse(row["leaf"]) if row["leaf"] else None, pins=pins.get(row["pin_set"], ()),
            app=row["app"], version=row["app_version"], platform=row["platform"],
            validated=row["chain"] in validated, environment=row["environment"],
        )
        for row in rows
    ]  # fmt: skip


def _of_violation(
    row: asyncpg.Record, known: dict[bytes, Reported], pins: dict[bytes, tuple[Hash, ...]]
) -> Seen:
    return Seen(
        install=row["install"] or row["delivery"], network=_UNSEEN, operator_network=_UNSEEN,
        at=row["received_at"], chain=known.get(row["validated_chain"] or row["served_chain"]),
        pins=pins.get(row["pin_set"], ()), app=row["app"], version=row["app_version"],
        platform=row["platform"], validated=row["validated_chain"] is not None,
        environment=row["environment"], test=row["test"] and not row["browser"], browser=bool(row["browser"]),
    )  # fmt: skip


def plain(judgement: Judgement) -> dict[str, object]:
    """As it is stored, and told by the API."""
    return {
        "label": judgement.label.value,
        "confidence": judgement.confidence.value,
        "class": judgement.class_.value,
        "rule": judgement.rule,
        "evidence": [{"fact": one.fact, "value": one.value} for one in judgement.evidence],
    }


_SET = """
UPDATE signature SET cause = given.cause::jsonb, cause_at = $3
FROM unnest($1::bytea[], $2::text[]) AS given(id, cause) WHERE signature.id = given.id
"""


async def judged(
    connection: Connection, told: Sequence[tuple[bytes, Judgement]], now: datetime
) -> None:
    rows = sorted((id_, json.dumps(plain(one))) for id_, one in told)
    await connection.execute(_SET, [id_ for id_, _ in rows], [text for _, text in rows], now)


async def seen_nowhere(connection: Connection, ids: Collection[bytes], now: datetime) -> None:
    """Nothing is there to judge them by: they are asked again when more comes in."""
    await connection.execute(
        "UPDATE signature SET cause_at = $2 WHERE id = ANY($1)", sorted(ids), now
    )


_ONE = """
SELECT s.id, p.name AS project, s.host, s.kind, s.issuer_path, s.first_seen, s.last_seen, s.violations,
    s.violations - s.thin AS whole, s.cause, s.cause_at
FROM signature s JOIN project p ON p.id = s.project WHERE s.id = $1
"""
_RELABELS = """
SELECT label, was, note, at, who FROM relabel WHERE signature = $1 ORDER BY id DESC LIMIT 100
"""


async def one(connection: Connection, id_: bytes) -> tuple[asyncpg.Record, list[asyncpg.Record]]:
    """A signature with its judgement, and what operators said of it, newest first. Raises
    NotFoundError."""
    row = await connection.fetchrow(_ONE, id_)
    if row is None:
        raise NotFoundError("there is no such signature")
    return row, await connection.fetch(_RELABELS, id_)


_RELABEL = """
INSERT INTO relabel (signature, label, was, note, at, who)
SELECT id, $2, coalesce(
    (SELECT label FROM relabel r WHERE r.signature = s.id ORDER BY r.id DESC LIMIT 1), cause->>'label'
), $3, $4, $5
FROM signature s WHERE id = $1
RETURNING (SELECT host FROM signature WHERE id = $1)
"""


async def relabel(
    connection: Connection, id_: bytes, label: str | None, *, note: str, now: datetime, who: str
) -> str:
    """label None: back to what the rules say. The host. Raises NotFoundError."""
    host = await connection.fetchval(_RELABEL, id_, label, note, now, who)
    if host is None:
        raise NotFoundError("there is no such signature")
    return str(host)


_LABELS = """
SELECT DISTINCT ON (signature) signature, label FROM relabel
WHERE signature = ANY($1) ORDER BY signature, id DESC
"""


async def relabelled(connection: Connection, ids: Collection[bytes]) -> dict[bytes, str]:
    """What operators call these, where they said so last."""
    rows = await connection.fetch(_LABELS, list(ids))
    return {row["signature"]: row["label"] for row in rows if row["label"] is not None}


_REACH = """
SELECT signature, count(DISTINCT install) AS installs, count(DISTINCT network) AS networks,
    count(DISTINCT operator_network) AS operator_networks
FROM (
    SELECT signature, install, network, operator_network FROM sighting
    WHERE project = $1 AND host = $2 AND received_at > $3 AND environment = 'production' AND NOT silenced
    ORDER BY received_at DESC LIMIT $4
) newest
WHERE signature = ANY($5) GROUP BY signature
"""


async def reaches(
    connection: Connection, project: int, host: str, since: datetime, signatures: Collection[bytes]
) -> dict[bytes, Reach]:
    """How many each of these signatures of a host reached, whatever failed, among the host's newest 20,000
    sightings of networks that nobody silenced: what gates of numbers are held against."""
    if not signatures:
        return {}
    rows = await connection.fetch(_REACH, project, host, since, _READ, list(signatures))
    return {
        row["signature"]: Reach(row["installs"], row["networks"], row["operator_networks"])
        for row in rows
    }
