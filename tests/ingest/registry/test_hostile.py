from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import SettingsError
from ingest.registry.files import read_cameras, read_points, read_zones

COLUMNS = ("id", "name", "site", "source", "url", "lon", "lat", "sampling_period_s", "user", "enabled", "class")
PROPERTIES = (*COLUMNS, "safe_capacity", "exits", "one_way_bearing", "cameras")
numbers = st.integers() | st.integers(-200, 200) | st.floats() | st.just(10**400)
scalars = st.none() | st.booleans() | numbers | st.text(max_size=8) | st.sampled_from(["[", "{", "7,5", "a;b", "open"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(["line", "width_m"]), inner)
)
geometries = values | st.fixed_dictionaries(
    {"type": st.sampled_from(["Polygon", "MultiPolygon", "Point", None]), "coordinates": values}
)
rings = st.lists(st.lists(st.integers(-180, 180), min_size=2, max_size=3), max_size=6).map(lambda ring: [ring])
features = values | st.fixed_dictionaries(
    {
        "properties": values | st.fixed_dictionaries(dict.fromkeys(PROPERTIES, values)),
        "geometry": geometries | st.fixed_dictionaries({"type": st.just("Polygon"), "coordinates": rings}),
    }
)


def assert_read_or_refused(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "registry"
        path.write_bytes(data)
        for read in (read_cameras, read_zones, read_points):
            try:
                read(path)
            except SettingsError as error:
                assert "registry" in str(error)


@settings(deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    assert_read_or_refused(data)


@settings(deadline=None)
@given(rows=st.lists(st.lists(st.text(max_size=6), max_size=12), max_size=4), separator=st.sampled_from(",;\t"))
def test_any_table_is_read_or_refused(rows, separator):
    text = "\n".join(separator.join(row) for row in [list(COLUMNS), *rows])
    assert_read_or_refused(text.encode("utf-8", "replace"))


@settings(max_examples=200, deadline=None)
@given(given_features=st.lists(features, max_size=3), crs=st.none() | values)
def test_any_features_are_read_or_refused(given_features, crs):
    document = {"type": "FeatureCollection", "crs": crs, "features": given_features}
    assert_read_or_refused(json.dumps(document).encode())
