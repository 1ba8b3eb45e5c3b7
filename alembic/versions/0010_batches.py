"""batches in one statement; tables that only grow are analysed when they have grown by half

Processes of before are to be stopped first: they send a type that goes.

Revision ID: 0010
Revises: 0009
"""

from alembic import op

revision = "0010"
down_revision = "0009"

# By a tenth is the default, which in a storm is each minute, and takes a processor for a second or two. What
# stands in these tables tomorrow is what stood there today; their size is looked up whenever a query is planned.
_GROWING = """
DO $$
DECLARE
    growing regclass;
BEGIN
    FOR growing IN
        SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'violation'::regclass
        UNION ALL SELECT unnest(ARRAY['sighting', 'delivery', 'counted_install']::regclass[])
    LOOP
        EXECUTE format('ALTER TABLE %s {change}', growing);
    END LOOP;
END $$
"""
_UP = (
    "DROP TYPE delivered",
    _GROWING.format(change="SET (autovacuum_analyze_scale_factor = 0.5)"),
)
_DOWN = (
    _GROWING.format(change="RESET (autovacuum_analyze_scale_factor)"),
    "CREATE TYPE delivered AS (key bytea, received_at timestamptz, weak boolean, project int)",
)


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in _DOWN:
        op.execute(statement)
