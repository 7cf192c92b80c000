"""The benchmark of crowd safety is exact beside known tools; how fast it is, it says itself."""

from __future__ import annotations

import pytest

pytest.importorskip("pedpy", reason="needs pedpy, of the extra `bench`")
pytest.importorskip("supervision", reason="needs supervision, of the extra `bench`")

from benchmarks import crowd_pedpy, crowd_zones


@pytest.mark.skipif(not crowd_pedpy.RECORDING.exists(), reason="needs ../shared/data/crowd, which is not there")
def test_densities_and_crossings_are_those_of_pedpy():
    figures = crowd_pedpy.measure(quick=True)
    for name in ("classic_max_rel_diff", "voronoi_max_rel_diff", "crossings_max_rel_diff"):
        assert figures[name] <= 1e-9, name
    assert figures["voronoi_walls_max_rel_diff"] <= 0.01 and figures["crossings"] == 75
    assert 9 < figures["voronoi_persons_per_frame_10"] < 11 and 37 < figures["voronoi_persons_per_frame_38"] < 40
    assert {"voronoi_ratio_10", "voronoi_ratio_38", "crossings_ratio", "classic_ratio_64_zones"} <= set(figures)


def test_counts_are_those_of_polygon_zone_but_for_who_stands_on_a_border():
    figures = crowd_zones.measure(quick=True)
    assert figures["zone_count_differs_off_borders"] == 0
    assert figures["zone_count"] == pytest.approx(figures["zone_count_polygonzone"], rel=0.05)
    assert "zone_frames_ratio_64" in figures
