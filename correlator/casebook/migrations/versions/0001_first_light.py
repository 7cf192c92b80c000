"""The tables of the first casebook: incidents, their past, the outbox, positions, cursors, the audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None


def upgrade() -> None:
    op.create_table(
        "casebook",
        sa.Column("fact", sa.String(32), primary_key=True),
        sa.Column("value", sa.String(64), nullable=False),
    )
    op.create_table(
        "incidents",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("condition", sa.String(16), nullable=False),
        sa.Column("level_rank", sa.Integer, nullable=False),
        sa.Column("detected_ns", sa.BigInteger, nullable=False),
        sa.Column("closed_ns", sa.BigInteger),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("facts", sa.LargeBinary, nullable=False),
        sa.Column("view", sa.LargeBinary, nullable=False),
    )
    op.create_index("incidents_open", "incidents", ["state", "level_rank", "detected_ns", "id"])
    op.create_index("incidents_newest", "incidents", ["detected_ns", "id"])
    op.create_index("incidents_closed", "incidents", ["closed_ns"])
    op.create_table(
        "conditions",
        sa.Column("id", sa.String(128), primary_key=True),
        sa.Column("incident", sa.String(64), nullable=False, index=True),
        sa.Column("facts", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "findings",
        sa.Column("id", sa.String(128), primary_key=True),
        sa.Column("condition", sa.String(128), nullable=False, index=True),
    )
    op.create_table(
        "aliases",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("incident", sa.String(64), nullable=False, index=True),
    )
    op.create_table(
        "history",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("incident", sa.String(64), nullable=False, index=True),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
        sa.Column("act", sa.String(32), nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("detail", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "outbox",
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
        sa.Column("incident", sa.String(64), nullable=False),
        sa.Column("type", sa.String(48), nullable=False),
        sa.Column("alert", sa.LargeBinary, nullable=False),
    )
    head = op.create_table(
        "outbox_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "positions",
        sa.Column("stage", sa.String(64), primary_key=True),
        sa.Column("topic", sa.String(200), primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "cursors",
        sa.Column("receiver", sa.String(200), primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("act", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    audit_head = op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    op.bulk_insert(head, [{"id": 1, "sequence": 0, "revision": 0}])
    op.bulk_insert(audit_head, [{"id": 1, "number": 0, "digest": ""}])
