"""The demo district as the files that an operator would write: cameras, calibration points, zones."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deploy.demo.place import Area, Mast, to_lon_lat
from deploy.demo.view import Pinhole, ground_points

if TYPE_CHECKING:
    from deploy.demo.streets import StreetCamera

CAMERA_COLUMNS = ("id", "name", "site", "source", "url", "lon", "lat", "sampling_period_s", "calibration")
VIDEO_PERIOD_S = 0.2  # every picture: the background is then learned before the crowd comes
POINT_COLUMNS = ("image_x", "image_y", "lon", "lat")


def write_cameras(path: Path, base_url: str, masts: Sequence[Mast], streets: Iterable[StreetCamera]) -> None:
    """
    The cameras as CSV, and beside it the point pairs of each video camera, one file each.

    Paths in the column `calibration` are relative to the folder of `path`.
    """
    rows: list[tuple[object, ...]] = []
    for mast in masts:
        points = Path("calibration") / f"{mast.id}.csv"
        _write_points(path.parent / points, mast)
        lon, lat = to_lon_lat(np.array([(mast.x, mast.y)]))[0]
        url = f"{base_url}/{mast.id}"
        rows.append(
            (mast.id, mast.name, "square", "rtsp", url, f"{lon:.7f}", f"{lat:.7f}", VIDEO_PERIOD_S, points.as_posix())
        )
    for camera in streets:
        lon, lat = to_lon_lat(np.array([(camera.x, camera.y)]))[0]
        url = f"{base_url}/{camera.id}"
        rows.append((camera.id, camera.name, camera.site, "onvif", url, f"{lon:.7f}", f"{lat:.7f}", 1.0, ""))
    _write_csv(path, CAMERA_COLUMNS, rows)


def write_zones(path: Path, areas: Iterable[Area]) -> None:
    """The zones as GeoJSON in WGS 84, as QGIS saves them."""
    features = []
    for area in areas:
        ring = np.round(to_lon_lat(area.corners()), 9).tolist()
        properties: dict[str, object] = {"id": area.id, "name": area.name, "site": area.site}
        properties |= {"class": area.zone_class, "safe_capacity": area.safe_capacity}
        if area.cameras:
            properties["cameras"] = list(area.cameras)
        geometry = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
        features.append({"type": "Feature", "properties": properties, "geometry": geometry})
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    collection = {"type": "FeatureCollection", "name": "zones", "crs": crs, "features": features}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(collection, indent=1) + "\n", encoding="utf-8")


def _write_points(path: Path, mast: Mast) -> None:
    image, ground = ground_points(Pinhole(mast))
    degrees = to_lon_lat(ground)
    # Nine decimals of a degree are a tenth of a millimetre; seven of the picture are far below a pixel.
    rows = [
        (f"{x:.7f}", f"{y:.7f}", f"{lon:.9f}", f"{lat:.9f}")
        for (x, y), (lon, lat) in zip(image.tolist(), degrees.tolist(), strict=True)
    ]
    _write_csv(path, POINT_COLUMNS, rows)


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
