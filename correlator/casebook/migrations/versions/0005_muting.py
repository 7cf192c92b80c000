"""Silences, what they muted, and the situation as a whole (a storm)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0005", "0004"


def upgrade() -> None:
    op.create_table(
        "silences",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("expires_ns", sa.BigInteger, nullable=False),
        sa.Column("facts", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_silences_expires_ns", "silences", ["expires_ns"])
    op.create_table(
        "muted",
        sa.Column("silence", sa.String(64), primary_key=True),
        sa.Column("incident", sa.String(64), primary_key=True),
    )
    op.create_table(
        "situation",
        sa.Column("fact", sa.String(32), primary_key=True),
        sa.Column("facts", sa.LargeBinary, nullable=False),
    )
