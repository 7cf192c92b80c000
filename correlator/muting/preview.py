"""What a silence would mute now, and would have muted in the last week: looked at before it is set."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from correlator.muting.silence import Silence, expires_at, is_in_force, is_meant
from ingest.clock import utc, utc_ns
from ingest.schema.alert import IncidentView

WEEK = timedelta(days=7)
LISTED_MAX = 20


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    now: tuple[str, ...]  # open incidents that it is about, by id, the newest first
    last_week: int  # incidents of the last seven days that it is about, at whatever hour
    last_week_in_its_hours: int  # of these, those that began at an hour at which it would be in force
    last_week_too_severe: int  # those of a higher level than it mutes: they are told all the same
    titles: tuple[str, ...]  # of some of them, so that a wrong place shows


def preview(silence: Silence, views: Iterable[IncidentView], now_ns: int) -> Preview:
    """
    Args:
        views: incidents that are open or were detected in the last week.
    """
    since = utc(now_ns) - WEEK
    meant = sorted((view for view in views if is_meant(silence, view)), key=lambda view: view.detected_at, reverse=True)
    week = [view for view in meant if view.detected_at >= since]
    mild = [view for view in week if view.level.rank <= silence.level_max.rank]
    return Preview(
        now=tuple(view.id for view in meant if view.state != "closed" and view.level.rank <= silence.level_max.rank),
        last_week=len(mild),
        last_week_in_its_hours=sum(_in_its_hours(silence, view) for view in mild),
        last_week_too_severe=len(week) - len(mild),
        titles=tuple(dict.fromkeys(view.title for view in mild))[:LISTED_MAX],
    )


def _in_its_hours(silence: Silence, view: IncidentView) -> bool:
    """Whether it would mute at that hour of the week; a single silence is shifted by whole weeks for this."""
    at_ns = utc_ns(view.detected_at)
    if is_in_force(silence, at_ns):
        return True
    weeks = -((view.detected_at - silence.from_at) // WEEK)
    return any(is_in_force(silence, utc_ns(view.detected_at + WEEK * step)) for step in (weeks - 1, weeks, weeks + 1))


class SilenceView(msgspec.Struct, frozen=True, kw_only=True):
    """A silence as people see it."""

    silence: Silence
    in_force: bool
    expires_at: datetime
    muted_count: int  # incidents that it has muted


def shown(silence: Silence, muted_count: int, now_ns: int) -> SilenceView:
    return SilenceView(
        silence=silence,
        in_force=is_in_force(silence, now_ns),
        expires_at=expires_at(silence),
        muted_count=muted_count,
    )
