"""`drumtower topics plan`: the load of each partition now and as it could be, and the sites that would move."""

from __future__ import annotations

import msgspec

from deploy.parts import open_registry_bus
from deploy.settings import Settings
from ingest.bus.topics import CAMERAS
from ingest.registry.change import change_registry
from ingest.registry.district import District
from ingest.registry.placement import balanced, loads_of, partition_loads, placed
from ingest.registry.topics import read_district


class PartitionPlan(msgspec.Struct, frozen=True):
    partition: int
    sites: int
    cameras: int
    frames_per_s: float
    planned_frames_per_s: float


class Move(msgspec.Struct, frozen=True):
    site: str
    cameras: int
    frames_per_s: float
    partition: int  # now
    to: int


class Plan(msgspec.Struct, frozen=True):
    partitions: tuple[PartitionPlan, ...]
    moves: tuple[Move, ...]


def plan(settings: Settings, apply: bool = False) -> Plan:
    """
    Args:
        apply: whether the sites are moved, too.

    Raises:
        StoreConflict: someone else changed the registry meanwhile; nothing was moved.
    """
    with open_registry_bus(settings) as bus:
        if not apply:
            return plan_of(read_district(bus), bus.partition_counts()[CAMERAS])
        plans: list[Plan] = []

        def decide(previous: District, partitions: int) -> tuple[District, list[str]]:
            plans.append(plan_of(previous, partitions))
            return placed(previous, {move.site: move.to for move in plans[-1].moves}), []

        change_registry(bus, decide)
        return plans[-1]


def plan_of(district: District, partitions: int) -> Plan:
    """The plan for a district whose topics have so many partitions."""
    loads = loads_of(district.cameras)
    now = {camera.site: camera.partition for camera in district.cameras}
    cameras = {site: sum(camera.site == site for camera in district.cameras) for site in loads}
    then = balanced(loads, now, partitions)
    held = {site: place for site, place in now.items() if place < partitions}
    before = partition_loads({site: loads[site] for site in held}, held, partitions)
    after = partition_loads(loads, then, partitions)
    return Plan(
        partitions=tuple(
            PartitionPlan(
                partition=partition,
                sites=sum(place == partition for place in held.values()),
                cameras=sum(cameras[site] for site, place in held.items() if place == partition),
                frames_per_s=round(before[partition], 3),
                planned_frames_per_s=round(after[partition], 3),
            )
            for partition in range(partitions)
        ),
        moves=tuple(
            Move(site, cameras[site], round(loads[site], 3), now[site], then[site])
            for site in sorted(loads)
            if then[site] != now[site]
        ),
    )
