"""A crowd that hides its own feet: where its people stand, by their heads and by the edges of their boxes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detectors.crowd import occupancy
from detectors.crowd.counting import outlines, standing
from detectors.crowd.trust import measurement
from detectors.district_view import DistrictView, district_view
from detectors.geometry.homography import Floats
from ingest.registry.district import Calibration, PointPair, district_of
from tests.detectors.geometry.pinhole import Pinhole
from tests.detectors.plaza import EXACT, PLANE, START_NS, camera, ns, square, tick, zone

CAMERA = Pinhole(5.5, 20.0)
POINTS = np.array([(x, y) for x in (-6.0, 0.0, 6.0) for y in (7.0, 14.0, 22.0)])
MIDDLE = np.array([0.0, 14.0])


def view() -> DistrictView:
    pairs = np.concatenate([CAMERA.on_picture(POINTS), PLANE.to_lon_lat(POINTS - MIDDLE)], axis=1).tolist()
    made = Calibration(points=tuple(PointPair(*each) for each in pairs), error_m=0.05, measured_at_ns=START_NS)
    district = district_of([camera(7, "gate-7", calibration=made)], [zone("plaza", None, polygon=square(-5, -5, 5, 5))])
    return district_view(district, 0)


def crowd(per_m2: float, seed: int) -> tuple[Floats, Floats]:
    """(K, 2) where people stand, and (K, 4) boxes of what is seen of them behind those who stand nearer."""
    chance = np.random.default_rng(seed)
    feet = np.column_stack([chance.uniform(-5.5, 5.5, 600), chance.uniform(9.0, 20.5, 600)])
    kept = [0]
    for n in range(1, len(feet)):  # people keep half a metre apart
        if np.linalg.norm(feet[kept] - feet[n], axis=1).min() > 0.5:
            kept.append(n)
    feet = feet[kept][: int(per_m2 * 11.0 * 11.5)]
    feet = feet[np.argsort(feet[:, 1])]  # the nearest first
    size = np.array([CAMERA.width, CAMERA.height])
    tall_m = chance.normal(1.7, 0.09, len(feet))
    low = CAMERA.see(np.column_stack([feet, np.zeros(len(feet))])) / size
    high = CAMERA.see(np.column_stack([feet, tall_m])) / size
    side = CAMERA.see(np.column_stack([feet + np.array([0.25, 0.0]), tall_m / 2.0])) / size
    width = 2.0 * np.abs(side[:, 0] - (low[:, 0] + high[:, 0]) / 2.0)
    middle = (low[:, 0] + high[:, 0]) / 2.0
    bottom = low[:, 1].copy()
    for n in range(len(feet)):
        over = (np.abs(middle[:n] - middle[n]) < 0.5 * width[n]) & (high[:n, 1] < low[n, 1])
        if over.any():
            bottom[n] = min(bottom[n], high[:n, 1][over].min())
    seen = bottom - high[:, 1] > 0.35 * (low[:, 1] - high[:, 1])  # less is found by no detector
    noise = chance.normal(0.0, 3.0, (len(feet), 2)) / CAMERA.height
    box = np.column_stack([middle - width / 2.0, high[:, 1] + noise[:, 0], width, bottom - high[:, 1]])
    box[:, 3] += noise[:, 1] - noise[:, 0]
    return (feet - MIDDLE)[seen], box[seen]


def error_m(district: DistrictView, feet: Floats, box: Floats, by_heads: bool) -> tuple[float, float, int]:
    """Root mean square and mean along the line of sight of the places' errors, and how many are counted in the zone."""
    lines = outlines(district)
    lines = lines if by_heads else replace(lines, heads=np.zeros_like(lines.heads))
    there = standing(
        lines, tick(1.0, {7: box}), np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(1, np.int64), 0.3
    )
    off = there.place_m - feet
    return float(np.sqrt((off**2).sum(axis=1).mean())), float(off[:, 1].mean()), int(there.counted.sum())


@pytest.mark.parametrize("per_m2", [0.5, 1.0, 1.5, 2.0])
def test_heads_place_a_crowd_better_than_the_edges_of_its_boxes(per_m2):
    district = view()
    feet, box = crowd(per_m2, 3)
    truly = int(((np.abs(feet[:, 0]) <= 5.0) & (np.abs(feet[:, 1]) <= 5.0)).sum())
    by_heads, by_edges = (error_m(district, feet, box, each) for each in (True, False))
    assert by_heads[0] <= 0.6 * by_edges[0]
    assert abs(by_heads[1]) <= 0.35 < by_edges[1] + 0.2
    assert abs(by_heads[2] - truly) <= max(abs(by_edges[2] - truly), 0.1 * truly)


def test_the_noise_of_a_finding_knows_how_many_were_placed_by_their_heads():
    district = view()
    prepared = occupancy.prepare(EXACT, district)
    blank = occupancy.initial(prepared)
    said = []
    for per_m2 in (0.1, 2.0):
        _, box = crowd(per_m2, 4)
        seen = occupancy.observe(prepared, blank, tick(1.0, {7: box}), np.zeros(1, np.int64), ns(1.0))
        now = occupancy.measure(prepared, blank, seen, ns(1.0))
        said.append((float(now.head_share[0]), measurement(district, now, 0).noise_m))
    (few, feet_m), (many, heads_m) = said
    assert few < 0.2 < 0.3 < many
    assert feet_m < heads_m < 0.5
