"""What is muted, by what, and that nobody who was told a beginning misses its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.incidents.merge import incident_id
from correlator.incidents.settings import CorrelateSettings
from correlator.muting.silence import Silence
from ingest.clock import utc
from ingest.schema.finding import Finding, Level, Phase
from tests.correlator.cases import SQUARE, at_ns, east_of, finding
from tests.correlator.watch import Watch

Opening = Callable[..., Watch]
KINDS = {"a": "crowd.capacity", "b": "anomaly.intrusion", "fire": "anomaly.fire"}
MINOR, MAJOR = incident_id("minor"), incident_id("major")


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Opening]:
    opened: list[Watch] = []

    def opening(settings: CorrelateSettings | None = None) -> Watch:
        opened.append(Watch(f"sqlite:///{tmp_path / f'casebook-{len(opened)}.db'}", settings))
        return opened[-1]

    yield opening
    for watch in opened:
        watch.kill()


def minor(t_s: float, phase: Phase = Phase.RAISED, level: Level = Level.AMBER, onset_s: float = 0.0) -> Finding:
    return finding("minor", t_s, phase, level, onset_s=onset_s)


def major(t_s: float, phase: Phase = Phase.RAISED) -> Finding:
    return finding("major", t_s, phase, Level.CRITICAL, kind="anomaly.fire", onset_s=10, cameras=("gate-8",))


def silence(from_s: float, to_s: float, **facts: object) -> Silence:
    told = {"kind": "crowd.*", "reason": "fair", "author": "desk-1"} | facts
    return Silence(from_at=utc(at_ns(from_s)), to_at=utc(at_ns(to_s)), **told)  # type: ignore[arg-type]


def time_of(t_s: float, _: str) -> int:
    return at_ns(t_s)


def told(watch: Watch, *names: str) -> list[tuple[str, str]]:
    """What receivers hear, without updates: (incident, kind)."""
    wanted = dict(zip((MINOR, MAJOR), ("minor", "major"), strict=True))
    return [
        (wanted.get(alert.incident.id, "other"), alert.type.removeprefix("incident."))
        for alert in watch.said()
        if alert.type not in ("incident.recorded", "incident.updated", "incident.breached", *names)
    ]


EACH_ONCE = [("minor", "opened"), ("major", "opened"), ("minor", "cleared"), ("major", "cleared")]


@pytest.mark.parametrize("restart", [False, True])
def test_5_who_was_told_the_beginning_is_told_the_end_whatever_inhibits_it_by_then(
    watching: Opening, restart: bool
) -> None:
    watch = watching()
    watch.play(minor(0), major(10), minor(12, Phase.UPDATED, Level.RED))
    assert watch.casebook.incident(MINOR).muted_by == f"incident {MAJOR}"  # type: ignore[union-attr]
    if restart:
        watch.until(15)
        watch.kill()
        watch.start()
    watch.play(minor(20, Phase.CLEARED), major(30, Phase.CLEARED))
    assert told(watch) == EACH_ONCE


def test_5_a_silence_in_between_does_not_swallow_the_end(watching: Opening) -> None:
    watch = watching()
    watch.play(minor(0))
    watch.until(5)
    watch.casebook.put_silence(silence(5, 100), at_ns(5))
    watch.play(minor(7, Phase.UPDATED, Level.RED), major(10), minor(20, Phase.CLEARED), major(30, Phase.CLEARED))
    assert told(watch) == EACH_ONCE


def test_5_what_was_never_announced_needs_no_end(watching: Opening) -> None:
    watch = watching()
    watch.play(major(10), finding("minor", 12, onset_s=12), finding("minor", 20, Phase.CLEARED, onset_s=12))
    watch.play(major(30, Phase.CLEARED))
    assert told(watch) == [("major", "opened"), ("major", "cleared")]
    assert [line.act for line in watch.casebook.history(MINOR)][:1] == ["muted"]


def test_what_is_still_so_when_the_worse_is_over_is_told_then(watching: Opening) -> None:
    watch = watching()
    watch.play(major(10), finding("minor", 12, onset_s=12), major(30, Phase.CLEARED))
    watch.until(33)
    assert told(watch) == [("major", "opened"), ("major", "cleared"), ("minor", "opened")]


def test_a_lesser_or_equal_hazard_and_one_elsewhere_inhibit_nothing(watching: Opening) -> None:
    watch = watching()
    far = finding("far", 11, onset_s=11, zone="far", place=east_of(SQUARE, 400))
    fall = finding("fall", 11, kind="anomaly.fall", onset_s=11)
    same = finding("same", 11, level=Level.CRITICAL, onset_s=11)
    watch.play(major(10), far, fall, same)
    assert len([kind for _, kind in told(watch) if kind == "opened"]) == 4


def blind(t_s: float, phase: Phase = Phase.RAISED, camera: str = "gate-7") -> Finding:
    place = east_of(SQUARE, 30)
    return finding(
        f"blind-{camera}", t_s, phase, Level.NOTICE, kind="health.stream", zone=None, cameras=(camera,), place=place
    )


def test_what_only_a_blind_camera_says_is_not_told_and_of_fire_it_is(watching: Opening) -> None:
    watch = watching()
    away = east_of(SQUARE, 500)
    fire = finding("fire", 6, level=Level.RED, kind="anomaly.smoke", onset_s=6, zone="hall", place=away)
    seen = finding("seen", 7, cameras=("gate-7", "gate-9"), zone="x", onset_s=7, place=east_of(SQUARE, 900))
    watch.play(blind(0), finding("minor", 5, onset_s=5), fire, seen)
    assert watch.casebook.incident(MINOR).muted_by == "camera gate-7"  # type: ignore[union-attr]
    assert [kind for _, kind in told(watch)] == ["opened"] * 3, "the camera, the fire, and what another camera sees too"
    watch.play(blind(20, Phase.CLEARED))
    watch.until(22)
    assert ("minor", "opened") in told(watch), "the camera sees again, and it is still so"


def test_a_silence_mutes_is_counted_ends_and_what_is_worse_is_told(watching: Opening) -> None:
    watch = watching()
    made = watch.casebook.put_silence(silence(-10, 60), at_ns(0))
    watch.play(minor(0), minor(5, Phase.UPDATED))
    assert told(watch) == []
    assert watch.casebook.incident(MINOR).muted_by == f"silence {made.id}"  # type: ignore[union-attr]
    watch.play(minor(40, Phase.UPDATED))
    watch.until(62)
    assert told(watch) == [("minor", "opened")], "the silence is over, and it is still so"
    (view,) = watch.casebook.silences(0, at_ns(62))
    assert (view.muted_count, view.in_force) == (1, False)
    watch.casebook.put_silence(silence(60, 100, zone="other", kind="*"), at_ns(62))
    watch.casebook.put_silence(silence(60, 100, zone="hot"), at_ns(62))
    watch.play(finding("hot", 64, level=Level.CRITICAL, zone="hot", onset_s=64, place=east_of(SQUARE, 900)))
    assert told(watch)[-1] == ("other", "opened"), "its level is above that of the silence"


def test_a_silence_that_is_ended_early_tells_what_is_still_so(watching: Opening) -> None:
    watch = watching()
    made = watch.casebook.put_silence(silence(-10, 3_000), at_ns(0))
    assert watch.casebook.put_silence(silence(-10, 3_000), at_ns(1)) == made, "asked twice it is one"
    watch.play(minor(0))
    watch.casebook.end_silence(made.id, "desk-2", at_ns(5))
    watch.until(7)
    assert told(watch) == [("minor", "opened")]
    acts = [(row.actor, row.act) for row in watch.casebook.audit_after(0, 100)]
    assert acts == [("desk-1", "silence"), ("desk-2", "end silence")]
    assert watch.casebook.verify_audit() == (True, None)


def test_a_preview_says_what_would_be_muted_and_writes_nothing(watching: Opening) -> None:
    watch = watching()
    watch.play(minor(0), major(10))
    wanted = silence(100, 200)
    seen = watch.casebook.preview_silence(wanted, at_ns(20))
    assert (seen.now, seen.last_week, seen.titles) == ((MINOR,), 1, ("Overcrowding: North square",))
    assert watch.casebook.silences(0, at_ns(20)) == ()


def test_what_flaps_is_held_down_and_told_as_it_is_once_it_keeps_still(watching: Opening) -> None:
    watch = watching()
    for turn in range(20):
        phase = Phase.UPDATED if turn % 2 == 0 else Phase.CLEARED
        watch.play(minor(turn * 5, Phase.RAISED if turn == 0 else phase))
    kinds = [kind for _, kind in told(watch)]
    assert 2 <= len(kinds) <= 7, kinds
    assert watch.casebook.incident(MINOR).flapping  # type: ignore[union-attr]
    watch.until(95 + 70)
    assert told(watch)[-1] == ("minor", "cleared")
    assert len(told(watch)) <= 8


def test_a_storm_is_one_row_a_site_a_banner_and_never_hides_the_first_fire(watching: Opening) -> None:
    watch = watching(CorrelateSettings(storm_findings=200))
    findings = [
        finding(
            f"c{n}",
            n * 0.05,
            kind=f"camera.events{n % 10}",
            level=Level.AMBER,
            onset_s=n * 0.05,
            site=f"site-{n % 4}",
            zone=None,
            cameras=(f"camera-{n}",),
            place=east_of(SQUARE, 200 * n),
        )
        for n in range(600)
    ]
    for n in range(0, 600, 50):
        watch.until(n * 0.05)
        watch.push(*findings[n : n + 50])
    watch.until(31)
    before = len([kind for _, kind in told(watch) if kind == "opened"])
    assert before <= 204, "from the storm on, the incidents that are told already speak for their sites"
    state = watch.casebook.storm()
    assert (state.on, state.sites, state.folded) == (True, 4, 600 - before)
    watch.play(finding("fire", 32, level=Level.AMBER, kind="anomaly.fire", onset_s=32, site="site-1", zone="z"))
    assert len([kind for _, kind in told(watch) if kind == "opened"]) == before + 1
    watch.until(120)
    assert not watch.casebook.storm().on
    assert len([kind for _, kind in told(watch) if kind == "opened"]) == before + 1, "no wall afterwards"


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_whoever_hears_a_beginning_hears_an_end_and_nobody_hears_an_end_alone(data: st.DataObject) -> None:
    from correlator.incidents.board import Board
    from correlator.incidents.timers import tick
    from tests.correlator.cases import board_of

    board = Board(CorrelateSettings(flap_turns=4, storm_findings=2))
    names = ("a", "b", "fire")
    on: dict[str, bool] = {}
    for t_s in range(0, data.draw(st.integers(20, 120)), 3):
        name = data.draw(st.sampled_from(names))
        on[name] = not on.get(name, False)
        phase = Phase.RAISED if on[name] else Phase.CLEARED
        level = Level.CRITICAL if name == "fire" else data.draw(st.sampled_from([Level.AMBER, Level.RED]))
        board_of([finding(name, t_s, phase, level, kind=KINDS[name])], board=board)
        if data.draw(st.booleans()):
            tick(board, at_ns(t_s), partial(time_of, t_s), partial(time_of, t_s), {0}, leads=True)
    ends = [finding(name, 200, Phase.CLEARED, kind=KINDS[name]) for name in names if on.get(name)]
    board_of(ends, board=board)
    for t_s in (300, 400):
        tick(board, at_ns(t_s), partial(time_of, t_s), partial(time_of, t_s), {0}, leads=True)
    begun: dict[str, bool] = {}
    for alert in board.take_changes().alerts:
        kind = alert.type.removeprefix("incident.")
        if kind in ("opened", "reopened", "escalated"):
            begun[alert.incident.id] = True
        elif kind in ("cleared", "unknown"):
            assert begun.get(alert.incident.id) is not None, "an end of what nobody was told of"
            begun[alert.incident.id] = False
    assert not any(begun.values()), "a beginning without an end"


def test_a_silence_repeats_on_the_wall_clock_through_the_change_of_the_hour() -> None:
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    from correlator.muting.silence import expires_at, fault_of, is_in_force
    from ingest.clock import utc_ns

    berlin = ZoneInfo("Europe/Berlin")
    weekly = Silence(
        from_at=datetime(2026, 10, 17, 14, tzinfo=berlin).astimezone(UTC),
        to_at=datetime(2026, 10, 17, 20, tzinfo=berlin).astimezone(UTC),
        repeats="FREQ=WEEKLY;BYDAY=SA;COUNT=3",
        time_zone="Europe/Berlin",
        reason="market",
        author="desk-1",
    )
    assert fault_of(weekly) is None
    for day, hour, quiet in [(24, 15, True), (24, 13, False), (24, 21, False), (25, 15, False), (31, 14, True)]:
        assert is_in_force(weekly, utc_ns(datetime(2026, 10, day, hour, 30, tzinfo=berlin))) is quiet, (day, hour)
    assert not is_in_force(weekly, utc_ns(datetime(2026, 11, 7, 15, tzinfo=berlin)))
    assert expires_at(weekly) == datetime(2026, 10, 31, 20, tzinfo=berlin)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"repeats": "FREQ=WEEKLY;BYDAY=SA"}, "UNTIL or COUNT"),
        ({"repeats": "FREQ=MINUTELY;COUNT=3"}, "days, weeks, months or years"),
        ({"repeats": "FREQ=NEVER;COUNT=3"}, "RRULE of RFC 5545"),
        ({"reason": " "}, "1 to 500 printable characters"),
        ({"time_zone": "Mars/Olympus"}, "a name such as Europe/Berlin"),
        ({"to_at": utc(at_ns(0)) - timedelta(hours=1)}, "a time after from_at"),
        ({"to_at": utc(at_ns(0)) + timedelta(days=90)}, "at most 31 days"),
    ],
)
def test_a_silence_without_end_or_reason_is_refused(facts: dict[str, object], said: str) -> None:
    import msgspec

    from correlator.muting.silence import fault_of

    fault = fault_of(msgspec.structs.replace(silence(0, 10), **facts))
    assert fault is not None
    assert said in fault[1]
