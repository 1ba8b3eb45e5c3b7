"""a sighting is stored with the class that those like it have, and written once more only where it is another

Processes of before are to be stopped first: they send rows without it.

Revision ID: 0012
Revises: 0011
"""

from alembic import op

revision = "0012"
down_revision = "0011"

_UP = (
    """
    CREATE TABLE usual_class (
        project int NOT NULL REFERENCES project ON DELETE CASCADE,
        host    text NOT NULL,
        kind    text NOT NULL,
        chain   bytea NOT NULL,
        class   text NOT NULL CHECK (class IN ('self', 'interception', 'unknown')),
        at      timestamptz NOT NULL,
        PRIMARY KEY (project, host, kind, chain)
    )
    """,
    "CREATE INDEX usual_class_at ON usual_class (at DESC)",
    "ALTER TYPE ingested ADD ATTRIBUTE class text",
    "ALTER TABLE sighting SET (fillfactor = 90)",  # few are written twice
)
_DOWN = (
    "ALTER TABLE sighting SET (fillfactor = 50)",
    "ALTER TYPE ingested DROP ATTRIBUTE class",
    "DROP TABLE usual_class",
)


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in _DOWN:
        op.execute(statement)
