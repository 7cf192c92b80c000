"""
The density where people stand most densely: a crush in one corner of a large square is lost in the square's mean.

It is the maximum over the persons in a zone of the kernel field, R = 1 m, corrected by the recall at that density. A
position that is uncertain by sigma smears the field over R^2 + 4 sigma^2, so R is never less than twice the noise; from
a noise of 1.5 m on, and without a calibration, where somebody stands is not measurable.

    rho = W / (p pi R^2),  W = sum w,  w = exp(-d^2 / R^2)
    var W = sum w^2 (1 - p)  +  W^2 s_p^2 / p^2  +  W sigma^2 / R^2
            who is missed       how sure p is       who is shifted in or out

Source: kernel of Johansson et al., Adv. Complex Syst. 11 (2008) 497, eq. 1; the first two terms as in `recall`; the
last is the variance of a sum over an even crowd, each of whose members is moved by sigma along each axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.crowd.measures.density import KERNEL_M
from detectors.crowd.measures.recall import SIGMAS_95, RecallTable, recall_at
from detectors.geometry.homography import Floats, Ints

RADIUS_M_MAX = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class LocalDensity:
    """Z zones; NaN where it is not measurable."""

    per_m2: Floats  # (Z,)
    low: Floats  # (Z,) 95 %
    high: Floats  # (Z,) 95 %; infinite where `per_m2` is a lower bound
    radius_m: Floats  # (Z,) of the kernel


def kernel_radius_m(noise_m: Floats) -> Floats:
    """(V,) R at this noise of a position (V,); NaN where it is too large for any."""
    radius_m = np.maximum(KERNEL_M, 2.0 * noise_m)
    return np.where(radius_m <= RADIUS_M_MAX, radius_m, np.nan)


def local_density(
    weight: Floats,
    square: Floats,
    radius_m: Floats,
    noise_m: Floats,
    area_error: Floats,
    view_zone: Ints,
    table: RecallTable,
) -> LocalDensity:
    """
    Of each zone, the densest that any of its views has seen.

    Args:
        weight, square: (V,) of `density.Crowding`; NaN where a view does not count.
        radius_m, noise_m: (V,)
        area_error: (V,) relative, 1 sigma.
        view_zone: (V,) row of the zone.
        table: recall of Z zones.
    """
    zones = len(table.per_m2_max)
    views = np.flatnonzero(~np.isnan(weight) & ~np.isnan(radius_m))
    zone, total = view_zone[views], weight[views]
    kernel_m2 = np.pi * radius_m[views] ** 2
    p, spread, growth = recall_at(table, zone, total / kernel_m2)
    per_m2 = total / (p * kernel_m2)
    variance = square[views] * (1.0 - p) + (total * spread / p) ** 2 + total * (noise_m[views] / radius_m[views]) ** 2
    half = SIGMAS_95 * np.hypot(np.sqrt(variance) * growth / kernel_m2, area_error[views] * per_m2)
    high = np.where(per_m2 > table.per_m2_max[zone], np.inf, per_m2 + half)
    columns = (per_m2, np.maximum(per_m2 - half, 0.0), high, radius_m[views])
    return LocalDensity(*(_greatest(each, zone, zones) for each in columns))


def _greatest(value: Floats, zone: Ints, zones: int) -> Floats:
    found = np.full(zones, np.nan)
    np.fmax.at(found, zone, value)
    return found
