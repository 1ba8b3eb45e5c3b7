"""when a counted install failed stands with it, whether its violation was stored whole or not

Processes of before are to be stopped first: they send rows of counted_install without it.

Revision ID: 0011
Revises: 0010
"""

from alembic import op

revision = "0011"
down_revision = "0010"

_UP = (
    "ALTER TABLE sighting ADD COLUMN failed_at timestamptz",  # by the client's clock, where it can be believed
    "ALTER TABLE counted_install ADD COLUMN failed_at timestamptz",
    # Of a day: whoever failed before that is not waited for any more.
    """
    UPDATE counted_install c SET failed_at = v.client_time FROM violation v
    WHERE c.at >= now() - interval '1 day' AND v.received_at >= now() - interval '1 day'
        AND v.project = c.project AND v.host = c.host AND v.received_at = c.at AND v.install = c.install
        AND v.time_trust IN ('client_utc', 'server_minus_age')
    """,
)
_DOWN = (
    "ALTER TABLE counted_install DROP COLUMN failed_at",
    "ALTER TABLE sighting DROP COLUMN failed_at",
)


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in _DOWN:
        op.execute(statement)
