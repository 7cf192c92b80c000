"""What goes when its time is over: incidents by their kind, and alerts that everybody has. Never what is held."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import ColumnElement, Connection, and_, case, delete, func, literal, select

from correlator.casebook import tables

INCIDENTS_MAX = 1_000  # of one transaction: writers wait for it


def prune_incidents(connection: Connection, before_ns: int, before_ns_of: Mapping[str, int]) -> int:
    """
    Take away closed incidents with their conditions and findings; how many went, at most `INCIDENTS_MAX`.

    Their past and the audit stay.

    Args:
        before_ns: an incident closed before this time goes.
        before_ns_of: the same by the beginning of its kind, `crowd` or `anomaly.fire`; the longest that fits counts.
    """
    table = tables.incidents.c
    limits = sorted(before_ns_of.items(), key=lambda one: -len(one[0]))
    limit: ColumnElement[int] = literal(before_ns)
    if limits:
        fits = [(table.kind == kind) | table.kind.startswith(f"{kind}.", autoescape=True) for kind, _ in limits]
        limit = case(*((fit, time) for fit, (_, time) in zip(fits, limits, strict=True)), else_=before_ns)
    old = and_(
        table.closed_ns.is_not(None),
        table.closed_ns < limit,
        table.condition != "active",
        table.id.not_in(select(tables.holds.c.incident)),
    )
    gone = list(
        connection.execute(select(table.id).where(old).order_by(table.closed_ns).limit(INCIDENTS_MAX)).scalars()
    )
    for names in (gone[start : start + 500] for start in range(0, len(gone), 500)):
        members = select(tables.conditions.c.id).where(tables.conditions.c.incident.in_(names)).scalar_subquery()
        connection.execute(delete(tables.findings).where(tables.findings.c.condition.in_(members)))
        connection.execute(delete(tables.conditions).where(tables.conditions.c.incident.in_(names)))
        connection.execute(delete(tables.aliases).where(tables.aliases.c.incident.in_(names)))
        connection.execute(delete(tables.incidents).where(table.id.in_(names)))
    return len(gone)


def prune_alerts(connection: Connection, newest: int, before_ns: int) -> None:
    """
    Take away alerts that every receiver has and that are older. Only a head of the outbox goes, so that what is left
    has no gaps.
    """
    reached = connection.execute(select(func.min(tables.cursors.c.sequence))).scalar()
    upto = newest if reached is None else reached
    kept = select(func.min(tables.outbox.c.sequence)).where(tables.outbox.c.at_ns >= before_ns)
    first_kept = connection.execute(kept).scalar()
    last = upto if first_kept is None else min(upto, first_kept - 1)
    connection.execute(delete(tables.outbox).where(tables.outbox.c.sequence <= last))
