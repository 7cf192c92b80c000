from __future__ import annotations

import json
from pathlib import Path

import pytest

from ingest.errors import SettingsError, SettingsFaults
from ingest.registry.district import Exit, PointPair, ZoneClass
from ingest.registry.files import read_cameras, read_points, read_zones

BAD = Path(__file__).parent / "bad_files"
READ = {"camera": read_cameras, "points": read_points, "zone": read_zones}

# Every fault of a file, in order: the message without the file's name, and each a part that must be there.
EXPECTED: dict[str, list[str]] = {
    "camera_bad_number.csv": ['line 2: sampling_period_s: expected a number, got "1 s". Write digits only'],
    "camera_broker_port.csv": [
        "line 2: url: expected a broker, its topic and the camera in it, got no host, or a port that is none."
    ],
    "camera_broker_wildcard.csv": ["line 2: url: expected a broker, its topic and the camera in it, got a wildcard."],
    "camera_column_twice.csv": ["line 1: lat: expected a column once, got it twice."],
    "camera_credentials_in_url.csv": ["line 2: url: expected no credentials, got credentials in it. Put them"],
    "camera_decimal_comma.csv": ['line 2: lon: expected a number, got "7,01". Write a point'],
    "camera_deepstream_without_sensor.csv": ["line 2: url: expected a broker, its topic and the camera in it, got no"],
    "camera_duplicate_id.csv": ['line 3: id: expected an id of its own, got "GATE-7" again, as on line 2.'],
    "camera_empty.csv": ["expected a registry, got an empty file."],
    "camera_empty_cells.csv": [
        "line 2: source: expected one of rtsp, file, onvif, axis, frigate, deepstream, got nothing.",
        "line 2: lon: expected a number, got nothing.",
        "line 2: id: expected a text, got nothing.",
        "line 2: site: expected a text, got nothing.",
        "line 2: url: expected a text, got nothing.",
    ],
    "camera_enabled_maybe.csv": ['line 2: enabled: expected true or false, got "maybe".'],
    "camera_frigate_over_rtsp.csv": ['line 2: url: expected mqtt://... or mqtts://..., got "rtsp://...".'],
    "camera_frigate_without_size.csv": [
        "line 2: width_px: expected a whole number of pixels, got nothing. It is of Frigate's detect resolution",
        "line 2: height_px: expected a whole number of pixels, got nothing. It is of Frigate's detect resolution",
    ],
    "camera_half_a_pixel.csv": [
        "line 2: width_px: expected a whole number of pixels, got 1920.5.",
        "line 2: height_px: expected a number from 16 to 65535, got 8.",
    ],
    "camera_heading_only.csv": ["expected cameras, got a heading only."],
    "camera_lat_out_of_range.csv": ["line 2: lon, lat: expected lon within 180 and lat within 90 degrees, got"],
    "camera_latin_1.csv": ["line 2: expected UTF-8, got the byte 0xFC, as in Latin-1 or Windows-1252. Save it again"],
    "camera_lon_lat_swapped.csv": ["lat 139.7. lon and lat look exchanged; lon comes first."],
    "camera_many_faults.csv": [
        'line 2: lon: expected a number, got "x".',
        'line 2: id: expected 1 to 64 ASCII letters, digits, dots, hyphens or underscores, got "gate 7".',
        'line 2: enabled: expected true or false, got "maybe".',
        'line 3: source: expected one of rtsp, file, onvif, axis, frigate, deepstream, got "usb".',
    ],
    "camera_missing_column.csv": ["site: expected a column of this name, got id, name, source, url, lon, lat. Add"],
    "camera_non_ascii_id.csv": ['line 2: id: expected 1 to 64 ASCII letters, digits, dots, hyphens or underscores'],
    "camera_other_host.csv": ["line 2: other_urls: expected the host 10.0.0.1, got 10.0.0.2. Another host is another"],
    "camera_password_as_variable.csv": ["line 2: password_env: expected the name of an environment variable, got some"],
    "camera_password_column.csv": ["password: expected no secret, got one. Remove it; name a file or a variable"],
    "camera_password_in_path.csv": ["line 2: url: expected no credentials, got credentials in it."],
    "camera_password_without_user.csv": ["line 2: user: expected the user whose password is named, got nothing."],
    "camera_period_out_of_range.csv": ["line 2: sampling_period_s: expected a number from 0.04 to 3600, got 0."],
    "camera_person_column.csv": ["suspect_face: expected no column about persons, got one. Remove it"],
    "camera_too_many_cells.csv": ["line 2: expected 7 cells, got 8. Put cells that hold ',' into double quotes."],
    "camera_two_passwords.csv": ["line 2: password_env: expected one place for the password, got two."],
    "camera_unclosed_quote.csv": ["line 2: expected cells, got unexpected end of data. Close the double quotes"],
    "camera_unknown_source.csv": [
        'line 2: source: expected one of rtsp, file, onvif, axis, frigate, deepstream, got "webcam".'
    ],
    "camera_utf_16.csv": ["expected UTF-8, got UTF-16. Save it again as CSV UTF-8."],
    "camera_wrong_scheme.csv": ['line 2: url: expected rtsp://... or rtsps://..., got "http://...".'],
    "points_missing_column.csv": ["lat: expected a column of this name, got image_x, image_y, lon."],
    "points_pixels.csv": [
        "line 3: image_x: expected a share in [0, 1], got 960. Divide pixels by the picture's width, or",
        "line 3: image_y: expected a share in [0, 1], got 540. Divide pixels by the picture's height, or",
    ],
    "zone_bearing.geojson": ["line 6: feature 0: one_way_bearing: expected a number from 0 to 360, got 400."],
    "zone_broken_json.geojson": ["line 4: expected GeoJSON, got Expecting value"],
    "zone_camera_ids.geojson": ['line 6: feature 0: cameras: expected ids of cameras, got "gate 7".'],
    "zone_class_null.geojson": ["feature 0: class: expected one of open, queue, exit_route, platform, carriageway"],
    "zone_crosses_itself.geojson": ["expected a ring of at least 3 corners that does not cross itself, got a ring "
                                    "that crosses or touches itself at lon 7.0005000, lat 50.0005000."],
    "zone_duplicate_id.geojson": ['line 7: feature 1: id: expected an id of its own, got "north" again, as on line 6'],
    "zone_exit_without_width.geojson": ["line 6: feature 0: exits: number 1: expected a width_m above 0, got"],
    "zone_exits_not_a_list.geojson": ["line 6: feature 0: exits: expected a list, got Expecting value"],
    "zone_half_a_person.geojson": ["line 6: feature 0: safe_capacity: expected a whole number of persons, got 12.5."],
    "zone_hole.geojson": ["line 6: feature 0: geometry: expected a polygon without holes, got one with 1."],
    "zone_line.geojson": ['line 6: feature 0: geometry: expected a Polygon, got "LineString".'],
    "zone_lon_lat_swapped.geojson": ["lat 139.7. lon and lat look exchanged; lon comes first."],
    "zone_metres.geojson": ["got lon 780000, lat 6573000. Export in degrees, EPSG:4326."],
    "zone_missing_property.geojson": ["site: expected a column of this name, got id, name, class, safe_capacity."],
    "zone_negative_capacity.geojson": ["feature 0: safe_capacity: expected a number from 1 to 10000000, got -3."],
    "zone_no_features.geojson": ["expected features, got none."],
    "zone_no_geometry.geojson": ["line 6: feature 0: geometry: expected a Polygon, got"],
    "zone_not_a_collection.geojson": ["expected a FeatureCollection, got other JSON."],
    "zone_on_a_line.geojson": ["geometry: expected a ring of at least 3 corners"],
    "zone_other_crs.geojson": ["crs: expected CRS84 or EPSG:4326 (degrees), got urn:ogc:def:crs:EPSG::3857."],
    "zone_person_property.geojson": ["owner_age: expected no column about persons, got one."],
    "zone_table.csv": ["expected GeoJSON, got a table."],
    "zone_too_few_corners.geojson": ["ring of at least 3 corners that does not cross itself, got 2 different corners."],
    "zone_two_parts.geojson": ["geometry: expected one polygon, got a MultiPolygon of 2 parts. Draw each part"],
    "zone_unknown_class.geojson": ['queue, exit_route, platform, carriageway, track, got "plaza".'],
}  # fmt: skip


