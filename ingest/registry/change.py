"""
Changes of the registry while it is in use: one camera, or the rows of a file beside those that are there.

Two writers never both succeed on the same state: each takes the one name of all writers on the bus before it reads, so
that the slower one is fenced, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from ingest.bus.contract import Bus
from ingest.bus.topics import CAMERAS
from ingest.errors import BusFenced, SettingsError, StoreConflict
from ingest.registry.district import Calibration, Camera, District, district_of
from ingest.registry.fields import quoted
from ingest.registry.merge import merge
from ingest.registry.rows import CameraRow, ZoneRow
from ingest.registry.topics import read_district, registry_drafts

WRITER = "registry"


class CameraMissing(SettingsError):
    """There is no camera of this id."""


Decide = Callable[[District, int], tuple[District, list[str]]]


def change_registry(bus: Bus, decide: Decide, *, dry_run: bool = False) -> list[str]:
    """
    What has changed, a line each, after `decide` has made the next district of the present one.

    Args:
        decide: gets the district and the number of partitions of the bus; may raise, then nothing is changed.

    Raises:
        StoreConflict: someone else changed the registry meanwhile; nothing was changed.
    """
    partitions = bus.partition_counts()[CAMERAS]
    if dry_run:
        return decide(read_district(bus), partitions)[1]
    producer = bus.producer(WRITER)
    try:
        producer.begin()
        previous = read_district(bus)
        district, changes = decide(previous, partitions)
        drafts = registry_drafts(previous, district)
        for draft in drafts:
            producer.append(draft)
        if drafts:
            producer.commit()
        else:
            producer.abort()
    except BusFenced as error:
        raise StoreConflict(
            "registry", expected="one who changes it", got="another at the same time", mend="Try again."
        ) from error
    finally:
        producer.close()
    return changes


def with_cameras(
    previous: District,
    rows: Sequence[CameraRow],
    partitions: int,
    calibrations: Mapping[str, Calibration],
    zone_rows: Sequence[ZoneRow] = (),
) -> tuple[District, list[str]]:
    """
    The district with these cameras added or changed, all others as they were, and what changes.

    Args:
        calibrations: new ones by camera id; a camera that is not in it keeps its own.

    Raises:
        SettingsFaults: as `merge`.
    """
    given = {row.id for row in rows}
    kept = [row_of(camera) for camera in previous.cameras if camera.id not in given]
    known = {camera.id: camera.calibration for camera in previous.cameras if camera.calibration is not None}
    return merge([*kept, *rows], zone_rows, previous, partitions, {**known, **calibrations})


def without_cameras(previous: District, ids: Iterable[str]) -> tuple[District, list[str]]:
    """
    The district without these cameras, and what changes.

    Raises:
        CameraMissing: there is no such camera.
        SettingsError: a zone names it, or a zone would have no camera at its site.
    """
    gone = list(dict.fromkeys(ids))
    for id_ in gone:
        camera = known_camera(previous, id_)
        naming = [zone.id for zone in previous.zones if id_ in zone.cameras]
        if naming:
            raise SettingsError(
                f"camera {id_}",
                expected="a camera that no zone names",
                got=f"zone {', '.join(naming[:5])}",
                mend="Import the zones without it first.",
            )
        left = [other for other in previous.cameras if other.site == camera.site and other.id not in gone]
        blind = [zone.id for zone in previous.zones if zone.site == camera.site]
        if blind and not left:
            raise SettingsError(
                f"camera {id_}",
                expected=f"another camera at site {camera.site}, where there are zones",
                got="none",
                mend=f"Set it to `--disabled`, or import the zones without {', '.join(blind[:5])} first.",
            )
    district = district_of((camera for camera in previous.cameras if camera.id not in gone), previous.zones)
    return district, [f"camera {id_}: removed" for id_ in sorted(gone)]


def with_relearning(previous: District, ids: Iterable[str], at_ns: int) -> tuple[District, list[str]]:
    """
    The district in which what the pictures of these cameras usually show is learned anew from `at_ns` on.

    Raises:
        CameraMissing: there is no such camera.
    """
    given = {known_camera(previous, id_).id for id_ in ids}
    cameras = (
        msgspec.structs.replace(camera, relearned_at_ns=at_ns) if camera.id in given else camera
        for camera in previous.cameras
    )
    return district_of(cameras, previous.zones), [f"camera {id_}: learned anew" for id_ in sorted(given)]


def known_camera(district: District, id_: str) -> Camera:
    """
    Raises:
        CameraMissing: there is none of this id.
    """
    camera = district.camera_by_id.get(id_)
    if camera is None:
        raise CameraMissing(
            f"camera {id_[:64]}",
            expected="a camera of the registry",
            got="none of this id",
            mend="`drumtower cameras list` shows them.",
        )
    return camera


def row_of(camera: Camera) -> CameraRow:
    """The row that would make this camera again."""
    facts = {name: getattr(camera, name) for name in CameraRow.__dataclass_fields__ if hasattr(camera, name)}
    return CameraRow(**(facts | {"at": f"registry: {camera.id}", "calibration": None}))


def cells_of(camera: Camera) -> dict[str, object]:
    """The columns of a file that would make this camera again."""
    facts = msgspec.structs.asdict(camera)
    facts["other_urls"] = list(camera.other_urls) or None
    left_out = ("number", "partition", "calibration", "relearned_at_ns")
    return {name: value for name, value in facts.items() if name not in left_out and value is not None}


def refuse_known(district: District, id_: str) -> None:
    """
    Raises:
        SettingsError: there is a camera of this id already.
    """
    if id_ in district.camera_by_id:
        raise SettingsError(
            f"camera {quoted(id_)}",
            expected="an id of its own",
            got="one that is there already",
            mend="`drumtower cameras set` changes it.",
        )
