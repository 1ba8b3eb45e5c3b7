"""alerts, what silences them, what channels are owed of them, who watches

Revision ID: 0006
Revises: 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"

_UP = (
    # One thing wrong with one host. What people read is in the body; what is asked for has columns.
    """
    CREATE TABLE alert (
        id              text PRIMARY KEY,
        project         int NOT NULL REFERENCES project ON DELETE CASCADE,
        host            text NOT NULL,
        kind            text NOT NULL,
        severity        text NOT NULL CHECK (severity IN ('ticket', 'page')),
        audience        text NOT NULL CHECK (audience IN ('oncall', 'security')),
        state           text NOT NULL CHECK (state IN ('firing', 'resolved')),
        started_at      timestamptz NOT NULL,
        updated_at      timestamptz NOT NULL,
        ended_at        timestamptz CHECK ((ended_at IS NOT NULL) = (state = 'resolved')),
        acknowledged_by text,
        acknowledged_at timestamptz CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL)),
        silenced_until  timestamptz,
        dedup_key       text NOT NULL UNIQUE,
        body            jsonb NOT NULL,  -- pinfall.alert/1
        epoch           bigint NOT NULL  -- of the watcher that wrote it last
    )
    """,
    "CREATE UNIQUE INDEX alert_firing ON alert (project, host, kind) WHERE state = 'firing'",
    "CREATE INDEX alert_updated ON alert (updated_at DESC)",
    "CREATE INDEX alert_host ON alert (project, host, started_at DESC)",
    """
    CREATE TABLE silence (
        id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        project    int REFERENCES project ON DELETE CASCADE,  -- NULL: any
        host       text,  -- a name, or *.example.com; NULL: any
        kind       text,  -- NULL: any
        until      timestamptz NOT NULL,
        created_at timestamptz NOT NULL,
        created_by text NOT NULL,
        note       text NOT NULL DEFAULT ''
    )
    """,
    "CREATE INDEX silence_until ON silence (until)",
    """
    CREATE TABLE alert_note (
        id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        alert text NOT NULL REFERENCES alert ON DELETE CASCADE,
        at    timestamptz NOT NULL,
        who   text NOT NULL,
        note  text NOT NULL
    )
    """,
    "CREATE INDEX alert_note_alert ON alert_note (alert, id)",
    # What people did about an alert, until the watcher has taken it in.
    """
    CREATE TABLE alert_order (
        id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        alert text NOT NULL REFERENCES alert ON DELETE CASCADE,
        what  text NOT NULL CHECK (what IN ('acknowledge', 'silence', 'resolve', 'forged')),
        until timestamptz,  -- of a silence; NULL: it ends
        who   text NOT NULL,
        at    timestamptz NOT NULL
    )
    """,
    # One alert state owed to one channel. A channel is a name: its address and secrets are not here.
    """
    CREATE TABLE delivery_out (
        id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- in the order of what happened
        alert         text NOT NULL REFERENCES alert ON DELETE CASCADE,
        channel       text NOT NULL,
        event         text NOT NULL
            CHECK (event IN ('fired', 'became_page', 'cause_changed', 'acknowledged', 'resolved', 'test')),
        thread        text NOT NULL,  -- the dedup_key that the receiver knows: of the page it joined
        body          jsonb NOT NULL,  -- the alert as it was then
        state         text NOT NULL DEFAULT 'waiting'
            CHECK (state IN ('waiting', 'sent', 'given_up', 'superseded', 'joined')),
        created_at    timestamptz NOT NULL,
        due_at        timestamptz NOT NULL,
        tries         int NOT NULL DEFAULT 0,  -- begun, whether or not their end is known
        last_error    text,
        claimed_until timestamptz,  -- somebody sends it; after this it is anybody's again
        ended_at      timestamptz,
        epoch         bigint NOT NULL
    )
    """,
    "CREATE INDEX delivery_out_waiting ON delivery_out (channel, thread, id) WHERE state = 'waiting'",
    "CREATE INDEX delivery_out_alert ON delivery_out (alert, channel, id)",
    "CREATE INDEX delivery_out_thread ON delivery_out (thread, channel)",
    "CREATE INDEX delivery_out_ended ON delivery_out (ended_at) WHERE state <> 'waiting'",
    # One row: who watches, for the ten seconds after renewed_at. The epoch grows with each new holder.
    """
    CREATE TABLE watcher_lease (
        id         int PRIMARY KEY CHECK (id = 1),
        holder     text NOT NULL,
        epoch      bigint NOT NULL,
        renewed_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE detector_state (
        project         int NOT NULL REFERENCES project ON DELETE CASCADE,
        host            text NOT NULL,
        state           jsonb NOT NULL,
        evaluated_up_to timestamptz NOT NULL,
        PRIMARY KEY (project, host)
    )
    """,
)
_DOWN = (
    "DROP TABLE detector_state", "DROP TABLE watcher_lease", "DROP TABLE delivery_out",
    "DROP TABLE alert_order", "DROP TABLE alert_note", "DROP TABLE silence", "DROP TABLE alert",
)  # fmt: skip


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in _DOWN:
        op.execute(statement)
