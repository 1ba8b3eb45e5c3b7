"""connections; tokens, sessions and the audit; registered hosts; weight and trust of a violation

Revision ID: 0002
Revises: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"

_UP = (
    # Also right for processes of the release before, which do not know these columns.
    "ALTER TABLE violation ADD COLUMN trusted boolean NOT NULL DEFAULT false",
    "ALTER TABLE violation ADD COLUMN weight real NOT NULL DEFAULT 1",
    "ALTER TABLE sighting ADD COLUMN environment text NOT NULL DEFAULT 'production'",
    # registered: a project names it, so it is never released. seen_on: last day it was reported.
    """
    ALTER TABLE host
        ADD COLUMN registered boolean NOT NULL DEFAULT false,
        ADD COLUMN seen_on date NOT NULL DEFAULT current_date
    """,
    # A pattern may have been given twice.
    """
    UPDATE project SET hosts = ARRAY(
        SELECT pattern FROM unnest(hosts) WITH ORDINALITY AS given(pattern, place)
        GROUP BY pattern ORDER BY min(place)
    )
    """,
    """
    INSERT INTO host (project, name, admitted_at, registered)
    SELECT id, pattern, now(), true FROM project, unnest(hosts) AS pattern WHERE pattern NOT LIKE '*.%'
    ON CONFLICT (project, name) DO UPDATE SET registered = true
    """,
    # forgotten_at: its rows are being deleted, a few at a time; nothing of it is taken or shown.
    "ALTER TABLE project ADD COLUMN forgotten_at timestamptz",
    # Networks that reported a host which is not admitted, a day: by them it is proposed or admitted.
    """
    CREATE TABLE proposal (
        project int NOT NULL,
        host    text NOT NULL,
        day     date NOT NULL,
        network bytea NOT NULL,
        PRIMARY KEY (project, host, day, network)
    )
    """,
    # Connections to one host: a window of a client or a gateway, or one sample of NEL.
    # counted: false for a public one over the caps. install, network: keyed hashes.
    """
    CREATE TABLE connection_window (
        delivery     bytea NOT NULL CHECK (octet_length(delivery) = 16),
        received_at  timestamptz NOT NULL,
        project      int NOT NULL,
        app_key      text NOT NULL,
        environment  text NOT NULL,
        trusted      boolean NOT NULL,
        counted      boolean NOT NULL,
        host         text NOT NULL,
        app_id       text,
        app_version  text,
        platform     text,
        starts       timestamptz NOT NULL,
        ends         timestamptz NOT NULL CHECK (ends >= starts),
        successes    double precision NOT NULL,
        pin_failures double precision NOT NULL,
        install      bytea NOT NULL,
        network      bytea NOT NULL,
        PRIMARY KEY (delivery, received_at)
    )
    """,
    "CREATE INDEX connection_window_ends ON connection_window (ends)",
    "CREATE INDEX connection_window_install ON connection_window (install, ends)",
    "CREATE INDEX connection_window_network ON connection_window (network, received_at)",
    "CREATE INDEX connection_window_received_at ON connection_window USING brin (received_at)",
    # Sums by hour of a window's end. Appended by ingest, folded in the background.
    """
    CREATE TABLE connection_delta (
        id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        project      int NOT NULL,
        host         text NOT NULL,
        environment  text NOT NULL,
        trusted      boolean NOT NULL,
        hour         timestamptz NOT NULL,
        successes    double precision NOT NULL,
        pin_failures double precision NOT NULL
    )
    """,
    """
    CREATE TABLE connection_hour (
        project      int NOT NULL,
        host         text NOT NULL,
        environment  text NOT NULL,
        trusted      boolean NOT NULL,
        hour         timestamptz NOT NULL,
        successes    double precision NOT NULL,
        pin_failures double precision NOT NULL,
        PRIMARY KEY (project, host, environment, trusted, hour)
    )
    """,
    "CREATE INDEX connection_hour_hour ON connection_hour (hour DESC)",
    # A token is 256 random bits: its SHA-256 tells nothing. revoked_at keeps the name for the audit.
    """
    CREATE TABLE token (
        id         int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name       text NOT NULL,
        role       text NOT NULL CHECK (role IN ('viewer', 'pipeline', 'operator')),
        hash       bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
        created_at timestamptz NOT NULL,
        created_by text NOT NULL,
        expires_at timestamptz,
        revoked_at timestamptz
    )
    """,
    "CREATE UNIQUE INDEX token_name ON token (name) WHERE revoked_at IS NULL",
    # Who signed in with a browser. token NULL: with PINFALL_OPERATOR_TOKEN, known by its hash.
    """
    CREATE TABLE session (
        hash       bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
        token      int REFERENCES token ON DELETE CASCADE,
        first_of   bytea,
        expires_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE audit (
        id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at      timestamptz NOT NULL,
        who     text NOT NULL,
        action  text NOT NULL,
        subject text NOT NULL,
        details jsonb NOT NULL
    )
    """,
)
_DOWN = (
    "DROP TABLE audit", "DROP TABLE session", "DROP TABLE token", "DROP TABLE connection_hour",
    "DROP TABLE connection_delta", "DROP TABLE connection_window",
    "DROP TABLE proposal", "ALTER TABLE project DROP COLUMN forgotten_at",
    "ALTER TABLE host DROP COLUMN registered, DROP COLUMN seen_on",
    "ALTER TABLE sighting DROP COLUMN environment",
    "ALTER TABLE violation DROP COLUMN weight, DROP COLUMN trusted",
)  # fmt: skip


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in _DOWN:
        op.execute(statement)
