"""The demo district: its story, its truth, its cameras, and what a reader sees of all that."""

from __future__ import annotations

import csv
import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from defusedxml import ElementTree
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Point, Polygon

from deploy.demo import story
from deploy.demo.backdrop import ground_texture
from deploy.demo.district import DemoDistrict
from deploy.demo.files import write_cameras, write_zones
from deploy.demo.picture import Painter
from deploy.demo.place import SQUARE_AREAS, SQUARE_MASTS, Mast, to_lon_lat
from deploy.demo.streets import Streets
from deploy.demo.view import HEIGHT, WIDTH, Pinhole
from tests.support.rtsp import open_camera, until

SCHEMA = "{http://www.onvif.org/ver10/schema}"
NORTH, NORTH_CAPACITY = SQUARE_AREAS[0].id, SQUARE_AREAS[0].safe_capacity

times_s = st.floats(0.0, 299.0)
seeds = st.integers(0, 3)


@settings(max_examples=20)
@given(seeds, times_s)
def test_the_story_is_a_function_of_seed_and_time_alone(seed: int, time_s: float) -> None:
    first = story.scene_at(seed, time_s)
    story.walkers.cache_clear()
    again, next_round = story.scene_at(seed, time_s), story.scene_at(seed, time_s + story.LENGTH_S)
    assert np.array_equal(first.xy, again.xy)
    assert np.allclose(first.xy, next_round.xy, atol=1e-6)


def test_another_seed_tells_another_story() -> None:
    assert not np.array_equal(story.walkers(1).points, story.walkers(2).points)


@given(seeds, times_s)
def test_nobody_jumps(seed: int, time_s: float) -> None:
    walkers = story.walkers(seed)
    present = (walkers.times_s[:, 0] < time_s) & (walkers.times_s[:, -1] > time_s + 0.2)
    rows = [np.flatnonzero((walkers.times_s[:, 0] <= t) & (walkers.times_s[:, -1] > t)) for t in (time_s, time_s + 0.1)]
    before, after = (
        scene.xy[np.isin(row, np.flatnonzero(present))]
        for scene, row in zip((story.scene_at(seed, time_s), story.scene_at(seed, time_s + 0.1)), rows, strict=True)
    )
    assert np.hypot(*(after - before).T).max(initial=0.0) < 0.1 * 2.5


@given(seeds)
def test_the_north_square_fills_past_its_capacity_and_drains(seed: int) -> None:
    use = [story.square_occupancy(seed, t)[NORTH] / NORTH_CAPACITY for t in range(300)]
    assert len(story.scene_at(seed, 2.9).look) <= 4, "the ground is almost empty first"
    assert max(use[:5]) == 0.0
    assert min(use[25:150]) >= 1.2
    assert max(use[185:]) < 0.3


@given(seeds)
def test_only_the_north_square_is_overcrowded(seed: int) -> None:
    for t in range(300):
        held = story.square_occupancy(seed, t)
        assert all(held[area.id] < 0.7 * area.safe_capacity for area in SQUARE_AREAS[1:]), (t, held)


@given(seeds, st.floats(60.0, 140.0))
def test_a_standing_crowd_is_never_still(seed: int, time_s: float) -> None:
    before, after = story.scene_at(seed, time_s), story.scene_at(seed, time_s + 1.0)
    standing = SQUARE_AREAS[0].contains(before.xy) & np.isnan(before.stride)
    if len(before.xy) == len(after.xy):
        assert np.median(np.hypot(*(after.xy - before.xy)[standing].T)) > 0.02


@settings(max_examples=30)
@given(seeds, times_s)
def test_the_truth_is_who_stands_in_the_polygons_on_the_map(seed: int, time_s: float) -> None:
    people = [Point(*at) for at in to_lon_lat(story.scene_at(seed, time_s).xy)]
    for area in SQUARE_AREAS:
        polygon = Polygon(to_lon_lat(area.corners()))
        assert story.square_occupancy(seed, time_s)[area.id] == sum(map(polygon.covers, people))


def test_a_degree_is_as_long_as_the_survey_says() -> None:
    # Independent: length of a degree at 51.5 north on WGS 84 is 111 257 m of latitude and 69 437 m of longitude
    # (National Geospatial-Intelligence Agency, series in cosines; to a metre).
    lat = np.radians(51.5)
    north = 111132.92 - 559.82 * np.cos(2 * lat) + 1.175 * np.cos(4 * lat)
    east = 111412.84 * np.cos(lat) - 93.5 * np.cos(3 * lat) + 0.118 * np.cos(5 * lat)
    lon_lat = to_lon_lat(np.array([(east, north)]))[0]
    assert lon_lat == pytest.approx((1.0, 52.5), abs=2e-5)


