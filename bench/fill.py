"""A database as it is after a month: made in SQL, day by day, in the order of receipt.

Every table that ingest fills for a violation is filled here; whoever adds one adds a statement to
``_DAY``, or to ``_ROLLUPS`` if it sums. Shares: a few hosts and versions have most, one day in ten
has five times the usual, 1 % of violations have a chain of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta

import asyncpg

from bench.mix import HOSTS
from collector.store import violations
from collector.store.connect import Connection

DAYS = 29  # before today; today is filled until now
SIGHTINGS, DELIVERIES, INSTALLS = 8, 10, 30  # days that they are kept
_SIGNATURES = 240
_CHAINS = 2000
_STEP = 250_000  # rows of one statement

# Hashes stand for hashes: decode(md5(...)) is 16 bytes, as most keys are.
_ONCE = (
    """
    INSERT INTO certificate (sha256, der, spki_sha256, spki_sha1, subject, issuer, sans, not_before, not_after,
        is_ca, self_signed, key_type, first_seen, seen_on)
    SELECT sha256(n::text::bytea), decode(repeat(md5(n::text), 60), 'hex'), sha256(('k' || n)::bytea),
        substr(sha256(('k' || n)::bytea), 1, 20), 'CN=host ' || n, 'CN=Bench CA 1,O=Bench', '["api.bench.example"]',
        now() - interval '30 days', now() + interval '60 days', false, false, 'EC P-256', now() - interval '29 days',
        current_date
    FROM generate_series(0, $1::int + 2) n ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO chain (id, slots, first_seen, seen_on)
    SELECT decode(md5('chain' || n), 'hex'), jsonb_build_array(
        jsonb_build_object('certificate', encode(sha256((n + 3)::text::bytea), 'hex')),
        jsonb_build_object('certificate', encode(sha256('1'), 'hex')),
        jsonb_build_object('certificate', encode(sha256('2'), 'hex'))), now() - interval '29 days', current_date
    FROM generate_series(0, $1::int - 1) n ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO pin_set (id, pins, first_seen, seen_on)
    SELECT decode(md5('pins' || n), 'hex'), jsonb_build_array(
        'sha256/' || encode(sha256(('a' || n)::bytea), 'base64'),
        'sha256/' || encode(sha256(('b' || n)::bytea), 'base64')), now() - interval '29 days', current_date
    FROM generate_series(0, least($1::int, 60)) n ON CONFLICT DO NOTHING
    """,
)
# A signature belongs to one host, and the first has most violations.
_SIGNATURES_OF = """
INSERT INTO signature (id, project, host, kind, issuer_path, first_seen, last_seen, violations)
SELECT decode(md5('signature' || n), 'hex'), $1, ($2::text[])[1 + n % cardinality($2::text[])],
    CASE WHEN n % 7 = 6 THEN 'chain_untrusted' ELSE 'pin_mismatch' END,
    jsonb_build_array(encode(sha256(n::text::bytea), 'hex')), now() - interval '29 days', now(), 0
FROM generate_series(0, $3::int - 1) n ON CONFLICT DO NOTHING
"""
_ROLLUP = """
    INSERT INTO rollup_{time} AS known (project, host, {time}, signature, environment, platform, enforced, test,
        kind, violations, occurrences, weight, whole)
    SELECT $1, host, date_trunc('{time}', received_at, 'UTC'), decode(md5('signature' || signature), 'hex'),
        'production', CASE WHEN dice < 0.4 THEN 'IOS' ELSE 'ANDROID' END, true, false,
        CASE WHEN signature % 7 = 6 THEN 'chain_untrusted' ELSE 'pin_mismatch' END,
        count(*), count(*), count(*), count(*)
    FROM made GROUP BY host, 3, signature, 6
    ON CONFLICT (project, host, {time}, signature, environment, platform, enforced, test) DO UPDATE SET
        violations = known.violations + excluded.violations, weight = known.weight + excluded.weight,
        occurrences = known.occurrences + excluded.occurrences, whole = known.whole + excluded.whole
