"""What listens for each source: one camera's own topics, or a topic that many cameras share, told apart by name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import partial

from ingest.cameras.brokers.feed import Feed
from ingest.cameras.brokers.station import Count, Message, Station
from ingest.cameras.metadata import axis_scene, deepstream, frigate, onvif_json
from ingest.cameras.metadata.reading import MetadataFrame, Reading
from ingest.cameras.sources.metadata_objects import SeenObject, Tracks, objects_of
from ingest.cameras.throttle import Throttle
from ingest.clock import NS_PER_S
from ingest.registry.broker_url import BrokerUrl

_LATE_NS = 10 * NS_PER_S  # what lay in a log for longer is not the present
_GATHER_NS = 300_000_000  # objects of one frame that come one by one are all here by then
# Names with an escape in them are left to the parser.
_TEXT = rb'"([^"\\]{1,200})"'
_FRIGATE_NAME = re.compile(rb'"camera"\s*:\s*' + _TEXT)
_DEEPSTREAM_NAME = re.compile(rb'"sensorId"\s*:\s*' + _TEXT + rb'|"sensor"\s*:\s*\{\s*"id"\s*:\s*' + _TEXT)


class OwnStation(Station):
    """Topics of one camera: ONVIF or Axis."""

    def __init__(self, feed: Feed, url: BrokerUrl) -> None:
        self._feed, self._url = feed, url
        if feed.camera.source == "onvif":
            # An event that is lost is worse than one that comes twice; of frames, the next comes soon.
            frames, events = f"{url.topic}/{onvif_json.FRAMES_TOPIC}/#", f"{url.topic}/{onvif_json.EVENTS_TOPIC}/#"
            super().__init__(((frames, 0), (events, 1)))
        else:
            super().__init__(((url.topic, 0),))
        feed.topics = tuple(topic for topic, _ in self.filters)

    def begin(self) -> None:
        self._feed.begin()

    def admits(self, message: Message) -> bool:
        return self._is_ours(*self._parts(message)) and self._feed.admits(message.arrived_ns)

    def work(self, message: Message) -> None:
        feed, (_, is_event) = self._feed, self._parts(message)
        if not message.retained:
            feed.hear()
        if feed.intake.thins(message.arrived_ns, has_events=is_event):
            return
        if feed.camera.source == "onvif":
            take = partial(onvif_json.read_message, message.topic, message.payload, message.retained)
            feed.intake.take(take, message.arrived_ns)
        elif not message.retained:
            take = partial(axis_scene.read_message, message.payload, self._url.query.get("channel"))
            feed.intake.take(take, message.arrived_ns)

    def _parts(self, message: Message) -> tuple[list[str], bool]:
        """The levels of its topic below ours, and whether it is an event."""
        parts = message.topic[len(self._url.topic) + 1 :].split("/")
        return parts, parts[0] == onvif_json.EVENTS_TOPIC

    def _is_ours(self, parts: Sequence[str], is_event: bool) -> bool:
        """One device may send for several video sources."""
        query = self._url.query
        if is_event and "video_source" in query:
            return any(part.startswith("&") and part[1:] == query["video_source"] for part in parts)
        if not is_event and "profile" in query:
            return len(parts) > 2 and parts[2] == query["profile"]
        return True


class SharedStation(Station):
    """
    A topic of many cameras. Feeds by the name that messages know them by; two cameras may look at one name.

    Args:
        name: finds a camera's name in the bytes of a message, before it costs a parse.
        per_s: so many messages in which no name is found are parsed in a second.
    """

    def __init__(
        self, filters: tuple[tuple[str, int], ...], count: Count, name: re.Pattern[bytes], per_s: float
    ) -> None:
        super().__init__(filters)
        self._count, self._name, self._nameless = count, name, Throttle(per_s)
        self._feeds: dict[str, tuple[Feed, ...]] = {}

    def add(self, name: str, feed: Feed) -> None:
        self._feeds = {**self._feeds, name: (*self._feeds.get(name, ()), feed)}
        feed.topics = (self.filters[0][0],)

    def remove(self, feed: Feed) -> bool:
        """Whether none is left."""
        left = {name: tuple(one for one in feeds if one is not feed) for name, feeds in self._feeds.items()}
        self._feeds = {name: feeds for name, feeds in left.items() if feeds}
        return not self._feeds

    def admits(self, message: Message) -> bool:
        found = self._name.search(message.payload)
        if found is None:
            if self._nameless.admits(message.arrived_ns):
                return True
            self._count("frames_dropped", "flood")
            return False
        feeds = self._feeds.get(next(filter(None, found.groups())).decode("utf-8", "replace"), ())
        if not feeds:
            self._count("frames_dropped", "unowned")
        admitted = [feed.admits(message.arrived_ns) for feed in feeds]  # all are asked: each has a bound of its own
        return any(admitted)

    def begin(self) -> None:
        for feed in self._all():
            feed.begin()

    def _all(self) -> list[Feed]:
        return [feed for feeds in self._feeds.values() for feed in feeds]

    def _broken(self) -> None:
        """Nobody knows whose it was."""
        self._count("frames_dropped", "document")

    def _tell(
        self,
        feed: Feed,
        at_ns: int | None,
        seen: Sequence[SeenObject],
        arrived_ns: int,
        dropped: Counter[str],
        is_held: bool = False,
    ) -> None:
        """A frame of one camera, its boxes in pixels. `is_held`: nothing came, and all is as it was."""
        width_px, height_px = feed.camera.width_px or 1, feed.camera.height_px or 1
        within = [one.within(width_px, height_px) for one in seen]

        def parse(tracks: Tracks, also: Counter[str]) -> Reading:
            also.update(dropped)
            return Reading(frames=[MetadataFrame(at_ns, objects_of(within, tracks, also))])

        feed.intake.take(parse, arrived_ns, is_held)


class FrigateStation(SharedStation):
    """
    Frigate tells of changes only; what is there is told on while Frigate lives, each sampling period of the camera.
    """

    def __init__(self, prefix: str, count: Count, per_s: float = 100.0) -> None:
        topics = (f"{prefix}/events", 1), (f"{prefix}/stats", 0), (f"{prefix}/available", 0)
        super().__init__(topics, count, _FRIGATE_NAME, per_s)
        self._scenes: dict[str, frigate.Scene] = {}
        self._told_ns: dict[str, int] = {}

    def begin(self) -> None:
        super().begin()
        self._scenes.clear()

    def work(self, message: Message) -> None:
        what = message.topic.rpartition("/")[2]
        try:
            if what == "events":
                self._event(message)
            elif what == "stats":
                self._stats(message)
            elif message.payload.strip().lower() == b"offline":
                self._scenes.clear()
                for feed in self._all():
                    feed.is_blind = True
        except ValueError:
            self._broken()

    def idle(self, now_ns: int) -> None:
        for feed in self._all():
            period_ns = int(feed.camera.sampling_period_s * NS_PER_S)
            if feed.is_live and not 0 <= now_ns - self._told_ns.get(feed.camera.id, 0) < period_ns:
                self._scene(feed, None, now_ns, Counter(), is_held=True)

    def _event(self, message: Message) -> None:
        if message.retained:
            return
        dropped: Counter[str] = Counter()
        event = frigate.read_event(message.payload, dropped)
        if event is None:
            return
        for feed in self._feeds.get(event.camera, ()):
            feed.hear()
            feed.is_blind = False
            self._scenes.setdefault(feed.camera.id, frigate.Scene()).apply(event, message.arrived_ns, dropped)
            self._scene(feed, event.at_ns, message.arrived_ns, dropped)

    def _stats(self, message: Message) -> None:
        for name, gives_pictures in frigate.read_stats(message.payload).items():
            for feed in self._feeds.get(name, ()):
                feed.is_blind = not gives_pictures
                if gives_pictures and not message.retained:
                    feed.hear()

    def _scene(self, feed: Feed, at_ns: int | None, now_ns: int, dropped: Counter[str], is_held: bool = False) -> None:
        scene = self._scenes.setdefault(feed.camera.id, frigate.Scene())
        self._told_ns[feed.camera.id] = now_ns
        self._tell(feed, at_ns, scene.objects(now_ns), now_ns, dropped, is_held)


class DeepStreamStation(SharedStation):
    """
    The minimal message is a frame. Of the full one there is a message for each object: those of a moment are gathered.
    """

    def __init__(self, topic: str, count: Count, per_s: float = 100.0) -> None:
        super().__init__(((topic, 0),), count, _DEEPSTREAM_NAME, per_s)
        self._gathered: dict[str, tuple[str, int, list[SeenObject], Counter[str]]] = {}
        self._delay_ns: dict[str, int] = {}  # the least of each camera's messages since we are connected

    def begin(self) -> None:
        super().begin()
        self._gathered.clear()
        self._delay_ns.clear()

    def work(self, message: Message) -> None:
        dropped: Counter[str] = Counter()
        if deepstream.is_protobuf(message.payload):
            for feed in self._all():
                feed.foreign = deepstream.PROTOBUF
            self._broken()
            return
        try:
            told = deepstream.read_message(message.payload, dropped)
        except ValueError:
            self._broken()
            return
        feeds = self._feeds.get(told.sensor, ())
        if not feeds:
            self._count("frames_dropped", "unowned")
        for feed in feeds:
            if self._is_late(feed, message):
                self._count("frames_dropped", "stale")
                continue
            feed.hear()
            if feed.intake.thins(message.arrived_ns, has_events=not told.is_whole):
                continue
            if told.is_whole:
                self._tell(feed, None, told.objects, message.arrived_ns, dropped)
            else:
                self._gather(feed, told, message.arrived_ns, dropped)

    def idle(self, now_ns: int) -> None:
        for feed in self._all():
            gathered = self._gathered.get(feed.camera.id)
            if gathered is not None and not 0 <= now_ns - gathered[1] < _GATHER_NS:
                self._finish(feed)

    def _is_late(self, feed: Feed, message: Message) -> bool:
        """
        Whether it lay in the log for long. The clock of who wrote it may be wrong by days: what counts is how much
        later this one comes than the quickest of the same sender.
        """
        delay_ns = message.arrived_ns - message.appended_ns
        least_ns = self._delay_ns[feed.camera.id] = min(delay_ns, self._delay_ns.get(feed.camera.id, delay_ns))
        return delay_ns - least_ns > _LATE_NS

    def _gather(self, feed: Feed, told: deepstream.DeepStreamMessage, arrived_ns: int, dropped: Counter[str]) -> None:
        gathered = self._gathered.get(feed.camera.id)
        if gathered is not None and gathered[0] != told.moment:
            self._finish(feed)
            gathered = None
        moment, first_ns, seen, counts = gathered or (told.moment, arrived_ns, [], Counter[str]())
        if len(seen) < frigate.HELD_MAX:
            seen += told.objects
        counts.update(dropped)
        self._gathered[feed.camera.id] = moment, first_ns, seen, counts

    def _finish(self, feed: Feed) -> None:
        _, first_ns, seen, dropped = self._gathered.pop(feed.camera.id)
        self._tell(feed, None, seen, first_ns, dropped)
