"""
How tall people seem to a camera, as histograms: what tells that it has been turned, tilted, zoomed or badly calibrated.

People are as tall today as yesterday. A camera that was moved sees them on another ground than its calibration says,
and so they seem taller or shorter. Only boxes that nothing hides are taken: not cut by the picture, and with no other
box over their lower edge. The upper quartile is compared, because it is that of grown-up people whether there are
children among them or not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.district_view import DistrictView
from detectors.geometry.head import BORDER, shows_heads
from detectors.geometry.homography import Bools, Floats, Ints
from detectors.geometry.upright import ASPECT, upright
from ingest.schema.tick import ObjectClass, Tick

# Of the picture: a zoom makes people taller in one part and shorter in another, and so does a roll.
PARTS = ("far_left", "far_right", "near_left", "near_right")
BINS, LOW_M, BIN_M = 32, 0.9, 0.05
PERSONS_MAX = 40  # in a frame; where there are more, few can be seen whole
_CONFIDENCE_MIN = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Bodies:
    """What is needed to tell heights, of C cameras."""

    measurable: Bools  # (C,) calibrated, and looks across the ground
    weight: Floats  # (3, C) of the ground's homogeneous point
    up: Floats  # (3, C) of `Upright`
    middle: Floats  # (2, C) x and y in the picture where its parts meet


def bodies(district: DistrictView) -> Bodies:
    """Made once for a partition."""
    cameras = len(district.cameras)
    measurable, weight, up = np.zeros(cameras, np.bool_), np.zeros((3, cameras)), np.zeros((3, cameras))
    middle = np.full((2, cameras), 0.5)
    seen: set[int] = set()
    for view, row in zip(district.views, district.view_camera, strict=True):  # once for a district
        calibration = district.cameras[row].calibration
        if view.homography is None or calibration is None or int(row) in seen:
            continue
        seen.add(int(row))
        image = np.array([(point.image_x, point.image_y) for point in calibration.points])
        body = upright(view.homography)
        measurable[row] = shows_heads(body, image)
        weight[:, row], up[:, row] = view.homography[2], body.up
        middle[:, row] = (image.min(axis=0) + image.max(axis=0)) / 2.0
    return Bodies(measurable, weight, up, middle)


def heights_in(known: Bodies, tick: Tick, frame: Ints, camera: Ints) -> tuple[Ints, Floats]:
    """
    What some frames tell.

    Args:
        frame: (F,) rows of the tick.
        camera: (F,) row of each one's camera.

    Returns:
        (K,) cell of the histograms, `(camera * 4 + part) * BINS + bin`, of each person that is seen whole, and (K,)
        its height in metres.
    """
    count = tick.object_start[frame + 1] - tick.object_start[frame]
    few = count <= PERSONS_MAX
    frame, camera, count = frame[few], camera[few], count[few]
    of = np.repeat(np.arange(len(frame)), count)
    row = np.arange(len(of)) + np.repeat(tick.object_start[frame] - np.cumsum(count) + count, count)
    with np.errstate(invalid="ignore"):
        box = tick.object_box[row].astype(np.float64)
        right, bottom = box[:, 0] + box[:, 2], box[:, 1] + box[:, 3]
        whole = (box[:, 0] > BORDER) & (box[:, 1] > BORDER) & (right < 1.0 - BORDER) & (bottom < 1.0 - BORDER)
        whole &= (tick.object_class[row] == ObjectClass.PERSON) & ~(tick.object_confidence[row] < _CONFIDENCE_MIN)
        whole &= ~_covered(box, of, count)
        row, box, bottom, at = row[whole], box[whole], bottom[whole], camera[of[whole]]
        x = box[:, 0] + box[:, 2] / 2.0
        weight = (known.weight.take(at, axis=1) * np.stack([x, bottom, np.ones(len(x))])).sum(axis=0)
        up = known.up.take(at, axis=1)
        across, down = (x - 0.5) * ASPECT, box[:, 1] - 0.5
        a_x, a_y = up[0] - across * up[2], up[1] - down * up[2]
        height_m = a_y * -box[:, 3] / (weight * (a_x * a_x + a_y * a_y))  # as `head.implied_height_m` has it
        bin_ = np.floor((height_m - LOW_M) / BIN_M)
        told = (weight > 0.0) & (bin_ >= 0) & (bin_ < BINS)
    middle = known.middle.take(at[told], axis=1)
    part = 2 * (bottom[told] > middle[1]) + (x[told] > middle[0])
    return (at[told] * len(PARTS) + part) * BINS + bin_[told].astype(np.int64), height_m[told]


def quantile_m(count: Floats, share: float) -> Floats:
    """(...,) the height below which this share of the persons of histograms (..., BINS) is; NaN of empty ones."""
    total = count.sum(axis=-1)
    below = np.cumsum(count, axis=-1)
    wanted = share * total
    bin_ = np.minimum((below < wanted[..., None]).sum(axis=-1), BINS - 1)
    at = np.take_along_axis(count, bin_[..., None], axis=-1)[..., 0]
    before = np.take_along_axis(below, bin_[..., None], axis=-1)[..., 0] - at
    with np.errstate(invalid="ignore", divide="ignore"):
        height_m: Floats = LOW_M + BIN_M * (bin_ + (wanted - before) / at)
    return np.where(total > 0.0, height_m, np.nan)


def _covered(box: Floats, of: Ints, count: Ints) -> Bools:
    """(K,) whether another box of the same frame, of somebody nearer, lies over the lower edge of each."""
    pairs = count[of]
    one = np.repeat(np.arange(len(box)), pairs)
    first = np.cumsum(count) - count
    other = np.arange(len(one)) - np.repeat(np.cumsum(pairs) - pairs, pairs) + first[of[one]]
    bottom = box[:, 1] + box[:, 3]
    over = (bottom[other] > bottom[one]) & (box[other, 1] < bottom[one]) & (one != other)
    over &= (box[other, 0] < box[one, 0] + box[one, 2]) & (box[other, 0] + box[other, 2] > box[one, 0])
    return np.bincount(one[over], minlength=len(box)) > 0
