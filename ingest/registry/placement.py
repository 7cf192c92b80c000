"""How the load of sites lies on the partitions, and which few sites to move so that it lies evenly. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from ingest.registry.district import Camera, District, district_of

METADATA_FRAMES_PER_S = 5.0  # of a camera that sends what it sees itself
_GAIN_MIN = 1e-9


def load_of(camera: Camera) -> float:
    """Frames per second that a camera gives; none where it is off."""
    if not camera.enabled:
        return 0.0
    return 1.0 / camera.sampling_period_s if camera.source in ("rtsp", "file") else METADATA_FRAMES_PER_S


def loads_of(cameras: Iterable[Camera]) -> dict[str, float]:
    """Frames per second of each site."""
    loads: dict[str, float] = defaultdict(float)
    for camera in cameras:
        loads[camera.site] += load_of(camera)
    return dict(loads)


def partition_loads(loads: Mapping[str, float], place_of: Mapping[str, int], partitions: int) -> list[float]:
    """Frames per second of each partition."""
    sums = [0.0] * partitions
    for site, load in loads.items():
        sums[place_of[site]] += load
    return sums


def balanced(loads: Mapping[str, float], place_of: Mapping[str, int], partitions: int) -> dict[str, int]:
    """
    A partition for each site, so that the fullest is as little above the others as moves of single sites can make it.
    Sites that need not move stay.

    Args:
        loads: of each site, >= 0.
        place_of: where each is now; a site on a partition that is not there is placed first.
    """
    places = {site: place for site, place in place_of.items() if site in loads and place < partitions}
    sums = partition_loads({site: loads[site] for site in places}, places, partitions)
    # Large ones first, each to the emptiest: at most a third above the best there is (Graham 1969).
    for site in sorted(loads.keys() - places.keys(), key=lambda site: (-loads[site], site)):
        places[site] = min(range(partitions), key=lambda p: (sums[p], p))
        sums[places[site]] += loads[site]
    while move := _best_move(loads, places, sums):
        site, to = move
        sums[places[site]] -= loads[site]
        sums[to] += loads[site]
        places[site] = to
    return places


def _best_move(loads: Mapping[str, float], places: Mapping[str, int], sums: list[float]) -> tuple[str, int] | None:
    """The site of the fullest partition, and the emptiest one, that together end lowest; None where none is gained."""
    full = max(range(len(sums)), key=lambda p: (sums[p], -p))
    empty = min(range(len(sums)), key=lambda p: (sums[p], p))
    ends = {
        site: max(sums[full] - loads[site], sums[empty] + loads[site])
        for site, place in places.items()
        if place == full and loads[site] > 0
    }
    if not ends:
        return None
    best = min(ends, key=lambda site: (ends[site], site))
    return (best, empty) if ends[best] < sums[full] - _GAIN_MIN else None


def placed(district: District, places: Mapping[str, int]) -> District:
    """The district with its sites on these partitions; a site that is not named stays."""
    return district_of(
        (msgspec.structs.replace(one, partition=places.get(one.site, one.partition)) for one in district.cameras),
        (msgspec.structs.replace(one, partition=places.get(one.site, one.partition)) for one in district.zones),
    )
