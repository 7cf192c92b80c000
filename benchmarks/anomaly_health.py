"""
What is found of a camera that lies, and what is said of one that does not: through the reader, the ticks and the rules.

    health_found_share          of faults that are told, by their own name, within 10 s; ten faults in each street
    health_told_share           the same under any name
    health_false_per_24_h       conditions told in a day of a street in which nothing is wrong with the camera
    cost_ms_per_sample          CPU of all signals and health rules for one sample of one camera, decoding aside
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from benchmarks.health_faults import PICTURES, Faulty
from benchmarks.health_street import Street, Weather
from benchmarks.measuring import Figures, machine, show, talk
from detectors.health import clock, picture, stream
from detectors.registry import Configured, settings_of
from detectors.settings import DetectSettings
from detectors.stage import DetectStage
from ingest.bus.contract import Position
from ingest.cameras.observation import Observation, of_stream
from ingest.cameras.signals import SignalReader, SignalSettings
from ingest.cameras.ticker import Ticker
from ingest.clock import NS_PER_S
from ingest.registry.district import Camera, District, district_of
from ingest.schema.finding import Finding, Phase
from ingest.schema.tick import U8, EventKind, TimeSource
from ingest.stages.stage import Read

FAULTS = (*PICTURES, "stalled", "clock_off")
_RULE_OF = {
    "stalled": "health.stream.stalled",
    "clock_off": "health.clock.off",
    **{fault: f"health.picture.{fault}" for fault in PICTURES},
}
_DAY_NS = 24 * 3_600 * NS_PER_S
_START_NS = 20_780 * _DAY_NS  # midnight UTC of a day in 2026
_LEARN_S, _FAULT_S, _REST_S = 80, 12, 25
_WITHIN_S = 10.0
_TICK_NS = NS_PER_S


@dataclass
class Cost:
    """CPU time of what the product does, and for how many samples."""

    ns: int = 0
    samples: int = 0

    @property
    def ms_per_sample(self) -> float:
        return self.ns / 1e6 / max(self.samples, 1)


@dataclass
class Watch:
    """
    Cameras, each with the product's reader, and the detect stage over their ticks.

    Attributes:
        findings: all that was told, with the second.
    """

    cameras: int
    cost: Cost
    period_s: float = 1.0  # between two samples of a camera
    findings: list[tuple[float, Finding]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._readers = [SignalReader(SignalSettings()) for _ in range(self.cameras)]
        ours = (clock.detector, picture.detector, stream.detector)
        self._stage = DetectStage(
            district(self.cameras, self.period_s),
            DetectSettings(),
            [Configured(each, settings_of(each, {})) for each in ours],
        )
        self._state = self._stage.initial(0)
        self._ticker = Ticker("ingest", _TICK_NS)
        self._ticker.own([0], dict.fromkeys(range(self.cameras), 0))
        self._offset = 0

    def see(self, at_s: float, pictures: Sequence[U8 | None], words: Mapping[int, float]) -> None:
        """
        One sample of each camera.

        Args:
            at_s: seconds of the run.
            pictures: (180, 320, 3) of each; None where none came.
            words: offset of the clock of those whose reader says that it is wrong.
        """
        at_ns = _START_NS + round(at_s * NS_PER_S)
        greys = [None if seen is None else cv2.cvtColor(seen, cv2.COLOR_BGR2GRAY) for seen in pictures]
        begun_ns = time.process_time_ns()
        rows = []
        for number, (seen, grey) in enumerate(zip(pictures, greys, strict=True)):
            if seen is None or grey is None:
                continue
            told = self._readers[number].read(grey.astype(np.uint8, copy=False), at_ns, seen)
            rows.append(
                Observation(
                    number, at_ns, at_ns, TimeSource.CAMERA, 320, 180, told.picture, told.foreground, told.flame,
                    told.smoke, told.sharpness, told.brightness, told.foreground_grid, told.flow_grid,
                    events=told.events,
                )
            )  # fmt: skip
        rows += [
            of_stream(number, EventKind.STREAM_CLOCK_OFF, at_ns, at_ns, offset) for number, offset in words.items()
        ]
        self._ticker.add(rows)
        reads = []
        for tick in self._ticker.cut(at_ns + _TICK_NS):
            reads.append(Read(Position("dt.observations", 0, self._offset), tick))
            self._offset += 1
        self._state, said = self._stage.step(self._state, reads)
        self.cost.ns += time.process_time_ns() - begun_ns
        self.cost.samples += len(rows)
        self.findings += [((each.time.timestamp() * NS_PER_S - _START_NS) / NS_PER_S, each) for each in said]


def district(cameras: int, period_s: float) -> District:
    return district_of(
        [
            Camera(
                id=f"camera-{number}", number=number, name="Street", site="street", partition=0, lon=8.54, lat=47.37,
                source="rtsp", url=f"rtsp://10.0.4.{number}/1", sampling_period_s=period_s,
            )
            for number in range(cameras)
        ],
        [],
    )  # fmt: skip


@dataclass(frozen=True)
class Planned:
    camera: int
    fault: str
    from_s: int
    to_s: int


def found(seeds: Sequence[int], cost: Cost) -> Figures:
    """The faults that are told in streets by day, at dusk and by night; each has all ten, in an order of its own."""
    streets = [Street(seed) for seed in seeds]
    begins = [_begin_s(street, number) for number, street in enumerate(streets)]
    plans = [plan for number, seed in enumerate(seeds) for plan in _plan(number, seed)]
    watch = Watch(len(streets), cost)
    last: list[U8] = [np.zeros((180, 320, 3), np.uint8)] * len(streets)
    faulty: dict[int, Faulty] = {}
    for at_s in range(_LEARN_S + len(FAULTS) * (_FAULT_S + _REST_S)):
        pictures: list[U8 | None] = []
        words: dict[int, float] = {}
        for number, street in enumerate(streets):
            now_s = begins[number] + at_s
            plan = next((each for each in plans if each.camera == number and each.from_s <= at_s < each.to_s), None)
            if plan is not None and plan.fault in PICTURES:
                if plan.from_s == at_s:
                    faulty[number] = Faulty(street, plan.fault, seeds[number], float(now_s), last[number])
                pictures.append(faulty[number].at(float(now_s)))
                continue
            last[number] = street.at(float(now_s))
            pictures.append(None if plan is not None and plan.fault == "stalled" else last[number])
            if plan is not None and plan.fault == "clock_off":
                words[number] = -7.5
        watch.see(float(at_s), pictures, words)
    return _scored(plans, streets, begins, watch.findings)


def _begin_s(street: Street, number: int) -> int:
    """A second of the day, such that the whole run is by day, at dusk or by night."""
    weather = street.weather
    hours = (weather.sunrise_h + 1.5, 12.5, weather.sunset_h - 2.0, weather.sunset_h + 0.15, 2.0)
    return round(hours[number % len(hours)] * 3_600)


def _plan(number: int, seed: int) -> Iterator[Planned]:
    order = np.random.default_rng((seed, 9)).permutation(len(FAULTS))
    for place, fault in enumerate(order):
        from_s = _LEARN_S + place * (_FAULT_S + _REST_S)
        yield Planned(number, FAULTS[fault], from_s, from_s + _FAULT_S)


def _scored(
    plans: Sequence[Planned],
    streets: Sequence[Street],
    begins: Sequence[int],
    findings: Sequence[tuple[float, Finding]],
) -> Figures:
    raised = [
        (at_s, int(each.subject.removeprefix("camera-")), each.data.rule)
        for at_s, each in findings
        if each.data.phase in (Phase.RAISED, Phase.UPDATED)
    ]
    by_name: dict[str, list[bool]] = {fault: [] for fault in FAULTS}
    told, delays = [], []
    for plan in plans:
        hour = (begins[plan.camera] + plan.from_s) / 3_600
        if plan.fault == "colour_lost" and not _is_day(streets[plan.camera].weather, hour):
            continue  # nobody misses colours by night
        # What was told before lasts until its release, and is not this one.
        here = [
            (at_s, rule)
            for at_s, camera, rule in raised
            if camera == plan.camera and plan.from_s < at_s <= plan.from_s + _WITHIN_S + 0.001
        ]
        named = [at_s for at_s, rule in here if rule == _RULE_OF[plan.fault]]
        by_name[plan.fault].append(bool(named))
        told.append(bool(here))
        delays += [min(named) - plan.from_s] if named else []
    false = [
        (at_s, camera)
        for at_s, camera, _ in raised
        if not any(plan.camera == camera and plan.from_s <= at_s <= plan.to_s + 16.0 for plan in plans)
    ]
    shares = {f"health_found_share_{fault}": float(np.mean(hits)) for fault, hits in by_name.items() if hits}
    return {
        "health_found_share": float(np.mean([hit for hits in by_name.values() for hit in hits])),
        "health_told_share": float(np.mean(told)),
        "health_faults": float(len(told)),
        "health_delay_s_p50": float(np.percentile(delays, 50)) if delays else float("nan"),
        "health_delay_s_max": max(delays, default=float("nan")),
        "health_false_beside_faults": float(len(false)),
        **shares,
    }


def _is_day(weather: Weather, hour: float) -> bool:
    return weather.sunrise_h + 0.3 < hour < weather.sunset_h - 0.5


def quiet_day(seeds: Sequence[int], period_s: float, hours: tuple[float, float], cost: Cost) -> Figures:
    """What is told of streets from one hour to another, with a sample of each in each period."""
    streets = [Street(seed) for seed in seeds]
    watch = Watch(len(streets), cost, period_s=period_s)
    for at_s in np.arange(hours[0] * 3_600.0, hours[1] * 3_600.0, period_s).tolist():
        watch.see(at_s, [street.at(at_s) for street in streets], {})
    said = [each for _, each in watch.findings if each.data.phase == Phase.RAISED]
    for each in said:
        talk(f"false: {each.subject} {each.data.rule} at {each.data.onset_at:%H:%M:%S}, seed {seeds[0]}")
    days = len(seeds) * (hours[1] - hours[0]) / 24.0
    return {"health_false_per_24_h": len(said) / days, "health_hours": days * 24.0}


def measure(quick: bool) -> Figures:
    """All figures; the quick ones are of one street with its ten faults, and of 45 minutes around sunset."""
    cost = Cost()
    if quick:
        figures = found([201_000], cost)
        street = Street(202_000)
        begins = street.weather.sunset_h - 0.5
        figures |= quiet_day([202_000], 4.0, (begins, begins + 0.75), cost)
        return figures | {"cost_ms_per_sample": cost.ms_per_sample}
    figures = found([seed * 1_000 + n for seed in range(201, 206) for n in range(10)], cost)
    figures |= quiet_day([204_500], 4.0, (3.0, 27.0), cost)
    return figures | {"cost_ms_per_sample": cost.ms_per_sample}


if __name__ == "__main__":
    import sys

    show(measure("--quick" in sys.argv) | machine(), as_json="--json" in sys.argv)
