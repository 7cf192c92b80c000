from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.bus.contract import Draft
from ingest.bus.embedded import EmbeddedBus
from ingest.bus.topics import CAMERAS, ZONES, topic_specs
from ingest.errors import SettingsFaults
from ingest.registry.district import Calibration, District, PointPair, ZoneClass, district_of, partition_of_site
from ingest.registry.files import CameraRow, ZoneRow, merge, read_district, read_registry, registry_drafts
from ingest.schema import codec

NOTHING = district_of([], [])
PARTITIONS = 4


def camera(id_: str, site: str = "square", lon: float = 7.0, lat: float = 50.0) -> CameraRow:
    return CameraRow(
        at=f"cameras.csv line {id_}", id=id_, name=id_, site=site, source="rtsp", url="rtsp://10.0.0.1/1", lon=lon,
        lat=lat, sampling_period_s=1.0, user=None, password_file=None, password_env=None, calibration=None,
        enabled=True,
    )  # fmt: skip


def zone(id_: str, site: str = "square", cameras: tuple[str, ...] = ()) -> ZoneRow:
    return ZoneRow(
        at="zones.geojson line 2", id=id_, name=id_, site=site, zone_class=ZoneClass.OPEN,
        polygon=((7.0, 50.0), (7.001, 50.0), (7.0, 50.001)), safe_capacity=400, exits=(), one_way_bearing=None,
        cameras=cameras,
    )  # fmt: skip


def merged(rows: list[CameraRow], zones: list[ZoneRow] | None = None, previous: District = NOTHING) -> District:
    return merge(rows, zones or [], previous, PARTITIONS, {})[0]


ids = st.lists(st.sampled_from([f"c{n}" for n in range(12)]), min_size=1, unique=True)


@settings(deadline=None)
@given(imports=st.lists(ids, min_size=1, max_size=6))
def test_a_camera_keeps_its_number_while_it_stays_and_no_two_share_one(imports):
    district = NOTHING
    for names in imports:
        following = merged([camera(name) for name in names], previous=district)
        numbers = [entry.number for entry in following.cameras]
        assert len(set(numbers)) == len(numbers) == len(names)
        for name in set(names) & set(district.camera_by_id):
            assert following.camera_by_id[name].number == district.camera_by_id[name].number
        district = following


@settings(deadline=None)
@given(names=ids)
def test_the_same_import_again_changes_nothing(names):
    district = merged([camera(name) for name in names], [zone("z")])
    again, changes = merge([camera(name) for name in names], [zone("z")], district, PARTITIONS, {})
    assert (again, changes, registry_drafts(district, again)) == (district, [], [])


def test_a_site_is_on_one_partition_and_stays_there():
    district = merged([camera("a"), camera("b", "pier")], [zone("z")])
    assert (
        district.camera_by_id["a"].partition == district.zones[0].partition == partition_of_site("square", PARTITIONS)
    )
    moved = district_of([msgspec.structs.replace(entry, partition=3) for entry in district.cameras], [])
    again = merged([camera("a"), camera("c")], [zone("z")], previous=moved)
    assert [entry.partition for entry in (*again.cameras, *again.zones)] == [3, 3, 3]


def test_changes_are_told_a_line_each():
    district = merged([camera("a"), camera("b")], [zone("z")])
    rows = [replace(camera("a"), name="Gate A", enabled=False), camera("c")]
    _, changes = merge(rows, [zone("z", cameras=("a",))], district, PARTITIONS, {})
    assert changes == [
        "camera b: removed",
        "camera c: added",
        "camera a: changed name, enabled",
        "zone z: changed cameras",
    ]


def test_no_rows_of_a_kind_keep_what_is_there():
    district = merged([camera("a")], [zone("z")])
    assert merged([], [zone("z"), zone("y")], previous=district).cameras == district.cameras
    assert merged([camera("a"), camera("b")], [], previous=district).zones == district.zones


def test_a_calibration_of_the_same_points_keeps_its_date():
    points = tuple(PointPair(n / 10, 0.5, 7.0, 50.0 + n / 1e5) for n in range(6))
    old = Calibration(points=points, error_m=0.2, measured_at_ns=1)
    district, _ = merge([camera("a")], [], NOTHING, PARTITIONS, {"a": old})
    same, changes = merge(
        [camera("a")], [], district, PARTITIONS, {"a": msgspec.structs.replace(old, measured_at_ns=9)}
    )
    assert (same, changes) == (district, [])
    other = Calibration(points=points[::-1], error_m=0.2, measured_at_ns=9)
    assert merge([camera("a")], [], district, PARTITIONS, {"a": other})[1] == ["camera a: changed calibration"]
    assert merge([camera("a")], [], district, PARTITIONS, {})[1] == ["camera a: changed calibration"]


