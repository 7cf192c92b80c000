"""Failures that users of other systems met, and what a right system does, by the kind of failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from correlator.incidents.merge import incident_id
from correlator.incidents.settings import CorrelateSettings
from ingest.clock import NS_PER_S, utc
from ingest.schema.alert import IncidentView
from ingest.schema.finding import Finding, Level, Phase
from tests.correlator.cases import SQUARE, at_ns, east_of, finding, kinds
from tests.correlator.watch import Watch
from tests.support.clock import ManualClock

Opening = Callable[..., Watch]


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Opening]:
    opened: list[Watch] = []

    def opening(settings: CorrelateSettings | None = None, partitions: int = 2) -> Watch:
        url = f"sqlite:///{tmp_path / f'casebook-{len(opened)}.db'}"
        opened.append(Watch(url, settings, partitions=partitions))
        return opened[-1]

    yield opening
    for watch in opened:
        watch.kill()


def smoke(condition: str, t_s: float, phase: Phase = Phase.RAISED, *, onset_s: float | None = None) -> Finding:
    return finding(
        condition,
        t_s,
        phase,
        Level.RED,
        kind="anomaly.smoke",
        onset_s=t_s if onset_s is None else onset_s,
        zone="hall",
        value=None,
    )


def crowd(t_s: float, phase: Phase = Phase.UPDATED, condition: str = "a") -> Finding:
    return finding(condition, t_s, phase)


def duration_s(view: IncidentView) -> float:
    assert view.ended_at is not None
    return (view.ended_at - view.onset_at).total_seconds()


# 1. A state stays on for ever when its source dies


def test_1_a_source_that_dies_leaves_unknown_at_the_last_observation_never_clear(watching: Opening) -> None:
    watch = watching()
    watch.play(crowd(0, Phase.RAISED), *(crowd(t_s) for t_s in (5, 10, 15, 20)))
    watch.until(40)
    assert [view.condition for view in watch.open()] == ["active"]
    watch.until(120)
    (view,) = watch.open()
    assert (view.condition, view.ended_at) == ("unknown", utc(at_ns(20)))
    watch.until(1_000)
    assert kinds(watch.said()).count("unknown") == 1
    assert "cleared" not in kinds(watch.said())
    assert duration_s(watch.open()[0]) == 20


def test_1_the_detector_may_say_itself_that_it_does_not_know(watching: Opening) -> None:
    watch = watching()
    watch.play(crowd(0, Phase.RAISED), finding("a", 70, Phase.UNKNOWN, observed_s=20))
    watch.until(300)
    (view,) = watch.open()
    assert (view.condition, view.ended_at) == ("unknown", utc(at_ns(20)))
    assert kinds(watch.said()).count("unknown") == 1


def test_1_frames_without_objects_are_clear_and_not_unknown(watching: Opening) -> None:
    watch = watching()
    watch.play(crowd(0, Phase.RAISED), crowd(20), crowd(50, Phase.CLEARED))
    watch.until(300)
    assert [view.condition for view in watch.open()] == ["cleared"]
    assert "unknown" not in kinds(watch.said())


def test_1_when_a_whole_partition_goes_quiet_its_incidents_are_unknown_and_others_are_not(watching: Opening) -> None:
    watch = watching()
    elsewhere: dict[str, Any] = {"zone": "south-square", "place": east_of(SQUARE, 5_000), "site": "south"}
    watch.push(finding("b", 0, **elsewhere), partition=1)
    watch.play(crowd(0, Phase.RAISED))
    for t_s in range(10, 200, 10):
        watch.play(crowd(t_s))
    assert {view.zone: view.condition for view in watch.open()} == {"north-square": "active", "south-square": "unknown"}


def test_1_the_source_that_comes_back_starts_a_new_incident(watching: Opening) -> None:
    watch = watching()
    watch.play(crowd(0, Phase.RAISED), crowd(20))
    watch.until(200)
    watch.play(finding("b", 400, onset_s=400))
    assert [view.condition for view in watch.open()] == ["active", "unknown"]
    assert kinds(watch.said()).count("opened") == 2


def test_1_what_is_unknown_does_not_stay_open_for_ever(watching: Opening) -> None:
    watch = watching(CorrelateSettings(unseen_close_s=1_000))
    watch.play(crowd(0, Phase.RAISED))
    watch.until(1_200, step_s=20)
    assert watch.open() == []
    (view,) = watch.all()
    assert (view.state, view.condition, duration_s(view)) == ("closed", "unknown", 0)


# 2. Open events after a restart


def restarted(watch: Watch) -> Watch:
    watch.play(crowd(0, Phase.RAISED), *(crowd(t_s) for t_s in (10, 20, 30)))
    watch.kill()
    watch.clock.advance(569)
    watch.start()
    return watch


def test_2_after_a_restart_without_findings_the_incident_ends_at_its_last_observation(watching: Opening) -> None:
    watch = restarted(watching())
    watch.until(602)
    (view,) = watch.open()
    assert (view.condition, duration_s(view)) == ("unknown", 30)


def test_2_a_backlog_is_no_silence(watching: Opening) -> None:
    watch = watching()
    watch.play(crowd(0, Phase.RAISED), crowd(30))
    watch.kill()
    for t_s in range(40, 600, 20):
        watch.clock.advance(t_s - watch.t_s)
        watch.push(crowd(t_s))
    watch.start()
    watch.until(610)
    (view,) = watch.open()
    assert view.condition == "active"
    assert "unknown" not in kinds(watch.said())


def test_2_findings_that_resume_after_too_long_are_a_new_incident_and_no_view_shows_the_gap(watching: Opening) -> None:
    watch = restarted(watching())
    watch.play(finding("b", 600, onset_s=600))
    watch.until(800)
    assert {(view.id, duration_s(view)) for view in watch.all()} == {(incident_id("a"), 30), (incident_id("b"), 0)}


def test_2_findings_that_resume_soon_continue_the_same_incident(watching: Opening) -> None:
    watch = watching()
    watch.play(crowd(0, Phase.RAISED), crowd(30))
    watch.kill()
    watch.clock.advance(40)
    watch.start()
    watch.play(crowd(75), crowd(80))
    (view,) = watch.open()
    assert (view.id, view.condition, view.ended_at) == (incident_id("a"), "active", None)
    assert set(kinds(watch.said())) == {"opened", "updated", "breached"}


# 4. A new event is glued to an incident that is already closed


def test_4_the_same_soon_after_the_close_reopens_and_later_is_new_and_linked(watching: Opening) -> None:
    watch = watching()
    watch.play(smoke("s1", 0), smoke("s1", 60, Phase.CLEARED, onset_s=0))
    watch.until(300)
    first = incident_id("s1")
    watch.casebook.act(first, "close", actor="desk-1", version=None, at_ns=at_ns(300))
    watch.play(smoke("s2", 330))
    view = watch.casebook.incident(first)
    assert view is not None and (view.state, view.condition) == ("open", "active")
    assert view.clocks["seen"].target_at == utc(at_ns(390))
    assert kinds(watch.said())[-2:] == ["closed", "reopened"]
    watch.play(smoke("s2", 360, Phase.CLEARED, onset_s=330))
    watch.casebook.act(first, "close", actor="desk-1", version=None, at_ns=at_ns(400))
    watch.until(5_000, step_s=50)
    watch.play(smoke("s3", 5_000))
    third = watch.casebook.incident(incident_id("s3"))
    assert third is not None and (third.state, third.follows) == ("open", first)
    closed = watch.casebook.incident(first)
    assert closed is not None and closed.state == "closed"
    assert kinds(watch.said())[-1] == "opened"


def test_4_a_close_that_comes_after_the_new_event_but_was_decided_before_it_does_not_hide_it(watching: Opening) -> None:
    watch = watching(CorrelateSettings(gap_s=600))
    watch.play(smoke("s1", 0), smoke("s1", 60, Phase.CLEARED, onset_s=0), smoke("s2", 330))
    view = watch.casebook.act(incident_id("s1"), "close", actor="desk-1", version=None, at_ns=at_ns(300))
    assert (view.state, view.condition) == ("open", "active")
    assert kinds(watch.said())[-2:] == ["closed", "reopened"]
    acts = [line.act for line in watch.casebook.history(view.id)]
    assert acts[-2:] == ["close", "reopened"]


def test_4_what_goes_on_as_it_was_does_not_reopen_but_what_gets_worse_does(watching: Opening) -> None:
    watch = watching()
    watch.play(crowd(0, Phase.RAISED), crowd(10))
    view = watch.casebook.act(incident_id("a"), "false_alarm", actor="desk-1", version=None, at_ns=at_ns(12))
    watch.play(crowd(20), crowd(40))
    assert watch.open() == []
    assert kinds(watch.said())[-1] == "closed"
    watch.play(finding("a", 60, Phase.UPDATED, Level.RED))
    assert [(each.id, each.state, each.level) for each in watch.open()] == [(view.id, "open", Level.RED)]
    assert kinds(watch.said())[-1] == "reopened"


# 6. One cause, thousands of notices


def test_6_cameras_lost_behind_three_switches_are_three_incidents_and_smoke_is_on_top(watching: Opening) -> None:
    cameras = [f"camera-{number:04}" for number in range(2_000)]
    behind = {f"switch-{number}": tuple(cameras[number::3]) for number in range(3)}
    watch = watching(CorrelateSettings(causes=behind, loss_gap_m=10.0))
    losses = [
        finding(
            f"loss-{number:04}",
            number * 5 / len(cameras),
            level=Level.NOTICE,
            kind="health.stream",
            onset_s=number * 5 / len(cameras),
            site=f"site-{number // 10}",
            zone=None,
            cameras=(camera,),
            place=east_of(SQUARE, 100 * number),
            value=None,
        )
        for number, camera in enumerate(cameras)
    ]
    events = sorted([*losses, smoke("s", 3)], key=lambda event: event.data.detected_at)
    for start in range(0, len(events), 200):
        watch.until(start * 5 / len(events))
        watch.push(*events[start : start + 200])
    watch.until(5)
    views = watch.open()
    assert [view.kind for view in views] == ["anomaly.smoke"] + ["health.stream"] * 3
    assert sum(len(view.cameras) for view in views[1:]) == len(cameras)
    assert sorted(view.title.partition(":")[0] for view in views[1:]) == [
        "666 cameras lost",
        "667 cameras lost",
        "667 cameras lost",
    ]
    said = watch.said()
    assert kinds(said).count("opened") == 4
    notice = next(alert for alert in said if alert.incident.kind == "anomaly.smoke")
    assert notice.at == utc(at_ns(3))
    assert len(said) <= 4 + 3 * 2
    opened = watch.casebook.load_open()
    told = kinds(said).count("updated")
    held = sum(incident.held_count for incident in opened.incidents)
    assert held + told + 3 == len(cameras), "what was held back is counted, to the last one"


# 7. A source clock that is wrong


def skewed(condition: str, camera: str, clock_s: float, t_s: float, phase: Phase = Phase.RAISED) -> Finding:
    """A finding whose source times come from a camera's clock that is `clock_s` off."""
    event = finding(condition, t_s, phase, cameras=(camera,), onset_s=0)
    data = msgspec.structs.replace(
        event.data,
        onset_at=utc(at_ns(clock_s)) if clock_s > -1e9 else datetime(1970, 1, 1, tzinfo=UTC),
        observed_at=utc(at_ns(clock_s + t_s)) if clock_s > -1e9 else datetime(1970, 1, 1, 0, 0, int(t_s), tzinfo=UTC),
    )
    return msgspec.structs.replace(event, data=data)


