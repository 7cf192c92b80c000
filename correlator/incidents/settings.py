"""How findings become incidents, and how fast people should answer: the `[correlate]` page of the settings."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

import msgspec

from correlator.routing.route import Expectation, Route
from ingest.clock import NS_PER_S

NotNegative = Annotated[float, msgspec.Meta(ge=0.0)]
KeptDays = Annotated[float, msgspec.Meta(ge=1.0, le=36_600.0)]
Positive = Annotated[float, msgspec.Meta(gt=0.0)]


class CorrelateSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    gap_m: NotNegative = 50.0  # circles of one hazard no further apart than this are one place
    gap_s: NotNegative = 120.0  # conditions no further apart than this are one happening
    loss_gap_m: NotNegative = 150.0  # the same for cameras that are lost together
    loss_gap_s: NotNegative = 60.0  # cameras that are lost within this time of one another have one cause
    hangs_on: dict[str, tuple[str, ...]] = {}  # camera -> `switch s1`, `power p2`; default: the labels of the registry
    causes: dict[str, tuple[str, ...]] = {}  # switch or recorder -> the cameras or sites behind it; default: the site
    # a hazard inhibits those after it at its place while its level is higher; what is not named is never inhibited
    hazards: tuple[str, ...] = ("fire", "crowd", "intrusion", "abandoned_object", "unusual_occupancy")
    believed: tuple[str, ...] = ("fire",)  # told although every camera that says so is lost or blind
    storm_findings: Annotated[int, msgspec.Meta(ge=2)] = 1000  # beginnings within storm_s that make a storm
    storm_s: Annotated[float, msgspec.Meta(ge=10.0, le=600.0)] = 60.0  # in a storm one incident speaks for its site
    flap_turns: Annotated[int, msgspec.Meta(ge=3, le=64)] = 6  # beginnings and ends within flap_s: it flaps
    flap_s: NotNegative = 600.0  # what flaps is told again only when it has kept still
    flap_still_s: NotNegative = 30.0  # for so long; what begins again sooner after its end than this flaps too
    # who is told, the first that fits; none: everybody who listens. Docs: docs/incidents.md
    routes: tuple[Route, ...] = ()
    route_expectations: tuple[Expectation, ...] = ()  # what `drumtower check` holds the routes to
    time_zone: str = ""  # of the routes' hours; empty: that of the district
    reopen_s: NotNegative = 120.0  # a closed incident is reopened within this time; later a new one starts
    link_s: NotNegative = 86_400.0  # a new incident names the closed one of its place that ended within this time
    silent_s: Positive = 90.0  # a condition that nobody speaks of for so long is unknown
    close_s: NotNegative = 300.0  # an incident that ended and was acknowledged closes after this time
    unseen_close_s: NotNegative = 86_400.0  # one that ended and that nobody acknowledged stays visible for so long
    seen_s: Positive = 60.0  # response targets, from detection
    on_scene_s: Positive = 180.0  # until somebody is there
    resolved_s: Positive = 300.0  # until it is over
    update_s: NotNegative = 5.0  # changes of the value are told no faster than this
    late_s: Positive = 300.0  # what was detected longer ago is recorded, not shouted
    clock_offset_s_max: Positive = 300.0  # a source clock further off is not believed
    history_s: Positive = 691_200.0  # findings are kept for 7 days: an older time comes from a broken clock
    records_max: Annotated[int, msgspec.Meta(ge=1)] = 4_000  # findings in one transaction
    incidents_kept_days: KeptDays = 365.0  # closed incidents; one on hold stays. Their past and the audit stay too
    # the same by kind or its beginning, `{ "health" = 30, "anomaly.fire" = 3650 }`; the longest that fits counts
    incidents_kept_days_of: dict[str, KeptDays] = {}
    alerts_kept_days: KeptDays = 30.0  # in the outbox, once every receiver has them
    # each minute of each zone is kept so long, for reports; 2,000 zones are 0.3 GB a day
    zone_minutes_kept_days: Annotated[float, msgspec.Meta(ge=1.0, le=3_660.0)] = 35.0
    evidence_kept_s: NotNegative = 259_200.0  # pictures of an incident, with covered persons; 0: none is kept
    evidence_bytes_max: Annotated[int, msgspec.Meta(ge=0)] = 1_073_741_824  # of all of them; the oldest go first
    names: dict[str, str] = {}  # display names of zones, sites and cameras by id


@lru_cache(maxsize=1_024)  # asked several times for each finding, always of the same few settings
def ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)
