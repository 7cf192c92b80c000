"""
Simulated counts of districts: 15-minute slots, six weeks to learn and three to be judged, with a switch of clocks and
public holidays in the three.

Each camera has its own size, daily course (work, leisure or night), weekend, dispersion and slow drift (AR(1)); each
day its own luck, that of the district and that of the camera; counts are negative binomial. People follow the wall
clock; the counts come in UTC. An event adds at least max(8, 2 x usual) persons for one to three hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import numpy.typing as npt

from detectors.calendar import LocalTime, SiteCalendar, is_holiday, local_time
from ingest.clock import NS_PER_S

SLOT_S, SLOTS = 900, 96
LEARN_DAYS, JUDGE_DAYS = 42, 21
# The last Sunday of March, Good Friday and Easter Monday; the last Sunday of October and the Austrian 26 October.
SPRING = (date(2026, 2, 9), SiteCalendar(time_zone="Europe/Berlin", country="DE"))
AUTUMN = (date(2026, 9, 7), SiteCalendar(time_zone="Europe/Vienna", country="AT"))

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Noise:
    phi: tuple[float, float]  # dispersion of counts, from camera to camera: their variance is m + phi m2
    drift_sd: float  # of the logarithm of what is usual, within hours


# Where the methods of docs/detectors stand to one another as in the table that the rule was chosen by; and twice as
# noisy, since nobody knows how noisy a city is before it was counted.
USUAL, NOISY = Noise((0.01, 0.12), 0.15), Noise((0.03, 0.25), 0.2)


@dataclass(frozen=True)
class Counts:
    calendar: SiteCalendar
    times: list[LocalTime]  # (T,)
    count: Floats  # (T, Z)
    usual: Floats  # (T, Z) the true mean, without events
    event: Ints  # (E, 3) zone, first slot, slot after the last
    judged_from: int  # slot


def simulated(seed: int, cameras: int, events: int, noise: Noise = USUAL) -> Counts:
    """A district of a seed; odd seeds live through the autumn, even ones through the spring."""
    rng = np.random.default_rng(seed)
    first, calendar = AUTUMN if seed % 2 else SPRING
    start_ns = int(datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp()) * NS_PER_S
    total = (LEARN_DAYS + JUDGE_DAYS) * SLOTS
    times = [local_time(calendar, start_ns + slot * SLOT_S * NS_PER_S) for slot in range(total)]
    shape = _courses(rng, cameras)  # (Z, 7, 96)
    slot = np.array([time.minute * 60 // SLOT_S for time in times])
    kind = np.array([time.kind_of_day for time in times])
    day = np.array([time.day for time in times]) - times[0].day
    days = day.max() + 1
    luck = np.exp(0.2 * rng.standard_normal(days))[day][:, None]
    luck = luck * np.exp(0.1 * rng.standard_normal((days, cameras)))[day]
    usual = shape[:, kind, slot].T * luck
    drift = np.empty((total, cameras))
    drift[0] = noise.drift_sd * rng.standard_normal(cameras)
    rho = 0.9
    for at in range(1, total):
        drift[at] = rho * drift[at - 1] + noise.drift_sd * np.sqrt(1 - rho * rho) * rng.standard_normal(cameras)
    phi = rng.uniform(*noise.phi, cameras)
    mean = usual * np.exp(drift)
    event = _events(rng, usual, events)
    for zone, begin, end in event:
        mean[begin:end, zone] += np.maximum(8.0, 2.0 * usual[begin:end, zone]) * rng.uniform(1.0, 1.5)
    count = rng.poisson(rng.gamma(1.0 / phi, phi * mean))
    return Counts(calendar, times, count.astype(np.float64), usual, event, LEARN_DAYS * SLOTS)


def is_on_holiday(counts: Counts, slot: int) -> bool:
    return is_holiday(counts.calendar, date.fromordinal(counts.times[slot].day))


def _courses(rng: np.random.Generator, cameras: int) -> Floats:
    """(Z, 7, 96) what is usual at each time of the week, people in sight."""
    hour = (np.arange(SLOTS) + 0.5) / 4.0

    def hump(at: Floats, width: Floats) -> Floats:
        away = np.abs(hour - at[:, None])
        away = np.minimum(away, 24.0 - away)
        return np.asarray(np.exp(-0.5 * (away / width[:, None]) ** 2))

    jitter = rng.normal(0.0, 0.5, (4, cameras))
    one = np.ones(cameras)
    work = (
        hump(8.0 + jitter[0], 0.9 * one) + hump(17.5 + jitter[1], 1.2 * one) + 0.5 * hump(12.5 + jitter[2], 1.5 * one)
    )
    leisure = hump(15.0 + jitter[3], 3.0 * one)
    night = hump(22.5 + jitter[2], 2.0 * one)
    mix = rng.dirichlet([1.2, 1.0, 0.5], cameras)
    weekday = mix[:, :1] * work + mix[:, 1:2] * leisure + mix[:, 2:] * night
    saturday = mix[:, :1] * 0.5 * leisure + mix[:, 1:2] * 1.6 * leisure + mix[:, 2:] * 1.8 * night
    sunday = mix[:, :1] * 0.25 * leisure + mix[:, 1:2] * 1.1 * leisure + mix[:, 2:] * 0.7 * night
    size = np.exp(rng.normal(np.log(20.0), 0.9, cameras))[:, None]
    course = np.stack([weekday] * 5 + [saturday, sunday], axis=1)
    course *= np.exp(rng.normal(0.0, 0.05, (cameras, 7, 1)))
    return np.asarray(size[:, None] * (course + 0.02))


def _events(rng: np.random.Generator, usual: Floats, events: int) -> Ints:
    """(E, 3) at zones and times where somebody usually is, no two at one zone within six hours."""
    taken: list[tuple[int, int, int]] = []
    total, cameras = usual.shape
    while len(taken) < events:
        zone, begin = int(rng.integers(cameras)), int(rng.integers(LEARN_DAYS * SLOTS, total - 24))
        end = begin + int(rng.integers(4, 13))
        if usual[begin:end, zone].mean() < 3.0 or any(
            z == zone and b - 24 < end and begin < e + 24 for z, b, e in taken
        ):
            continue
        taken.append((zone, begin, end))
    return np.array(taken, np.int64).reshape(-1, 3)