CLOCKS_S = {"ahead": 10_800.0, "behind": -10_800.0, "epoch": -2e9, "right": 0.0}


def test_7_four_cameras_with_four_clocks_see_one_onset_and_are_one_incident(watching: Opening) -> None:
    watch = watching()
    for name, clock_s in CLOCKS_S.items():
        watch.push(skewed(name, name, clock_s, 1))
    watch.until(1)
    (view,) = watch.open()
    assert view.onset_at == utc(at_ns(0))
    assert view.clock_off
    assert set(view.cameras) == set(CLOCKS_S)
    marked = {condition.id for condition, _ in watch.casebook.load_open().conditions if condition.clock_off}
    assert marked == {"ahead", "behind", "epoch"}
    assert kinds(watch.said())[0] == "opened"
    assert "recorded" not in kinds(watch.said())


def test_7_a_clock_that_jumps_back_to_right_ends_and_repeats_nothing(watching: Opening) -> None:
    watch = watching()
    watch.play(skewed("a", "ahead", 10_800, 1), skewed("a", "ahead", 10_800, 6, Phase.UPDATED))
    watch.play(skewed("a", "ahead", 0, 11, Phase.UPDATED), skewed("a", "ahead", 0, 60, Phase.UPDATED))
    (view,) = watch.open()
    assert (view.onset_at, view.condition) == (utc(at_ns(0)), "active")
    assert set(kinds(watch.said())) == {"opened", "updated"}


