"""
One camera's metadata to observations: its clock, its tracks and its rules are remembered, and too much is thinned.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from ingest.cameras.metadata.event_board import EventBoard
from ingest.cameras.metadata.event_rules import EventTable
from ingest.cameras.metadata.reading import MetadataFrame, Notice, Reading
from ingest.cameras.observation import Observation
from ingest.cameras.settings import IngestSettings
from ingest.cameras.sources.metadata_objects import Tracks
from ingest.cameras.sources.timeline import TimeLine, place
from ingest.cameras.throttle import Throttle
from ingest.cameras.workers.outbox import Outbox
from ingest.clock import NS_PER_S
from ingest.registry.district import Camera
from ingest.schema.tick import TimeSource

Parse = Callable[[Tracks, Counter[str]], Reading]


class Intake:
    """
    Attributes:
        broken: documents in a row that could not be read.
        last_frame_at_ns: when the last document of any use came, 0 before.
        offset_ns: the camera's clock less ours; None where it tells no time.
    """

    def __init__(self, camera: Camera, settings: IngestSettings, outbox: Outbox, table: EventTable) -> None:
        self._camera, self._outbox = camera, outbox
        bound_ns = int(settings.clock_offset_s_max * NS_PER_S)
        self._tracks, self._board = Tracks(), EventBoard(table, bound_ns)
        self._line = TimeLine(bound_ns=bound_ns)
        self._period_ns = int(settings.metadata_period_s * NS_PER_S)
        self._flood = Throttle(settings.metadata_documents_per_s_max)
        self._due_ns = {False: 0, True: 0}  # captured; by whether it looked for objects
        self._next_ns = 0  # arrived
        self.broken = 0
        self.last_frame_at_ns = 0
        self.offset_ns: int | None = None

    def forget(self) -> None:
        """The connection is a new one: the camera gives its ids anew, and says how its rules stand."""
        self._tracks.forget()
        self._board.forget()

    def admits(self, arrived_ns: int) -> bool:
        """Whether a document is within what this camera may send; else it is counted. Asked once of each."""
        if self._flood.admits(arrived_ns):
            return True
        self._outbox.count("frames_dropped", "flood")
        return False

    def thins(self, arrived_ns: int, has_events: bool) -> bool:
        """Whether a document of frames comes too soon to be worth its parsing; it is counted then. Events never do."""
        if has_events or not 0 <= self._next_ns - arrived_ns <= self._period_ns:
            return False
        self._outbox.count("frames_dropped", "thinned")
        return True

    def take(self, parse: Parse, arrived_ns: int, is_held: bool = False) -> bool:
        """
        Whether the document could be read; what it says is in the outbox.

        Args:
            is_held: it is no document, but what an earlier one said, and is so still.
        """
        dropped: Counter[str] = Counter()
        try:
            reading = parse(self._tracks, dropped)
        except ValueError:
            self.broken += 1
            self._outbox.count("frames_dropped", "document")
            return False
        self.broken = 0
        self._tell(reading.frames, reading.notices, arrived_ns, dropped, is_held)
        return True

    def _tell(
        self,
        frames: Sequence[MetadataFrame],
        notices: Sequence[Notice],
        arrived_ns: int,
        dropped: Counter[str],
        is_held: bool,
    ) -> None:
        self.last_frame_at_ns = arrived_ns
        events = self._board.events(notices, arrived_ns, dropped)
        for kind, count in dropped.items():
            if count:
                self._outbox.count("fields_dropped", kind, count)
        if any(frame.objects is not None for frame in frames):
            self._next_ns = arrived_ns + self._period_ns // 2
        if events:
            at_ns = min(event.at_ns for event in events)
            source = TimeSource.ARRIVAL if at_ns == arrived_ns else TimeSource.CAMERA
            self._outbox.put(Observation(self._camera.number, at_ns, arrived_ns, source, events=events))
        for frame in frames:
            self._frame(frame, arrived_ns, is_held)

    def _frame(self, frame: MetadataFrame, arrived_ns: int, is_held: bool) -> None:
        if is_held:  # of now, and no word of the camera's clock
            captured_ns, source = max(arrived_ns, self._line.captured_at_ns + 1), TimeSource.ARRIVAL
            self._line = replace(self._line, captured_at_ns=captured_ns)
        else:
            self._line, captured_ns, source = place(self._line, frame.at_ns, arrived_ns)
        self.offset_ns = self._line.offset_ns
        # A look for motion only is a sign of life, and must not stand in the place of a look for objects.
        looked = frame.objects is not None
        if 0 <= self._due_ns[looked] - self._period_ns // 4 - captured_ns <= self._period_ns:
            self._outbox.count("frames_dropped", "thinned")
            return
        self._due_ns[looked] = captured_ns + self._period_ns
        self._outbox.put(Observation(self._camera.number, captured_ns, arrived_ns, source, objects=frame.objects))
