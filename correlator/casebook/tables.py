"""The tables of the casebook. What is searched is a column; the rest is JSON of the published structs."""

from __future__ import annotations

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)

metadata = MetaData()

about = Table(  # facts for programs from before there were revisions; see schema.py
    "casebook", metadata, Column("fact", String(32), primary_key=True), Column("value", String(64), nullable=False)
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("condition", String(16), nullable=False),
    Column("level_rank", Integer, nullable=False),
    Column("detected_ns", BigInteger, nullable=False),
    Column("closed_ns", BigInteger),
    Column("version", BigInteger, nullable=False),
    Column("kind", String(128), nullable=False, server_default=""),
    Column("facts", LargeBinary, nullable=False),  # Incident
    Column("view", LargeBinary, nullable=False),  # IncidentView
)
Index("incidents_open", incidents.c.state, incidents.c.level_rank, incidents.c.detected_ns, incidents.c.id)
Index("incidents_newest", incidents.c.detected_ns, incidents.c.id)
Index("incidents_closed", incidents.c.closed_ns)

holds = Table(
    "holds",
    metadata,
    Column("incident", String(64), primary_key=True),
    Column("at_ns", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

conditions = Table(
    "conditions",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("incident", String(64), nullable=False, index=True),
    Column("facts", LargeBinary, nullable=False),  # Condition
)

findings = Table(
    "findings",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("condition", String(128), nullable=False, index=True),
)

aliases = Table(
    "aliases",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("incident", String(64), nullable=False, index=True),
)

history = Table(
    "history",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("incident", String(64), nullable=False, index=True),
    Column("at_ns", BigInteger, nullable=False),
    Column("act", String(32), nullable=False),
    Column("actor", Text, nullable=False),
    Column("detail", LargeBinary, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("id", String(64), nullable=False, unique=True),
    Column("at_ns", BigInteger, nullable=False),
    Column("incident", String(64), nullable=False),
    Column("type", String(48), nullable=False),
    Column("alert", LargeBinary, nullable=False),
)

outbox_head = Table(  # one row: who writes holds it until the commit, so that commits are in the order of sequences
    "outbox_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
)

positions = Table(
    "positions",
    metadata,
    Column("stage", String(64), primary_key=True),
    Column("topic", String(200), primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
)

cursors = Table(
    "cursors",
    metadata,
    Column("receiver", String(200), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
)

evidence_pictures = Table(  # with covered persons only; see correlator/evidence
    "evidence_pictures",
    metadata,
    Column("reference", String(96), primary_key=True),
    Column("from_ns", BigInteger, nullable=False, index=True),
    Column("size_bytes", Integer, nullable=False),
    Column("jpeg", LargeBinary, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("act", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("digest", String(64), nullable=False),
)

audit_head = Table(  # one row: a tail that was cut off is missed
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
)

zone_minutes = Table(  # by minute first: appended at the end, pruned from the beginning
    "zone_minutes",
    metadata,
    Column("minute", Integer, primary_key=True, autoincrement=False),  # since 1970, UTC
    Column("zone", String(64), primary_key=True),
    Column("readings", SmallInteger, nullable=False),
    Column("persons", REAL),
    Column("persons_max", REAL),
    Column("low", REAL),
    Column("high", REAL),
    Column("per_m2", REAL),
    Column("local_per_m2_max", REAL),
    Column("lower_bound", Boolean, nullable=False),
    Column("degraded", Boolean, nullable=False),
    Column("synthetic", Boolean, nullable=False),
    sqlite_with_rowid=False,
)

silences = Table(
    "silences",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("expires_ns", BigInteger, nullable=False, index=True),
    Column("facts", LargeBinary, nullable=False),  # Silence
)

muted = Table(  # which incidents a silence has muted, each once
    "muted",
    metadata,
    Column("silence", String(64), primary_key=True),
    Column("incident", String(64), primary_key=True),
)

situation = Table(  # `storm`: what holds for the district as a whole
    "situation", metadata, Column("fact", String(32), primary_key=True), Column("facts", LargeBinary, nullable=False)
)
