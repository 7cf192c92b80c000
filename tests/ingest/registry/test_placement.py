"""The load of sites over the partitions: even, and with few moves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.registry.district import Camera, District, district_of
from ingest.registry.placement import balanced, load_of, loads_of, partition_loads, placed

SITES = st.dictionaries(st.integers(0, 60).map("site-{}".format), st.floats(0.0, 50.0), min_size=1, max_size=40)


def camera(site: str, number: int = 0, **more: object) -> Camera:
    facts = {"id": f"c-{number}", "name": "Gate", "lon": 0.0, "lat": 0.0, "source": "rtsp", "url": "rtsp://h/1"}
    return Camera(**{**facts, "site": site, "partition": 0, "number": number, **more})  # type: ignore[arg-type]


@given(SITES, st.integers(1, 16), st.integers(0, 20))
def test_every_site_gets_a_partition_that_is_there_and_no_partition_is_needlessly_full(
    loads: dict[str, float], partitions: int, seed: int
) -> None:
    before = {site: (n * 7 + seed) % (partitions + 2) for n, site in enumerate(loads)}
    places = balanced(loads, before, partitions)
    sums = partition_loads(loads, places, partitions)
    assert places.keys() == loads.keys() and max(places.values()) < partitions
    # No single site that left the fullest partition would make it emptier, and no other as full.
    leaving = [load for site, load in loads.items() if places[site] == sums.index(max(sums))]
    assert all(max(max(sums) - load, min(sums) + load) >= max(sums) - 1e-6 for load in leaving)
    assert max(sums) <= sum(sums) / partitions + max(loads.values()) + 1e-6


@given(SITES, st.integers(1, 16))
def test_what_is_even_stays_as_it_is(loads: dict[str, float], partitions: int) -> None:
    places = balanced(loads, {}, partitions)
    assert balanced(loads, places, partitions) == places


def test_a_new_partition_is_filled_and_little_else_moves() -> None:
    loads = {f"site-{n}": 1.0 for n in range(32)}
    before = {f"site-{n}": n % 4 for n in range(32)}
    after = balanced(loads, before, 5)
    assert sum(before[site] != after[site] for site in loads) == 6
    assert sorted(partition_loads(loads, after, 5)) == [6.0, 6.0, 6.0, 7.0, 7.0]


def test_the_load_of_a_camera_is_what_it_sends() -> None:
    cameras = [
        camera("a", 1, sampling_period_s=0.2),
        camera("a", 2, enabled=False),
        camera("b", 3, source="onvif"),
    ]
    assert [load_of(one) for one in cameras] == [5.0, 0.0, 5.0]
    assert loads_of(cameras) == {"a": 5.0, "b": 5.0}


def test_a_site_moves_as_a_whole() -> None:
    district = district_of([camera("a", 1), camera("a", 2), camera("b", 3)], [])
    moved = placed(district, {"a": 3})
    assert [one.partition for one in moved.cameras] == [3, 3, 0]
    assert placed(District((), ()), {"a": 3}) == District((), ())
