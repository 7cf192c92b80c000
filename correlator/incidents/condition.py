"""
A condition: all findings with one `condition` id, folded.

The fold only ever grows (earliest onset, latest observation, the newest word), so that it does not depend on the
order in which findings come, on duplicates, or on how they are cut into batches.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC

import msgspec

from correlator.incidents.family import causes_of, family_of
from correlator.incidents.place import rastered
from correlator.incidents.settings import CorrelateSettings, ns
from ingest.clock import utc, utc_ns
from ingest.schema.finding import Finding, FindingData, Level, Phase, Place

ACTIVE, CLEARED, UNKNOWN = "active", "cleared", "unknown"
_ORDER = {Phase.RAISED: 0, Phase.UPDATED: 1, Phase.UNKNOWN: 2, Phase.CLEARED: 3}


class Condition(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    id: str
    family: str
    causes: tuple[str, ...]
    places: tuple[Place, ...]  # everywhere it was, on the raster, sorted
    zones: tuple[str, ...]
    cameras: tuple[str, ...]
    onset_ns: int  # the earliest and the latest that was said
    onset_last_ns: int
    detected_ns: int  # of its first finding
    observed_ns: int  # the last time that it was really observed
    peak: int  # rank of its highest level
    latest_id: str  # the newest finding, its times checked
    latest_ns: int
    latest: FindingData
    evidence: tuple[str, ...]  # of the onset
    finding_count: int
    partition: int
    heard_ns: int  # when its newest finding reached the bus
    clock_off: bool  # a source time was not believed
    lapsed: bool = False  # silent for too long since the newest finding

    @property
    def status(self) -> str:
        if self.lapsed or self.latest.phase is Phase.UNKNOWN:
            return UNKNOWN
        return CLEARED if self.latest.phase is Phase.CLEARED else ACTIVE


class Moment(msgspec.Struct, frozen=True, gc=False):
    """The times of a finding that decisions may rest on, ns UTC."""

    onset_ns: int
    detected_ns: int
    observed_ns: int
    clock_off: bool
    as_said: bool  # all three are what the finding says, in UTC


def moment_of(settings: CorrelateSettings, data: FindingData, appended_at_ns: int) -> Moment:
    """
    The times of a finding as far as they can be believed.

    The time of detection is held against the time of arrival on the bus, the times of the source against the time of
    detection: what was observed was observed just then, so a difference beyond the bound is the offset of the source's
    clock, and its onset is shifted by it too. A finding that was detected long ago may simply be late; only beyond the
    bus's memory is its time a broken clock.
    """
    bound_ns = ns(settings.clock_offset_s_max)
    said = detected_ns, onset_ns, observed_ns = tuple(map(utc_ns, (data.detected_at, data.onset_at, data.observed_at)))
    off = False
    if detected_ns > appended_at_ns + bound_ns or detected_ns < appended_at_ns - ns(settings.history_s):
        shift_ns = appended_at_ns - detected_ns
        detected_ns, onset_ns, observed_ns, off = appended_at_ns, onset_ns + shift_ns, observed_ns + shift_ns, True
    if data.phase is not Phase.UNKNOWN and abs(observed_ns - detected_ns) > bound_ns:
        onset_ns, observed_ns, off = onset_ns - (observed_ns - detected_ns), detected_ns, True
    observed_ns = min(observed_ns, detected_ns)
    # An end that was not observed says nothing new about the beginning.
    onset_ns = observed_ns if data.phase is Phase.UNKNOWN else min(onset_ns, observed_ns)
    if onset_ns < observed_ns - ns(settings.history_s):
        onset_ns, off = observed_ns, True
    in_utc = data.onset_at.tzinfo is UTC and data.detected_at.tzinfo is UTC and data.observed_at.tzinfo is UTC
    return Moment(onset_ns, detected_ns, observed_ns, off, in_utc and said == (detected_ns, onset_ns, observed_ns))


def condition_of(settings: CorrelateSettings, finding: Finding, partition: int, appended_at_ns: int) -> Condition:
    """The condition as this one finding alone tells it."""
    data, at = finding.data, moment_of(settings, finding.data, appended_at_ns)
    return Condition(
        id=data.condition,
        family=family_of(settings, data),
        causes=causes_of(settings, data),
        places=(rastered(data.place),),
        zones=() if data.zone is None else (data.zone,),
        cameras=data.cameras if len(data.cameras) == 1 else tuple(sorted(set(data.cameras))),
        onset_ns=at.onset_ns,
        onset_last_ns=at.onset_ns,
        detected_ns=at.detected_ns,
        observed_ns=at.observed_ns,
        peak=data.level.rank,
        latest_id=finding.id,
        latest_ns=at.detected_ns,
        latest=data if at.as_said else _at_moment(data, at),
        evidence=data.evidence if data.phase is Phase.RAISED else (),
        finding_count=1,
        partition=partition,
        heard_ns=appended_at_ns,
        clock_off=at.clock_off,
    )


def _at_moment(data: FindingData, at: Moment) -> FindingData:
    """The finding with its times as they can be believed."""
    return msgspec.structs.replace(
        data, onset_at=utc(at.onset_ns), detected_at=utc(at.detected_ns), observed_at=utc(at.observed_ns)
    )


def folded(one: Condition, other: Condition) -> Condition:
    """Both together; the caller sees to it that no finding is in both."""
    newest = one if _newness(one) >= _newness(other) else other
    return Condition(
        id=one.id,
        family=min(one.family, other.family),
        causes=_union(one.causes, other.causes),
        places=_union(one.places, other.places, key=lambda place: (place.lon, place.lat, place.radius_m)),
        zones=_union(one.zones, other.zones),
        cameras=_union(one.cameras, other.cameras),
        onset_ns=min(one.onset_ns, other.onset_ns),
        onset_last_ns=max(one.onset_last_ns, other.onset_last_ns),
        detected_ns=min(one.detected_ns, other.detected_ns),
        observed_ns=max(one.observed_ns, other.observed_ns),
        peak=max(one.peak, other.peak),
        latest_id=newest.latest_id,
        latest_ns=newest.latest_ns,
        latest=newest.latest,
        evidence=_union(one.evidence, other.evidence),
        finding_count=one.finding_count + other.finding_count,
        partition=newest.partition,
        heard_ns=max(one.heard_ns, other.heard_ns),
        clock_off=one.clock_off or other.clock_off,
        lapsed=newest.lapsed,
    )


def _newness(condition: Condition) -> tuple[int, int, str]:
    return condition.latest_ns, _ORDER[condition.latest.phase], condition.latest_id


def _union(one: tuple, other: tuple, key=None) -> tuple:  # type: ignore
    return one if one == other or not other else tuple(sorted({*one, *other}, key=key))


def status_of(conditions: Iterable[Condition]) -> str:
    """Active while one of them is; then unknown where the end of one was not observed: that is never clear."""
    return together(condition.status for condition in conditions) or CLEARED


def together(statuses: Iterable[str]) -> str | None:
    """One status for several; None for none."""
    found = set(statuses)
    return ACTIVE if ACTIVE in found else UNKNOWN if UNKNOWN in found else CLEARED if found else None


def rank_of(conditions: Iterable[Condition]) -> int:
    """Rank of the highest level that is active now; of the highest there was, when all have ended."""
    active, peak = 0, 0
    for condition in conditions:
        peak = max(peak, condition.peak)
        if condition.status == ACTIVE:
            active = max(active, condition.latest.level.rank)
    return active or peak


LEVELS = {level.rank: level for level in Level}