def test_a_zone_that_names_what_is_not_there_is_refused_with_all_that_is_wrong():
    zones = [zone("y", site="squere"), zone("z", cameras=("b", "x", "y"))]
    with pytest.raises(SettingsFaults) as caught:
        merged([camera("a"), camera("b"), camera("x", "pier")], zones)
    assert [str(fault).partition(". ")[0] for fault in caught.value.faults] == [
        'zones.geojson line 2: site: expected a site of a camera (pier, square), got "squere"',
        'zones.geojson line 2: cameras: expected cameras of site square, got "x"',
        'zones.geojson line 2: cameras: expected cameras of site square, got "y"',
    ]


def test_a_camera_cannot_be_removed_under_a_zone_that_needs_it():
    district = merged([camera("a"), camera("b")], [zone("z", cameras=("b",))])
    with pytest.raises(SettingsFaults, match=r'registry: z: cameras: expected cameras of site square, got "b"'):
        merged([camera("a")], previous=district)


@pytest.mark.parametrize(
    ("lon", "lat", "mend"), [(50.0, 7.0, "lon and lat look exchanged"), (9.0, 50.0, "Mend the site or the place")]
)
def test_a_zone_far_from_the_cameras_of_its_site_is_refused(lon, lat, mend):
    with pytest.raises(SettingsFaults, match=rf"geometry: expected a place within 2,000 m of a camera.*{mend}"):
        merged([camera("a", lon=lon, lat=lat)], [zone("z")])


def test_a_site_on_a_partition_that_the_bus_no_longer_has_is_refused():
    district = district_of([msgspec.structs.replace(merged([camera("a")]).cameras[0], partition=7)], [])
    with pytest.raises(SettingsFaults, match=r"site square: expected a partition below 4, got 7"):
        merged([camera("a")], previous=district)


@pytest.fixture
def bus(tmp_path):
    bus = EmbeddedBus(tmp_path / "bus.db")
    bus.create_topics(topic_specs(PARTITIONS, []))
    yield bus
    bus.close()


def append(bus: EmbeddedBus, drafts: list[Draft]) -> None:
    producer = bus.producer()
    for draft in drafts:
        producer.append(draft)
    producer.flush()
    producer.close()


def test_the_district_on_the_bus_follows_every_import(bus):
    assert read_district(bus) == NOTHING
    district = NOTHING
    for rows, zones in [
        ([camera("a"), camera("b"), camera("c", "pier")], [zone("z"), zone("y", cameras=("b",))]),
        ([camera("a", "pier"), camera("d")], [zone("z")]),
        ([camera("d")], [replace(zone("z"), safe_capacity=None)]),
    ]:
        following = merged(rows, zones, previous=district)
        append(bus, registry_drafts(district, following))
        assert read_registry(bus) == (following, [])
        district = following


def test_only_what_changed_is_appended():
    district = merged([camera("a"), camera("b")], [zone("z")])
    following = merged([camera("a"), replace(camera("b"), enabled=False)], [zone("z")], previous=district)
    (draft,) = registry_drafts(district, following)
    assert (draft.topic, draft.key) == (CAMERAS, b"b")
    assert dict(draft.headers)["schema"] == b"camera/1"


def test_a_camera_whose_site_moves_leaves_its_old_partition():
    sites = sorted(("square", "pier", "quay", "park"), key=lambda site: partition_of_site(site, PARTITIONS))
    district = merged([camera("a", sites[0])])
    following = merged([camera("a", sites[-1])], previous=district)
    gone, come = registry_drafts(district, following)
    assert (gone.partition, gone.value) == (partition_of_site(sites[0], PARTITIONS), None)
    assert (come.partition, come.key) == (partition_of_site(sites[-1], PARTITIONS), b"a")


def test_broken_records_are_left_out_and_told(bus):
    district = merged([camera("a"), camera("b")], [zone("z")])
    good = registry_drafts(NOTHING, district)
    append(bus, good)
    partition = district.cameras[0].partition
    twin = msgspec.json.encode(msgspec.structs.replace(district.cameras[0], id="twin"))
    stray = msgspec.json.encode(
        msgspec.structs.replace(district.cameras[0], id="stray", number=9, partition=partition ^ 1)
    )
    bow = ((7.0, 50.0), (7.001, 50.001), (7.001, 50.0), (7.0, 50.001))
    crossed = msgspec.json.encode(msgspec.structs.replace(district.zones[0], id="bow", polygon=bow))
    broken = [
        Draft(CAMERAS, partition, b"cut", twin[:-5], codec.headers("camera/1", twin[:-5])),
        Draft(CAMERAS, partition, b"flipped", twin, codec.headers("camera/1", twin[:-1])),
        Draft(CAMERAS, partition, b"foreign", twin, ()),
        Draft(CAMERAS, partition, b"twin", twin, codec.headers("camera/1", twin)),
        Draft(CAMERAS, partition, b"other", twin, codec.headers("camera/1", twin)),
        Draft(CAMERAS, partition, b"stray", stray, codec.headers("camera/1", stray)),
        Draft(ZONES, partition, b"bow", crossed, codec.headers("zone/1", crossed)),
    ]
    append(bus, broken)
    read, faults = read_registry(bus)
    assert read == district
    assert read_district(bus) == district
    assert len(faults) == len(broken)
    assert all(fault.position is not None for fault in faults)
