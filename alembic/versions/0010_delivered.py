"""what is delivered comes with what is stored

Processes of before are to be stopped first: they send this type.

Revision ID: 0010
Revises: 0009
"""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute("DROP TYPE delivered")


def downgrade() -> None:
    op.execute(
        "CREATE TYPE delivered AS (key bytea, received_at timestamptz, weak boolean, project int)"
    )
