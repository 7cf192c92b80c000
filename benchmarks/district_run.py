"""One design at work: its cameras and its detectors as processes, and how far these are behind the wall clock."""

from __future__ import annotations

import gc
import multiprocessing
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from benchmarks.district_board import Board, Slot
from benchmarks.district_load import TICK_NS
from benchmarks.measuring import Figures, process_cpu_ns, talk
from detectors.geometry.homography import Floats
from ingest.clock import NS_PER_S
from tests.support.kafka_broker import KafkaBroker

LAG_GROWN_S, LAG_S_MAX = 0.15, 1.0
_LOOK_S = 0.1
_READY_S_MAX, _DRAIN_S_MAX = 60.0, 30.0
_RATE_HZ_MIN = 0.01  # a design that does not hold this holds nothing
_PAUSE_HZ = 0.0  # while a backlog drains: not even ticks of nothing come

Part = Callable[[Board], None]


class DistrictFailed(Exception):
    """A process of the benchmark ended, or did not come up."""


@dataclass(frozen=True)
class Search:
    """How the greatest load is looked for: steps by a factor until one does not hold, then halvings between."""

    begins_hz: float
    factor: float
    halvings: int
    settle_s: float
    step_s: float
    steps_max: int = 30
    seconds_max: float = np.inf  # then the greatest load that held so far is the answer


@dataclass(frozen=True, eq=False)
class Window:
    """What was seen from one moment to another."""

    at_s: Floats  # (L,) looks, monotonic
    lag_s: Floats  # (L,) how far the detectors were behind the wall clock
    frames_per_s: float
    records_per_s: float
    records_per_commit: float
    bytes_per_frame: float
    cpu_cores: dict[str, float]  # by part

    @property
    def lag_growth(self) -> float:
        """Slope of the least-squares line of the lag, seconds a second."""
        return float(np.polyfit(self.at_s - self.at_s[0], self.lag_s, 1)[0])

    @property
    def holds(self) -> bool:
        half = len(self.lag_s) // 2
        # Medians: a hiccup of the machine that is made up for is no growth.
        before_s, after_s = float(np.median(self.lag_s[:half])), float(np.median(self.lag_s[half:]))
        grown_s = after_s - before_s
        is_small = after_s <= LAG_S_MAX and self.lag_s[-1] <= 2 * LAG_S_MAX
        return bool(self.frames_per_s > 0 and grown_s <= LAG_GROWN_S and is_small)


