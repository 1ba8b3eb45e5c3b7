import asyncio
import subprocess
import sys
import uuid
from datetime import UTC, date, datetime
from pathlib import Path

import asyncpg
import pytest

from collector.embedded.server import Server
from collector.errors import StoreError
from collector.store import rollups
from collector.store.migrate import head, migrate, revision
from collector.store.violations import make_partition

_SHAPE = """
SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns
WHERE table_schema = 'public' AND table_name <> 'alembic_version' ORDER BY 1, 2
"""


def _empty(server: Server) -> str:
    name = f"empty_{uuid.uuid4().hex}"

    async def make() -> None:
        connection = await asyncpg.connect(server.url("postgres"))
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.close()

    asyncio.run(make())
    return server.url(name)


def _query(url: str, sql: str) -> list[tuple[object, ...]]:
    async def ask() -> list[tuple[object, ...]]:
        connection = await asyncpg.connect(url)
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    return asyncio.run(ask())


def test_up_down_and_up_again_is_the_same(server: Server) -> None:
    url = _empty(server)
    assert migrate(url) == (None, head())
    first = _query(url, _SHAPE)
    assert migrate(url, "base") == (head(), "base")
    assert _query(url, _SHAPE) == []
    assert migrate(url) == (None, head())
    assert _query(url, _SHAPE) == first
    assert migrate(url) == (head(), head())


def test_many_may_race(server: Server) -> None:
    url = _empty(server)
    code = f"from collector.store.migrate import migrate; migrate({url!r})"
    root = Path(__file__).parents[2]
    racers = [subprocess.Popen([sys.executable, "-c", code], cwd=root) for _ in range(3)]
    assert [racer.wait(60) for racer in racers] == [0, 0, 0]
    assert asyncio.run(revision(url)) == head()


def test_a_database_of_the_future_is_refused(server: Server) -> None:
    url = _empty(server)
    migrate(url)
    _query(url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="9999"):
        migrate(url)


def test_a_server_that_is_not_there_is_one_line() -> None:
    with pytest.raises(StoreError, match="does not answer") as caught:
        migrate("postgresql://u:hunter2@127.0.0.1:1/x")
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_from_the_first_release_with_data(server: Server) -> None:
    url = _empty(server)
    migrate(url, "0001")
    _query(
        url,
        """
        INSERT INTO project (name, hosts, secret, created_at)
        VALUES ('wallet', '{a.example,*.b.example,a.example}', decode(repeat('00', 32), 'hex'), now())
    """,
    )
    _query(
        url,
        "INSERT INTO host (project, name, admitted_at) SELECT id, 'x.b.example', now() FROM project",
    )
    migrate(url)
    assert _query(url, "SELECT hosts FROM project") == [(["a.example", "*.b.example"],)]
    assert _query(url, "SELECT name, registered FROM host ORDER BY 1") == [
        ("a.example", True), ("x.b.example", False),
    ]  # fmt: skip
    migrate(url, "0001")


def test_what_was_stored_before_rollups_is_in_them(server: Server) -> None:
    """And a process of the release before goes on beside: what it counts is whole."""
    url = _empty(server)
    migrate(url, "0002")
    _query(url, "CREATE TABLE violation_all PARTITION OF violation DEFAULT")
    _query(
        url,
        """
        INSERT INTO violation (received_at, delivery, project, signature, app_key, environment, dialect,
            kind, host, weak, platform, occurrences, pin_set, test, details, weight)
        SELECT now() - n * interval '1 hour', '', 1, '\\x01', 'a', 'production', 'x', 'k', 'h', false,
            'OSX', 2, '', false, '{}', 0.5 FROM generate_series(0, 199) n
    """,
    )
    signature = """
        INSERT INTO signature (id, project, host, kind, issuer_path, first_seen, last_seen, violations)
        SELECT decode(repeat('01', 16), 'hex'), id, 'h', 'k', '[]', now(), now(), 7 FROM project
    """
    _query(
        url,
        "INSERT INTO project (name, secret, created_at) VALUES ('p', decode(repeat('00', 32), 'hex'), now())",
    )
    migrate(url)
    _query(url, signature)
    told = _query(
        url, "SELECT count(*), sum(violations), sum(occurrences), sum(whole) FROM rollup_delta"
    )
    ((rows, violations, occurrences, whole),) = told
    assert rows in (192, 193)
    assert (violations, occurrences, whole) == (rows, 2 * rows, rows)
    assert _query(url, "SELECT DISTINCT platform, weight FROM rollup_delta") == [("MACOS", 0.5)]
    assert _query(url, "SELECT violations - thin FROM signature") == [(7,)]
    migrate(url, "0002")
    assert _query(url, "SELECT count(*), sum(violations) FROM signature") == [(1, 7)]


def test_what_waits_to_be_counted_still_does(server: Server) -> None:
    url = _empty(server)
    migrate(url, "0008")
    _query(
        url,
        """
        INSERT INTO sighting (project, host, kind, install, estimated, signature, network, operator_network,
            received_at, counted, class)
        SELECT 1, 'h', 'k', '', false, '', '', '', now(), n <= 3, CASE WHEN n <= 3 THEN 'self' END
        FROM generate_series(1, 1200) n
    """,
    )
    waits = "SELECT count(*), min(id), max(id) FROM (SELECT unnest(sightings) AS id FROM waiting) AS told"
    migrate(url)
    assert _query(url, waits) == [(1197, 4, 1200)]
    assert _query(url, "SELECT count(*) FROM waiting") == [(3,)]
    migrate(url, "0008")
    assert _query(url, "SELECT count(*), min(id) FROM sighting WHERE NOT counted") == [(1197, 4)]
    migrate(url)
    assert _query(url, waits) == [(1197, 4, 1200)]


