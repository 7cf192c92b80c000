"""How findings become incidents, and how fast people should answer: the `[correlate]` page of the settings."""

from __future__ import annotations

import msgspec

from ingest.clock import NS_PER_S


class CorrelateSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    gap_m: float = 50.0  # circles of one hazard no further apart than this are one place
    gap_s: float = 120.0  # conditions no further apart than this are one happening
    loss_gap_m: float = 150.0  # the same for cameras that are lost together
    loss_gap_s: float = 60.0  # cameras that are lost within this time of one another have one cause
    causes: dict[str, tuple[str, ...]] = {}  # switch or recorder -> the cameras or sites behind it; default: the site
    reopen_s: float = 120.0  # a closed incident is reopened within this time; later a new one starts
    link_s: float = 86_400.0  # a new incident names the closed one of this place that it follows, within this time
    silent_s: float = 90.0  # a condition that nobody speaks of for so long is unknown
    close_s: float = 300.0  # an incident that ended and was acknowledged closes after this time
    unseen_close_s: float = 86_400.0  # one that ended and that nobody acknowledged stays visible for so long
    seen_s: float = 60.0  # response targets, from detection
    on_scene_s: float = 180.0  # until somebody is there
    resolved_s: float = 300.0  # until it is over
    update_s: float = 5.0  # changes of the value are told no faster than this
    late_s: float = 300.0  # what was detected longer ago is recorded, not shouted
    clock_offset_s_max: float = 300.0  # a source clock further off is not believed
    history_s: float = 691_200.0  # findings are kept for 7 days: an older time comes from a broken clock
    records_max: int = 500  # findings in one transaction
    names: dict[str, str] = {}  # display names of zones, sites and cameras by id


def ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)
