"""
One slot after another: what was usual, how unusual this is, and what is learned from it.

    usual     m = k mu: mean of median and trimmed mean of six weeks, times what is common at the other sites now
    unusual   calibrated tail p <= level, level = 0.35 sqrt(alpha), alpha = false_per_day / (zones x slots a day)
    raised    in 2 of the last 3 slots

The two-of-three rule squares the level, so that 0.35 sqrt(alpha) each makes about alpha together (neighbouring slots
are not independent: 0.35 was found on simulated districts). Slots are those of the wall clock; of an hour that comes
twice the second pass is judged and not learned, and a public holiday is judged as a Sunday and kept apart.

Source: docs/detectors.md, with the figures of each part alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from detectors.anomaly.baseline import history
from detectors.anomaly.baseline.factor import common_factor
from detectors.anomaly.baseline.tail import PHI_MAX, PHI_MIN, SCORE_BINS, calibrated, score, tail_of, with_scores
from detectors.calendar import LocalTime
from detectors.geometry.homography import Bools, Floats, Ints
from ingest.schema.tick import F32

HOUR_S = 3_600
PERSISTENCE_SHARE = 0.35
WEEKS_MIN = 2  # of a slot, before it is judged at all
_PHI_PRIOR, _PHI_PRIOR_SLOTS = 0.2, 96.0
_WINSOR_SD = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """How far Z zones have been from what was usual in the last six weeks."""

    histogram: F32  # (Z, 80) see `tail`
    spread: Floats  # (Z,) weighted sum of (variance beyond Poisson's) / m2
    weight: Floats  # (Z,) of that sum, in slots


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """It changes once a slot: one of the days, and the scores."""

    days: history.Days
    scores: Scores


@dataclass(frozen=True, slots=True, eq=False)
class Recent:
    """The last hour of Z zones, H slots, the newest last."""

    count: Floats  # (Z, H) NaN where not observed
    usual: Floats  # (Z, H) NaN where not known
    over: Bools  # (Z, 2) whether the two slots before were


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A slot of Z zones. NaN and False where it cannot be judged."""

    usual: Floats  # (Z,) persons, with what is common now
    factor: Floats  # (Z,)
    phi: Floats  # (Z,)
    surprise: Floats  # (Z,) -ln p, calibrated
    over: Bools  # (Z,)
    raised: Bools  # (Z,) in two of the last three


@dataclass(frozen=True)
class Model:
    slot_s: int
    level: float  # -ln p from which on a slot is over
    site: Ints  # (Z,) index
    sites: int

    @property
    def slots(self) -> int:
        """A day."""
        return 86_400 // self.slot_s


def level_of(false_per_day: float, zones: int, slots: int) -> float:
    """-ln of the level of one slot, for so many false alarms a day among all zones."""
    alpha = false_per_day / (max(zones, 1) * slots)
    return float(-np.log(min(PERSISTENCE_SHARE * np.sqrt(alpha), 0.01)))


def blank(model: Model) -> tuple[Learned, Recent]:
    zones, hour = len(model.site), max(1, HOUR_S // model.slot_s)
    empty = np.full((zones, hour), np.nan)
    scores = Scores(np.zeros((zones, SCORE_BINS), np.float32), np.zeros(zones), np.zeros(zones))
    return Learned(history.no_days(zones, model.slots), scores), Recent(empty, empty, np.zeros((zones, 2), np.bool_))


def closed(
    model: Model, learned: Learned, recent: Recent, zones: Bools, time: LocalTime, count: Floats
) -> tuple[Learned, Recent, Judged]:
    """
    After a slot has come to its end.

    Args:
        zones: (Z,) those whose wall clock shows `time`; others stay as they are.
        time: the beginning of the slot.
        count: (Z,) mean persons within it; NaN where too little was observed.
    """
    slot = time.minute * 60 // model.slot_s
    mu, weeks = history.expected(learned.days, time.day, time.kind_of_day, slot)
    usual = np.where(zones & (weeks >= WEEKS_MIN), mu, np.nan)
    hour_count = _pushed(recent.count, zones, count)
    hour_usual = _pushed(recent.usual, zones, usual)
    known = ~np.isnan(hour_count) & ~np.isnan(hour_usual)
    factor = common_factor(
        np.where(known, hour_count, 0.0).sum(axis=1), np.where(known, hour_usual, 0.0).sum(axis=1),
        model.site, model.sites,
    )  # fmt: skip
    mean = factor * usual
    phi = _phi(learned.scores)
    raw = score(count, mean, phi)
    surprise = calibrated(raw, *tail_of(learned.scores.histogram))
    with np.errstate(invalid="ignore"):
        over = zones & (surprise >= model.level)
        above = count > mean
    over &= above
    raised = zones & (recent.over.sum(axis=1) + over >= 2)
    now = Recent(
        hour_count, hour_usual, np.where(zones[:, None], np.stack([recent.over[:, 1], over], axis=1), recent.over)
    )
    judged = Judged(mean, factor, phi, surprise, over, raised)
    if time.is_second_pass:
        return learned, now, judged
    return _learn(model, learned, zones, time, slot, count, mean, phi, np.where(raised, np.nan, raw)), now, judged


def _learn(
    model: Model,
    learned: Learned,
    zones: Bools,
    time: LocalTime,
    slot: int,
    count: Floats,
    mean: Floats,
    phi: Floats,
    raw: Floats,
) -> Learned:
    """Of a count, its spread and its score; a zone where something unusual holds must not make that its usual."""
    kept_share = 1.0 - 1.0 / (7 * history.WEEKS * model.slots)
    m = np.maximum(mean, 0.5)
    beside = np.minimum((count - m) ** 2, _WINSOR_SD**2 * (m + phi * m * m))
    # Each slot's own estimate is worth as much as its mean is above the noise of counting.
    weight = (m / (m + 4.0)) ** 2
    known = zones & ~np.isnan(beside) & ~np.isnan(raw) & (not time.is_holiday)
    before = learned.scores
    scores = Scores(
        with_scores(before.histogram, np.where(known, raw, np.nan), kept_share),
        np.where(known, before.spread * kept_share + weight * (beside - m) / (m * m), before.spread),
        np.where(known, before.weight * kept_share + weight, before.weight),
    )
    return Learned(history.written(learned.days, zones, time.day, time.is_holiday, slot, count), scores)


def _phi(scores: Scores) -> Floats:
    phi = (scores.spread + _PHI_PRIOR * _PHI_PRIOR_SLOTS) / (scores.weight + _PHI_PRIOR_SLOTS)
    return np.asarray(np.clip(phi, PHI_MIN, PHI_MAX))


def _pushed(hour: Floats, zones: Bools, value: Floats) -> Floats:
    return np.where(zones[:, None], np.concatenate([hour[:, 1:], value[:, None]], axis=1), hour)


def forgotten(recent: Recent, zones: Bools) -> Recent:
    """The last hour with nothing in it, for zones (Z,) of which slots were left out."""
    gone = zones[:, None]
    return replace(
        recent,
        count=np.where(gone, np.nan, recent.count),
        usual=np.where(gone, np.nan, recent.usual),
        over=recent.over & ~gone,
    )
