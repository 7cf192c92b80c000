"""Pictures of incidents, with covered persons. Casebooks from before there were revisions may have them already."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0003", "0002"


def upgrade() -> None:
    op.create_table(
        "evidence_pictures",
        sa.Column("reference", sa.String(96), primary_key=True),
        sa.Column("from_ns", sa.BigInteger, nullable=False),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("jpeg", sa.LargeBinary, nullable=False),
        if_not_exists=True,
    )
    op.create_index("ix_evidence_pictures_from_ns", "evidence_pictures", ["from_ns"], if_not_exists=True)
