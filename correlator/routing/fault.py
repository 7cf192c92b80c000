"""What is wrong with routes: each fault with its mend, all at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from correlator.routing.route import Case, Expectation, Route, routed, told_by
from ingest.errors import SettingsError
from ingest.registry.closing import closed_hours


def route_faults(routes: Sequence[Route], expected: Sequence[Expectation], time_zone: str) -> list[SettingsError]:
    """Faults of routes and of what is expected of them; no routes at all are none."""
    faults = [fault for number, route in enumerate(routes) for fault in _of_route(number, route, routes[:number])]
    readable = all(_hours_fault(route.hours) is None for route in routes)
    if routes and not any(_takes_all(route) for route in routes):
        faults.append(
            _fault(
                "correlate.routes",
                "a last route that takes what no other does",
                "none",
                "Add one with a name and `to` only: it takes every kind, level and hour.",
            )
        )
    if readable:
        for number, one in enumerate(expected):
            faults += _of_expectation(f"correlate.route_expectations[{number}]", routes, one, time_zone)
    return faults


def _of_route(number: int, route: Route, before: Sequence[Route]) -> list[SettingsError]:
    at, faults = f"correlate.routes[{number}]", []
    if not route.name.strip() or route.name in {other.name for other in before}:
        faults.append(_fault(f"{at}.name", "a name of its own", f'"{route.name}"', "Give it another name."))
    if not route.to or any(not name.strip() for step in ((route.to), *(s.to for s in route.escalate)) for name in step):
        faults.append(_fault(f"{at}.to", "at least one desk or receiver", "none", "Name who is told."))
    if route.level_min.rank > route.level_max.rank:
        got = f"{route.level_min} to {route.level_max}"
        faults.append(_fault(f"{at}.level_min", "a level not above level_max", got, "Exchange the two."))
    if (fault := _hours_fault(route.hours)) is not None:
        faults.append(_fault(f"{at}.hours", "hours of the week such as Mo-Fr 08:00-18:00", fault, "Mend the text."))
    blocking = next((other for other in before if _takes_all(other) and not other.more), None)
    if blocking is not None:
        mend = f'Put it before "{blocking.name}", or set more = true there.'
        faults.append(_fault(at, "a route that something can reach", f'one behind "{blocking.name}"', mend))
    return faults


def _of_expectation(at: str, routes: Sequence[Route], one: Expectation, time_zone: str) -> list[SettingsError]:
    try:
        local = datetime.fromisoformat(one.at)
    except ValueError:
        return [_fault(f"{at}.at", "a time such as 2026-12-05T22:30", one.at[:40], "Write it so.")]
    if local.tzinfo is not None:
        local = local.astimezone(ZoneInfo(time_zone or "UTC"))
    chosen = routed(routes, Case(kind=one.kind, level=one.level, site=one.site, zone=one.zone, local=local))
    told = told_by(chosen)
    if set(told) == set(one.to):
        return []
    by = ", ".join(route.name for route in chosen) or "no route"
    return [_fault(at, ", ".join(one.to) or "nobody", f"{', '.join(told) or 'nobody'} ({by})", "Mend the routes.")]


def _takes_all(route: Route) -> bool:
    every = Route(name="", to=("x",))
    return (route.level_min, route.level_max, route.zones) == (every.level_min, every.level_max, ()) and (
        "*" in route.kinds and "*" in route.sites and route.hours.strip() == "24/7"
    )


def _hours_fault(hours: str) -> str | None:
    try:
        closed_hours(hours)
    except ValueError as error:
        return str(error)
    return None


def _fault(what: str, expected: str, got: str, mend: str) -> SettingsError:
    return SettingsError(what, expected=expected, got=got, mend=mend)
