"""Cameras that are lost behind one switch, recorder or power feed are one incident, as the registry's labels say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlator.incidents.settings import CorrelateSettings
from ingest.clock import utc
from ingest.registry.district import Camera, labels_of
from ingest.schema.finding import Finding, Level
from tests.correlator.cases import SQUARE, at_ns, board_of, east_of, finding, kinds, views
from tests.correlator.watch import Watch


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    labels: dict[str, tuple[str, ...]] = {f"camera-{n:04}": (f"switch s{n % 3}",) for n in range(2_000)}
    opened = Watch(f"sqlite:///{tmp_path / 'casebook.db'}", CorrelateSettings(hangs_on=labels))
    yield opened
    opened.kill()


def lost(camera: str, t_s: float, metres: float = 0.0, site: str = "north") -> Finding:
    return finding(
        f"loss-{camera}",
        t_s,
        level=Level.NOTICE,
        kind="health.stream",
        onset_s=t_s,
        site=site,
        zone=None,
        cameras=(camera,),
        place=east_of(SQUARE, metres),
        value=None,
    )


def test_2_000_cameras_of_one_square_behind_three_switches_are_three_incidents_and_smoke_is_on_top(
    watch: Watch,
) -> None:
    losses = [lost(f"camera-{number:04}", number / 400, number % 100, f"site-{number % 7}") for number in range(2_000)]
    smoke = finding("s", 3, level=Level.RED, kind="anomaly.smoke", onset_s=3, zone="hall", value=None)
    events = sorted([*losses, smoke], key=lambda event: event.data.detected_at)
    sizes: list[int] = []
    for start in range(0, len(events), 100):
        watch.until(start * 5 / len(events))
        watch.push(*events[start : start + 100])
        watch.turn()
        sizes.append(max((view.camera_count for view in watch.open() if view.cause), default=0))
    assert sizes == sorted(sizes), "the number of members only grows"
    first, *others = watch.open()
    assert first.kind == "anomaly.smoke"
    assert sorted((view.cause, view.camera_count) for view in others) == [
        ("switch s0", 667),
        ("switch s1", 667),
        ("switch s2", 666),
    ]
    assert sorted(view.title for view in others)[0] == "666 cameras lost: Switch s2"
    notice = next(alert for alert in watch.said() if alert.incident.kind == "anomaly.smoke")
    assert (notice.type, notice.at) == ("incident.opened", utc(at_ns(3)))
    assert kinds(watch.said()).count("opened") == 4


def test_a_power_feed_behind_two_switches_makes_one_incident_of_both() -> None:
    rules = CorrelateSettings(
        hangs_on={"a": ("power p", "switch s1"), "b": ("power p", "switch s2"), "c": ("power q",)}
    )
    board = board_of([lost("a", 0), lost("b", 1), lost("c", 2)], rules)
    assert sorted((view.cause, view.camera_count) for view in views(board)) == [("power p", 2), ("power q", 1)]


def test_cameras_without_labels_are_lost_together_by_place_as_ever() -> None:
    board = board_of([lost("a", 0), lost("b", 1, 100.0, "south"), lost("c", 2, 900.0, "east")])
    assert sorted((view.cause, view.camera_count) for view in views(board)) == [(None, 1), (None, 2)]


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_incidents_of_a_common_cause_do_not_depend_on_the_order(data: st.DataObject) -> None:
    things = ["switch s1", "switch s2", "recorder r1", "power p1"]
    hung = {f"camera-{n}": tuple(sorted(data.draw(st.sets(st.sampled_from(things), max_size=2)))) for n in range(8)}
    rules = CorrelateSettings(hangs_on=hung)
    losses = [lost(name, data.draw(st.integers(0, 150)), data.draw(st.sampled_from([0, 120, 900]))) for name in hung]

    def members(events: list[Finding]) -> set[tuple[str, tuple[str, ...]]]:
        return {(view.id, view.cameras) for view in views(board_of(events, rules))}

    assert members(data.draw(st.permutations(losses))) == members(losses)


def test_the_labels_of_the_registry_say_what_a_camera_hangs_on() -> None:
    facts = {"id": "a", "number": 1, "name": "A", "site": "north", "partition": 0, "lon": 0.0, "lat": 0.0}
    camera = Camera(**facts, source="rtsp", url="rtsp://10.0.0.1/1", switch="s1", power="p1")  # type: ignore[arg-type]
    assert labels_of(camera) == ("switch s1", "power p1")
