"""silences of a signature, a network and an alert; what came from a silenced network

Revision ID: 0007
Revises: 0006
"""

from alembic import op

revision = "0007"
down_revision = "0006"

_UP = (
    """
    ALTER TABLE silence
        ADD COLUMN signature bytea CHECK (octet_length(signature) = 16),
        ADD COLUMN network   cidr,  -- matched when a report arrives
        ADD COLUMN alert     text REFERENCES alert ON DELETE CASCADE,
        ADD COLUMN ended_at  timestamptz,  -- before its time, by whom
        ADD COLUMN ended_by  text,
        ADD CHECK (num_nonnulls(signature, network, alert) <= 1),
        ADD CHECK ((ended_at IS NULL) = (ended_by IS NULL))
    """,
    "CREATE INDEX silence_alert ON silence (alert) WHERE alert IS NOT NULL",
    # It counts in all totals, and never towards an alert.
    "ALTER TABLE sighting ADD COLUMN silenced boolean NOT NULL DEFAULT false",
    # By silences of its signatures, as the watcher found it; what people said of it is silenced_until.
    "ALTER TABLE alert ADD COLUMN muted_until timestamptz",
)
_DOWN = (
    "ALTER TABLE alert DROP COLUMN muted_until",
    "ALTER TABLE sighting DROP COLUMN silenced",
    "DELETE FROM silence WHERE num_nonnulls(signature, network, alert, ended_at) > 0",
    """
    ALTER TABLE silence
        DROP COLUMN signature, DROP COLUMN network, DROP COLUMN alert, DROP COLUMN ended_at,
        DROP COLUMN ended_by
    """,
)


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in _DOWN:
        op.execute(statement)