class Design:
    """
    Args:
        cameras: how many there are.
        feed, detects: what each process does, until its board says stop; those of `detects` share the partitions.
    """

    def __init__(self, broker: KafkaBroker, cameras: int, partitions: int, feed: Part, detects: Sequence[Part]) -> None:
        self.board, self._workers, self.start_ns = Board(), [Board() for _ in detects], 0
        self._broker, self._cameras, self._partitions = broker, cameras, partitions
        fork = multiprocessing.get_context("fork")
        self._processes = {
            name: fork.Process(target=_run, args=(part, board), name=name, daemon=True)
            for name, part, board in (
                ("cameras", feed, self.board),
                *((f"detect-{n}", *both) for n, both in enumerate(zip(detects, self._workers, strict=True))),
            )
        }
        for process in self._processes.values():
            process.start()

    def begin(self, rate_hz: float) -> None:
        """Have both open what they need; the cameras begin once all partitions are owned."""
        self._tell(Slot.GO)
        give_up_s = time.monotonic() + _READY_S_MAX
        while self._done(Slot.READY) != self._partitions or not all(board[Slot.READY] for board in self._workers):
            self.check()
            if time.monotonic() > give_up_s:
                got = f"{[board[Slot.READY] for board in self._workers]} in {_READY_S_MAX:.0f} s"
                raise DistrictFailed(f"detectors: expected to own {self._partitions} partitions, got {got}")
            time.sleep(_LOOK_S)
        self.show(rate_hz)
        now_ns = time.time_ns()
        self.start_ns = now_ns - now_ns % TICK_NS + 5 * TICK_NS
        self.board[Slot.SENT_UNTIL_NS] = self.start_ns
        self.board[Slot.START_NS] = self.start_ns
        time.sleep((self.start_ns - now_ns) / NS_PER_S)

    def show(self, rate_hz: float) -> None:
        """Have the cameras show so many frames a second from the next interval on; 0 has them send nothing at all."""
        self.board[Slot.RATE_MHZ] = round(rate_hz * 1_000)

    def lag_s(self) -> float:
        """How far behind the wall clock: what is not yet sent, and what is sent and not yet done."""
        board = self.board
        unsent_s = (time.time_ns() - board[Slot.SENT_UNTIL_NS]) / NS_PER_S
        undone = board[Slot.SENT_FRAMES] - self._done(Slot.DONE_FRAMES)
        return unsent_s + undone / (board.rate_hz * self._cameras)

    def window(self, seconds: float, lag_s_max: float = np.inf) -> Window:
        """Look on for so long; less where the lag is over `lag_s_max`."""
        before, cpu_ns, begun_s = self._counts(), self._cpu_ns(), time.monotonic()
        looks: list[tuple[float, float]] = []
        while (now_s := time.monotonic()) < begun_s + seconds or len(looks) < 2:
            self.check()
            looks.append((now_s, self.lag_s()))
            if looks[-1][1] > lag_s_max and len(looks) > 1:
                break
            time.sleep(_LOOK_S)
        took_s = time.monotonic() - begun_s
        passed = {slot: count - before[slot] for slot, count in self._counts().items()}
        at_s, lag_s = np.array(looks).T
        return Window(
            at_s=at_s,
            lag_s=lag_s,
            frames_per_s=passed[Slot.DONE_FRAMES] / took_s,
            records_per_s=passed[Slot.DONE_RECORDS] / took_s,
            records_per_commit=passed[Slot.DONE_RECORDS] / max(passed[Slot.COMMITS], 1),
            bytes_per_frame=passed[Slot.SENT_BYTES] / max(passed[Slot.SENT_FRAMES], 1),
            cpu_cores={name: (now - cpu_ns[name]) / NS_PER_S / took_s for name, now in self._cpu_ns().items()},
        )

    def settle(self, seconds: float) -> None:
        """So long, and on until what a cold broker held up is done, or until it is clear that it will not be."""
        self.window(seconds)
        give_up_s = time.monotonic() + _DRAIN_S_MAX
        while self.lag_s() > LAG_S_MAX / 2 and time.monotonic() < give_up_s:
            self.check()
            time.sleep(_LOOK_S)

    def greatest(self, search: Search, cpu_of: str) -> Figures:
        """The greatest load that holds, and what each part then costs; names begin with `cpu_of`."""
        held: tuple[float, Window] | None = None
        fails_hz, rate_hz, halvings, steps = np.inf, search.begins_hz, 0, 0
        give_up_s = time.monotonic() + search.seconds_max
        while halvings <= search.halvings and steps < search.steps_max:
            if (held and time.monotonic() > give_up_s) or rate_hz < _RATE_HZ_MIN:
                break
            steps += 1
            window = self._step(rate_hz, search)
            said = f"{window.frames_per_s:,.0f} frames/s done, lag {window.lag_s[0]:.2f} to {window.lag_s[-1]:.2f} s"
            said += ", cores " + ", ".join(f"{name} {cores:.2f}" for name, cores in window.cpu_cores.items())
            talk(f"{rate_hz:6.2f} frames/s a camera: {'holds' if window.holds else 'does not hold'}; {said}")
            if window.holds:
                held = (rate_hz, window)
            else:
                fails_hz = rate_hz
                if not self._drained():
                    break
            if fails_hz == np.inf:
                rate_hz *= search.factor
                continue
            halvings += 1 if held else 0
            rate_hz = float(np.sqrt(fails_hz * held[0])) if held else fails_hz / search.factor
        if held is None:
            raise DistrictFailed(f"{cpu_of or 'ticks'}: no load holds, not even {rate_hz:.2f} frames/s a camera")
        rate_hz, window = held
        return {
            f"{cpu_of}frames_per_s_max": window.frames_per_s,
            f"{cpu_of}rate_hz_max": rate_hz,
            f"{cpu_of}bytes_per_frame_max": window.bytes_per_frame,
        } | {f"{cpu_of}{name}_cpu_cores_max": cores for name, cores in window.cpu_cores.items()}

    def end(self) -> None:
        self._tell(Slot.STOP)
        for process in self._processes.values():
            process.join(15.0)
            if process.is_alive():
                process.kill()
                process.join()

    def check(self) -> None:
        """
        Raises:
            DistrictFailed: a process has ended.
        """
        for name, process in self._processes.items():
            if not process.is_alive():
                raise DistrictFailed(f"process {name}: expected to run, got an end; see the lines above")

    def _step(self, rate_hz: float, search: Search) -> Window:
        self.show(rate_hz)
        settling = self.window(search.settle_s, lag_s_max=2 * LAG_S_MAX)
        if settling.lag_s[-1] > 2 * LAG_S_MAX:
            return settling
        return self.window(search.step_s, lag_s_max=2 * LAG_S_MAX)

    def _drained(self) -> bool:
        """Whether all that was sent is done, in time."""
        self.show(_PAUSE_HZ)
        give_up_s = time.monotonic() + _DRAIN_S_MAX
        while self._undone_s() > LAG_S_MAX / 2:
            self.check()
            if time.monotonic() > give_up_s:
                talk(f"the backlog did not drain within {_DRAIN_S_MAX:.0f} s: no further step")
                return False
            time.sleep(_LOOK_S)
        return True

    def _undone_s(self) -> float:
        """The lag, where a frame counts as one of the whole load: a few of an idle district's are no lag."""
        board = self.board
        undone = board[Slot.SENT_FRAMES] - self._done(Slot.DONE_FRAMES)
        return (time.time_ns() - board[Slot.SENT_UNTIL_NS]) / NS_PER_S + undone / self._cameras

    def _tell(self, slot: Slot) -> None:
        for board in (self.board, *self._workers):
            board[slot] = 1

    def _done(self, slot: Slot) -> int:
        """Of all detect processes together."""
        return sum(board[slot] for board in self._workers)

    def _counts(self) -> dict[Slot, int]:
        return {slot: self.board[slot] + self._done(slot) for slot in Slot}

    def _cpu_ns(self) -> Counter[str]:
        """By part: cameras, detect, broker."""
        pids = [(name.partition("-")[0], process.pid) for name, process in self._processes.items()]
        cpu_ns = Counter[str]()
        for name, pid in (*pids, ("broker", self._broker.pid)):
            cpu_ns[name] += process_cpu_ns(pid) if pid is not None else 0
        return cpu_ns


def _run(part: Part, board: Board) -> None:
    """A process: waits until it is wanted."""
    while not board[Slot.GO] and not board[Slot.STOP]:
        time.sleep(_LOOK_S)
    gc.freeze()  # what was made before the fork, the views of a whole district, is not looked through again and again
    try:
        if not board[Slot.STOP]:
            part(board)
    except BaseException:
        traceback.print_exc()
        raise SystemExit(1) from None


@contextmanager
def designed(
    broker: KafkaBroker, cameras: int, partitions: int, feed: Part, detects: Sequence[Part]
) -> Iterator[Design]:
    """A design whose processes end with the block."""
    design = Design(broker, cameras, partitions, feed, detects)
    try:
        yield design
    finally:
        design.end()
