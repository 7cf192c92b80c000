"""The minutes of zones. Casebooks from before there were revisions may have them already."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    op.create_table(
        "zone_minutes",
        sa.Column("minute", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("zone", sa.String(64), primary_key=True),
        sa.Column("readings", sa.SmallInteger, nullable=False),
        sa.Column("persons", sa.REAL),
        sa.Column("persons_max", sa.REAL),
        sa.Column("low", sa.REAL),
        sa.Column("high", sa.REAL),
        sa.Column("per_m2", sa.REAL),
        sa.Column("local_per_m2_max", sa.REAL),
        sa.Column("lower_bound", sa.Boolean, nullable=False),
        sa.Column("degraded", sa.Boolean, nullable=False),
        sa.Column("synthetic", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
