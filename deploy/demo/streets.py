"""
The streets around the square: cameras that send no pictures, only ONVIF metadata with a box for each person.

Each camera has a few walkers that come by again and again, each at its own pace; where they are is a pure function of
seed and time, for all cameras at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from deploy.demo.place import Area, Floats, Ints, ZoneClass

SITES = (
    ("station", "Station"),
    ("market", "Market hall"),
    ("mill-street", "Mill Street"),
    ("bridge", "Old Bridge"),
    ("canal-walk", "Canal Walk"),
    ("theatre-row", "Theatre Row"),
    ("park-gate", "Park Gate"),
    ("library", "Library"),
    ("harbour", "Harbour"),
    ("museum", "Museum"),
    ("garden-lane", "Garden Lane"),
    ("bakers-row", "Bakers Row"),
    ("cloth-hall", "Cloth Hall"),
    ("river-stairs", "River Stairs"),
    ("north-gate", "North Gate"),
    ("ropewalk", "Ropewalk"),
)
# Zones that one camera sees whole: site, name, class, capacity.
_ZONES: tuple[tuple[str, str, ZoneClass, int], ...] = (
    ("station", "Station platform 1", "platform", 40),
    ("market", "Market hall queue", "queue", 20),
    ("theatre-row", "Theatre forecourt", "open", 30),
    ("park-gate", "Park gate lawn", "open", 30),
)
_SLOTS = 8  # walkers of one camera, seldom all at once
_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<tt:MetadataStream xmlns:tt="http://www.onvif.org/ver10/schema">'
    '<tt:VideoAnalytics><tt:Frame UtcTime="%s">'
)
_OBJECT = (
    '<tt:Object ObjectId="%d"><tt:Appearance><tt:Shape>'
    '<tt:BoundingBox left="%.4f" top="%.4f" right="%.4f" bottom="%.4f"/>'
    '<tt:CenterOfGravity x="%.4f" y="%.4f"/></tt:Shape>'
    '<tt:Class><tt:Type Likelihood="%.2f">Human</tt:Type></tt:Class></tt:Appearance></tt:Object>'
)
_TAIL = "</tt:Frame></tt:VideoAnalytics></tt:MetadataStream>"


@dataclass(frozen=True, slots=True)
class StreetCamera:
    """A camera of a street, at metres from the square."""

    id: str
    name: str
    site: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Boxes:
    """Persons that street cameras see at one time, P of them."""

    camera: Ints  # (P,) number of the camera, growing
    track: Ints  # (P,) number of the object, unique within the camera
    box: Floats  # (P, 4) left, top, right, bottom in [0, 1], y down


class Streets:
    """The metadata cameras of the district and what they see."""

    def __init__(self, seed: int, cameras: int) -> None:
        random = np.random.default_rng((seed, 7))
        angles = np.linspace(0.0, 2 * np.pi, len(SITES), endpoint=False)
        far_m = 180.0 + 330.0 * random.random(len(SITES))
        self.centres = np.column_stack([far_m * np.sin(angles), far_m * np.cos(angles)])
        self.cameras = tuple(self._camera(n, random) for n in range(cameras))
        shape = (cameras, _SLOTS)
        self._period_s = random.uniform(22.0, 60.0, shape)
        self._phase_s = random.uniform(0.0, 60.0, shape)
        self._share = random.uniform(0.25, 0.7, shape)  # of its period in which a walker is in the picture
        self._lane = random.uniform(0.45, 0.95, shape)  # where its feet are, from the top
        self._forward = random.random(shape) < 0.5
        self._likelihood = random.uniform(0.7, 0.95, shape)

    def zones(self) -> tuple[Area, ...]:
        """Zones that one uncalibrated camera sees whole; those whose camera is in the district."""
        areas = []
        for site, name, zone_class, capacity in _ZONES:
            x, y = self.centres[[key for key, _ in SITES].index(site)]
            camera = next((camera.id for camera in self.cameras if camera.site == site), None)
            if camera is not None:
                west, south, east, north = (float(edge) for edge in (x - 8, y - 3, x + 8, y + 3))
                zone = f"{site}-zone"
                areas.append(Area(zone, name, site, zone_class, capacity, west, south, east, north, (camera,)))
        return tuple(areas)

    def boxes_at(self, time_s: float, cameras: slice = slice(None)) -> Boxes:
        """Who is seen at `time_s`, seconds since the start, by some of the cameras."""
        turns = (time_s + self._phase_s[cameras]) / self._period_s[cameras]
        way = (turns % 1.0) / self._share[cameras]
        camera, slot = np.nonzero(way < 1.0)
        way, lane = way[camera, slot], self._lane[cameras][camera, slot]
        across = np.where(self._forward[cameras][camera, slot], way, 1.0 - way)
        tall = 0.1 + 0.45 * (lane - 0.4)
        wide = tall * (0.2 + 0.02 * np.sin(9.0 * time_s + slot))  # 16:9 picture, arms and legs swing
        middle = 0.5 * wide + (1.0 - wide) * across
        box = np.column_stack([middle - wide / 2, lane - tall, middle + wide / 2, lane])
        track = np.floor(turns).astype(np.int64)[camera, slot] * _SLOTS + slot
        numbers = np.arange(len(self.cameras))[cameras]
        return Boxes(numbers[camera], track, np.clip(box, 0.0, 1.0))

    def documents_at(self, time_s: float, unix_time_s: float, cameras: slice) -> list[tuple[StreetCamera, bytes]]:
        """A metadata document of each of some cameras; without persons too, for silence would look like a failure."""
        seen = self.boxes_at(time_s, cameras)
        stamp = datetime.fromtimestamp(unix_time_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        numbers = range(*cameras.indices(len(self.cameras)))
        objects: dict[int, list[str]] = {n: [] for n in numbers}
        # ONVIF's frame is [-1, 1] with y up.
        left, top, right, bottom = (seen.box * (2, -2, 2, -2) + (-1, 1, -1, 1)).T
        likelihood = self._likelihood[seen.camera, seen.track % _SLOTS]
        columns = (seen.track, left, top, right, bottom, (left + right) / 2, (top + bottom) / 2, likelihood)
        for n, *values in zip(seen.camera.tolist(), *(column.tolist() for column in columns), strict=True):
            objects[n].append(_OBJECT % tuple(values))
        head = _HEAD % stamp
        return [(self.cameras[n], "".join((head, *objects[n], _TAIL)).encode()) for n in numbers]

    def occupancy_at(self, time_s: float) -> dict[str, int]:
        """Persons in each zone of the streets: the truth."""
        counts = np.bincount(self.boxes_at(time_s).camera, minlength=len(self.cameras))
        number = {camera.id: n for n, camera in enumerate(self.cameras)}
        return {zone.id: int(counts[number[zone.cameras[0]]]) for zone in self.zones()}

    def _camera(self, number: int, random: np.random.Generator) -> StreetCamera:
        ordinal, site = divmod(number, len(SITES))
        key, name = SITES[site]
        x, y = self.centres[site] + random.uniform(-25.0, 25.0, 2)
        return StreetCamera(f"{key}-{ordinal + 1:02d}", f"{name} {ordinal + 1}", key, float(x), float(y))
