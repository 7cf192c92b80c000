"""One camera of the registry changed, from the command line or the API, while everything runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from deploy.parts import open_registry_bus
from deploy.settings import Settings
from ingest.bus.contract import Bus
from ingest.clock import SystemClock
from ingest.errors import SettingsError
from ingest.registry.cameras import camera_row
from ingest.registry.change import (
    cells_of,
    change_registry,
    known_camera,
    refuse_known,
    with_cameras,
    with_relearning,
    without_cameras,
)
from ingest.registry.district import Camera, District

Cells = Mapping[str, object]
Check = Callable[[Camera, Cells], None]


def add_camera(settings: Settings, id_: str, cells: Cells) -> list[str]:
    """
    Args:
        cells: the columns of the camera, as in a file.

    Raises:
        SettingsError: what is wrong with the camera, or it is there already.
        StoreConflict: someone else changed the registry meanwhile.
    """
    with open_registry_bus(settings) as bus:
        return add_on(bus, id_, cells)


def set_camera(settings: Settings, id_: str, cells: Cells) -> list[str]:
    """As `add_camera`, for some columns of a camera that is there; an empty value takes a column away."""
    with open_registry_bus(settings) as bus:
        return set_on(bus, id_, cells)


def remove_cameras(settings: Settings, ids: Sequence[str]) -> list[str]:
    """
    Raises:
        SettingsError: there is none of this id, or a zone needs it.
        StoreConflict: someone else changed the registry meanwhile.
    """
    with open_registry_bus(settings) as bus:
        return remove_on(bus, ids)


def relearn_cameras(settings: Settings, ids: Sequence[str]) -> list[str]:
    """
    Learn anew what the pictures of these cameras usually show: after they were turned, or their place was rebuilt.

    Raises:
        SettingsError: there is none of this id.
        StoreConflict: someone else changed the registry meanwhile.
    """
    at_ns = SystemClock().now_ns()
    with open_registry_bus(settings) as bus:
        return change_registry(bus, lambda previous, _: with_relearning(previous, ids, at_ns))


def add_on(bus: Bus, id_: str, cells: Cells) -> list[str]:
    row = camera_row("camera", {**cells, "id": id_})

    def decide(previous: District, partitions: int) -> tuple[District, list[str]]:
        refuse_known(previous, id_)
        return with_cameras(previous, [row], partitions, {})

    return change_registry(bus, decide)


def set_on(bus: Bus, id_: str, cells: Cells, check: Check | None = None) -> list[str]:
    """
    Args:
        check: may refuse the change, by an exception, when it sees the camera as it is and the columns that are given.
    """
    if not cells:
        raise SettingsError(
            f"camera {id_[:64]}", expected="a column to set", got="none", mend="Name one, as --url or --disabled."
        )

    def decide(previous: District, partitions: int) -> tuple[District, list[str]]:
        known = known_camera(previous, id_)
        if check is not None:
            check(known, cells)
        row = camera_row("camera", {**cells_of(known), **cells, "id": id_})
        return with_cameras(previous, [row], partitions, {})

    return change_registry(bus, decide)


def remove_on(bus: Bus, ids: Sequence[str]) -> list[str]:
    return change_registry(bus, lambda previous, _: without_cameras(previous, ids))
