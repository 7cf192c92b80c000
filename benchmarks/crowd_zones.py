"""
Counting boxes in 64 zones of a picture, against supervision's PolygonZone, frame by frame as it is meant to be used.

PolygonZone draws the zones into a picture and looks the rounded foot point up in it; we ask on which side of each edge
the foot point lies. So persons within a pixel of a border are counted differently: the share of these is told.

Source: supervision, https://github.com/roboflow/supervision.
"""

from __future__ import annotations

import warnings

import numpy as np

from benchmarks.crowd_pedpy import best_s, hexagons
from benchmarks.measuring import Figures, talk
from detectors.crowd.measures import density
from detectors.geometry.homography import Bools, Floats, Ints

ZONES, BOXES = 64, 10
_WIDTH_PX, _HEIGHT_PX = 1920, 1080
_BORDER_PX = 1.5


def measure(quick: bool) -> Figures:
    """Zone-frames a second of both, and how their counts differ."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import supervision
    frames, peer_frames = 20_000, 20 if quick else 100
    random = np.random.default_rng(1)
    box = _boxes(random, frames)
    rings = [np.rint(ring) for ring in hexagons(np.array([0.0, 0.0, _WIDTH_PX, _HEIGHT_PX]), ZONES)]
    peers = [
        supervision.PolygonZone(ring.astype(np.int64), triggering_anchors=(supervision.Position.BOTTOM_CENTER,))
        for ring in rings
    ]
    detections = [supervision.Detections(xyxy=box[frame]) for frame in range(peer_frames)]

    def theirs() -> Ints:
        counts = [[int(zone.trigger(each).sum()) for zone in peers] for each in detections]
        return np.array(counts)

    theirs_s, peer_counts = best_s(theirs, 2)
    zones = density.outline(rings)
    start = np.arange(frames + 1) * BOXES

    def ours() -> Ints:
        corners = box.reshape(-1, 4)
        foot = np.stack([(corners[:, 0] + corners[:, 2]) / 2.0, corners[:, 3]], axis=1)
        return density.persons_inside(zones, foot, start)

    ours_s, counts = best_s(ours, 5)
    # Where nobody stands within a pixel and a half of a border, the counts must be equal.
    clear = _clear(rings, box[:peer_frames])
    differ = np.abs(counts[:peer_frames] - peer_counts)
    wrong = int((differ[clear.all(axis=1)] > 0).sum())
    talk(f"PolygonZone: {peer_counts.sum()} persons, by us {counts[:peer_frames].sum()}; {wrong} differ off borders")
    return {
        "zone_frames_ratio_64": (theirs_s / peer_frames) / (ours_s / frames),
        "zone_frames_per_s_64": ZONES * frames / ours_s,
        "zone_count_polygonzone": float(peer_counts.sum()),
        "zone_count": float(counts[:peer_frames].sum()),
        "zone_count_differs_at_borders_share": float(differ.sum() / max(peer_counts.sum(), 1)),
        "zone_count_differs_off_borders": float(wrong),
    }


def _boxes(random: np.random.Generator, frames: int) -> Floats:
    """(F, 10, 4) left, top, right, bottom in px."""
    left, top = random.uniform(0, _WIDTH_PX - 60, (frames, BOXES)), random.uniform(0, _HEIGHT_PX - 160, (frames, BOXES))
    return np.stack([left, top, left + 50.0, top + 150.0], axis=-1)


def _clear(rings: list[Floats], box: Floats) -> Bools:
    """(F, 10) whether the foot point is farther than a pixel and a half from every border."""
    foot = np.stack([(box[..., 0] + box[..., 2]) / 2.0, box[..., 3]], axis=-1)
    clear = np.ones(foot.shape[:2], np.bool_)
    for ring in rings:
        along = np.roll(ring, -1, axis=0) - ring
        offset = foot[..., None, :] - ring
        share = np.clip((offset * along).sum(axis=-1) / (along**2).sum(axis=-1), 0.0, 1.0)
        beside = np.linalg.norm(offset - share[..., None] * along, axis=-1)
        clear &= (beside > _BORDER_PX).all(axis=-1)
    return clear
