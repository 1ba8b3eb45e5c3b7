"""Violations with their sightings, both in one statement.

After a rotation thousands of reports differ in little: who sent them, and when. What many rows of a
batch share is sent once, as a shape; a row is its number and what is its own. Encoding the arrays of
all columns was more than half of what storing a report cost.
"""

from __future__ import annotations

from collections.abc import Sequence

from collector.fingerprint import Grade
from collector.store.connect import Connection
from collector.store.rows import Row, columns, details

_SHAPE = (
    ("project", "int"), ("signature", "bytea"), ("app_key", "text"), ("environment", "text"),
    ("dialect", "text"), ("kind", "text"), ("host", "text"), ("noted_host", "text"), ("port", "int"),
    ("enforced", "bool"), ("blocked", "bool"), ("weak", "bool"), ("time_trust", "text"),
    ("app_id", "text"), ("app_version", "text"), ("platform", "text"), ("os_version", "text"),
    ("sdk", "text"), ("sdk_version", "text"), ("occurrences", "int"), ("pin_set", "bytea"),
    ("served_chain", "bytea"), ("validated_chain", "bytea"), ("test", "bool"), ("details", "text"),
    ("trusted", "bool"), ("weight", "float4"), ("leaf", "text"),
)  # fmt: skip
_OWN = (
    ("shape", "int"), ("received_at", "timestamptz"), ("delivery", "bytea"), ("client_time", "timestamptz"),
    ("client_time_raw", "text"), ("install", "bytea"), ("counted", "bytea"), ("network", "bytea"),
    ("operator_network", "bytea"), ("whole", "bool"),
)  # fmt: skip
_VIOLATION = [name for name, _ in _SHAPE if name not in ("details", "leaf")] + [
    "received_at", "delivery", "client_time", "client_time_raw", "install",
]  # fmt: skip


def _unnest(columns: Sequence[tuple[str, str]], first: int) -> str:
    given = ", ".join(f"${first + n}::{kind}[]" for n, (_, kind) in enumerate(columns))
    return f"unnest({given})"


# sighting.install stands for the sender where no install was told: "counted".
_ADD = f"""
WITH shape AS (
    SELECT * FROM {_unnest(_SHAPE, 1)} WITH ORDINALITY
        AS given({", ".join(name for name, _ in _SHAPE)}, number)
), own AS (
    SELECT * FROM {_unnest(_OWN, 1 + len(_SHAPE))} AS given({", ".join(name for name, _ in _OWN)})
), new AS MATERIALIZED (
    SELECT * FROM own JOIN shape ON number = own.shape
), stored AS (
    INSERT INTO violation ({", ".join(_VIOLATION)}, details)
    SELECT {", ".join(_VIOLATION)}, details::jsonb FROM new WHERE whole
)
INSERT INTO sighting (project, host, kind, install, estimated, leaf, signature, network,
                      operator_network, received_at, environment, app, app_version, platform, pin_set, chain)
SELECT project, host, kind, counted, install IS NULL, leaf, signature, network, operator_network,
    received_at, environment, coalesce(app_id, app_key), coalesce(app_version, ''),
    coalesce(platform, ''), pin_set, coalesce(validated_chain, served_chain)
FROM new WHERE NOT test
"""  # noqa: S608 (names of our own)


# The join is by number, so a hash will do; the pool that flushes has nested loops turned off, since a
# plan made before the sizes of the arrays are known takes ten for granted.


def _shape_of(row: Row) -> tuple[object, ...]:
    v = row.violation
    return (
        row.project, row.signature, row.app_key, row.environment, v.dialect, v.kind, row.host, v.noted_host,
        v.port, v.enforced, v.blocked, row.delivery.grade is Grade.WEAK, v.time_trust, v.app_id,
        v.app_version, v.platform, v.os_version, v.sdk, v.sdk_version, v.occurrences, row.pin_set,
        row.served_chain, row.validated_chain, v.test, details(v), row.trusted, v.weight,
    )  # fmt: skip


async def add(connection: Connection, rows: Sequence[Row], whole: Sequence[bool]) -> None:
    """whole: which of them are stored as violations; the others leave their sighting. A test suite's
    traffic is kept, and never sighted."""
    if not rows:
        return
    numbers: dict[tuple[object, ...], int] = {}
    shapes: list[tuple[object, ...]] = []
    own: list[tuple[object, ...]] = []
    for row, is_whole in zip(rows, whole, strict=True):
        shape = _shape_of(row)
        number = numbers.get(shape)
        v = row.violation
        if number is None:
            number = numbers[shape] = len(shapes) + 1
            shapes.append((*shape, str(v.leaf) if v.leaf else None))
        raw = v.client_time_raw
        own.append((
            number, row.received_at, row.delivery.key, v.client_time,
            raw if raw is None or isinstance(raw, str) else str(raw),
            row.install, row.install_or_estimate, row.network, row.operator_network, is_whole,
        ))  # fmt: skip
    await connection.execute(_ADD, *columns(shapes), *columns(own))
