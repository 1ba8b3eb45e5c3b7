"""rollups by minute and hour; how many violations of a signature are only counted

Revision ID: 0003
Revises: 0002
"""

from alembic import op
from sqlalchemy import text

revision = "0003"
down_revision = "0002"

# What a sum is of. test: a test suite's traffic, kept apart as environments are. platform: one of the
# metrics' labels. whole: how many of the violations are rows of their own.
_COLUMNS = """
    project     int NOT NULL,
    host        text NOT NULL,
    {time} timestamptz NOT NULL,
    signature   bytea NOT NULL,
    environment text NOT NULL,
    platform    text NOT NULL,
    enforced    boolean,
    test        boolean NOT NULL,
    kind        text NOT NULL,
    violations  bigint NOT NULL,
    occurrences bigint NOT NULL,
    weight      double precision NOT NULL,
    whole       bigint NOT NULL
"""
# A signature is of one project, host and kind. Sums change in place: only the key is indexed, and
# pages have room. By time alone they are found by block ranges, as they are written in that order.
_SUMS = (
    f"""
    CREATE TABLE rollup_{{time}} (
        {_COLUMNS},
        UNIQUE NULLS NOT DISTINCT (project, host, {{time}}, signature, environment, platform, enforced, test)
    ) WITH (fillfactor = 80)
    """,
    "CREATE INDEX rollup_{time}_{time} ON rollup_{time} USING brin ({time}) WITH (autosummarize = on)",
)
_TABLES = (
    # Appended by ingest, folded in the background: no two flushes share a row. An emptied end is not
    # given back, which would need a lock that inserts wait for.
    f"""
    CREATE TABLE rollup_delta (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        {_COLUMNS.format(time="minute")}
    ) WITH (vacuum_truncate = off)
    """,
    *(statement.format(time="minute") for statement in _SUMS),
    *(statement.format(time="hour") for statement in _SUMS),
)
# What was stored before there were rollups, by the hour: none of the statements is long, and nobody
# waits for them.
_HOURS = 8 * 24
_BEFORE = """
INSERT INTO rollup_delta (project, host, minute, signature, environment, platform, enforced, test, kind,
    violations, occurrences, weight, whole)
SELECT project, host, date_trunc('minute', received_at, 'UTC'), signature, environment,
    CASE WHEN platform = 'OSX' THEN 'MACOS'
        WHEN platform IN ('IOS', 'ANDROID', 'MACOS', 'TVOS', 'WATCHOS') THEN platform ELSE 'OTHER' END,
    enforced, test, kind, count(*), sum(occurrences), sum(weight), count(*)
FROM violation
WHERE received_at >= date_trunc('hour', now(), 'UTC') - interval '{hours} hours'
    AND received_at < date_trunc('hour', now(), 'UTC') - interval '{hours} hours' + interval '1 hour'
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
"""
# Also right for processes of the release before, which store all violations whole. Last: these are
# locks that flushes wait for.
_CHANGES = (
    "ALTER TABLE signature ADD COLUMN thin bigint NOT NULL DEFAULT 0",
    "ALTER TABLE signature_delta ADD COLUMN thin int NOT NULL DEFAULT 0, SET (vacuum_truncate = off)",
    "ALTER TABLE ledger_delta SET (vacuum_truncate = off)",
    "ALTER TABLE connection_delta SET (vacuum_truncate = off)",
)
_DOWN = (
    "ALTER TABLE connection_delta RESET (vacuum_truncate)",
    "ALTER TABLE ledger_delta RESET (vacuum_truncate)",
    "ALTER TABLE signature_delta RESET (vacuum_truncate), DROP COLUMN thin",
    "ALTER TABLE signature DROP COLUMN thin",
    "DROP TABLE rollup_hour", "DROP TABLE rollup_minute", "DROP TABLE rollup_delta",
)  # fmt: skip


def upgrade() -> None:
    for statement in _TABLES:
        op.execute(statement)
    if op.get_bind().scalar(text("SELECT EXISTS (SELECT FROM violation)")):
        for hours in range(_HOURS, -2, -1):  # a clock may be ahead of the server's
            op.execute(_BEFORE.format(hours=hours))
    for statement in _CHANGES:
        op.execute(statement)


def downgrade() -> None:
    for statement in _DOWN:
        op.execute(statement)
