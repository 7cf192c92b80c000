"""A camera that sends metadata: its own analytics' objects and events become observations, without any picture."""

from __future__ import annotations

from contextlib import closing
from functools import partial

from ingest.cameras.metadata.event_rules import EventTable
from ingest.cameras.metadata.intake import Intake
from ingest.cameras.settings import IngestSettings
from ingest.cameras.sources.cause import source_error
from ingest.cameras.sources.onvif import MetadataStream, open_metadata
from ingest.cameras.sources.onvif_document import read_document
from ingest.cameras.workers.danger import Danger
from ingest.cameras.workers.outbox import Outbox
from ingest.cameras.workers.reader import Reader
from ingest.clock import Clock
from ingest.registry.district import Camera

BROKEN_MAX = 20  # documents in a row that cannot be read
_NOTIFICATION = b"NotificationMessage"


class MetadataReader(Reader):
    def __init__(
        self, camera: Camera, slot: int, settings: IngestSettings, clock: Clock, outbox: Outbox, danger: Danger
    ) -> None:
        super().__init__(camera, slot, settings, clock, outbox, danger)
        self._intake = Intake(camera, settings, outbox, EventTable(settings.events))

    def session(self) -> None:
        stream = self.opened(lambda: open_metadata(self.camera, self.settings))
        assert isinstance(stream, MetadataStream)
        intake = self._intake
        intake.forget()
        intake.broken = 0
        with closing(stream):
            self.deadline(self.settings.metadata_silence_s_max * 2)
            for document in stream.documents(self.hold_back):
                if self.ended.is_set():
                    return
                self.deadline(self.settings.metadata_silence_s_max * 2)
                self.say("live")
                arrived_ns = self.clock.now_ns()
                # Before it costs a parse.
                if not intake.admits(arrived_ns):
                    self.flooded_ns = self.clock.monotonic_ns()
                    continue
                if intake.thins(arrived_ns, has_events=_NOTIFICATION in document):
                    continue
                intake.take(partial(read_document, document), arrived_ns)
                self.last_frame_at_ns, self.offset_ns = intake.last_frame_at_ns, intake.offset_ns
                if intake.broken > BROKEN_MAX:
                    raise source_error(self.camera, "broken_stream", "documents that are no metadata")