@pytest.mark.parametrize("file", sorted(path.name for path in BAD.iterdir()))
def test_every_fault_of_a_file_is_told_with_its_place_and_mend(file):
    with pytest.raises(SettingsError) as caught:
        READ[file.partition("_")[0]](BAD / file)
    error = caught.value
    faults = error.faults if isinstance(error, SettingsFaults) else [error]
    assert len(faults) == len(EXPECTED[file])
    for fault, part in zip(faults, EXPECTED[file], strict=True):
        assert str(fault).startswith(file)
        assert part in str(fault)
    assert "s3cr" not in str(error)


def test_each_mistake_has_its_file():
    assert {path.name for path in BAD.iterdir()} == set(EXPECTED)


def test_a_file_that_is_not_there_is_told_by_its_path(tmp_path):
    with pytest.raises(SettingsError, match=r"none\.csv: expected a file that can be read, got No such file"):
        read_cameras(tmp_path / "none.csv")


CSV = """id,name,site,source,url,lon,lat,sampling_period_s,user,password_file,password_env,calibration,enabled
gate-7,Tor 7 (Süd),square,rtsp,rtsp://10.0.4.7/1,7.01,50.02,0.5,ops,,GATE_7,gate-7.csv,true
gate-8,,square,file,clips/gate-8.mp4,7.02,50.03,,,,,,no
"""


