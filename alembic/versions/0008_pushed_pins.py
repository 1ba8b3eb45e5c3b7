"""when a pin set was registered first: pins that are new are a change after which clients may break

Revision ID: 0008
Revises: 0007
"""

from alembic import op

revision = "0008"
down_revision = "0007"

_UP = (
    # imported_at is of the last time that something else about it changed.
    "ALTER TABLE shipped_pin_set ADD COLUMN first_at timestamptz NOT NULL DEFAULT now()",
    "UPDATE shipped_pin_set SET first_at = imported_at",
)
_DOWN = ("ALTER TABLE shipped_pin_set DROP COLUMN first_at",)


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in _DOWN:
        op.execute(statement)
