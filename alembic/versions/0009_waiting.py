"""sightings wait to be counted in a queue: to write down a class touches no index

Processes of before are to be stopped first: what they store would not be counted.

Revision ID: 0009
Revises: 0008
"""

from alembic import op

revision = "0009"
down_revision = "0008"

_UP = (
    # A flush appends one row, which who counts them takes away.
    """
    CREATE TABLE waiting (
        id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        sightings bigint[] NOT NULL
    ) WITH (vacuum_truncate = off)
    """,
    """
    INSERT INTO waiting (sightings)
    SELECT array_agg(id ORDER BY id) FROM sighting WHERE NOT counted GROUP BY id / 500 ORDER BY id / 500
    """,
    # Whoever takes back what was counted says so: who reads only what is new since then reads all again.
    """
    CREATE TABLE taken_back (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT now()
    )
    """,
    # Each sighting is written once more, when its class is known: within its page, where there is room.
    "ALTER TABLE sighting DROP COLUMN counted, SET (fillfactor = 50)",
)
_DOWN = (
    "ALTER TABLE sighting ADD COLUMN counted boolean NOT NULL DEFAULT true, RESET (fillfactor)",
    "ALTER TABLE sighting ALTER COLUMN counted SET DEFAULT false",
    "UPDATE sighting SET counted = false WHERE id IN (SELECT unnest(sightings) FROM waiting)",
    "CREATE INDEX sighting_waiting ON sighting (id) WHERE NOT counted",
    "DROP TABLE waiting",
    "DROP TABLE taken_back",
)


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in _DOWN:
        op.execute(statement)
