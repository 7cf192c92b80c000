"""
The ingest role: owns partitions, reads their cameras in workers, and appends one tick for each partition and interval.

It never dies of a camera, the bus or the live store: they are waited for, and what must be shed is counted. A role that
slept asks whether its cameras are still its own before it says another word; if not, it lets them go and joins again.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import get_args

import msgspec

from ingest.bus.contract import Bus, Draft
from ingest.bus.topics import FRAMES, OBSERVATIONS
from ingest.cameras.follower import Follower
from ingest.cameras.lease import Lease
from ingest.cameras.measures import IngestMetrics, NoMetrics
from ingest.cameras.observation import Observation, of_stream
from ingest.cameras.sender import Pending, Sender
from ingest.cameras.settings import IngestSettings
from ingest.cameras.state import CLOCK_BUCKETS, PICTURE_FLAGS, CameraState, StreamState, clock_bucket, words_of
from ingest.cameras.ticker import Ticker
from ingest.cameras.workers.supervisor import Supervisor
from ingest.clock import NS_PER_S, Clock, utc, utc_ns
from ingest.errors import BusError, BusFenced, BusRetryable, StoreRetryable
from ingest.evidence import reference_of
from ingest.live.contract import LiveStore
from ingest.registry.district import Camera
from ingest.schema.codec import encode_tick
from ingest.schema.frame_reference import FrameReference, encode_reference
from ingest.schema.tick import Tick
from ingest.stages.runner import StageLog

PRODUCER = "ingest"
_NS_PER_MS = 1_000_000
_JOIN_AGAIN_S = 2.0
_WELL: frozenset[StreamState] = frozenset({"live", "connecting", "off"})
_LOOKS = 4  # at the registry and the workers, in each interval


class IngestRole:
    """
    Args:
        member: stable name within the group `ingest`: a role that comes back soon gets the same cameras again.
    """

    def __init__(
        self,
        bus: Bus,
        live: LiveStore,
        settings: IngestSettings,
        clock: Clock,
        metrics: IngestMetrics | None,
        log: StageLog,
        member: str = "ingest-1",
    ) -> None:
        self._bus, self._live, self._settings, self._clock = bus, live, settings, clock
        self._metrics, self._log, self._member = metrics or NoMetrics(), log, member
        self._camera_of: dict[int, Camera] = {}
        self._states_due_ns = 0
        self._live_blocked = self._bus_blocked = False
        self._lost: dict[str, str] = {}  # cameras that were said to be lost, with the state they were lost in
        self._off_since_ns = clock.now_ns()

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; then every camera's session is closed."""
        settings = self._settings
        follower = self._joined(stop)
        if follower is None:
            return
        sender = Sender(self._bus, settings.ticks_pending_max, settings.flush_s_max, self._metrics, self._log)
        supervisor = Supervisor(settings, self._clock, self._metrics, self._log)
        ticker = Ticker(PRODUCER, settings.tick_ms * _NS_PER_MS)
        try:
            while follower is not None and not stop.is_set():
                try:
                    self._follow(follower, sender, supervisor, ticker, stop)
                except BusFenced as error:
                    self._log.warning("cameras.lost_to_another", partitions=len(follower.cameras), reason=str(error))
                    self._own({}, sender, supervisor, ticker)
                    self._leave(follower)
                    follower = self._joined(stop)
        finally:
            supervisor.stop()
            sender.close()
            if follower is not None:
                self._leave(follower)

    def _follow(
        self, follower: Follower, sender: Sender, supervisor: Supervisor, ticker: Ticker, stop: threading.Event
    ) -> None:
        """
        Tell of the cameras that the group gives us, until `stop` is set.

        Raises:
            BusFenced: the group has gone on without us.
        """
        lease, version = Lease(int(self._settings.lease_s * NS_PER_S)), -1
        while not stop.is_set():
            self._look(follower, lease, sender.is_blocked)
            if version != follower.version:
                version = follower.version
                self._own(follower.cameras, sender, supervisor, ticker)
            if lease.holds(self._clock.monotonic_ns()):
                supervisor.tend()  # what has died while we slept may not be ours to start again
            observations = supervisor.take()
            sender.keep(self._frames(observations))
            ticker.add(observations)
            ticks = ticker.cut(self._clock.now_ns())
            sender.keep(_drafts(ticks))
            self._metrics.ticked(len(ticks))
            # Asked after the cut: what is sent was cut while the cameras were surely ours.
            if lease.holds(self._clock.monotonic_ns()):
                sender.send()
            self._unowned(ticker)
            ticker.add(self._show(supervisor))
            stop.wait(self._rest_s())

    def _joined(self, stop: threading.Event) -> Follower | None:
        """The membership, as soon as the bus is there."""
        while not stop.is_set():
            try:
                return Follower(self._bus, self._member, self._log)
            except BusRetryable as error:
                self._log.warning("registry.unreachable", reason=str(error))
                stop.wait(_JOIN_AGAIN_S)
        return None

    def _look(self, follower: Follower, lease: Lease, is_blocked: bool) -> None:
        """
        What has changed; and the lease, renewed where the cameras are surely ours.

        Raises:
            BusFenced: they are another's.
        """
        looked_ns = self._clock.monotonic_ns()
        if is_blocked:
            lease.doubt()
        try:
            follower.poll()
            if not lease.holds(looked_ns):
                follower.confirm()
        except BusRetryable as error:
            # The cameras that we read stay ours until the group says otherwise; what we say of them waits until then.
            if not self._bus_blocked:
                self._log.warning("registry.unreachable", reason=str(error))
            self._bus_blocked = True
            lease.doubt()
            return
        self._bus_blocked = False
        lease.renew(looked_ns)

    def _own(
        self, cameras_of: Mapping[int, Mapping[str, Camera]], sender: Sender, supervisor: Supervisor, ticker: Ticker
    ) -> None:
        """
        Args:
            cameras_of: those of our partitions, by partition and id.
        """
        cameras = [camera for known in cameras_of.values() for camera in known.values()]
        self._camera_of = {camera.number: camera for camera in cameras}
        ticker.own(cameras_of, {camera.number: camera.partition for camera in cameras})
        sender.own(cameras_of)
        supervisor.set_cameras(cameras)
        self._log.info("cameras.owned", partitions=len(cameras_of), cameras=len(cameras))

    def _leave(self, follower: Follower) -> None:
        try:
            follower.close()
        except BusError as error:
            self._log.warning("bus.close_failed", stage=PRODUCER, reason=str(error))

    def _frames(self, observations: Iterable[Observation]) -> Iterator[Pending]:
        """Pictures into the live store, and a reference to each frame for the bus."""
        for seen in observations:
            camera = self._camera_of.get(seen.camera)
            if camera is None:
                continue
            evidence = self._keep_evidence(camera.id, seen)
            if seen.jpeg is None:
                continue
            reference = f"{camera.id}-{seen.captured_at_ns}"
            if not self._keep(self._live.put_frame, reference, seen.jpeg, self._settings.frame_lifetime_s):
                self._metrics.frames_dropped("live_store", 1)
                continue
            frame = FrameReference(
                camera=seen.camera,
                captured_at_ns=seen.captured_at_ns,
                arrived_at_ns=seen.arrived_at_ns,
                reference=reference,
                width=seen.width,
                height=seen.height,
                time_source=int(seen.time_source),
                evidence=evidence,
            )
            value, headers = encode_reference(frame)
            yield Pending(Draft(FRAMES, camera.partition, camera.id.encode(), value, headers), 1)

    def _keep_evidence(self, camera: str, seen: Observation) -> str | None:
        """The name under which the live store now has the frame's evidence; None where it has none."""
        if seen.evidence is None:
            return None
        reference = reference_of(self._settings.evidence, camera, seen.captured_at_ns)
        if self._keep(self._live.put_evidence, reference, seen.evidence, self._settings.evidence.lifetime_s):
            self._metrics.evidence("taken", 1)
            return reference
        self._metrics.evidence("shed", 1)
        return None

    def _keep(self, put: Callable[[str, bytes, float], bool], reference: str, jpeg: bytes, lifetime_s: float) -> bool:
        """Whether the live store has it; one that did not answer is not asked again before it does (`_show`)."""
        if self._live_blocked:
            return False
        try:
            return put(reference, jpeg, lifetime_s)
        except StoreRetryable as error:
            self._live_lost(error)
            return False

    def _show(self, supervisor: Supervisor) -> list[Observation]:
        """The state of every camera to the live store, its changes to the log; what to tell of those without frames."""
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._states_due_ns:
            return []
        self._states_due_ns = now_ns + int(self._settings.states_period_s * NS_PER_S)
        states = supervisor.states()
        states |= {
            camera.id: CameraState(id=camera.id, state="off", since=utc(self._off_since_ns))
            for camera in self._camera_of.values()
            if not camera.enabled
        }
        for camera_id, state in states.items():
            self._tell(camera_id, state)
        self._lost = {camera_id: said for camera_id, said in self._lost.items() if camera_id in states}
        counts: Counter[str] = Counter(state.state for state in states.values())
        self._metrics.cameras_by_state({**dict.fromkeys(get_args(StreamState), 0), **counts})
        self._metrics.cameras_flooding(sum(state.flooding for state in states.values()))
        pictures = Counter(flag for state in states.values() for flag in state.picture if state.state == "live")
        self._metrics.cameras_by_picture({**dict.fromkeys(PICTURE_FLAGS, 0), **pictures})
        clocks = Counter(clock_bucket(state) for state in states.values())
        self._metrics.cameras_by_clock(
            {**dict.fromkeys([*(name for _, name in CLOCK_BUCKETS), "unknown"], 0), **clocks}
        )
        try:
            encoded = {camera_id: msgspec.json.encode(state) for camera_id, state in states.items()}
            self._live.put_states("camera", encoded, self._settings.states_lifetime_s)
            self._live_blocked = False
        except StoreRetryable as error:
            self._live_lost(error)
        at_ns, number_of = self._clock.now_ns(), {camera.id: camera.number for camera in self._camera_of.values()}
        limits = self._settings.clock_offset_s_max, self._settings.key_gap_s_max
        return [
            of_stream(number_of[camera_id], kind, utc_ns(state.since), at_ns, value)
            for camera_id, state in states.items()
            if camera_id in number_of
            for kind, value in words_of(state, *limits)
        ]

    def _tell(self, camera_id: str, state: CameraState) -> None:
        """One line when a camera is lost, one when it is back; that thousands come up as they should is no news."""
        if state.state not in _WELL and self._lost.get(camera_id) != state.state:
            self._lost[camera_id] = state.state
            self._log.warning("camera.lost", camera=camera_id, state=state.state, cause=state.cause)
        elif state.state == "live" and self._lost.pop(camera_id, None) is not None:
            self._log.info("camera.back", camera=camera_id)

    def _live_lost(self, error: StoreRetryable) -> None:
        if not self._live_blocked:
            self._log.warning("live.not_shown", stage=PRODUCER, reason=str(error))
        self._live_blocked = True

    def _unowned(self, ticker: Ticker) -> None:
        if ticker.dropped:
            self._metrics.frames_dropped("unowned", ticker.dropped)
            ticker.dropped = 0

    def _rest_s(self) -> float:
        """Until the next look; the last one of an interval falls on its end."""
        step_ns = self._settings.tick_ms * _NS_PER_MS // _LOOKS
        return (step_ns - self._clock.now_ns() % step_ns) / NS_PER_S


def _drafts(ticks: Iterable[Tick]) -> Iterator[Pending]:
    for tick in ticks:
        value, headers = encode_tick(tick)
        yield Pending(Draft(OBSERVATIONS, tick.partition, str(tick.partition).encode(), value, headers), tick.frames)
