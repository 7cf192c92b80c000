"""
What many zones have in common at one hour: weather, a strike, a day off that no calendar knows.

The factor of a zone comes from the zones of other sites only: what happens at its own site must not explain itself. Of
few zones it is drawn towards 1, since their own noise is most of it.
"""

from __future__ import annotations

import numpy as np

from detectors.geometry.homography import Floats, Ints

PRIOR_ZONES = 4.0  # (noise of one zone / spread of what is common) squared: about (0.4 / 0.2)2


def common_factor(count: Floats, usual: Floats, site: Ints, sites: int) -> Floats:
    """
    (Z,) how many times the usual is there now at the other sites.

    Args:
        count: (Z,) counted within the last hour; NaN where not observed.
        usual: (Z,) what is usual in that time, >= 0; NaN where not known.
        site: (Z,) index of each zone's site.
    """
    known = ~np.isnan(count) & ~np.isnan(usual)
    here, there = np.where(known, count, 0.0), np.where(known, usual, 0.0)
    counted, usually, square = (
        values.sum() - np.bincount(site, values, sites)[site] for values in (here, there, there * there)
    )
    counted, usually, square = (np.maximum(values, 0.0) for values in (counted, usually, square))
    with np.errstate(divide="ignore", invalid="ignore"):
        zones = np.where(square > 0.0, usually * usually / square, 0.0)  # so many alike would weigh as much
        ratio = (counted + 1.0) / (usually + 1.0)
    return np.asarray(np.exp(zones / (zones + PRIOR_ZONES) * np.log(ratio)), np.float64)
