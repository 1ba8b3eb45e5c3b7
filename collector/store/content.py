"""What many violations share, stored once by its content: certificates, chains, pin sets.

Every insert is in key order, and touches a known row once a day at most (``seen_on``), so that
rows which nothing refers to any more can be told.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

import asyncpg

from collector.model import Certificate, Chain, Hash
from collector.reports.certificates import facts
from collector.store import chunks
from collector.store.connect import Connection
from collector.store.rows import columns, slots

_CERTIFICATES = """
INSERT INTO certificate AS known
    (sha256, der, spki_sha256, spki_sha1, subject, issuer, sans, not_before, not_after, is_ca,
     self_signed, key_type, first_seen, seen_on)
SELECT sha256, der, spki256, spki1, subject, issuer, sans::jsonb, nb, na, ca, self, kt, $13, $14
FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bytea[], $5::text[], $6::text[], $7::text[],
            $8::timestamptz[], $9::timestamptz[], $10::bool[], $11::bool[], $12::text[])
    AS new(sha256, der, spki256, spki1, subject, issuer, sans, nb, na, ca, self, kt)
ORDER BY sha256
ON CONFLICT (sha256) DO UPDATE SET seen_on = excluded.seen_on WHERE known.seen_on < excluded.seen_on
"""


async def add_certificates(
    connection: Connection, certificates: Mapping[bytes, Certificate], now: datetime, today: date
) -> None:
    if not certificates:
        return
    # A tenth of a millisecond each, which reports that wait for an answer shall not wait for.
    rows = await asyncio.to_thread(_facts_of, certificates)
    await connection.execute(_CERTIFICATES, *columns(rows), now, today)


def _facts_of(certificates: Mapping[bytes, Certificate]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for sha256, certificate in certificates.items():
        known = facts(certificate.der)
        rows.append(
            (
                sha256,
                certificate.der,
                certificate.spki_sha256,
                certificate.spki_sha1,
                known.subject,
                known.issuer,
                json.dumps(known.sans),
                known.not_before,
                known.not_after,
                known.is_ca,
                known.self_signed,
                known.key,
            )
        )
    return rows


_SHARED = """
INSERT INTO {table} AS known (id, {column}, first_seen, seen_on)
SELECT id, content::jsonb, $3, $4 FROM unnest($1::bytea[], $2::text[]) AS new(id, content)
ORDER BY id
ON CONFLICT (id) DO UPDATE SET seen_on = excluded.seen_on WHERE known.seen_on < excluded.seen_on
"""
_CHAINS = _SHARED.format(table="chain", column="slots")
_PIN_SETS = _SHARED.format(table="pin_set", column="pins")


async def add_chains(
    connection: Connection, chains: Mapping[bytes, Chain], now: datetime, today: date
) -> None:
    if chains:
        content = [slots(chain) for chain in chains.values()]
        await connection.execute(_CHAINS, list(chains), content, now, today)


async def add_pin_sets(
    connection: Connection, pin_sets: Mapping[bytes, Sequence[Hash]], now: datetime, today: date
) -> None:
    if pin_sets:
        content = [json.dumps([str(pin) for pin in pins]) for pins in pin_sets.values()]
        await connection.execute(_PIN_SETS, list(pin_sets), content, now, today)


_LATELY = """
(SELECT id FROM chain WHERE seen_on > $1 ORDER BY seen_on DESC LIMIT $2)
UNION ALL (SELECT id FROM pin_set WHERE seen_on > $1 ORDER BY seen_on DESC LIMIT $2)
UNION ALL (SELECT id FROM signature ORDER BY last_seen DESC LIMIT $2)
"""


async def lately(connection: Connection, today: date, most: int) -> list[bytes]:
    """Ids of chains, pin sets and signatures that were reported within some days, at most so many each."""
    rows = await connection.fetch(_LATELY, today - timedelta(days=8), most)
    return [row["id"] for row in rows]


async def forget_before(connection: Connection, day: date) -> bool:
    """Some of what no violation of the retention can refer to; whether there may be more. A certificate
    stays as long as its chains: both are touched together."""
    for table in ("chain", "certificate", "pin_set"):
        if await chunks.delete_some(connection, table, "seen_on < $1", day):
            return True
    return False


_CERTIFICATE_PAGE = """
SELECT sha256, der, spki_sha256, spki_sha1, subject, issuer, sans, not_before, not_after, is_ca,
    self_signed, key_type, first_seen
FROM certificate
WHERE true{conditions}
ORDER BY first_seen DESC, sha256 DESC LIMIT {limit}
"""


async def certificates(
    connection: Connection,
    *,
    spki: bytes | None = None,
    sha256: bytes | None = None,
    after: tuple[datetime, bytes] | None = None,
    limit: int = 1,
) -> list[asyncpg.Record]:
    """Those reported last for the first time first, behind ``after`` (first_seen, sha256)."""
    values: list[object] = []
    conditions = ""
    for column, value in (("spki_sha256", spki), ("sha256", sha256)):
        if value is not None:  # a condition that may be none keeps Postgres from its index
            values.append(value)
            conditions += f" AND {column} = ${len(values)}"
    if after is not None:
        values += after
        conditions += f" AND (first_seen, sha256) < (${len(values) - 1}, ${len(values)})"
    values.append(limit)
    query = _CERTIFICATE_PAGE.format(conditions=conditions, limit=f"${len(values)}")
    return await connection.fetch(query, *values)


async def chain(connection: Connection, id_: bytes) -> asyncpg.Record | None:
    return await connection.fetchrow("SELECT id, slots, first_seen FROM chain WHERE id = $1", id_)
