"""The demo's first alert: without any model, the foreground alone must find the north square over its capacity."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from deploy.demo import story
from deploy.demo.backdrop import ground_texture
from deploy.demo.district import RATE_HZ
from deploy.demo.files import write_cameras, write_zones
from deploy.demo.picture import Painter
from deploy.demo.place import SQUARE_AREAS, SQUARE_MASTS, Mast
from deploy.demo.view import Pinhole
from detectors.geometry.calibration import calibrate
from detectors.geometry.plane import site_plane
from detectors.geometry.zones import ZoneView, zone_views
from ingest.cameras.signals import HEIGHT, WIDTH, SignalReader, SignalSettings
from ingest.registry.district import District
from ingest.registry.files import merge, read_cameras, read_points, read_zones

AREA = SQUARE_AREAS[0]


def _view(folder: Path, camera: str) -> ZoneView:
    write_cameras(folder / "cameras.csv", "rtsp://127.0.0.1:8554", SQUARE_MASTS, ())
    write_zones(folder / "zones.geojson", SQUARE_AREAS)
    rows, zones = read_cameras(folder / "cameras.csv"), read_zones(folder / "zones.geojson")
    placed, _ = merge(rows, zones, District((), ()), 1, {})
    calibrations = {
        row.id: calibrate(row.id, read_points(folder / row.calibration), site_plane(placed, row.site), 0)
        for row in rows
        if row.calibration is not None
    }
    district, _ = merge(rows, zones, District((), ()), 1, calibrations)
    number = next(each.number for each in district.cameras if each.id == camera)
    zone = [each.id for each in district.zones].index(AREA.id)
    return next(view for view in zone_views(district) if (view.camera, view.zone) == (number, zone))


@pytest.mark.parametrize("mast", SQUARE_MASTS[:2], ids=lambda mast: mast.id)
def test_the_foreground_alone_finds_the_north_square_overcrowded_in_half_a_minute(tmp_path: Path, mast: Mast) -> None:
    view = _view(tmp_path, mast.id)
    painter = Painter(Pinhole(mast), ground_texture(1), seed=1)
    signals = SignalReader(SignalSettings())
    use = {}
    for beat in range(35 * RATE_HZ):
        time_s = beat / RATE_HZ
        picture = painter.paint(story.scene_at(1, time_s))
        grey = cv2.cvtColor(cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
        seen = signals.read(np.asarray(grey, np.uint8), int(time_s * 1e9))
        if seen.foreground_grid is not None:
            use[time_s] = (seen.foreground_grid / 255.0 * view.cell_person_share).sum() / AREA.safe_capacity
    # Red needs ten seconds at capacity: the alert is there 35 s after the story began.
    assert min(share for time_s, share in use.items() if time_s >= 25.0) > 1.1
    assert max(share for time_s, share in use.items() if time_s < 8.0) < 0.1
