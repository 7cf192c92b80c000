"""Killed at any step of reading, writing and publishing, the correlator loses nothing and says nothing twice."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from correlator.incidents.settings import CorrelateSettings
from ingest.bus.topics import DEAD
from ingest.schema.finding import Finding, Level, Phase
from tests.correlator.cases import SQUARE, east_of, finding, kinds
from tests.correlator.watch import Watch


class Killed(BaseException):
    """The process ends here."""


class Fuse:
    """Kills at the `last`-th step; counts them where it is None."""

    def __init__(self, last: int | None = None) -> None:
        self.last, self.steps = last, 0

    def step(self, *_: object, **__: object) -> None:
        self.steps += 1
        if self.steps == self.last:
            raise Killed


class Fused:
    """A part of which each call may be the last: just before it, or just after it was done."""

    def __init__(self, part: Any, fuse: Fuse, makers: tuple[str, ...] = ()) -> None:
        self._part, self._fuse, self._makers = part, fuse, makers

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._part, name)
        if not callable(found):
            return found

        def call(*args: Any, **named: Any) -> Any:
            self._fuse.step()
            done = found(*args, **named)
            self._fuse.step()
            return Fused(done, self._fuse) if name in self._makers else done

        return call


def story() -> list[tuple[Finding, int]]:
    east: dict[str, Any] = {"zone": "east", "place": east_of(SQUARE, 3_000), "site": "south"}
    west: dict[str, Any] = {"zone": "west", "place": east_of(SQUARE, 150)}
    bridge: dict[str, Any] = {"zone": "middle", "place": east_of(SQUARE, 75)}
    return [
        (finding("a", 0), 0),
        (finding("e", 0, **east), 1),
        (finding("w", 1, onset_s=1, **west), 0),
        (finding("a", 2, Phase.UPDATED, Level.RED), 0),
        (finding("a", 2, Phase.UPDATED, Level.RED), 0),  # a duplicate
        (finding("m", 3, onset_s=3, **bridge), 0),
        (finding("e", 4, Phase.CLEARED, **east), 1),
        (finding("a", 5, Phase.CLEARED, Level.NOTICE), 0),
        (finding("w", 5, Phase.CLEARED, **west), 0),
        (finding("m", 6, Phase.CLEARED, **bridge), 0),
    ]


def told(watch: Watch) -> set[tuple[str, str]]:
    return {(alert.id, alert.type) for alert in watch.said() if "updated" not in alert.type}


def run(path: Path, last: int | None) -> tuple[Watch, int]:
    """The story, five findings and something broken a turn; who is killed is started again 7 s later."""
    fuse = Fuse(last)
    watch = Watch(f"sqlite:///{path}", CorrelateSettings(records_max=4))
    watch.kill()
    watch.start(lambda bus: Fused(bus, fuse, ("consumer", "producer")), lambda book: Fused(book, fuse))
    engine = watch.casebook._database.engine  # type: ignore[attr-defined]
    for moment in ("before_cursor_execute", "commit", "rollback"):  # what comes after one is before the next
        event.listen(engine, moment, fuse.step)

    def turn() -> None:
        watch.clock.advance(1)
        try:
            watch.turn()
        except Killed:
            watch.kill()
            watch.clock.advance(7)  # until its session has run out
            watch.start()

    events = story()
    for part in (events[:5], events[5:]):
        for each, partition in part:
            watch.push(each, partition=partition)
        watch.push_broken()
        turn()
    for _ in range(12):
        turn()
    fuse.last = None
    return watch, fuse.steps


@pytest.mark.timeout(170)
def test_a_kill_between_any_two_steps_loses_and_doubles_nothing(tmp_path: Path) -> None:
    whole, steps = run(tmp_path / "whole.db", None)
    expected, incidents = told(whole), {(view.id, view.condition, view.finding_count) for view in whole.all()}
    assert Counter(kinds(whole.said()))["opened"] == 3
    assert len(incidents) == 2
    whole.kill()
    stride = int(os.environ.get("DRUMTOWER_CRASH_STRIDE", "17"))  # 1: every step, in about a minute
    for last in range(1, steps + 1, stride):
        watch, _ = run(tmp_path / f"{last}.db", last)
        said = watch.said()
        assert told(watch) == expected, f"killed at step {last}"
        assert {(view.id, view.condition, view.finding_count) for view in watch.all()} == incidents, f"step {last}"
        assert len({alert.id for alert in said}) == len(said)
        heard = watch.heard()
        assert {alert.id for alert in heard} == {alert.id for alert in said}, f"published, killed at step {last}"
        dead = {record.value for record in watch.bus.read(DEAD, 0, 0)}
        assert dead == {b"not a finding"}
        watch.kill()
