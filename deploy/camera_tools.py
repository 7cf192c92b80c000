"""`drumtower cameras probe` and `calibrate`: what a stream is, and how good a calibration is."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import numpy as np

from deploy.parts import open_registry_bus
from deploy.settings import Settings
from detectors.geometry.calibration import leave_one_out_m, point_arrays
from detectors.geometry.certainty import point_ellipses
from detectors.geometry.placed import calibration_of
from detectors.geometry.plane import site_plane
from ingest.cameras.probe import Probe, advice, cost_share, probe
from ingest.clock import SystemClock
from ingest.errors import SettingsError, scrub
from ingest.registry.broker_url import broker_url
from ingest.registry.calibration.page import read_calibration
from ingest.registry.change import change_registry, known_camera
from ingest.registry.district import Camera, District, district_of


class ProbeReport(msgspec.Struct, frozen=True):
    stream: Probe
    cost_share: float | None  # of one core, for decoding
    advice: tuple[str, ...]


class PointError(msgspec.Struct, frozen=True):
    point: int  # counted from 1
    error_m: float | None  # None: the other points fix no place for it
    long_m: float | None = None  # half axes of the ellipse that holds 95 % of the foot points that are said to be there
    short_m: float | None = None
    bearing: float | None = None  # of the long axis, degrees from north


class CalibrationReport(msgspec.Struct, frozen=True):
    camera: str
    error_m: float  # root mean square
    points: tuple[PointError, ...]
    stored: bool


def probe_url(
    settings: Settings,
    url: str,
    *,
    user: str | None = None,
    password_file: str | None = None,
    password_env: str | None = None,
    sampling_period_s: float = 1.0,
    read_s: float = 10.0,
) -> ProbeReport:
    """
    Raises:
        SettingsError: credentials in the URL, which all users of the machine can see in the list of processes; or an
            address of another kind.
        SourceError: the stream cannot be read, with its cause.
    """
    parts = urlsplit(url)
    if "@" in parts.netloc or scrub(url) != url:
        raise SettingsError(
            "URL",
            expected="no credentials",
            got="credentials in it, which every user of this machine can see now",
            mend="Use --user and --password-file, and change the password.",
        )
    if "://" in url and parts.scheme not in ("rtsp", "rtsps", "file"):
        behind = broker_url(url) is not None
        raise SettingsError(
            "URL",
            expected="rtsp://..., rtsps://... or the path of a recording",
            got=f"{parts.scheme}://",
            mend="What a broker carries is seen once the camera is added: `drumtower cameras add`."
            if behind
            else "Take the stream's address from the camera's own page.",
        )
    camera = Camera(
        id=url, number=0, name="probe", site="probe", partition=0, lon=0.0, lat=0.0,
        source="rtsp" if parts.scheme in ("rtsp", "rtsps") else "file", url=url, user=user,
        password_file=password_file, password_env=password_env, sampling_period_s=sampling_period_s,
    )  # fmt: skip
    found = probe(camera, settings.ingest, SystemClock(), read_s)
    cost = cost_share(found, sampling_period_s)
    said = tuple(advice(found, settings.ingest, sampling_period_s, camera.source == "rtsp"))
    return ProbeReport(found, None if cost is None else round(cost, 5), said)


def calibrate_camera(
    settings: Settings, camera_id: str, points_file: Path, *, dry_run: bool = False
) -> CalibrationReport:
    """
    Fit, judge and store the calibration of a camera.

    Raises:
        SettingsError: no such camera, or points that cannot be trusted, with the worst of them.
        StoreConflict: someone else changed the registry meanwhile.
    """
    source = read_calibration(points_file)
    reports: list[CalibrationReport] = []

    def decide(previous: District, _: int) -> tuple[District, list[str]]:
        camera = known_camera(previous, camera_id)
        plane = site_plane(previous, camera.site)
        calibration = calibration_of(camera_id, source, plane, SystemClock().now_ns())
        image, ground = point_arrays(calibration.points, plane, calibration.lens)
        # Points that were made from a matrix lie on it: their error says nothing.
        errors_m = leave_one_out_m(image, ground) if source.points else np.empty(0)
        around = point_ellipses(calibration, plane, ground)
        each = tuple(
            PointError(n, *(round(float(number), 3) if np.isfinite(number) else None for number in (error_m, *ellipse)))
            for n, (error_m, ellipse) in enumerate(zip(errors_m, around, strict=False), start=1)
        )
        reports.append(CalibrationReport(camera_id, round(calibration.error_m, 3), each, not dry_run))
        changed = msgspec.structs.replace(camera, calibration=calibration)
        others = (other for other in previous.cameras if other.id != camera_id)
        return district_of((*others, changed), previous.zones), [f"camera {camera_id}: changed calibration"]

    with open_registry_bus(settings) as bus:
        change_registry(bus, decide, dry_run=dry_run)
    return reports[-1]
