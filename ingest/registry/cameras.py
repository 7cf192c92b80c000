"""Cameras from CSV or GeoJSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast, get_args

from ingest.errors import SettingsError, SettingsFaults, scrub
from ingest.registry.broker_url import PORTS, broker_url_fault
from ingest.registry.district import Source
from ingest.registry.fields import Fields, check_columns, quoted
from ingest.registry.rows import CameraRow, Rows
from ingest.registry.text import RegistryRecord, RegistryText, read_registry_text

_REQUIRED = ("id", "name", "site", "source", "url")
_PLACE = ("lon", "lat")
_SECRETS = ("password_file", "password_env", "password_key")
_LABELS = ("switch", "recorder", "power")
_OPTIONAL = (
    *("sampling_period_s", "user", *_SECRETS, "width_px", "height_px", "other_urls", "calibration", "enabled"),
    *_LABELS,
)
_SCHEMES = {
    "rtsp": ("rtsp", "rtsps"),
    "file": ("file",),
    "onvif": ("rtsp", "rtsps", "mqtt", "mqtts"),
    "axis": ("mqtt", "mqtts"),
    "frigate": ("mqtt", "mqtts"),
    "deepstream": ("kafka", "kafkas"),
}
_IN_PIXELS = {"frigate": "Frigate's detect resolution (detect.width, detect.height)", "deepstream": "the muxer's frame"}
# Some cameras take the password anywhere in the path: `/user=admin&password=...`.
_PASSWORD_IN_PATH = re.compile(r"(pass(word|wd)?|pwd|token|secret)[=:]", re.IGNORECASE)
_OTHERS_MAX = 4
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/@:-]{0,199}", re.ASCII)  # no option of a program begins so
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def read_cameras(path: Path) -> Rows[CameraRow]:
    """
    The cameras of a CSV file, or of a GeoJSON file of points.

    Raises:
        SettingsFaults: all that is wrong in the file, by line and column.
        SettingsError: the file cannot be read at all.
    """
    text = read_registry_text(path)
    place = () if text.is_geojson else _PLACE
    faults, warnings = check_columns(text, (*_REQUIRED, *_PLACE, *_OPTIONAL), (*_REQUIRED, *place))
    rows: Rows[CameraRow] = Rows()
    id_at: dict[str, str] = {}
    if not faults:  # a missing column would be a fault of every row
        for record in text.records:
            fields = Fields(record)
            row = _camera(fields, text.is_geojson)
            check_once(fields, row.id, id_at)
            faults += fields.faults
            rows.append(row)
    faults += text.faults
    if not text.records and not faults:
        faults.append(SettingsError(path.name, expected="cameras", got="a heading only", mend="Add a row a camera."))
    if faults:
        raise SettingsFaults(faults)
    rows.warnings = (*warnings, *_same_streams(rows))
    return rows


def camera_row(at: str, cells: Mapping[str, object]) -> CameraRow:
    """
    The camera of one record that comes from no file.

    Args:
        at: where it comes from, as faults shall begin.
        cells: by column, as in a file.

    Raises:
        SettingsFaults: all that is wrong with it, by column.
    """
    text = RegistryText(at, tuple(cells), (RegistryRecord(at, dict(cells)),), is_geojson=False)
    faults, warnings = check_columns(text, (*_REQUIRED, *_PLACE, *_OPTIONAL), ())
    faults += [SettingsError(line, expected="a known column", got="another", mend="Remove it.") for line in warnings]
    fields = Fields(text.records[0])
    row = _camera(fields, is_geojson=False)
    if faults or fields.faults:
        raise SettingsFaults([*faults, *fields.faults])
    return row


def check_once(fields: Fields, id_: str, id_at: dict[str, str]) -> None:
    """A fault where the id came before; ids that differ in case only are one, since people read them aloud."""
    first = id_at.setdefault(id_.lower(), fields.record.at)
    if id_ and first != fields.record.at:
        where = first.partition(" ")[2] or first
        fields.fault("id", "an id of its own", f"{quoted(id_)} again, as on {where}", "Give one of the two another id.")


def _camera(fields: Fields, is_geojson: bool) -> CameraRow:
    source = cast(Source, fields.choice("source", get_args(Source)))
    lon, lat = _point(fields) if is_geojson else fields.lon_lat()
    id_ = fields.identifier("id")
    user, *secrets = (fields.text(column) for column in ("user", *_SECRETS))
    password_file, password_env, password_key = secrets
    named = [column for column, value in zip(_SECRETS, secrets, strict=True) if value]
    if len(named) > 1:
        fields.fault(named[-1], "one place for the password", "two", f"Leave {named[0]} or {named[-1]} empty.")
    if named and not user:
        fields.fault("user", "the user whose password is named", "nothing", "Fill it in.")
    # What stands in these may be the password itself: do not repeat it.
    if password_env and not _VARIABLE.fullmatch(password_env):
        fields.fault("password_env", "the name of an environment variable", "something else", "Name the variable only.")
    if password_key and not _KEY.fullmatch(password_key):
        fields.fault("password_key", "a key of the secret store", "something else", "Write ASCII letters and ._/@:- .")
    site = fields.identifier("site")
    url = _url(fields, source, "url", fields.text("url", required=True, length_max=1000))
    return CameraRow(
        at=fields.record.at,
        id=id_,
        name=fields.text("name") or id_,
        site=site,
        source=source,
        url=url,
        other_urls=_other_urls(fields, source, url),
        lon=lon,
        lat=lat,
        sampling_period_s=fields.number("sampling_period_s", 0.04, 3600.0, default=1.0) or 1.0,
        width_px=_pixels(fields, "width_px", source),
        height_px=_pixels(fields, "height_px", source),
        user=user,
        password_file=password_file,
        password_env=password_env,
        password_key=password_key,
        calibration=fields.text("calibration", length_max=1000),
        enabled=fields.flag("enabled", default=True),
        **{label: _label(fields, label) for label in _LABELS},
    )


def _label(fields: Fields, column: str) -> str | None:
    """The name of what the camera hangs on; none where nobody says."""
    return None if fields.given(column) is None else fields.identifier(column)


def _other_urls(fields: Fields, source: str, url: str) -> tuple[str, ...]:
    """The camera's other streams: on the same host, as they share the password."""
    urls = tuple(str(item) for item in fields.items("other_urls"))
    if urls and source != "rtsp":
        fields.fault("other_urls", "nothing", f"streams of a camera of source {source}", "Only rtsp has several.")
        return ()
    for other in urls[:_OTHERS_MAX]:
        before = len(fields.faults)
        _url(fields, source, "other_urls", other)
        if len(fields.faults) == before and _host_of(other) != _host_of(url):
            fields.fault("other_urls", f"the host {_host_of(url)}", _host_of(other), "Another host is another camera.")
    if len(urls) > _OTHERS_MAX:
        fields.fault("other_urls", f"at most {_OTHERS_MAX}", str(len(urls)), "Leave the ones that fit best.")
    return urls


