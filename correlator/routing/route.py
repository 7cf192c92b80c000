"""
Routes: who is told of an incident, by its kind, its level, its place and the time of day; and who next when nobody
acknowledges. The first route that fits speaks, and those after it only while each says `more = true`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec

from ingest.registry.closing import DAY_MIN, closed_hours
from ingest.schema.finding import Level

Positive = Annotated[float, msgspec.Meta(gt=0.0)]


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is told next when nobody has acknowledged."""

    after_s: Positive  # from when people were told first
    to: tuple[str, ...]


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    kinds: tuple[str, ...] = ("*",)  # as shells match names: `crowd.*`
    level_min: Level = Level.NOTICE
    level_max: Level = Level.CRITICAL
    sites: tuple[str, ...] = ("*",)
    zones: tuple[str, ...] = ()  # empty: wherever in the site
    hours: str = "24/7"  # of the week, as closing hours are written: `Mo-Fr 08:00-18:00`
    to: tuple[str, ...]  # desks or receivers
    more: bool = False  # whether the routes after it speak too
    escalate: tuple[Step, ...] = ()


class Expectation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must come out of the routes; `drumtower check` holds them to it."""

    kind: str
    level: Level
    site: str
    zone: str | None = None
    at: str  # local time, `2026-12-05T22:30`
    to: tuple[str, ...]


class Case(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    level: Level
    site: str
    zone: str | None
    local: datetime  # on the clock on the wall


def case_of(kind: str, level: Level, site: str, zone: str | None, at: datetime, time_zone: str) -> Case:
    return Case(kind=kind, level=level, site=site, zone=zone, local=at.astimezone(ZoneInfo(time_zone or "UTC")))


def fits(route: Route, case: Case) -> bool:
    return (
        any(fnmatchcase(case.kind, pattern) for pattern in route.kinds)
        and route.level_min.rank <= case.level.rank <= route.level_max.rank
        and any(fnmatchcase(case.site, pattern) for pattern in route.sites)
        and (not route.zones or (case.zone is not None and any(fnmatchcase(case.zone, each) for each in route.zones)))
        and _is_within(route.hours, case.local)
    )


def routed(routes: Sequence[Route], case: Case) -> list[Route]:
    """The routes that speak for a case, in their order; none where no route fits."""
    chosen: list[Route] = []
    for route in routes:
        if fits(route, case):
            chosen.append(route)
            if not route.more:
                break
    return chosen


def told_by(chosen: Sequence[Route]) -> tuple[str, ...]:
    """Who is told, each once."""
    return tuple(dict.fromkeys(name for route in chosen for name in route.to))


def steps_of(chosen: Sequence[Route]) -> list[tuple[float, tuple[str, ...]]]:
    """(after_s, who) of all that are told when nobody acknowledges, in the order of time."""
    return sorted((step.after_s, step.to) for route in chosen for step in route.escalate)


def _is_within(hours: str, local: datetime) -> bool:
    """Whether the clock shows a time of these hours; those past midnight belong to the day on which they begin."""
    minute, today = local.hour * 60 + local.minute, local.weekday()
    yesterday = (local - timedelta(days=1)).weekday()
    return any(
        (today in rule.days and rule.begins_min <= minute < rule.ends_min)
        or (yesterday in rule.days and rule.begins_min <= minute + DAY_MIN < rule.ends_min)
        for rule in closed_hours(hours)
    )
