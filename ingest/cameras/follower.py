"""Which cameras are ours now: the group shares the partitions of `dt.cameras`, whose records are followed."""

from __future__ import annotations

from ingest.bus.contract import Bus, Record, TopicPartition
from ingest.bus.topics import CAMERAS
from ingest.errors import RecordError
from ingest.registry.district import VERSION, Camera
from ingest.schema.codec import decode_event
from ingest.stages.runner import StageLog

GROUP = "ingest"


class Follower:
    """
    Attributes:
        cameras: those of the owned partitions, by partition and id.
        version: grows with each change.
    """

    def __init__(self, bus: Bus, member: str, log: StageLog) -> None:
        self._bus, self._log = bus, log
        self._consumer = bus.consumer(GROUP, [CAMERAS], member)
        self.cameras: dict[int, dict[str, Camera]] = {}
        self._read_from: dict[int, int] = {}  # offset from which each partition is followed
        self.version = 0

    def poll(self) -> None:
        """
        Take what has changed, of the membership and of the registry.

        Raises:
            BusRetryable: the bus cannot be reached; what is known stays.
        """
        records = self._consumer.poll(0.0)
        owned = {at.partition for at in self._consumer.assignment() if at.topic == CAMERAS}
        for partition in self.cameras.keys() - owned:
            del self.cameras[partition], self._read_from[partition]
            self.version += 1
        for partition in sorted(owned - self.cameras.keys()):
            self._take_over(partition)
        for record in records:
            if record.position.partition in self.cameras:
                self._change(record)

    def confirm(self) -> None:
        """
        Ask the group itself whether the partitions are still ours.

        Raises:
            BusFenced: they are not: the group has gone on without us.
            BusRetryable: nobody can say now.
        """
        at = {TopicPartition(CAMERAS, partition): offset for partition, offset in self._read_from.items()}
        if at:
            self._consumer.commit(at)  # refused to whoever is no member of the present generation
        # We may have been let in again meanwhile, without these partitions: then the next look says so.
        self.poll()

    def close(self) -> None:
        """Leave the group, so that others read these cameras at once."""
        self._consumer.close()

    def _take_over(self, partition: int) -> None:
        at = TopicPartition(CAMERAS, partition)
        # The end first: what is appended between the two is read twice, which changes nothing.
        end = self._consumer.end_offset(at)
        records = sorted(self._bus.last_records(CAMERAS, partition).values(), key=lambda r: r.position.offset)
        self.cameras[partition], self._read_from[partition] = {}, end
        self.version += 1
        for record in records:
            self._change(record)
        self._consumer.seek(at, end)

    def _change(self, record: Record) -> None:
        partition, key = record.position.partition, (record.key or b"").decode("utf-8", "replace")
        known = self.cameras[partition]
        if record.value is None:
            self.version += known.pop(key, None) is not None
            return
        try:
            camera = decode_event(record, "camera", VERSION, Camera)
        except RecordError as error:
            self._log.error("camera.unreadable", camera=key, position=str(record.position), reason=str(error))
            return
        if camera.id == key and camera.partition == partition and known.get(key) != camera:
            known[key] = camera
            self.version += 1