def test_a_camera_is_read_with_all_its_columns(tmp_path):
    (tmp_path / "c.csv").write_text(CSV, encoding="utf-8")
    first, second = read_cameras(tmp_path / "c.csv")
    assert (first.id, first.name, first.site, first.source) == ("gate-7", "Tor 7 (Süd)", "square", "rtsp")
    assert (first.url, first.lon, first.lat, first.sampling_period_s) == ("rtsp://10.0.4.7/1", 7.01, 50.02, 0.5)
    assert (first.user, first.password_file, first.password_env) == ("ops", None, "GATE_7")
    assert (first.calibration, first.enabled, first.at) == ("gate-7.csv", True, "c.csv line 2")
    assert (second.name, second.sampling_period_s, second.calibration) == ("gate-8", 1.0, None)
    assert (second.url, second.user, second.enabled) == ("clips/gate-8.mp4", None, False)


@pytest.mark.parametrize(
    "written",
    [
        CSV.encode("utf-8-sig"),
        CSV.replace("\n", "\r\n").encode(),
        CSV.replace(".02,0.5", ".02,0.5").replace(",", ";").encode(),
        ("sep=;\r\n" + CSV.replace(",", ";").replace("7.01;50.02;0.5", "7,01;50,02;0,5")).encode(),
        CSV.replace(",", "\t").encode(),
        (CSV + ",,,,,,,,,,,,\n\n").encode(),
        CSV.replace("id,name", " ID ,Name").encode(),
    ],
    ids=["BOM", "CRLF", "semicolons", "decimal commas", "tabs", "empty rows", "capitals"],
)
def test_a_table_from_a_spreadsheet_says_the_same(tmp_path, written):
    (tmp_path / "c.csv").write_text(CSV, encoding="utf-8")
    plain = read_cameras(tmp_path / "c.csv")
    (tmp_path / "c.csv").write_bytes(written)
    other = read_cameras(tmp_path / "c.csv")
    assert [vars(row) | {"at": ""} for row in other] == [vars(row) | {"at": ""} for row in plain]


def test_a_line_is_counted_right_after_a_cell_of_several_lines(tmp_path):
    (tmp_path / "c.csv").write_text(CSV.replace("Tor 7 (Süd)", '"Tor 7"').replace("gate-8,,", 'gate-8,"a, ""b""",'))
    assert [row.at for row in read_cameras(tmp_path / "c.csv")] == ["c.csv line 2", "c.csv line 3"]
    (tmp_path / "c.csv").write_text(CSV.replace("gate-7.csv", '"a\nb"') + "gate 9,,,,,,,,,,,,\n")
    with pytest.raises(SettingsFaults) as caught:
        read_cameras(tmp_path / "c.csv")
    assert "c.csv line 2: calibration: expected at most 1000 printable" in str(caught.value)
    assert "c.csv line 5: id" in str(caught.value)


def test_a_column_that_nobody_knows_is_passed_over_and_told(tmp_path):
    (tmp_path / "c.csv").write_text("colour," + CSV.replace("\ngate", "\nred,gate"))
    rows = read_cameras(tmp_path / "c.csv")
    assert len(rows) == 2
    assert rows.warnings[0].startswith("c.csv: colour: unknown column, passed over. Known are id, name,")


def test_two_cameras_on_one_stream_are_told(tmp_path):
    (tmp_path / "c.csv").write_text(CSV.replace("file,clips/gate-8.mp4", "rtsp,rtsp://10.0.4.7/1"))
    (warning,) = read_cameras(tmp_path / "c.csv").warnings
    assert warning == "c.csv line 3: url: the same stream as camera gate-7; people there would be counted twice."


