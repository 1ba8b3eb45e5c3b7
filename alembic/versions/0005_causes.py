"""what hosts serve, rotations, what clients pin; causes; installs that were counted

Revision ID: 0005
Revises: 0004
"""

from alembic import op

revision = "0005"
down_revision = "0004"

_UP = (
    """
    ALTER TABLE host
        ADD COLUMN port int NOT NULL DEFAULT 443 CHECK (port BETWEEN 1 AND 65535),
        ADD COLUMN third_party boolean NOT NULL DEFAULT false  -- its rotations are news, not ours
    """,
    # What a probe saw: of a host, whichever projects name it. Certificates stand here themselves, since
    # those of reports are pruned.
    """
    CREATE TABLE served_chain (
        id         bytea PRIMARY KEY CHECK (octet_length(id) = 16),  -- of host, port and certificates
        host       text NOT NULL,
        port       int NOT NULL,
        ders       bytea[] NOT NULL,  -- leaf first, as the server sent them
        leaf       bytea NOT NULL CHECK (octet_length(leaf) = 32),  -- SPKI SHA-256 of the first
        key_type   text,
        trusted    boolean NOT NULL,  -- by the roots that were asked, for this name, when last seen
        problem    text,  -- why it is not
        first_seen timestamptz NOT NULL,
        last_seen  timestamptz NOT NULL
    )
    """,
    "CREATE INDEX served_chain_host ON served_chain (host, last_seen DESC)",
    "CREATE INDEX served_chain_leaf ON served_chain (leaf)",
    """
    CREATE TABLE probe_state (
        host    text NOT NULL,
        port    int NOT NULL,
        vantage text NOT NULL,  -- 'here', or a name that `probe --submit` gave
        address text NOT NULL,  -- '': the name did not resolve
        asked   text NOT NULL,  -- which chain was asked for: 'tls1.3', 'tls1.2 rsa', 'tls1.2 ecdsa'
        state   text NOT NULL,
        detail  text NOT NULL DEFAULT '',
        chain   bytea,  -- a served_chain
        at      timestamptz NOT NULL,
        since   timestamptz NOT NULL,  -- that state and chain are as they are
        PRIMARY KEY (host, port, vantage, address, asked)
    )
    """,
    """
    CREATE TABLE rotation (
        id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        project     int REFERENCES project ON DELETE CASCADE,  -- NULL: of the host, in every project
        host        text NOT NULL,
        at          timestamptz NOT NULL,  -- when keys changed, or are to change, as far as is known
        planned_at  timestamptz,
        declared_at timestamptz,
        declared_by text,
        probed_at   timestamptz,
        observed_at timestamptz,
        old_leaves  bytea[] NOT NULL DEFAULT '{}',  -- SPKI SHA-256
        new_leaves  bytea[] NOT NULL DEFAULT '{}',
        ders        bytea[] NOT NULL DEFAULT '{}',  -- the coming chain, where it was declared
        note        text NOT NULL DEFAULT '',
        state       text NOT NULL,
        state_at    timestamptz NOT NULL,
        ended_at    timestamptz
    )
    """,
    "CREATE INDEX rotation_host ON rotation (host, at DESC)",
    """
    CREATE TABLE shipped_pin_set (
        id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        project            int NOT NULL REFERENCES project ON DELETE CASCADE,
        host               text NOT NULL,
        include_subdomains boolean NOT NULL,
        app                text,  -- NULL: any
        platform           text,
        version_from       text,  -- both ends are in the range
        version_to         text,
        pins               text[] NOT NULL,  -- 'sha256/…', sorted
        enforced           boolean,
        starts             timestamptz,
        expires            timestamptz,  -- then clients stop pinning
        report_uris        text[] NOT NULL DEFAULT '{}',
        default_report_uri boolean NOT NULL DEFAULT false,  -- the SDK's own is on as well
        format             text NOT NULL,
        source             text NOT NULL,  -- the file's name
        imported_at        timestamptz NOT NULL,
        imported_by        text NOT NULL,
        UNIQUE NULLS NOT DISTINCT
            (project, host, include_subdomains, app, platform, version_from, version_to, pins)
    )
    """,
    """
    CREATE TABLE proven_pin (
        project   int NOT NULL REFERENCES project ON DELETE CASCADE,
        pin       text NOT NULL,
        how       text NOT NULL,  -- 'certificate' or 'csr'
        subject   text,
        proven_at timestamptz NOT NULL,
        proven_by text NOT NULL,
        PRIMARY KEY (project, pin)
    )
    """,
    """
    CREATE TABLE learned_pin_set (
        project     int NOT NULL REFERENCES project ON DELETE CASCADE,
        host        text NOT NULL,
        app         text NOT NULL,
        app_version text NOT NULL,  -- '': not told
        platform    text NOT NULL,
        pins        text[] NOT NULL,
        installs    int NOT NULL,
        networks    int NOT NULL,
        first_seen  timestamptz NOT NULL,
        last_seen   timestamptz NOT NULL,
        PRIMARY KEY (project, host, app, app_version, platform, pins)
    )
    """,
    # Rows on their way in: one value each, as `failures`, `deliveries` and `ledger` send them.
    """
    CREATE TYPE ingested AS (
        received_at timestamptz, delivery bytea, project int, signature bytea, app_key text, environment text,
        dialect text, kind text, host text, noted_host text, port int, enforced boolean, blocked boolean,
        weak boolean, client_time timestamptz, client_time_raw text, time_trust text, app_id text,
        app_version text, platform text, os_version text, sdk text, sdk_version text, install bytea,
        occurrences int, pin_set bytea, served_chain bytea, validated_chain bytea, test boolean,
        trusted boolean, weight double precision, details text, leaf text, counted bytea, network bytea,
        operator_network bytea, label text, whole boolean
    )
    """,
    "CREATE TYPE delivered AS (key bytea, received_at timestamptz, weak boolean, project int)",
    "CREATE TYPE ledger_entry AS (project int, dialect text, result text, reason text, items bigint)",
    # How many use which version, a day: the share of a version is its part of the sum.
    """
    CREATE TABLE version_use (
        project  int NOT NULL REFERENCES project ON DELETE CASCADE,
        app      text NOT NULL,
        platform text NOT NULL,
        version  text NOT NULL,
        day      date NOT NULL,
        source   text NOT NULL CHECK (source IN ('connections', 'reports', 'imported')),
        uses     double precision NOT NULL,
        PRIMARY KEY (project, app, platform, version, day, source)
    )
    """,
    """
    ALTER TABLE signature
        ADD COLUMN cause    jsonb,  -- {"label", "confidence", "evidence": [{"fact", "value"}]}
        ADD COLUMN cause_at timestamptz
    """,
    """
    CREATE TABLE relabel (
        id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        signature bytea NOT NULL,
        label     text,  -- NULL: back to what the rules say
        was       text,
        note      text NOT NULL,
        at        timestamptz NOT NULL,
        who       text NOT NULL
    )
    """,
    "CREATE INDEX relabel_signature ON relabel (signature, id DESC)",
    """
    ALTER TABLE sighting
        ADD COLUMN app         text NOT NULL DEFAULT '',
        ADD COLUMN app_version text NOT NULL DEFAULT '',
        ADD COLUMN platform    text NOT NULL DEFAULT '',
        ADD COLUMN pin_set     bytea,
        ADD COLUMN chain       bytea,  -- the validated, else the served one
        ADD COLUMN class       text,   -- as it was counted
        ADD COLUMN counted     boolean NOT NULL DEFAULT true
    """,
    # Those from before this are not counted; new ones wait for the watcher.
    "ALTER TABLE sighting ALTER COLUMN counted SET DEFAULT false",
    "CREATE INDEX sighting_waiting ON sighting (id) WHERE NOT counted",
    # An install that was counted, and is again 24 h later.
    """
    CREATE TABLE counted_install (
        id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        project          int NOT NULL,
        host             text NOT NULL,
        class            text NOT NULL CHECK (class IN ('self', 'interception', 'unknown')),
        install          bytea NOT NULL,
        estimated        boolean NOT NULL,
        at               timestamptz NOT NULL,
        within_cap       boolean NOT NULL,  -- among the first of its network in 24 h
        network          bytea NOT NULL,
        operator_network bytea NOT NULL,
        signature        bytea NOT NULL,
        leaf             text,
        app              text NOT NULL,
        app_version      text NOT NULL,
        platform         text NOT NULL
    )
    """,
    "CREATE INDEX counted_install_at ON counted_install (project, host, class, at)",
    "CREATE INDEX counted_install_install ON counted_install (install, at)",
    "CREATE INDEX counted_install_recent ON counted_install USING brin (at)",
    "CREATE INDEX sighting_untrusted ON sighting (received_at) WHERE kind = 'chain_untrusted'",
    "CREATE INDEX counted_install_network ON counted_install (network, at) WHERE within_cap",
)
_DOWN = (
    "DROP TABLE counted_install",
    "DROP INDEX sighting_waiting",
    "DROP INDEX sighting_untrusted",
    """
    ALTER TABLE sighting
        DROP COLUMN app, DROP COLUMN app_version, DROP COLUMN platform, DROP COLUMN pin_set,
        DROP COLUMN chain, DROP COLUMN class, DROP COLUMN counted
    """,
    "DROP TABLE relabel",
    "ALTER TABLE signature DROP COLUMN cause, DROP COLUMN cause_at",
    "DROP TYPE ledger_entry", "DROP TYPE delivered", "DROP TYPE ingested",
    "DROP TABLE version_use", "DROP TABLE learned_pin_set", "DROP TABLE proven_pin",
    "DROP TABLE shipped_pin_set", "DROP TABLE rotation", "DROP TABLE probe_state",
    "DROP TABLE served_chain",
    "ALTER TABLE host DROP COLUMN port, DROP COLUMN third_party",
)  # fmt: skip


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in _DOWN:
        op.execute(statement)
