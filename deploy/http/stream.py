"""
The live stream: server-sent events with resume.

Alerts carry their sequence as id; a client that comes back says the last one that it has seen, and is told all that it
missed, once and in order, marked as replay. Where that cannot be, it is told to reload. Zones, cameras and the beat
have no id: they are the present picture.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime

import msgspec
from starlette.concurrency import run_in_threadpool

from correlator.casebook.contract import Casebook
from correlator.muting.storm import StormState
from deploy.http.district_view import DistrictView
from ingest.clock import Clock, utc
from ingest.errors import StoreRetryable
from ingest.metrics import Metrics
from ingest.schema.alert import Alert

ALERT_PERIOD_S = 0.05
PICTURE_PERIOD_S = 1.0
BEAT_PERIOD_S = 2.0
PAGE = 500
QUEUE_EVENTS_MAX = 2_000  # a client that is further behind is cut off, and resumes from its last id


NO_STORM = msgspec.json.encode(StormState())


class Beat(msgspec.Struct, frozen=True):
    now: datetime
    sequence: int


class StreamedAlert(msgspec.Struct, frozen=True):
    sequence: int
    id: str
    type: str
    at: datetime
    replay: bool
    incident: msgspec.Raw


class LiveStream:
    """One reader of the casebook and of the live picture, for any number of clients."""

    def __init__(self, casebook: Casebook, view: DistrictView, clock: Clock, metrics: Metrics) -> None:
        self._casebook, self._view, self._clock, self._metrics = casebook, view, clock, metrics
        self._clients: set[asyncio.Queue[bytes | None]] = set()
        self._sequence = 0
        self._pictures: dict[str, dict[str, bytes]] = {"zones": {}, "cameras": {}}
        self._storm = NO_STORM
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._sequence = await run_in_threadpool(self._casebook.sequence)
        loops = (
            (self._follow_alerts, ALERT_PERIOD_S),
            (self._follow_picture, PICTURE_PERIOD_S),
            (self._follow_storm, PICTURE_PERIOD_S),
            (self._beat, BEAT_PERIOD_S),
        )
        self._tasks = [asyncio.create_task(self._repeat(act, period_s)) for act, period_s in loops]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for queue in self._clients:
            with contextlib.suppress(asyncio.QueueFull):
                queue.put_nowait(None)

    async def events(self, last_sequence: int | None) -> AsyncIterator[bytes]:
        """
        What one client gets.

        Args:
            last_sequence: the last alert that it has; None begins now.
        """
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE_EVENTS_MAX)
        # Joined before the catch-up is read: what comes meanwhile waits in the queue, and what is in both is left out.
        self._clients.add(queue)
        self._metrics.streams.set(len(self._clients))
        try:
            yield b": drumtower\nretry: 1000\n\n" + self._beat_event()
            if self._storm != NO_STORM:
                yield _event("storm", self._storm)
            head = self._sequence
            if last_sequence is not None:
                # The casebook may be ahead of what was sent to all: what lies between is told here, and not again.
                head = await run_in_threadpool(self._casebook.sequence)
                async for event in self._catch_up(last_sequence, head):
                    yield event
            while (waiting := await queue.get()) is not None:
                if not _is_alert_up_to(waiting, head):
                    yield waiting
        finally:
            self._clients.discard(queue)
            self._metrics.streams.set(len(self._clients))

    async def _catch_up(self, last_sequence: int, head: int) -> AsyncIterator[bytes]:
        oldest = await run_in_threadpool(self._casebook.oldest_sequence)
        if last_sequence > head or last_sequence + 1 < oldest:
            yield _event("reset", b"{}")
            return
        while last_sequence < head:
            alerts = await run_in_threadpool(self._casebook.alerts_after, last_sequence, PAGE)
            for alert in alerts:
                if alert.sequence <= head:
                    yield _alert_event(alert, replay=True)
            if not alerts:
                return
            last_sequence = alerts[-1].sequence

    async def _follow_alerts(self) -> None:
        for alert in await run_in_threadpool(self._casebook.alerts_after, self._sequence, PAGE):
            self._sequence = alert.sequence
            self._send(_alert_event(alert, replay=False))

    async def _follow_picture(self) -> None:
        if not self._clients:
            self._pictures = {"zones": {}, "cameras": {}}
            return
        zones = {state.id: msgspec.json.encode(state) for state in await run_in_threadpool(self._view.zone_states)}
        cameras = {camera.id: msgspec.json.encode(camera) for camera in await run_in_threadpool(self._view.cameras)}
        for kind, now in (("zones", zones), ("cameras", cameras)):
            before = self._pictures[kind]
            changed = [state for name, state in now.items() if before.get(name) != state]
            self._pictures[kind] = now
            if changed:
                self._send(_event(kind, b'{"%s":[%s]}' % (kind.encode(), b",".join(changed))))

    async def _follow_storm(self) -> None:
        state = msgspec.json.encode(await run_in_threadpool(self._casebook.storm))
        if state != self._storm:
            self._storm = state
            self._send(_event("storm", state))

    async def _beat(self) -> None:
        self._send(self._beat_event())

    def _beat_event(self) -> bytes:
        return _event("beat", msgspec.json.encode(Beat(utc(self._clock.now_ns()), self._sequence)))

    def _send(self, event: bytes) -> None:
        for queue in list(self._clients):
            try:
                queue.put_nowait(event)
            except asyncio.QueueFull:
                # It comes back with its last id and loses nothing; waiting for it would stop everyone.
                self._clients.discard(queue)
                queue.get_nowait()
                queue.put_nowait(None)

    async def _repeat(self, act: object, period_s: float) -> None:
        while True:
            try:
                await act()  # type: ignore[operator]
            except StoreRetryable:
                await asyncio.sleep(1.0)  # the beat stops too: a screen that cannot know must not look live
            await asyncio.sleep(period_s)


def _event(kind: str, data: bytes, sequence: int | None = None) -> bytes:
    identity = b"" if sequence is None else b"id: %d\n" % sequence
    return b"%sevent: %s\ndata: %s\n\n" % (identity, kind.encode(), data)


def _alert_event(alert: Alert, *, replay: bool) -> bytes:
    incident = msgspec.Raw(msgspec.json.encode(alert.incident))
    data = StreamedAlert(alert.sequence, alert.id, alert.type, alert.at, replay, incident)
    return _event("alert", msgspec.json.encode(data), alert.sequence)


def _is_alert_up_to(event: bytes, sequence: int) -> bool:
    return event.startswith(b"id: ") and int(event[4 : event.index(b"\n")]) <= sequence
