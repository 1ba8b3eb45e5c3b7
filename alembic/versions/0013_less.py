"""a flush writes less: signatures are summed by the deltas of rollups, and two tables are not indexed by time

Processes of before are to be stopped first: they write into a table that goes.

Revision ID: 0013
Revises: 0012
"""

from alembic import op

revision = "0013"
down_revision = "0012"

# A violation that waits in both tables counts once: those of signature_delta are added here, and those that
# rollup_delta will add are taken off.
_ADDED = """
UPDATE signature SET
    violations = signature.violations + changed.violations,
    thin = signature.thin + changed.thin,
    last_seen = greatest(signature.last_seen, changed.last_seen)
FROM (
    SELECT signature, sum(violations) AS violations, sum(thin) AS thin, max(last_seen) AS last_seen
    FROM (
        SELECT signature, violations, thin, last_seen FROM signature_delta
        UNION ALL SELECT signature, -violations, whole - violations, NULL FROM rollup_delta
    ) AS waiting GROUP BY signature
) AS changed WHERE signature.id = changed.signature
"""
_UP = (
    "LOCK TABLE signature_delta, rollup_delta",
    _ADDED,
    "ALTER TABLE rollup_delta ADD COLUMN last_seen timestamptz",
    "UPDATE rollup_delta SET last_seen = minute",
    "ALTER TABLE rollup_delta ALTER COLUMN last_seen SET NOT NULL",
    "DROP TABLE signature_delta",
    "DROP INDEX delivery_received_at",
    "DROP INDEX sighting_received_at",
)
_DOWN = (
    "CREATE INDEX sighting_received_at ON sighting USING brin (received_at)",
    "CREATE INDEX delivery_received_at ON delivery USING brin (received_at)",
    """
    CREATE TABLE signature_delta (
        id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        signature  bytea NOT NULL,
        last_seen  timestamptz NOT NULL,
        violations int NOT NULL,
        thin       int NOT NULL DEFAULT 0
    ) WITH (vacuum_truncate = off)
    """,
    """
    INSERT INTO signature_delta (signature, last_seen, violations, thin)
    SELECT signature, max(last_seen), sum(violations), sum(violations - whole)
    FROM rollup_delta GROUP BY signature
    """,
    "ALTER TABLE rollup_delta DROP COLUMN last_seen",
)


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in _DOWN:
        op.execute(statement)