def test_parts_made_before_and_after_are_analysed_when_they_have_grown_by_half(
    server: Server,
) -> None:
    """And by a fifth of the rows, whatever the column."""
    url = _empty(server)
    migrate(url, "0009")
    part = "CREATE TABLE violation_20260101 PARTITION OF violation FOR VALUES FROM ('2026-01-01') TO ('2026-01-02')"
    _query(url, part)
    by_half = "'autovacuum_analyze_scale_factor=0.5' = ANY(reloptions)"
    options = f"SELECT relname::text FROM pg_class WHERE {by_half} ORDER BY 1"
    columns = (
        "SELECT c.relname::text, count(*) FILTER (WHERE a.attstattarget IS DISTINCT FROM 20) FROM pg_class c "
        "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
        "WHERE relkind = 'r' GROUP BY 1 HAVING count(*) FILTER (WHERE a.attstattarget = 20) > 0 ORDER BY 1"
    )
    assert _query(url, options) == _query(url, columns) == []
    migrate(url)

    async def make() -> None:
        connection = await asyncpg.connect(url)
        await make_partition(connection, date(2026, 1, 2))
        await connection.close()

    asyncio.run(make())
    named = ["counted_install", "delivery", "sighting", "violation_20260101", "violation_20260102"]
    assert _query(url, options) == [(name,) for name in named]
    assert _query(url, columns) == [(name, 0) for name in named]
    migrate(url, "0009")
    assert _query(url, options) == _query(url, columns) == []


def test_when_an_install_failed_is_taken_from_its_violation(server: Server) -> None:
    """Of the last day, and where the client's clock can be believed."""
    url = _empty(server)
    migrate(url, "0010")
    _query(url, "CREATE TABLE violation_all PARTITION OF violation DEFAULT")
    told = "(VALUES (1, 'client_utc', 2), (2, 'implausible', 3), (3, 'client_utc', 30)) AS n(n, trust, hours)"
    _query(
        url,
        f"""
        INSERT INTO violation (received_at, delivery, project, signature, app_key, environment, dialect,
            kind, host, weak, occurrences, pin_set, test, details, install, client_time, time_trust)
        SELECT date_trunc('hour', now()) - hours * interval '1 hour', '', 1, '', 'a', 'production', 'x', 'k',
            'h', false, 1, '', false, '{{}}', decode('0' || n, 'hex'), timestamptz '2026-11-20 12:00Z', trust
        FROM {told}
    """,
    )
    _query(
        url,
        f"""
        INSERT INTO counted_install (project, host, class, install, estimated, at, within_cap, network,
            operator_network, signature, app, app_version, platform)
        SELECT 1, 'h', 'self', decode('0' || n, 'hex'), false,
            date_trunc('hour', now()) - hours * interval '1 hour', true, '', '', '', '', '', ''
        FROM {told}
    """,
    )
    migrate(url, "0011")
    found = "SELECT failed_at = '2026-11-20 12:00Z' FROM counted_install ORDER BY install"
    assert _query(url, found) == [(True,), (None,), (None,)]
    migrate(url, "0010")
    migrate(url)


def test_what_waits_in_two_tables_of_deltas_counts_once(server: Server) -> None:
    """Whichever of them was folded already: 9 violations, 4 of them whole."""
    url = _empty(server)
    migrate(url, "0012")
    for statement in (
        "INSERT INTO project (name, secret, created_at) VALUES ('p', decode(repeat('00', 32), 'hex'), now())",
        """
        INSERT INTO signature (id, project, host, kind, issuer_path, first_seen, last_seen, violations, thin)
        SELECT decode(repeat(s, 16), 'hex'), id, 'h', 'k', '[]', now(), '2026-01-01Z', v, t
        FROM project, (VALUES ('01', 7, 5), ('02', 2, 0), ('03', 9, 5)) AS s(s, v, t)
        """,
        """
        INSERT INTO signature_delta (signature, last_seen, violations, thin)
        SELECT decode(repeat(s, 16), 'hex'), at::timestamptz, v, t FROM (VALUES
            ('01', '2026-01-01T00:01:05Z', 1, 0), ('01', '2026-01-01T00:01:25Z', 1, 0),
            ('02', '2026-01-01T00:01:45Z', 7, 5)) AS s(s, at, v, t)
        """,
        """
        INSERT INTO rollup_delta (project, host, minute, signature, environment, platform, test, kind,
            violations, occurrences, weight, whole)
        SELECT 1, 'h', '2026-01-01T00:01Z', decode(repeat(s, 16), 'hex'), 'e', 'IOS', false, 'k', v, v, v, w
        FROM (VALUES ('01', 6, 4), ('03', 3, 0)) AS s(s, v, w)
        """,
    ):
        _query(url, statement)

    def folded() -> list[tuple[object, ...]]:
        async def fold() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(url)
            await rollups.fold(connection)
            told = "SELECT violations, violations - thin, last_seen FROM signature ORDER BY id"
            rows = await connection.fetch(told)
            await connection.close()
            return rows

        return [tuple(row) for row in asyncio.run(fold())]

    def at(seconds: int) -> datetime:
        return datetime(2026, 1, 1, 0, seconds // 60, seconds % 60, tzinfo=UTC)

    migrate(url)
    migrate(url, "0012")
    told = _query(url, "SELECT sum(violations), sum(violations - thin) FROM signature_delta")
    assert told == [(9, 4)]
    migrate(url)
    assert folded() == [(9, 4, at(85)), (9, 4, at(105)), (9, 4, at(60))]
