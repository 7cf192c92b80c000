"""
Unusual occupancy: simulated districts with public holidays and a switch of clocks, and Auckland's real counts.

    python -m benchmarks.anomaly_baseline [--quick] [--json]

A false alarm is a raise outside every event (and the hour after it); a hit is a raise within an event. Districts have
380 cameras; each of their zones is judged with what is common to the other zones of its partition, which is the whole
district, or (two seeds) a quarter or a sixteenth of it.
"""

from __future__ import annotations

import argparse
from datetime import date, timedelta
from time import process_time

import numpy as np
import numpy.typing as npt

from benchmarks import auckland, measuring
from benchmarks.baseline_district import (
    JUDGE_DAYS,
    NOISY,
    SLOT_S,
    USUAL,
    Counts,
    Noise,
    is_on_holiday,
    simulated,
)
from detectors.anomaly.baseline import model as baseline
from detectors.calendar import LocalTime

SEEDS = range(201, 206)  # 101 to 103 were for tuning
CAMERAS, EVENTS = 380, 40
_AGAIN_SLOTS = 4  # raises of one camera within this are one alarm
_QUIET = 0.6  # of the usual at all sensors: a day of a lockdown
_QUIET_DAYS = 4  # of a week

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def measure(quick: bool) -> dict[str, float]:
    """The figures, flat; `quick` looks at one small district and not at Auckland."""
    begun_s = process_time()
    if quick:
        figures = _districts(SEEDS[:1], 120, EVENTS // 2, "", 1)
    else:
        figures = _districts(SEEDS, CAMERAS, EVENTS, "", 1)
        measuring.talk(f"districts: {figures}")
        figures |= _auckland()
        measuring.talk(f"Auckland: {figures['auckland_false_per_sensor_year']}")
        figures |= _districts(SEEDS[:2], CAMERAS, EVENTS, "noisy_", 1, NOISY)
        figures |= _districts(SEEDS[:2], CAMERAS, EVENTS, "quarter_", 4)
        figures |= _districts(SEEDS[:2], CAMERAS, EVENTS, "sixteenth_", 16)
    return figures | {"baseline_cpu_s": process_time() - begun_s}


def _districts(
    seeds: range, cameras: int, events: int, name: str, parts: int, noise: Noise = USUAL
) -> dict[str, float]:
    """The figures of simulated districts, each of which is judged in so many partitions."""
    false = holiday = hits = 0
    delays: list[float] = []
    for seed in seeds:
        counts = simulated(seed, cameras, events, noise)
        raised = np.zeros(counts.count.shape, np.bool_)
        for part in range(parts):
            raised[:, part::parts] = judged(counts.times, counts.count[:, part::parts], SLOT_S, cameras, 1.0)[0]
        alarms, on_holidays = _false(counts, raised)
        false, holiday = false + alarms, holiday + on_holidays
        found = _delays_min(counts, raised)
        hits, delays = hits + len(found), delays + found
    days = JUDGE_DAYS * len(seeds)
    return {
        f"baseline_{name}false_per_district_day": false / days,
        f"baseline_{name}hit_share": hits / (events * len(seeds)),
        f"baseline_{name}false_on_holidays": float(holiday),
        f"baseline_{name}delay_p50_min": float(np.median(delays)) if delays else -1.0,
    }


def judged(
    times: list[LocalTime], count: Floats, slot_s: int, zones_in_district: int, false_per_day: float
) -> tuple[Bools, Floats]:
    """(T, Z) raised, and (T, Z) the common factor, of counts (T, Z) that are judged one after another."""
    zones = count.shape[1]
    level = baseline.level_of(false_per_day, zones_in_district, 86_400 // slot_s)
    model = baseline.Model(slot_s, level, np.arange(zones), zones)
    learned, recent = baseline.blank(model)
    everywhere, raised, factor = np.ones(zones, np.bool_), np.zeros(count.shape, np.bool_), np.ones(count.shape)
    for at, time in enumerate(times):
        learned, recent, found = baseline.closed(model, learned, recent, everywhere, time, count[at])
        raised[at], factor[at] = found.raised, found.factor
    return raised, factor


def _false(counts: Counts, raised: Bools) -> tuple[int, int]:
    """False alarms in the days that are judged, and those of them on public holidays."""
    outside = raised.copy()
    outside[: counts.judged_from] = False
    for zone, begin, end in counts.event:
        outside[begin : end + _AGAIN_SLOTS, zone] = False
    alarms = _alarms(outside)
    return len(alarms), sum(is_on_holiday(counts, slot) for slot, _ in alarms)


def _alarms(raised: Bools) -> list[tuple[int, int]]:
    """(slot, zone) of each raise, those soon after another left out."""
    found, last = [], np.full(raised.shape[1], -_AGAIN_SLOTS - 1)
    for slot, zone in np.argwhere(raised).tolist():
        if slot - last[zone] > _AGAIN_SLOTS:
            found.append((slot, zone))
        last[zone] = slot
    return found


def _delays_min(counts: Counts, raised: Bools) -> list[float]:
    """Minutes from the begin of each event that was found to the end of the slot that found it."""
    delays = []
    for zone, begin, end in counts.event:
        on = np.flatnonzero(raised[begin : end + 1, zone])
        if len(on):
            delays.append((on[0] + 1.0) * SLOT_S / 60.0)
    return delays


def _auckland() -> dict[str, float]:
    given = auckland.counts()
    # As many false alarms a sensor as in a district of 380.
    sensors = given.count.shape[1]
    raised, factor = judged(given.times, given.count, auckland.SLOT_S, sensors, sensors / CAMERAS)
    day = np.array([time.day for time in given.times])
    hour = np.array([time.minute // 60 for time in given.times])
    first = int(day[0]) + 42
    calm = np.array([d >= first and not auckland.is_disturbed(date.fromordinal(d)) for d in day])
    figures: dict[str, float] = {}
    year = np.array([date.fromordinal(d).year for d in day])
    alarms = _alarms(raised & calm[:, None])
    observed = ~np.isnan(given.count) & calm[:, None]
    for each in range(2019, 2026):
        sensor_years = observed[year == each].sum() / (365.25 * 24.0)
        if sensor_years >= 1.0:  # too little of a year is no rate
            figures[f"auckland_false_per_sensor_year_{each}"] = sum(year[at] == each for at, _ in alarms) / sensor_years
    figures["auckland_false_per_sensor_year"] = len(alarms) / (observed.sum() / (365.25 * 24.0))
    found: dict[int, list[bool]] = {}
    by_day = (hour >= 8) & (hour < 20)
    for monday in auckland.lockdown_weeks():
        quiet = 0
        for days in range(7):
            of_day = by_day & (day == (monday + timedelta(days)).toordinal())
            quiet += bool(of_day.any() and np.median(factor[of_day]) < _QUIET)
        found.setdefault(monday.year, []).append(quiet >= _QUIET_DAYS)
    for each, weeks in found.items():
        figures[f"auckland_lockdown_weeks_{each}"] = float(len(weeks))
        figures[f"auckland_lockdown_weeks_found_{each}"] = float(sum(weeks))
    every = [week for weeks in found.values() for week in weeks]
    figures["auckland_lockdown_weeks_found_share"] = sum(every) / len(every)
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    given_options = parser.parse_args()
    measuring.show(measure(given_options.quick), as_json=given_options.json)