def _host_of(url: str) -> str:
    return re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0].lower()


def _url(fields: Fields, source: str, column: str, url: str | None) -> str:
    if url is None:
        return ""
    scheme, colon, rest = url.partition("://")
    has_user = "@" in re.split(r"[/?#]", rest, maxsplit=1)[0] or scrub(url) != url
    if colon and (has_user or _PASSWORD_IN_PATH.search(url)):
        fields.fault(
            column, "no credentials", "credentials in it", "Put them into user and password_file or password_env."
        )  # fmt: skip
    elif source not in _SCHEMES or (source == "file" and not colon):
        return url
    elif scheme.lower() not in _SCHEMES[source] or not rest.strip("/"):
        expected = " or ".join(f"{name}://..." for name in _SCHEMES[source])
        got = quoted(f"{scheme}://...") if colon else "no scheme"
        fields.fault(column, expected, got, "Take the stream's address from the camera's own page.")
    elif scheme.lower() in PORTS and (fault := broker_url_fault(source, url)):
        fields.fault(
            column, "a broker, its topic and the camera in it", fault, "docs/sources.md shows one of each kind."
        )
    return url


def _pixels(fields: Fields, column: str, source: str) -> int | None:
    """A length of the frame that boxes are drawn in; needed where the messages do not say it."""
    if fields.given(column) is None:
        if source in _IN_PIXELS:
            mend = f"It is of {_IN_PIXELS[source]}; its messages do not say it."
            fields.fault(column, "a whole number of pixels", "nothing", mend)
        return None
    length = fields.number(column, 16, 65_535)
    if length is not None and length != int(length):
        fields.fault(column, "a whole number of pixels", f"{length:g}", "Mend the number.")
    return None if length is None else int(length)


def _point(fields: Fields) -> tuple[float, float]:
    geometry = fields.record.geometry or {}
    place = geometry.get("coordinates")
    if geometry.get("type") != "Point" or not isinstance(place, list) or len(place) < 2:
        fields.fault("geometry", "a Point", quoted(str(geometry.get("type"))), "Export a layer of points.")
        return 0.0, 0.0
    return fields.position("geometry", place[0], place[1])


def _same_streams(rows: Rows[CameraRow]) -> list[str]:
    first: dict[str, str] = {}
    return [
        f"{row.at}: url: the same stream as camera {first[row.url]}; people there would be counted twice."
        for row in rows
        if first.setdefault(row.url, row.id) != row.id
    ]
