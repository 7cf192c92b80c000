"""The measures against figures that PedPy computed on laboratory recordings, to the last written digit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import shapely

from detectors.crowd.measures import density, flow, velocity

DATA = Path(__file__).parents[4] / "shared/data/crowd"
REFERENCE = DATA / "pedpy_reference.json"
NAMES = (
    "juelich_bottleneck_040_c_56",
    "juelich_bidir_400_b_03",
    "juelich_bottleneck_ao_300",
    "juelich_uni_corr_500_01",
)
WRITTEN = 1e-9  # the figures have nine digits after the point

pytestmark = pytest.mark.skipif(not REFERENCE.exists(), reason="needs ../shared/data/crowd, which is not there")


class Recording:
    def __init__(self, name: str) -> None:
        self.expected = json.loads(REFERENCE.read_text())[name]
        with np.load(DATA / "real" / f"{name}.npz") as saved:
            place = np.stack([saved["x_mm"], saved["y_mm"]], axis=1) / 1000.0
            frame, person = saved["frame"].astype(np.int64), saved["id"].astype(np.int64)
        order = np.lexsort((person, frame))
        self.place, self.frame = place[order], frame[order]
        tracks = np.lexsort((frame, person))
        self.track_place, self.track_frame, self.track = place[tracks], frame[tracks], person[tracks]
        self.track_start = np.append(np.flatnonzero(np.append(True, np.diff(self.track) != 0)), len(place))
        self.area = shapely.Polygon(self.expected["area"])

    def frames(self, first: int, end: int):
        chosen = (self.frame >= first) & (self.frame < end)
        return self.place[chosen], np.searchsorted(self.frame[chosen], np.arange(first, end + 1))


@pytest.fixture(scope="module", params=NAMES)
def recording(request):
    return Recording(request.param)


def test_classic_density_is_that_of_the_reference(recording):
    # The reference counts nobody on the border.
    zones = density.outline([recording.area.buffer(-1e-9, join_style="mitre")])
    place, start = recording.frames(recording.frame.min(), recording.frame.max() + 1)
    found = density.persons_inside(zones, place, start)[:, 0] / recording.area.area
    assert found.mean() == pytest.approx(recording.expected["classic_mean_all_frames"], abs=WRITTEN)
    assert found.max() == pytest.approx(recording.expected["classic_max"], abs=WRITTEN)
    first = recording.expected["frames"][0] - recording.frame.min()
    assert found[first : first + 10] == pytest.approx(recording.expected["classic_first10"], abs=WRITTEN)


def test_voronoi_density_is_that_of_the_reference(recording):
    zones = density.outline([recording.area])
    place, start = recording.frames(*recording.expected["frames"])
    found = density.voronoi_density(zones, density.voronoi_cells(zones, place, start), start)[:, 0]
    assert found.mean() == pytest.approx(recording.expected["voronoi_mean"], abs=WRITTEN)
    assert found[:10] == pytest.approx(recording.expected["voronoi_first10"], abs=WRITTEN)


def test_crossings_and_flow_are_those_of_the_reference(recording):
    start, end = np.array(recording.expected["line"], np.float64)
    row, _ = flow.track_crossings(recording.track_place, recording.track_start, start, end)
    _, first = np.unique(recording.track[row], return_index=True)  # the reference counts each person once
    frame = recording.track_frame[row][first]
    assert len(frame) == recording.expected["crossings"]
    assert (frame.min(), frame.max()) == (recording.expected["first_cross"], recording.expected["last_cross"])
    per_s = flow.flow_per_s(frame / recording.expected["fps"])
    assert per_s == pytest.approx(recording.expected["flow_per_s"], abs=WRITTEN)


def test_individual_speed_is_that_of_the_reference(recording):
    steps, fps = recording.expected["frame_step"], recording.expected["fps"]
    found = velocity.track_speed_m_s(recording.track_place, recording.track_start, steps, fps)
    assert np.nanmean(found) == pytest.approx(recording.expected["speed_mean_all"], abs=WRITTEN)
