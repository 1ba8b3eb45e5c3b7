"""what is parsed later is not compressed: mostly certificates, whose bytes do not get fewer by it

Revision ID: 0014
Revises: 0013
"""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.execute("ALTER TABLE deferred ALTER COLUMN frame SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.execute("ALTER TABLE deferred ALTER COLUMN frame SET STORAGE EXTENDED")