def test_7_a_finding_from_the_future_is_not_sorted_on_top_for_ever(watching: Opening) -> None:
    watch = watching()
    watch.push(finding("a", 10_800, onset_s=10_800))
    watch.until(1)
    (view,) = watch.open()
    assert view.detected_at == utc(at_ns(0))
    assert view.clock_off


def test_7_our_own_clock_set_an_hour_forward_or_back_silences_ends_and_breaches_nothing(watching: Opening) -> None:
    for step_s in (3_600, -3_600):
        watch = watching()
        watch.play(crowd(0, Phase.RAISED), crowd(10))
        watch.clock.set_back(step_s)
        watch.until(50)
        assert set(kinds(watch.said())) == {"opened", "updated"}, step_s
        watch.until(70)
        assert kinds(watch.said()).count("breached") == 1, step_s


class SkewedClock:
    """The clock of a machine that is `skew_s` ahead of the others."""

    def __init__(self, clock: ManualClock, skew_s: float) -> None:
        self._clock, self._skew_ns = clock, round(skew_s * NS_PER_S)

    def now_ns(self) -> int:
        return self._clock.now_ns() + self._skew_ns

    def monotonic_ns(self) -> int:
        return self._clock.monotonic_ns()


@pytest.mark.parametrize("skew_s", [3_600, -3_600])
def test_7_a_correlator_whose_own_clock_is_wrong_tells_and_ends_things_in_time(watching: Opening, skew_s: int) -> None:
    watch = watching()
    watch.kill()
    watch.role_clock = SkewedClock(watch.clock, skew_s)
    watch.start()
    watch.clock.advance(7)
    watch.turn()
    watch.play(finding("a", 10, onset_s=10), *(finding("a", t_s, Phase.UPDATED, onset_s=10) for t_s in (40, 65)))
    assert set(kinds(watch.said())) == {"opened", "updated"}
    watch.until(72)
    assert kinds(watch.said()).count("breached") == 1
    watch.casebook.act(incident_id("a"), "acknowledge", actor="desk-1", version=None, at_ns=at_ns(75))
    watch.until(150)
    assert watch.open()[0].condition == "active"
    watch.until(160)
    assert watch.open()[0].condition == "unknown"
    watch.until(440, step_s=5)
    assert len(watch.open()) == 1
    watch.until(470, step_s=5)
    assert watch.open() == []