@pytest.mark.parametrize("mast", SQUARE_MASTS, ids=lambda mast: mast.id)
def test_the_calibration_points_give_the_true_ground_within_half_a_pixel(tmp_path: Path, mast: Mast) -> None:
    write_cameras(tmp_path / "cameras.csv", "rtsp://h", [mast], ())
    with (tmp_path / "cameras.csv").open(encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    with (tmp_path / row["calibration"]).open(encoding="utf-8") as file:
        points = [{name: float(text) for name, text in row.items()} for row in csv.DictReader(file)]
    assert len(points) >= 6
    image = np.array([(p["image_x"] * WIDTH, p["image_y"] * HEIGHT) for p in points])
    ground = np.array([(p["lon"], p["lat"]) for p in points])
    scale = np.ptp(ground, axis=0)
    fitted, _ = cv2.findHomography((ground - ground[0]) / scale, image)
    view = Pinhole(mast)
    xy = np.random.default_rng(1).uniform((-20, -15), (20, 15), (500, 2))
    true, depth_m = view.project(np.column_stack([xy, np.zeros(500)]))
    seen = (depth_m > 1) & (true > 0).all(axis=1) & (true < (WIDTH, HEIGHT)).all(axis=1)
    assert seen.sum() > 50
    found = cv2.perspectiveTransform(((to_lon_lat(xy) - ground[0]) / scale)[None], fitted)[0]
    assert np.hypot(*(found - true)[seen].T).max() < 0.5


def test_two_cameras_see_the_whole_north_square() -> None:
    area = SQUARE_AREAS[0]
    corners = np.column_stack([area.corners(), np.zeros(4)])
    seeing = 0
    for mast in SQUARE_MASTS:
        pixels, depth_m = Pinhole(mast).project(corners)
        seeing += bool((depth_m > 0).all() and ((pixels >= 0) & (pixels <= (WIDTH, HEIGHT))).all())
    assert seeing >= 2


def test_who_walks_in_a_street_is_hidden_by_the_houses_but_not_through_the_gap() -> None:
    view = Pinhole(SQUARE_MASTS[0])  # at (0, -7), looking north
    assert view.hides(np.array([(0.0, 25.0), (0.0, 5.0), (30.0, 12.0), (-30.0, 9.0)])).tolist() == [0, 0, 1, 1]


def test_a_covered_camera_is_dark_and_flat_and_no_two_pictures_are_equal() -> None:
    painter = Painter(Pinhole(SQUARE_MASTS[1]), ground_texture(1), seed=1)
    scene = story.scene_at(1, 100.0)
    clear, twin, covered = painter.paint(scene), painter.paint(scene), painter.paint(scene, covered=1.0)
    assert (clear != twin).any()
    assert clear.mean() > 100 > 45 > covered.mean()
    sharp, flat = (cv2.Laplacian(cv2.blur(picture, (3, 3)), cv2.CV_64F).std() for picture in (clear, covered))
    assert sharp > 4 * flat


def test_the_story_covers_one_camera_and_kills_another_stream() -> None:
    covered = {t for t in range(300) if story.covered_share("square-2", t) == 1.0}
    dead = {t for t in range(300) if story.is_dead("square-4", t)}
    assert covered == set(range(181, 210))
    assert dead == set(range(230, 260))
    assert not any(story.covered_share("square-1", t) or story.is_dead("square-1", t) for t in range(300))


@given(st.floats(0.0, 5000.0))
def test_metadata_documents_hold_the_boxes_of_that_moment(time_s: float) -> None:
    streets = Streets(1, 40)
    boxes = streets.boxes_at(time_s)
    documents = streets.documents_at(time_s, 1.7e9 + time_s, slice(None))
    counts = np.bincount(boxes.camera, minlength=40)
    for n, (camera, document) in enumerate(documents):
        assert camera is streets.cameras[n]
        objects = ElementTree.fromstring(document).findall(f".//{SCHEMA}Object")
        assert len(objects) == counts[n]
        assert len({item.get("ObjectId") for item in objects}) == len(objects)
        for item, (left, top, right, bottom) in zip(objects, boxes.box[boxes.camera == n], strict=True):
            box = item.find(f".//{SCHEMA}BoundingBox")
            got = [float(box.get(side)) for side in ("left", "top", "right", "bottom")]
            assert got == pytest.approx([2 * left - 1, 1 - 2 * top, 2 * right - 1, 1 - 2 * bottom], abs=1e-3)


def test_the_zones_file_is_geojson_with_closed_counter_clockwise_rings(tmp_path: Path) -> None:
    streets = Streets(1, 40)
    areas = (*SQUARE_AREAS, *streets.zones())
    write_zones(tmp_path / "zones.geojson", areas)
    features = json.loads((tmp_path / "zones.geojson").read_text())["features"]
    assert [feature["properties"]["id"] for feature in features] == [area.id for area in areas]
    for feature in features:
        (ring,) = feature["geometry"]["coordinates"]
        assert ring[0] == ring[-1]
        assert Polygon(ring).exterior.is_ccw
    known = {camera.id for camera in streets.cameras}
    assert {camera for feature in features for camera in feature["properties"].get("cameras", ())} <= known


@pytest.fixture(scope="module")
def district(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoDistrict]:
    """A running district whose north square is full."""
    running = DemoDistrict(tmp_path_factory.mktemp("demo"), metadata_cameras=24, begins_at_s=60.0)
    running.start()
    yield running
    running.stop()


def test_the_story_waits_for_its_first_viewer(tmp_path: Path) -> None:
    district = DemoDistrict(tmp_path, metadata_cameras=1)
    district.start()
    try:
        with open_camera(f"{district.url}/station-01", allowed_media_types="data") as camera:
            next(camera.demux())
        assert district.elapsed_s == 0.0
        with open_camera(f"{district.url}/square-3", analyzeduration="0", probesize="5000"):
            until(lambda: district.elapsed_s > 0.0)
    finally:
        district.stop()


def test_every_camera_of_the_file_is_served(district: DemoDistrict) -> None:
    with district.cameras_csv.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 28
    assert {row["url"] for row in rows} == {f"{district.url}/{path}" for path in district.server.streams}
    assert set(district.occupancy_at(60.0)) == {
        feature["properties"]["id"] for feature in json.loads(district.zones_geojson.read_text())["features"]
    }


def test_a_video_camera_shows_the_square_that_the_truth_describes(district: DemoDistrict) -> None:
    with open_camera(f"{district.url}/square-1", analyzeduration="0", probesize="5000") as camera:
        frame = next(camera.decode(video=0))
        shown = frame.to_ndarray(format="bgr24")
        shown_s = district.elapsed_s
    painter = Painter(Pinhole(SQUARE_MASTS[0]), ground_texture(1), seed=2)
    empty = painter.paint(story.scene_at(1, 299.0))
    truth, crowd = painter.paint(story.scene_at(1, shown_s)), cv2.blur(cv2.absdiff(shown, empty), (9, 9)).ravel()
    assert shown.shape == (HEIGHT, WIDTH, 3)
    # Where people are: the picture may be a second old, in which a crowd hardly moves.
    assert np.corrcoef(crowd, cv2.blur(cv2.absdiff(truth, empty), (9, 9)).ravel())[0, 1] > 0.8


def test_a_street_camera_tells_once_a_second_what_it_sees(district: DemoDistrict) -> None:
    with open_camera(f"{district.url}/market-01", allowed_media_types="data") as camera:
        documents, text = [], b""
        for packet in camera.demux():
            text += bytes(packet)
            if text.endswith(b"</tt:MetadataStream>"):
                documents.append(ElementTree.fromstring(text).find(f".//{SCHEMA}Frame").get("UtcTime"))
                text = b""
            if len(documents) == 2:
                break
    first, second = (np.datetime64(stamp.removesuffix("Z")) for stamp in documents)
    assert 800 < (second - first) / np.timedelta64(1, "ms") < 1200


@pytest.fixture
def begun_at(tmp_path: Path) -> Iterator[Callable[[float], DemoDistrict]]:
    """Starts districts at a time of the story."""
    running: list[DemoDistrict] = []

    def begin(at_s: float) -> DemoDistrict:
        running.append(DemoDistrict(tmp_path, metadata_cameras=0, begins_at_s=at_s))
        running[-1].start()
        running[-1].begin_story()
        return running[-1]

    yield begin
    for district in running:
        district.stop()


def test_a_stream_of_the_story_ends_and_is_refused(begun_at: Callable[[float], DemoDistrict]) -> None:
    district = begun_at(story.DEAD_FROM_S - 1.0)
    with open_camera(f"{district.url}/square-4", analyzeduration="0", probesize="5000") as camera:
        for _ in camera.demux():
            pass  # ends when the story cuts the stream
    assert 0.0 <= district.elapsed_s - story.DEAD_FROM_S < 2.0
    with pytest.raises(av.error.FFmpegError), open_camera(f"{district.url}/square-4"):
        pass


def test_a_stream_of_the_story_comes_back_with_a_whole_picture(begun_at: Callable[[float], DemoDistrict]) -> None:
    district = begun_at(story.DEAD_TO_S - 1.0)
    until(lambda: "square-4" in district.server.dead)
    until(lambda: "square-4" not in district.server.dead)
    with open_camera(f"{district.url}/square-4") as camera:
        frames = list(itertools.islice(camera.decode(video=0), 3))
    assert not any(frame.is_corrupt for frame in frames)


def test_the_demos_process_ends_with_the_pipe_of_its_parent(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.demo", str(tmp_path), "--seed=2", "--metadata-cameras=3"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as cameras:
        assert cameras.stdin is not None
        assert cameras.stdout is not None
        cameras_csv, zones_geojson, url = (cameras.stdout.readline().strip() for _ in range(3))
        with open_camera(f"{url}/square-1", analyzeduration="0", probesize="5000") as camera:
            assert next(camera.demux()).size > 0
        cameras.stdin.close()
        assert cameras.wait(20) == 0
    assert len(Path(cameras_csv).read_text(encoding="utf-8").splitlines()) == 1 + 4 + 3
    assert json.loads(Path(zones_geojson).read_text(encoding="utf-8"))["type"] == "FeatureCollection"
