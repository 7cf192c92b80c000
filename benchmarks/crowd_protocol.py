"""
How soon and how surely the rules of motion find what happens, through the real detect stage, on labelled scenarios.

The protocol: an alert matches an event of its kind in the zone, if it comes between the true onset and a limit after
it; for gatherings the limit counts from the beginning of the 10 s in which 20 persons are truly within 4 m. The
thresholds were set on the seeds 101 to 103; figures are of others. Beside them, in the same run, what simpler methods
do.

    python -m benchmarks.crowd_protocol [--quick] [--seeds 201,202] [--json]
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import click
import numpy as np

from benchmarks import crowd_baselines
from benchmarks.crowd_scenarios import (
    START_NS,
    Track,
    district,
    is_there,
    recording,
    recordings,
    scenario,
    seen,
    ticks,
    zone_counts,
)
from benchmarks.measuring import Figures, show, talk
from detectors.crowd.rules import congestion, counterflow, gathering, growth, oscillation, pressure, surge
from detectors.ranking import RANKS
from detectors.registry import Configured, settings_of
from detectors.settings import DetectSettings
from detectors.stage import DetectStage
from ingest.bus.contract import Position
from ingest.schema.finding import Finding, Phase
from ingest.stages.stage import Read

REPORT_SEEDS = (201, 202, 203, 204, 205)
QUICK_SEEDS = (7,)
GATHERING_CAPACITY = 50  # 20 persons are 40 % of it
RULES = (congestion, counterflow, gathering, growth, oscillation, pressure, surge)
UNEVENTFUL = ("ucy_", "madras_")  # public places; the others are experiments, dense and head-on on purpose


@dataclass(frozen=True)
class Event:
    scenario: str
    rule: str
    limit_s: float


EVENTS = {
    "gathering": Event("gathering_onset", "crowd.gathering.", 60.0),
    "surge": Event("surge_evacuation", "crowd.surge.", 5.0),
    "counterflow": Event("counter_flow", "crowd.counterflow.", 30.0),
    "congestion": Event("bottleneck_congestion", "crowd.congestion.", 60.0),
    "oscillation": Event("dense_oscillation", "crowd.oscillation.", 60.0),
}
# States that are truly there and not what the scenario is about.
TRUE_OF = {
    "surge_evacuation": ("crowd.gathering", "crowd.congestion"),
    "bottleneck_congestion": ("crowd.gathering", "crowd.congestion"),
    "counter_flow": ("crowd.congestion",),
    "gathering_onset": ("crowd.gathering", "crowd.congestion"),
    "dense_standing": ("crowd.gathering", "crowd.congestion"),
    "dense_oscillation": ("crowd.gathering", "crowd.congestion"),
    "dense_turbulence": ("crowd.gathering", "crowd.congestion"),
    "normal_flow": (),
}


def measure(quick: bool, seeds: Sequence[int] | None = None) -> Figures:
    """The figures of the protocol, in seconds, counts and shares; empty where the shared scenarios are not there."""
    if not is_there():
        talk("crowd protocol: ../shared is not there, so there is nothing to run it on")
        return {}
    chosen = tuple(seeds or (QUICK_SEEDS if quick else REPORT_SEEDS))
    figures: Figures = {"protocol_seeds": float(len(chosen))}
    missed, false, seconds = 0, 0, 0.0
    for name, event in EVENTS.items():
        for level in ("noisy",) if quick and name != "gathering" else ("clean", "noisy"):
            delays = []
            for seed in chosen:
                track = scenario(seed, event.scenario)
                found = findings(track, level, seed)
                delays.append(_delay_s(event, track, found))
                false += _false(track, found, event)
                seconds += track.seconds
            hits = [delay for delay in delays if delay is not None]
            missed += len(delays) - len(hits)
            figures[f"{name}_delay_{level}_s"] = float(np.median(hits)) if hits else float("nan")
            figures[f"{name}_delay_{level}_max_s"] = max(hits, default=float("nan"))
            talk(f"{name} {level}: {delays}")
    figures |= {"missed": float(missed)} | _turbulence(chosen, quick)
    for level in () if quick else ("clean", "noisy"):
        for name in ("normal_flow", "dense_standing"):
            for seed in chosen:
                track = scenario(seed, name)
                false += _false(track, findings(track, level, seed), None)
                seconds += track.seconds
    figures |= {"scenario_false_alerts": float(false), "scenario_hours": seconds / 3600.0}
    levels = ("noisy",) if quick else ("clean", "noisy")
    return figures | _real(quick) | crowd_baselines.measure(chosen, levels, crossing_s)


def findings(track: Track, level: str, seed: int, capacity: int | None = None) -> list[Finding]:
    """All that the stage tells of a scenario, with the default settings."""
    if track.name == "gathering_onset":
        capacity = GATHERING_CAPACITY
    running = [Configured(each.detector, settings_of(each.detector, {})) for each in RULES]
    return through(track, seen(track, level, seed), running, capacity)


def through(track: Track, reported: Track, running: Sequence[Configured], capacity: int | None) -> list[Finding]:
    stage = DetectStage(district(track, capacity), DetectSettings(), running)
    state, told = stage.initial(0), list[Finding]()
    for offset, tick in enumerate(ticks(track, reported)):
        state, said = stage.step(state, [Read(Position("dt.observations", 0, offset), tick)])
        told += said
    assert state.counts.steps_failed == 0, "a rule failed"
    return told


def crossing_s(track: Track) -> float:
    """When the threshold is truly crossed: at the onset, or when 20 persons have gathered."""
    held = track.truth.get("sustained_N_at_s")
    return float(held["20"] if held else track.truth["onset_s"])


def at_s(finding: Finding) -> float:
    return finding.time.timestamp() - START_NS / 1e9


def _delay_s(event: Event, track: Track, told: Iterable[Finding]) -> float | None:
    """Seconds from the crossing to the first alert; None where there is none in time."""
    onset, crossing = float(track.truth["onset_s"]), crossing_s(track)
    times = [
        at_s(each)
        for each in told
        if each.data.rule.startswith(event.rule) and each.data.phase in (Phase.RAISED, Phase.UPDATED)
    ]
    in_time = [at for at in times if onset <= at <= crossing + event.limit_s]
    return round(in_time[0] - crossing, 3) if in_time else None


def _false(track: Track, told: Iterable[Finding], event: Event | None) -> int:
    """Alerts of hazards that are not there: of another kind than is true, or before the onset."""
    wrong = [
        each
        for each in told
        if each.data.kind in RANKS
        and each.data.phase is Phase.RAISED
        and not each.data.measurement.not_measurable
        and each.data.kind not in TRUE_OF[track.name]
        and not (event and each.data.rule.startswith(event.rule) and at_s(each) >= track.truth["onset_s"])
    ]
    for each in wrong:
        talk(f"false: {track.name} at {at_s(each):.1f} s: {each.data.rule}")
    return len(wrong)


def _turbulence(seeds: Sequence[int], quick: bool) -> Figures:
    """Where the noise is 10 cm and more it is not measurable, and said so; where there is none it is found."""
    honest, cases, wrong, found = 0, 0, 0, []
    for seed in seeds:
        track = scenario(seed, "dense_turbulence")
        for level in ("noisy",) if quick else ("noisy", "heavy"):
            told = findings(track, level, seed)
            rules = {each.data.rule for each in told}
            cases += 1
            honest += "crowd.pressure.not_measurable" in rules and "crowd.pressure.turbulence" not in rules
            wrong += "crowd.pressure.turbulence" in rules
        if not quick:
            event = Event(track.name, "crowd.pressure.turbulence", 60.0)
            found.append(_delay_s(event, track, findings(track, "clean", seed)))
            talk(f"turbulence clean, seed {seed}: {found[-1]}")
    hits = [delay for delay in found if delay is not None]
    figures = {"turbulence_not_measurable_share": honest / cases, "turbulence_false_at_noise": float(wrong)}
    if found:
        figures |= {
            "turbulence_found_clean_share": len(hits) / len(found),
            "turbulence_delay_clean_s": float(np.median(hits)) if hits else float("nan"),
        }
    return figures


def _real(quick: bool) -> Figures:
    """Alerts on recordings of uneventful public places: of density >= 2 persons/m2 with N >= 15, and all others."""
    false, others, seconds, busy_s = 0, 0, 0.0, 0.0
    running = [
        Configured(each.detector, settings_of(each.detector, {"persons_min": 15} if each is gathering else {}))
        for each in RULES
    ]
    for name in recordings():
        if not name.startswith(UNEVENTFUL) or (quick and name.startswith("ucy_zara")):
            continue
        track = recording(name)
        told = through(track, track, running, GATHERING_CAPACITY)
        raised = [each for each in told if each.data.phase is Phase.RAISED and each.data.kind in RANKS]
        for each in raised:
            talk(f"real: {name} at {at_s(each):.1f} s: {each.data.rule} {dict(each.data.detail)}")
        false += sum(each.data.kind == "crowd.gathering" for each in raised)
        others += sum(each.data.kind != "crowd.gathering" for each in raised)
        seconds += track.seconds
        busy_s += float((zone_counts(track) >= 5).sum())
    return {
        "real_false_alerts": float(false),
        "real_other_alerts": float(others),
        "real_camera_hours": seconds / 3600.0,
        "real_busy_camera_hours": busy_s / 3600.0,
    }


@click.command()
@click.option("--quick", is_flag=True, help="One seed, fewer levels.")
@click.option("--seeds", default="", help="Seeds of the scenarios, with commas; 101 to 103 were used for tuning.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def main(quick: bool, seeds: str, as_json: bool) -> None:
    """Delays, misses and false alerts of the rules of motion."""
    started = time.monotonic()
    figures = measure(quick, [int(seed) for seed in seeds.split(",") if seed] or None)
    known = {name: value for name, value in figures.items() if value == value}  # none in time has no delay
    show(known | {"protocol_seconds": time.monotonic() - started}, as_json=as_json)


if __name__ == "__main__":
    main()
