"""
A storm with its truth, from a seed: what happens in a district, and all that its detectors say of it.

Sites stand 600 m apart with some twenty cameras each; a switch carries the cameras of neighbouring sites, a power feed
some switches. Truth is the number of the happening behind each finding; what follows from a happening (people who run
from a fire, what a blind camera says) is of that happening. Places are off by some metres, findings come late, out of
order and twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import cos, radians

import numpy as np

from ingest.clock import NS_PER_S, utc
from ingest.schema.finding import Finding, FindingData, Level, Measurement, Phase, Place
from ingest.schema.ids import derived_id

START_NS = 1_780_000_000 * NS_PER_S
CAMERAS_A_SITE, CAMERAS_A_SWITCH, SWITCHES_A_FEED = 20, 24, 4
SITES_APART_M, OFF_M, JITTER_M = 600.0, 6.0, 1.0  # a camera's calibration is off; its places jitter
_METRES_PER_DEGREE = 111_195.08
_ORIGIN = (13.2, 52.4)
_KEEPS_S_MAX = 30.0  # a detector says at least so often that something goes on


@dataclass(frozen=True, slots=True)
class Told:
    """One finding, when it reaches the bus, and the happening that it is of."""

    arrives_ns: int
    finding: Finding
    happening: int


@dataclass
class Storm:
    told: list[Told]
    hangs_on: dict[str, tuple[str, ...]]
    happenings: int
    length_s: float


@dataclass
class _Condition:
    name: str
    kind: str
    level: Level
    site: str
    zone: str | None
    camera: str
    at_m: tuple[float, float]
    spans_s: list[tuple[float, float]]  # when it is on; several: it flickers
    happening: int
    moves_m_s: float = 0.0
    off_m: tuple[float, float] = (0.0, 0.0)


@dataclass
class _Making:
    random: np.random.Generator
    cameras: int
    length_s: float
    conditions: list[_Condition] = field(default_factory=list)
    happenings: int = 0
    busy: dict[str, float] = field(default_factory=dict)  # site -> until when nothing else happens there

    @property
    def sites(self) -> int:
        return self.cameras // CAMERAS_A_SITE

    def site_m(self, site: int) -> tuple[float, float]:
        columns = int(np.ceil(np.sqrt(self.sites)))
        return site % columns * SITES_APART_M, site // columns * SITES_APART_M

    def free_site(self, t_s: float, lasts_s: float) -> int | None:
        for site in self.random.permutation(self.sites)[:40]:
            if self.busy.get(f"{site}", -1e9) < t_s - 240.0:
                self.busy[f"{site}"] = t_s + lasts_s
                return int(site)
        return None

    def cameras_of(self, site: int, count: int) -> list[str]:
        chosen = self.random.choice(CAMERAS_A_SITE, count, replace=False)
        return [f"camera-{site * CAMERAS_A_SITE + int(number):05}" for number in chosen]

    def put(
        self, kind: str, level: Level, site: int, camera: str, at_m: tuple[float, float], t_s: float, ends_s: float,
        *, zone: str | None = None, spans: list[tuple[float, float]] | None = None, moves_m_s: float = 0.0,
    ) -> None:  # fmt: skip
        name = f"c{len(self.conditions)}"
        self.conditions.append(
            _Condition(
                name, kind, level, f"site-{site}", zone, camera, at_m, spans or [(t_s, ends_s)], self.happenings,
                moves_m_s, (float(self.random.normal(0.0, OFF_M)), float(self.random.normal(0.0, OFF_M))),
            )
        )  # fmt: skip


def storm(seed: int, cameras: int, findings: int, length_s: float) -> Storm:
    """A storm of about `findings` findings in `length_s` seconds, in the order in which they reach the bus."""
    making = _Making(np.random.default_rng(seed), cameras, length_s)
    wanted = max(24, findings // 200)
    kinds = [_crowd, _crowd, _fire, _fall, _intrusion, _flapping, _blind]
    for number in range(wanted):
        t_s = float(making.random.uniform(5.0, length_s * 0.75))
        kind = kinds[int(making.random.integers(len(kinds)))]
        if number % 12 == 0:
            kind = _switch if number % 36 else _feed
        kind(making, t_s)
    return Storm(_said(making, findings), _labels(cameras), making.happenings, length_s)


def _labels(cameras: int) -> dict[str, tuple[str, ...]]:
    labels: dict[str, tuple[str, ...]] = {}
    for number in range(cameras):
        switch = number // CAMERAS_A_SWITCH
        labels[f"camera-{number:05}"] = f"power p{switch // SWITCHES_A_FEED}", f"switch s{switch}"
    return labels


def _crowd(making: _Making, t_s: float) -> None:
    """Two to six cameras see one crowd, one after the other, along a street; it flickers now and then."""
    lasts_s = float(making.random.uniform(120, 500))
    site = making.free_site(t_s, lasts_s + 60)
    if site is None:
        return
    level = (Level.AMBER, Level.RED)[int(making.random.integers(2))]
    x, y = making.site_m(site)
    moves = float(making.random.choice([0.0, 0.0, 0.3]))
    begins = t_s
    for step, camera in enumerate(making.cameras_of(site, int(making.random.integers(2, 7)))):
        begins += float(making.random.uniform(0, 15))
        spans = [(begins, t_s + lasts_s)]
        if making.random.random() < 0.25:
            middle = begins + lasts_s * 0.3
            spans = [(begins, middle), (middle + 15.0, t_s + lasts_s)]
        at_m = (x + step * 35.0, y)
        zone = f"site-{site}-zone-{step // 2}"
        making.put("crowd.capacity", level, site, camera, at_m, begins, 0, zone=zone, spans=spans, moves_m_s=moves)
    making.happenings += 1


def _fire(making: _Making, t_s: float) -> None:
    """Smoke, then fire, then people who run from it: a lesser hazard at the same place."""
    lasts_s = float(making.random.uniform(180, 500))
    site = making.free_site(t_s, lasts_s + 60)
    if site is None:
        return
    x, y = making.site_m(site)
    cameras = making.cameras_of(site, 5)
    for step, camera in enumerate(cameras[: int(making.random.integers(1, 4))]):
        kind = "anomaly.smoke" if step % 2 == 0 else "anomaly.fire"
        making.put(kind, Level.CRITICAL, site, camera, (x + 10.0 * step, y), t_s + 6 * step, t_s + lasts_s)
    for step, camera in enumerate(cameras[3:]):
        begins = t_s + float(making.random.uniform(20, 60))
        making.put("crowd.surge", Level.RED, site, camera, (x + 15.0 * step, y + 20.0), begins, t_s + lasts_s - 20)
    making.happenings += 1


def _fall(making: _Making, t_s: float) -> None:
    site = making.free_site(t_s, 120)
    if site is None:
        return
    making.put("anomaly.fall", Level.RED, site, making.cameras_of(site, 1)[0], making.site_m(site), t_s, t_s + 60)
    making.happenings += 1


def _intrusion(making: _Making, t_s: float) -> None:
    """Two of them at one site at about the same time, 150 m apart: two happenings."""
    site = making.free_site(t_s, 200)
    if site is None:
        return
    x, y = making.site_m(site)
    for side, camera in zip((-75.0, 75.0), making.cameras_of(site, 2), strict=True):
        begins = t_s + float(making.random.uniform(0, 30))
        zone = f"site-{site}-{'w' if side < 0 else 'e'}"
        making.put("anomaly.intrusion", Level.AMBER, site, camera, (x + side, y), begins, begins + 100, zone=zone)
        making.happenings += 1


def _flapping(making: _Making, t_s: float) -> None:
    """A gate that opens and shuts: one happening, whatever its camera says every few seconds."""
    site = making.free_site(t_s, 400)
    if site is None:
        return
    begins = t_s + np.cumsum(making.random.uniform(14, 26, 14))
    spans = [(float(at), float(at) + 6.0) for at in begins]
    camera = making.cameras_of(site, 1)[0]
    making.put("anomaly.abandoned_object", Level.AMBER, site, camera, making.site_m(site), t_s, 0, spans=spans)
    making.happenings += 1


def _blind(making: _Making, t_s: float) -> None:
    """A camera is covered, and says all sorts of things."""
    site = making.free_site(t_s, 300)
    if site is None:
        return
    camera, at_m = making.cameras_of(site, 1)[0], making.site_m(site)
    making.put("health.picture", Level.NOTICE, site, camera, at_m, t_s, t_s + 250)
    for kind in ("anomaly.intrusion", "anomaly.fall", "anomaly.unusual_occupancy"):
        begins = t_s + float(making.random.uniform(15, 120))
        making.put(kind, Level.AMBER, site, camera, at_m, begins, begins + 60)
    making.happenings += 1


def _switch(making: _Making, t_s: float, switches: int = 1) -> None:
    """All cameras behind a switch are lost within 5 s, and come back within a minute."""
    count = making.cameras // CAMERAS_A_SWITCH
    first = int(making.random.integers(count // SWITCHES_A_FEED)) * SWITCHES_A_FEED
    numbers = range(first * CAMERAS_A_SWITCH, min((first + switches) * CAMERAS_A_SWITCH, making.cameras))
    # A lost camera sees nothing: where they stand nothing else happens meanwhile.
    sites = {f"{number // CAMERAS_A_SITE}" for number in numbers}
    if any(making.busy.get(site, -1e9) > t_s - 240.0 for site in sites):
        return
    lasts_s = float(making.random.uniform(120, 400))
    making.busy |= dict.fromkeys(sites, t_s + lasts_s + 60)
    for number in numbers:
        site = number // CAMERAS_A_SITE
        x, y = making.site_m(site)
        at_m = (x + number % CAMERAS_A_SITE * 12.0, y + 30.0)
        begins = t_s + float(making.random.uniform(0, 5))
        ends = t_s + lasts_s + float(making.random.uniform(0, 60))
        making.put("health.stream", Level.NOTICE, site, f"camera-{number:05}", at_m, begins, ends)
    making.happenings += 1


def _feed(making: _Making, t_s: float) -> None:
    """A power feed fails: all of its switches."""
    _switch(making, t_s, SWITCHES_A_FEED)


def _said(making: _Making, findings: int) -> list[Told]:
    """All that is said: beginnings, ends, and in between as often as makes up the number of findings."""
    spans = [(one, *span) for one in making.conditions for span in one.spans_s]
    lasting_s = sum(ends - begins for _, begins, ends in spans)
    period_s = min(_KEEPS_S_MAX, lasting_s / max(1, findings * 0.98 - 2 * len(spans)))
    told: list[Told] = []
    for one in making.conditions:
        for begins, ends in one.spans_s:
            told += _one(making, one, begins, begins, Phase.RAISED)
            for t_s in np.arange(begins + period_s, ends - 0.5, period_s):
                told += _one(making, one, begins, float(t_s), Phase.UPDATED)
            told += _one(making, one, begins, ends, Phase.CLEARED)
    return sorted(told, key=lambda each: (each.arrives_ns, each.finding.id))


def _one(making: _Making, one: _Condition, onset_s: float, t_s: float, phase: Phase) -> list[Told]:
    """One finding; one in fifty comes twice, one in twenty some seconds late."""
    x, y = one.at_m[0] + one.moves_m_s * (t_s - one.spans_s[0][0]), one.at_m[1]
    dx, dy = making.random.normal(0.0, JITTER_M, 2) + one.off_m
    lat = _ORIGIN[1] + (y + dy) / _METRES_PER_DEGREE
    lon = _ORIGIN[0] + (x + dx) / (_METRES_PER_DEGREE * cos(radians(_ORIGIN[1])))
    at_ns = START_NS + round(t_s * NS_PER_S)
    data = FindingData(
        kind=one.kind,
        phase=phase,
        level=one.level,
        condition=f"{one.name}/{round(onset_s * 1e3)}",
        site=one.site,
        zone=one.zone,
        cameras=(one.camera,),
        place=Place(lon=lon, lat=lat, radius_m=12.0),
        onset_at=utc(START_NS + round(onset_s * NS_PER_S)),
        detected_at=utc(at_ns),
        observed_at=utc(at_ns),
        value=None,
        unit="",
        low=None,
        high=None,
        measurement=Measurement(),
        rule={"health.stream": "health.stream.stalled", "health.picture": "health.picture.covered"}.get(
            one.kind, one.kind
        ),
        rule_version=1,
        thresholds={},
    )
    name = derived_id(data.condition, phase, str(at_ns))
    finding = Finding(id=name, source=f"/drumtower/detect/{one.kind}", subject=one.camera, time=utc(at_ns), data=data)
    late_s = (
        float(making.random.uniform(1, 4)) if making.random.random() < 0.05 else float(making.random.uniform(0, 0.3))
    )
    first = Told(at_ns + round(late_s * NS_PER_S), finding, one.happening)
    again = Told(first.arrives_ns + NS_PER_S, finding, one.happening)
    return [first, again] if making.random.random() < 0.02 else [first]