"""
# Where the schema has them.
_ROLLUPS = (("hour", None), ("minute", 8))
# $1 project, $2 hosts, $3 first number, $4 rows, $5 from, $6 seconds, $7 signatures, $8 chains, $9 installs
_DAY: tuple[tuple[str, int | None], ...] = (
    (
        """
        CREATE TEMPORARY TABLE made ON COMMIT DROP AS
        SELECT $3::bigint + i AS number,
            $5::timestamptz + $6::float8 * ((i + random()) / $4::int) * interval '1 second' AS received_at,
            decode(md5('delivery' || ($3::bigint + i)), 'hex') AS delivery,
            signature, ($2::text[])[1 + signature % cardinality($2::text[])] AS host,
            (random() ^ 2 * $9::int)::int AS install, (random() ^ 4 * ($8::int - 1))::int AS chain, random() AS dice
        FROM (SELECT i, (random() ^ 3 * ($7::int - 1))::int AS signature FROM generate_series(0, $4::int - 1) i) drawn
        WHERE $1::int IS NOT NULL
        """,
        None,
    ),
    (
        """
        INSERT INTO violation (received_at, delivery, project, signature, app_key, environment, dialect, kind, host,
            noted_host, port, enforced, blocked, weak, client_time, client_time_raw, time_trust, app_id, app_version,
            platform, os_version, sdk, sdk_version, install, occurrences, pin_set, served_chain, validated_chain,
            test, details)
        SELECT received_at, delivery, $1, decode(md5('signature' || signature), 'hex'), 'wallet', 'production',
            CASE WHEN dice < 0.4 THEN 'trustkit-ios' WHEN dice < 0.6 THEN 'trustkit-android' ELSE 'okhttp-message' END,
            CASE WHEN signature % 7 = 6 THEN 'chain_untrusted' ELSE 'pin_mismatch' END, host, host, 443, true, true,
            dice > 0.9, received_at - interval '2 seconds', to_char(received_at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'good',
            'com.example.wallet', '8.' || install % 24 || '.' || number % 3,
            CASE WHEN dice < 0.4 THEN 'IOS' ELSE 'ANDROID' END, CASE WHEN dice < 0.4 THEN '18.1.0' ELSE '14' END,
            'trustkit', '3.0.0', decode(md5('install' || install), 'hex'), 1,
            decode(md5('pins' || signature % 60), 'hex'), NULL, decode(md5('chain' || chain), 'hex'), false, '{}'
        FROM made ORDER BY number
        """,
        None,
    ),
    (
        """
        INSERT INTO sighting (project, host, kind, install, estimated, leaf, signature, network, operator_network,
            received_at, environment, class)
        SELECT $1, host, CASE WHEN signature % 7 = 6 THEN 'chain_untrusted' ELSE 'pin_mismatch' END,
            decode(md5('install' || install), 'hex'), dice > 0.9,
            'sha256/' || encode(sha256(chain::text::bytea), 'base64'),
            decode(md5('signature' || signature), 'hex'),
            decode(substr(md5('network' || install % 9000), 1, 16), 'hex'),
            decode(substr(md5('operator' || install % 300), 1, 16), 'hex'), received_at, 'production',
            CASE WHEN signature % 7 = 6 THEN 'unknown' ELSE 'self' END
        FROM made ORDER BY number
        """,
        SIGHTINGS,
    ),
    # An install a host and stretch of a day.
    (
        """
        INSERT INTO counted_install (project, host, class, install, estimated, at, within_cap, network,
            operator_network, signature, leaf, app, app_version, platform)
        SELECT DISTINCT ON (host, install) $1::int, host, 'self', decode(md5('install' || install), 'hex'), dice > 0.9,
            received_at, true, decode(substr(md5('network' || install % 9000), 1, 16), 'hex'),
            decode(substr(md5('operator' || install % 300), 1, 16), 'hex'),
            decode(md5('signature' || signature), 'hex'), 'sha256/' || encode(sha256(chain::text::bytea), 'base64'),
            'com.example.wallet', '8.' || install % 24 || '.' || number % 3,
            CASE WHEN dice < 0.4 THEN 'IOS' ELSE 'ANDROID' END
        FROM made WHERE signature % 7 <> 6 ORDER BY host, install, number
        """,
        INSTALLS,
    ),
    (
        """
        INSERT INTO delivery (key, received_at, batch, weak)
        SELECT delivery, received_at, '6f1c1e2a-0000-4000-8000-000000000001', dice > 0.9 FROM made
        """,
        DELIVERIES,
    ),
    (
        """
        UPDATE signature s SET violations = s.violations + n.items FROM (
            SELECT decode(md5('signature' || signature), 'hex') AS id, count(*) AS items FROM made GROUP BY 1
        ) n WHERE n.id = s.id
        """,
        None,
    ),
    (
        """
        INSERT INTO ledger (hour, project, dialect, result, reason, items)
        SELECT date_trunc('hour', received_at, 'UTC'), $1, '', result, '', count(*)
        FROM made, unnest(ARRAY['received', 'accepted']) AS result GROUP BY 1, 4
        ON CONFLICT (hour, project, dialect, result, reason) DO UPDATE SET items = ledger.items + excluded.items
        """,
        None,
    ),
)


def share_of_day(day: date) -> float:
    """How busy a day was; an incident in one of ten."""
    return 5.0 if day.toordinal() % 10 == 3 else 1.0


async def fill(url: str, project: str, start: int, stop: int, said: Callable[[str], None]) -> None:
    """Violations numbered from ``start`` to ``stop``, spread over the days until now."""
    connection = await asyncpg.connect(url)
    try:
        await _fill(connection, project, start, stop, said)
        # As autovacuum leaves it within minutes.
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def _fill(
    connection: Connection, project: str, start: int, stop: int, said: Callable[[str], None]
) -> None:
    now = datetime.now(UTC)
    steps = list(_DAY)
    for unit, kept in _ROLLUPS:
        if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"rollup_{unit}"):
            steps.append((_ROLLUP.format(time=unit), kept))
    id_ = await connection.fetchval("SELECT id FROM project WHERE name = $1", project)
    chains = _CHAINS + (stop // 100)
    for statement in _ONCE:
        await connection.execute(statement, chains)
    await connection.execute(_SIGNATURES_OF, id_, list(HOSTS), _SIGNATURES)
    days = [now.date() - timedelta(days=back) for back in range(DAYS, -1, -1)]
    whole = sum(share_of_day(day) for day in days)
    number = start
    for place, day in enumerate(days):
        await violations.make_partition(connection, day)
        begin = datetime.combine(day, time(), UTC)
        until = min(begin + timedelta(days=1), now)
        rows = round((stop - start) * share_of_day(day) / whole)
        if place == len(days) - 1:
            rows = stop - number
        done = 0
        while done < rows:
            step = min(_STEP, rows - done)
            stretch = (until - begin) * (step / rows)
            values = (
                id_, list(HOSTS), number, step, begin + (until - begin) * (done / rows),
                stretch.total_seconds(), _SIGNATURES, chains, max(stop // 5, 1),
            )  # fmt: skip
            await _step(connection, steps, values, now - begin)
            done += step
            number += step
        said(f"filled {number:,} of {stop:,}")


async def _step(
    connection: Connection,
    steps: Sequence[tuple[str, int | None]],
    values: tuple[object, ...],
    age: timedelta,
) -> None:
    async with connection.transaction():
        for statement, kept in steps:
            if kept is not None and age > timedelta(days=kept):
                continue
            wanted = values if "$9" in statement else values[:1] if "$1" in statement else ()
            await connection.execute(statement, *wanted)


def fill_now(url: str, project: str, start: int, stop: int, said: Callable[[str], None]) -> None:
    asyncio.run(fill(url, project, start, stop, said))
