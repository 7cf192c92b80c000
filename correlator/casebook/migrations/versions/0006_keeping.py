"""How long an incident is kept goes by its kind, which becomes a column; and holds, which keep it for longer."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0006", "0005"
_BATCH = 500


def upgrade() -> None:
    op.create_table(
        "holds",
        sa.Column("incident", sa.String(64), primary_key=True),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.add_column("incidents", sa.Column("kind", sa.String(128), nullable=False, server_default=""))
    incidents = sa.table("incidents", sa.column("id"), sa.column("kind"), sa.column("view", sa.LargeBinary))
    connection, last = op.get_bind(), ""
    page = sa.select(incidents.c.id, incidents.c.view).order_by(incidents.c.id).limit(_BATCH)
    while found := connection.execute(page.where(incidents.c.id > last)).all():
        connection.execute(
            incidents.update().where(incidents.c.id == sa.bindparam("of")).values(kind=sa.bindparam("said")),
            [{"of": row.id, "said": json.loads(bytes(row.view))["kind"]} for row in found],
        )
        last = found[-1].id
