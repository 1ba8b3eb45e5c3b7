"""What many violations share, stored once by its content: certificates, chains, pin sets.

Every insert is in key order, and touches a known row once a day at most (``seen_on``), so that
rows which nothing refers to any more can be told.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import asyncpg

from collector.model import Certificate, Chain, Hash
from collector.reports.certificates import facts
from collector.store import chunks
from collector.store.connect import Connection
from collector.store.rows import columns, slots

_SHARED = """
INSERT INTO {table} AS known (id, {column}, first_seen, seen_on)
SELECT id, content::jsonb, {now}, {today} FROM unnest({ids}::bytea[], {contents}::text[]) AS new(id, content)
WHERE {condition}
ORDER BY id
ON CONFLICT (id) DO UPDATE SET seen_on = excluded.seen_on WHERE known.seen_on < excluded.seen_on
"""
_CERTIFICATES = """
INSERT INTO certificate AS known
    (sha256, der, spki_sha256, spki_sha1, subject, issuer, sans, not_before, not_after, is_ca,
     self_signed, key_type, first_seen, seen_on)
SELECT sha256, der, spki256, spki1, subject, issuer, sans::jsonb, nb, na, ca, self, kt, {now}, {today}
FROM unnest({fields}) AS new(sha256, der, spki256, spki1, subject, issuer, sans, nb, na, ca, self, kt)
WHERE {condition}
ORDER BY sha256
ON CONFLICT (sha256) DO UPDATE SET seen_on = excluded.seen_on WHERE known.seen_on < excluded.seen_on
"""
_FIELDS = (  # of a certificate
    "bytea", "bytea", "bytea", "bytea", "text", "text", "text", "timestamptz", "timestamptz", "bool", "bool",
    "text",
)  # fmt: skip
# Bytes of certificates that are looked into on the spot, a few tenths of a millisecond; reports that wait for an
# answer shall not wait for more, and somebody may send a certificate for thousands of names.
_AT_ONCE = 16_384


@dataclass(frozen=True, slots=True)
class Content:
    """Each by its id."""

    certificates: Mapping[bytes, Certificate]
    chains: Mapping[bytes, Chain]
    pin_sets: Mapping[bytes, Sequence[Hash]]

    @property
    def ids(self) -> list[bytes]:
        return [*self.certificates, *self.chains, *self.pin_sets]

    def __bool__(self) -> bool:
        return bool(self.certificates or self.chains or self.pin_sets)


NOTHING = Content({}, {}, {})


def added(*, now: str, first: int, condition: str = "true") -> str:
    """Parts of a statement: add content, all three in one, since what is new is new together. now: a parameter;
    ``arguments`` are those from ``first`` on. condition: of adding anything."""

    def shared(table: str, column: str, at: int) -> str:
        return _SHARED.format(
            table=table, column=column, now=now, today=f"${first}", ids=f"${at}", contents=f"${at + 1}",
            condition=condition,
        )  # fmt: skip

    fields = ", ".join(f"${first + 5 + n}::{type_}[]" for n, type_ in enumerate(_FIELDS))
    certificates = _CERTIFICATES.format(
        now=now, today=f"${first}", fields=fields, condition=condition
    )
    return f"""
chains_added AS ({shared("chain", "slots", first + 1)}),
pin_sets_added AS ({shared("pin_set", "pins", first + 3)}),
certificates_added AS ({certificates})"""


async def arguments(content: Content, today: date) -> list[object]:
    """Of ``added``."""
    certificates = content.certificates
    if sum(len(one.der) for one in certificates.values()) > _AT_ONCE:
        rows = await asyncio.to_thread(_facts_of, certificates)
    else:
        rows = _facts_of(certificates)
    return [
        today,
        list(content.chains),
        [slots(chain) for chain in content.chains.values()],
        list(content.pin_sets),
        [json.dumps([str(pin) for pin in pins]) for pins in content.pin_sets.values()],
        *(columns(rows) if rows else [[] for _ in _FIELDS]),
    ]


_ADD = f"WITH {added(now='$1', first=2)} SELECT"


async def add(connection: Connection, content: Content, now: datetime, today: date) -> None:
    if content:
        await connection.execute(_ADD, now, *await arguments(content, today))


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
