"""projects, keys, hosts; deliveries, violations, sightings; certificates, chains, signatures; the ledger

Revision ID: 0001
Revises:
"""

from alembic import op

revision = "0001"
down_revision = None

_TABLES = (
    """
    CREATE TABLE project (
        id         int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name       text NOT NULL UNIQUE CHECK (name <> ''),
        hosts      text[] NOT NULL DEFAULT '{}',  -- patterns; none: hosts are admitted as they come
        secret     bytea NOT NULL CHECK (octet_length(secret) = 32),  -- keys all hashes of it
        created_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE ingest_key (
        key         text PRIMARY KEY,
        project     int NOT NULL REFERENCES project ON DELETE CASCADE,
        app         text NOT NULL,
        environment text NOT NULL CHECK (environment IN ('production', 'staging', 'debug')),
        trusted     boolean NOT NULL DEFAULT false,
        created_at  timestamptz NOT NULL,
        disabled_at timestamptz
    )
    """,
    # An admitted host: one that is a label of metrics. Others are stored, and counted as 'other'.
    """
    CREATE TABLE host (
        project     int NOT NULL REFERENCES project ON DELETE CASCADE,
        name        text NOT NULL,
        admitted_at timestamptz NOT NULL,
        PRIMARY KEY (project, name)
    )
    """,
    # Addresses are hashed with the secret of the day, which is deleted after 8 days.
    """
    CREATE TABLE day_secret (
        day    date PRIMARY KEY,
        secret bytea NOT NULL CHECK (octet_length(secret) = 32)
    )
    """,
    # What was delivered, apart from the partitions by day, so that midnight changes nothing.
    # weak: counts again 10 minutes after received_at. batch: the flush that brought it.
    """
    CREATE TABLE delivery (
        key         bytea NOT NULL PRIMARY KEY CHECK (octet_length(key) = 16),
        received_at timestamptz NOT NULL,
        batch       uuid NOT NULL,
        weak        boolean NOT NULL
    ) WITH (fillfactor = 90)
    """,
    "CREATE INDEX delivery_received_at ON delivery USING brin (received_at)",
    # Which flushes were committed: one whose answer was lost is not done twice.
    """
    CREATE TABLE batch (
        id uuid PRIMARY KEY,
        at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE certificate (
        sha256      bytea PRIMARY KEY CHECK (octet_length(sha256) = 32),  -- of the DER
        der         bytea NOT NULL,
        spki_sha256 bytea NOT NULL,
        spki_sha1   bytea NOT NULL,
        subject     text,  -- RFC 4514; NULL: too odd to tell
        issuer      text,
        sans        jsonb NOT NULL,
        not_before  timestamptz,
        not_after   timestamptz,
        is_ca       boolean,
        self_signed boolean NOT NULL,
        key_type    text,
        first_seen  timestamptz NOT NULL,
        seen_on     date NOT NULL  -- last day it was in a report; pruned long after
    )
    """,
    "CREATE INDEX certificate_spki_sha256 ON certificate (spki_sha256)",
    # slots, leaf first: [{"certificate": hex} | {"hash": "sha256/…", "subject": …} | {}]
    """
    CREATE TABLE chain (
        id         bytea PRIMARY KEY CHECK (octet_length(id) = 16),
        slots      jsonb NOT NULL,
        first_seen timestamptz NOT NULL,
        seen_on    date NOT NULL
    )
    """,
    """
    CREATE TABLE pin_set (
        id         bytea PRIMARY KEY CHECK (octet_length(id) = 16),
        pins       jsonb NOT NULL,  -- ["sha256/…"], sorted
        first_seen timestamptz NOT NULL,
        seen_on    date NOT NULL
    )
    """,
    """
    CREATE TABLE signature (
        id          bytea PRIMARY KEY CHECK (octet_length(id) = 16),
        project     int NOT NULL REFERENCES project ON DELETE CASCADE,
        host        text NOT NULL,
        kind        text NOT NULL,
        issuer_path jsonb NOT NULL,  -- SPKI SHA-256 as hex, leaf's issuer first
        first_seen  timestamptz NOT NULL,
        last_seen   timestamptz NOT NULL,
        violations  bigint NOT NULL
    )
    """,
    "CREATE INDEX signature_last_seen ON signature (last_seen DESC)",
    # Appended by ingest, folded into signature in the background: no two flushes share a row.
    """
    CREATE TABLE signature_delta (
        id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        signature  bytea NOT NULL,
        last_seen  timestamptz NOT NULL,
        violations int NOT NULL
    )
    """,
    """
    CREATE TABLE violation (
        received_at     timestamptz NOT NULL,
        delivery        bytea NOT NULL,
        project         int NOT NULL,
        signature       bytea NOT NULL,
        app_key         text NOT NULL,  -- the app that the ingest key names
        environment     text NOT NULL,
        dialect         text NOT NULL,
        kind            text NOT NULL,
        host            text NOT NULL,  -- or the common name that stands in for it
        noted_host      text,
        port            int,
        enforced        boolean,
        blocked         boolean,
        weak            boolean NOT NULL,
        client_time     timestamptz,
        client_time_raw text,
        time_trust      text,
        app_id          text,
        app_version     text,
        platform        text,
        os_version      text,
        sdk             text,
        sdk_version     text,
        install         bytea,  -- keyed hash
        occurrences     int NOT NULL,
        pin_set         bytea NOT NULL,
        served_chain    bytea,
        validated_chain bytea,
        test            boolean NOT NULL,
        details         jsonb NOT NULL  -- what is read by people only: flags, error, unknown keys
    ) PARTITION BY RANGE (received_at)
    """,
    "CREATE INDEX violation_received_at ON violation (received_at DESC)",
    "CREATE INDEX violation_host ON violation (project, host, received_at DESC)",
    "CREATE INDEX violation_signature ON violation (signature, received_at DESC)",
    # One a violation, for whoever counts affected installs. network, operator_network: hashes.
    """
    CREATE TABLE sighting (
        id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        project          int NOT NULL,
        host             text NOT NULL,
        kind             text NOT NULL,
        install          bytea NOT NULL,
        estimated        boolean NOT NULL,  -- install stands for an address
        leaf             text,  -- "sha256/…"
        signature        bytea NOT NULL,
        network          bytea NOT NULL,
        operator_network bytea NOT NULL,
        received_at      timestamptz NOT NULL
    )
    """,
    "CREATE INDEX sighting_host ON sighting (project, host, received_at)",
    "CREATE INDEX sighting_received_at ON sighting USING brin (received_at)",
    # Every item that came in and what became of it: received = the sum of the rest, by project.
    # project NULL: the key was not known. Appended by ingest, folded by hour in the background.
    """
    CREATE TABLE ledger_delta (
        id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        hour    timestamptz NOT NULL,
        project int,
        dialect text NOT NULL,
        result  text NOT NULL,
        reason  text NOT NULL,
        items   bigint NOT NULL
    )
    """,
    """
    CREATE TABLE ledger (
        hour    timestamptz NOT NULL,
        project int,
        dialect text NOT NULL,
        result  text NOT NULL,
        reason  text NOT NULL,
        items   bigint NOT NULL,
        UNIQUE NULLS NOT DISTINCT (hour, project, dialect, result, reason)
    )
    """,
    # A row that Postgres refused, alone: what it was is not kept, only that and why.
    """
    CREATE TABLE quarantine (
        id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        received_at timestamptz NOT NULL,
        project     int NOT NULL,
        dialect     text NOT NULL,
        delivery    bytea NOT NULL,
        sqlstate    text NOT NULL
    )
    """,
)
_NAMES = (
    "quarantine", "ledger", "ledger_delta", "sighting", "violation", "signature_delta", "signature",
    "pin_set", "chain", "certificate", "batch", "delivery", "day_secret", "host", "ingest_key", "project",
)  # fmt: skip


def upgrade() -> None:
    for statement in _TABLES:
        op.execute(statement)


def downgrade() -> None:
    for name in _NAMES:
        op.execute(f"DROP TABLE {name}")
