"""quotas and origins of keys; public keys of our own; what is over the caps on new things

Revision ID: 0004
Revises: 0003
"""

from alembic import op

revision = "0004"
down_revision = "0003"

_UP = (
    # Also right for processes of the release before, which know no limit of a key.
    # quota: items a second, NULL: none. origins: whose pages may send app dialects with the key.
    """
    ALTER TABLE ingest_key
        ADD COLUMN quota double precision CHECK (quota > 0 AND quota <= 1000000),
        ADD COLUMN origins text[] NOT NULL DEFAULT '{}'
    """,
    # project NULL: every project. sha256, subject: of the certificate that it was taken from.
    """
    CREATE TABLE own_key (
        spki_sha256 bytea NOT NULL CHECK (octet_length(spki_sha256) = 32),
        project     int REFERENCES project ON DELETE CASCADE,
        sha256      bytea CHECK (octet_length(sha256) = 32),
        subject     text,
        note        text NOT NULL DEFAULT '',
        added_at    timestamptz NOT NULL,
        added_by    text NOT NULL,
        UNIQUE NULLS NOT DISTINCT (spki_sha256, project)
    )
    """,
    # One item a row, as it goes into the spool: taken whole later, or forgotten.
    """
    CREATE TABLE deferred (
        id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        received_at timestamptz NOT NULL,
        project     int NOT NULL,
        delivery    bytea NOT NULL,
        network     bytea NOT NULL,
        frame       bytea NOT NULL
    )
    """,
    "CREATE INDEX deferred_project ON deferred (project, id)",
    # As they are listed: those reported last for the first time first.
    "CREATE INDEX certificate_first_seen ON certificate (first_seen DESC, sha256 DESC)",
)
_DOWN = (
    "DROP INDEX certificate_first_seen", "DROP TABLE deferred", "DROP TABLE own_key",
    "ALTER TABLE ingest_key DROP COLUMN quota, DROP COLUMN origins",
)  # fmt: skip


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in _DOWN:
        op.execute(statement)
