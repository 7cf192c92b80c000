"""From here on the revision says what the tables are like; programs from before see that they are too old."""

from __future__ import annotations

from alembic import op

revision, down_revision = "0004", "0003"


def upgrade() -> None:
    op.execute("DELETE FROM casebook WHERE fact = 'version'")
    op.execute("INSERT INTO casebook (fact, value) VALUES ('version', '4')")