def test_cameras_may_come_as_points_from_a_map(tmp_path):
    properties = {"id": "gate-7", "name": None, "site": "square", "source": "onvif", "url": "rtsp://10.0.4.7/1"}
    feature = {"type": "Feature", "properties": properties | {"enabled": True, "sampling_period_s": 2},
               "geometry": {"type": "Point", "coordinates": [7.01, 50.02, 4.5]}}  # fmt: skip
    (tmp_path / "c.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    (row,) = read_cameras(tmp_path / "c.geojson")
    assert (row.lon, row.lat, row.sampling_period_s, row.source, row.enabled) == (7.01, 50.02, 2.0, "onvif", True)


def test_points_are_read_and_what_the_map_adds_is_passed_over(tmp_path):
    (tmp_path / "p.csv").write_text("image_x;image_y;lon;lat;residual\n0,25;0,5;7,01;50,02;0.3\n1;0;7.0;50;\n")
    assert read_points(tmp_path / "p.csv") == (PointPair(0.25, 0.5, 7.01, 50.02), PointPair(1.0, 0.0, 7.0, 50.0))


SQUARE = [[7.0, 50.0], [7.0, 50.001], [7.001, 50.001], [7.001, 50.0], [7.0, 50.0]]  # clockwise


def zones_file(path: Path, *features: dict[str, object], crs: str | None = None) -> Path:
    top: dict[str, object] = {"type": "FeatureCollection"}
    if crs:
        top["crs"] = {"type": "name", "properties": {"name": crs}}
    path.write_text(json.dumps(top | {"features": features}))
    return path


def feature(kind: str = "Polygon", coordinates: object = None, **properties: object) -> dict[str, object]:
    given = {"id": "north", "name": "North side", "site": "square", "class": "open"} | properties
    geometry = {"type": kind, "coordinates": coordinates or [SQUARE]}
    return {"type": "Feature", "properties": given, "geometry": geometry}


EXIT = {"line": [[7.0, 50.0], [7.0, 50.001]], "width_m": 4}


@pytest.mark.parametrize(
    ("exits", "cameras", "capacity"),
    [
        ([EXIT], ["gate-7", "gate-8"], 400),
        (json.dumps([EXIT]), '["gate-7", "gate-8"]', 400.0),
        (json.dumps([EXIT]), "gate-7; gate-8", "400"),
    ],
    ids=["JSON", "JSON in text", "text"],
)
def test_a_zone_is_read_as_the_map_writes_it(tmp_path, exits, cameras, capacity):
    drawn = feature(
        "MultiPolygon", [[SQUARE]], **{"class": "Exit route"}, fid=3, exits=exits, cameras=cameras,
        safe_capacity=capacity, one_way_bearing=360,
    )  # fmt: skip
    rows = read_zones(zones_file(tmp_path / "z.geojson", drawn, crs="urn:ogc:def:crs:OGC:1.3:CRS84"))
    (row,) = rows
    assert row.zone_class is ZoneClass.EXIT_ROUTE
    assert (row.safe_capacity, row.one_way_bearing, row.cameras) == (400, 0.0, ("gate-7", "gate-8"))
    assert row.exits == (Exit(line=((7.0, 50.0), (7.0, 50.001)), width_m=4.0),)
    assert set(row.polygon) == {tuple(corner) for corner in SQUARE}
    assert len(row.polygon) == 4
    turn = sum(a[0] * b[1] - a[1] * b[0] for a, b in zip(row.polygon, row.polygon[1:] + row.polygon[:1], strict=True))
    assert turn > 0  # counter-clockwise
    assert rows.warnings == ()


def test_what_the_map_leaves_empty_is_none(tmp_path):
    drawn = feature(exits=None, cameras="", safe_capacity=None, one_way_bearing="NULL", name=None)
    (row,) = read_zones(zones_file(tmp_path / "z.geojson", drawn))
    assert (row.exits, row.cameras, row.safe_capacity, row.one_way_bearing, row.name) == ((), (), None, None, "north")


@pytest.mark.parametrize(
    "crs", ["EPSG:4326", "urn:ogc:def:crs:EPSG::4326", "http://www.opengis.net/def/crs/OGC/1.3/CRS84"]
)
def test_degrees_are_taken_under_each_of_their_names(tmp_path, crs):
    assert read_zones(zones_file(tmp_path / "z.geojson", feature(), crs=crs))


def test_a_fault_in_one_zone_does_not_hide_those_of_another(tmp_path):
    faulty = feature(id="a b", safe_capacity="many"), feature(**{"class": "plaza"}, cameras=[7])
    with pytest.raises(SettingsFaults) as caught:
        read_zones(zones_file(tmp_path / "z.geojson", *faulty))
    columns = [fault.thing.rpartition(": ")[2] for fault in caught.value.faults]
    assert columns == ["id", "safe_capacity", "class", "cameras"]
    assert len(str(caught.value).splitlines()) == 4