# 12. A viewer that reconnects misses events, or gets all of them again


def test_12_who_was_away_gets_what_is_missing_once_and_in_order(watching: Opening) -> None:
    watch = watching()

    def one(number: int, t_s: float, phase: Phase = Phase.RAISED) -> Finding:
        where: dict[str, Any] = {"zone": f"z{number}", "place": east_of(SQUARE, 1_000 * number)}
        return finding(f"c{number}", t_s, phase, onset_s=number, **where)

    watch.play(*(one(number, number) for number in range(10)))
    seen = watch.casebook.alerts_after(0, 100)
    assert [alert.sequence for alert in seen] == list(range(1, 11))
    watch.play(*(one(number, number) for number in range(10, 38)))
    watch.play(*(one(number, 40, Phase.CLEARED) for number in range(12)))
    missed = watch.casebook.alerts_after(seen[-1].sequence, 100)
    assert [alert.sequence for alert in missed] == list(range(11, 51))
    assert len({alert.id for alert in (*seen, *missed)}) == 50
    assert kinds(missed).count("cleared") == 12


def test_12_an_id_that_is_too_old_is_told_by_the_oldest_that_is_kept(watching: Opening) -> None:
    watch = watching()
    watch.play(crowd(0, Phase.RAISED), finding("a", 5, Phase.UPDATED, Level.RED), crowd(50, Phase.CLEARED))
    watch.casebook.prune(at_ns(30))
    assert watch.casebook.oldest_sequence() == watch.casebook.sequence() == 3
