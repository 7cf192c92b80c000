"""
How unlikely a count is: a negative binomial tail, and an exponential one beyond what the site's own weeks have shown.

A real tail is never the model's. So each zone keeps a histogram of its own scores -ln p, forgotten over six weeks:
above its 99 % point u, where the mean excess is beta, p = 0.01 exp(-(s - u) / beta).

Source: negative binomial with variance m + phi m2; peaks over a threshold with an exponential excess (Pickands 1975).
"""

from __future__ import annotations

import numpy as np
from scipy.special import betainc

from detectors.geometry.homography import Floats
from ingest.schema.tick import F32

TAIL_SHARE = 0.01
SCORE_STEP, SCORE_BINS = 0.5, 80  # scores up to 40
_SCORE_MAX = SCORE_STEP * SCORE_BINS - 1e-9
MEAN_MIN = 0.5  # persons: below it one who passes at night is no news
PHI_MIN, PHI_MAX = 0.003, 4.0


def score(count: Floats, mean: Floats, phi: Floats) -> Floats:
    """
    -ln P(N >= count) for a negative binomial of this mean and variance mean + phi mean2.

    Args:
        count: (Z,) >= 0; NaN where not observed.
        mean: (Z,)
        phi: (Z,) > 0

    Returns:
        (Z,) in [0, 40]; NaN where `count` or `mean` is.
    """
    m, r = np.maximum(mean, MEAN_MIN), 1.0 / phi
    x = np.where(count > 0.0, count, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = -np.log(betainc(x, r, m / (m + r)))
    value = np.where(count > 0.0, value, np.where(np.isnan(count), np.nan, 0.0))
    return np.asarray(np.clip(value, 0.0, _SCORE_MAX), np.float64)


def tail_of(scores: F32) -> tuple[Floats, Floats]:
    """
    The 99 % point of each zone's scores and the mean excess above it; never more daring than the model itself.

    Args:
        scores: (Z, 80) weight of each half step of scores.

    Returns:
        (Z,) u >= -ln 0.01, and (Z,) beta >= 1.
    """
    total = scores.sum(axis=1)
    above = np.cumsum(scores[:, ::-1], axis=1)[:, ::-1]  # weight from each bin on
    wanted = TAIL_SHARE * total[:, None]
    first = np.maximum((above > wanted).sum(axis=1) - 1, 0)  # the bin that holds the point
    row = np.arange(len(scores))
    beyond = np.append(above, np.zeros((len(above), 1)), axis=1)[row, first + 1]
    own = scores[row, first]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.clip((wanted[:, 0] - beyond) / own, 0.0, 1.0)
        u = SCORE_STEP * (first + 1.0 - np.where(own > 0.0, share, 0.0))
        middles = SCORE_STEP * (np.arange(SCORE_BINS) + 0.5)
        excess = np.where(np.arange(SCORE_BINS) > first[:, None], scores * (middles - u[:, None]), 0.0).sum(axis=1)
        excess += np.where(own > 0.0, share * own * (SCORE_STEP * (first + 1.0) - u) / 2.0, 0.0)
        beta = excess / wanted[:, 0]
    known = total > 0.0
    least = -np.log(TAIL_SHARE)
    return np.where(known, np.maximum(u, least), least), np.where(known, np.maximum(beta, 1.0), 1.0)


def calibrated(score_: Floats, u: Floats, beta: Floats) -> Floats:
    """(Z,) -ln of the calibrated probability; the score itself below u, where nobody asks."""
    return np.asarray(
        np.where(score_ > u, -np.log(TAIL_SHARE) + (score_ - u) / beta, np.minimum(score_, -np.log(TAIL_SHARE)))
    )


def with_scores(scores: F32, score_: Floats, kept_share: float) -> F32:
    """The histograms with one more score each, NaN adds none; what is older weighs `kept_share` of what it did."""
    known = ~np.isnan(score_)
    after = np.where(known[:, None], scores * np.float32(kept_share), scores)
    rows = np.flatnonzero(known)
    after[rows, (score_[rows] / SCORE_STEP).astype(np.int64)] += 1.0
    return after
