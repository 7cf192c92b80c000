"""A camera that sends metadata: its own analytics' objects become observations, without any picture."""

from __future__ import annotations

from collections import Counter
from contextlib import closing

from ingest.cameras.observation import Observation
from ingest.cameras.settings import IngestSettings
from ingest.cameras.sources.cause import source_error
from ingest.cameras.sources.metadata_objects import Tracks
from ingest.cameras.sources.onvif import MetadataStream, open_metadata
from ingest.cameras.sources.onvif_document import MetadataFrame, parse_document
from ingest.cameras.sources.timeline import TimeLine, place
from ingest.cameras.workers.danger import Danger
from ingest.cameras.workers.outbox import Outbox
from ingest.cameras.workers.reader import Reader
from ingest.clock import NS_PER_S, Clock
from ingest.registry.district import Camera

_BROKEN_MAX = 20  # documents in a row that cannot be read


class MetadataReader(Reader):
    def __init__(
        self, camera: Camera, slot: int, settings: IngestSettings, clock: Clock, outbox: Outbox, danger: Danger
    ) -> None:
        super().__init__(camera, slot, settings, clock, outbox, danger)
        self._tracks = Tracks()
        self._line = TimeLine(bound_ns=int(settings.clock_offset_s_max * NS_PER_S))
        self._period_ns = int(settings.metadata_period_s * NS_PER_S)
        self._due_ns = 0  # captured
        self._next_ns = 0  # arrived

    def session(self) -> None:
        stream = self.opened(lambda: open_metadata(self.camera, self.settings))
        assert isinstance(stream, MetadataStream)
        self._tracks.forget()
        broken = 0
        with closing(stream):
            self.deadline(self.settings.metadata_silence_s_max * 2)
            for document in stream.documents():
                if self.ended.is_set():
                    return
                self.deadline(self.settings.metadata_silence_s_max * 2)
                self.say("live")
                arrived_ns = self.clock.now_ns()
                if 0 <= self._next_ns - arrived_ns <= self._period_ns:
                    self.outbox.count("frames_dropped", "thinned")  # before it costs a parse
                    continue
                dropped: Counter[str] = Counter()
                try:
                    frames = parse_document(document, self._tracks, dropped)
                    broken = 0
                except ValueError:
                    frames, broken = [], broken + 1
                    self.outbox.count("frames_dropped", "document")
                if broken > _BROKEN_MAX:
                    raise source_error(self.camera, "broken_stream", "documents that are no metadata")
                for kind, count in dropped.items():
                    self.outbox.count("fields_dropped", kind, count)
                if frames:
                    self._next_ns = arrived_ns + self._period_ns // 2
                for frame in frames:
                    self._tell(frame, arrived_ns)

    def _tell(self, frame: MetadataFrame, arrived_ns: int) -> None:
        self._line, captured_ns, source = place(self._line, frame.at_ns, arrived_ns)
        self.offset_ns, self.last_frame_at_ns = self._line.offset_ns, arrived_ns
        if 0 <= self._due_ns - self._period_ns // 4 - captured_ns <= self._period_ns:
            self.outbox.count("frames_dropped", "thinned")
            return
        self._due_ns = captured_ns + self._period_ns
        number = self.camera.number
        self.outbox.put(Observation(number, captured_ns, arrived_ns, source, objects=frame.objects))
