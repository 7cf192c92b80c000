"""The detect stage with a record of its zones: findings as they come, and each minute of every zone beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from detectors import columns, zone_minutes
from detectors.stage import DetectStage
from detectors.stage import State as Detected
from ingest.bus.contract import Draft, Record
from ingest.bus.topics import ZONE_MINUTES
from ingest.clock import NS_PER_S
from ingest.schema.finding import Finding
from ingest.schema.tick import Tick
from ingest.schema.zone_minute import ZoneMinutes, encode_zone_minutes
from ingest.stages.learned import Part
from ingest.stages.stage import Progress, Read


@dataclass(frozen=True, slots=True, eq=False)
class State:
    detected: Detected
    minutes: zone_minutes.State


class _Saved(msgspec.Struct, frozen=True, array_like=True, tag="recorded"):
    detected: bytes
    minute: int
    sums: bytes


class RecordedStage:
    """
    Args:
        synthetic: the cameras are those of a demo; each minute says so.
    """

    def __init__(self, detect: DetectStage, synthetic: bool = False) -> None:
        self.detect, self._synthetic = detect, synthetic
        self.name, self.version, self.reads, self.writes = detect.name, detect.version, detect.reads, detect.writes

    def initial(self, partition: int) -> State:
        detected = self.detect.initial(partition)
        return State(detected, self._none_yet(detected))

    def decode(self, record: Record) -> Tick:
        return self.detect.decode(record)

    def step(self, state: State, batch: Sequence[Read[Tick]]) -> tuple[State, Sequence[Finding | ZoneMinutes]]:
        said: list[Finding | ZoneMinutes] = []
        for read in batch:
            detected, findings = self.detect.step(state.detected, [read])
            said += findings
            minutes = state.minutes
            # As often as the slowest thing that is looked at: a reading each second is 60 for a mean.
            if detected.at_ns // NS_PER_S > state.detected.at_ns // NS_PER_S:
                district, seen = self.detect.occupancy_of(detected)
                minutes, over = zone_minutes.read(
                    minutes, detected.at_ns, seen, district.zone_ids, detected.partition, self._synthetic
                )
                said += [over] if over is not None and over.zones else []
            state = State(detected, minutes)
        return state, said

    def encode(self, partition: int, output: Finding | ZoneMinutes) -> Draft:
        if isinstance(output, Finding):
            return self.detect.encode(partition, output)
        value, headers = encode_zone_minutes(output)
        return Draft(ZONE_MINUTES, partition, str(partition).encode(), value, headers)

    def save(self, state: State) -> bytes:
        district, _ = self.detect.occupancy_of(state.detected)
        sums = columns.save(district.zone_ids, state.minutes.sums)
        return msgspec.msgpack.encode(_Saved(self.detect.save(state.detected), state.minutes.minute, sums))

    def restore(self, partition: int, snapshot: bytes) -> State:
        try:
            saved = msgspec.msgpack.decode(snapshot, type=_Saved)
        except msgspec.DecodeError:  # one from before minutes were kept
            detected = self.detect.restore(partition, snapshot)
            return State(detected, self._none_yet(detected))
        detected = self.detect.restore(partition, saved.detected)
        district, _ = self.detect.occupancy_of(detected)
        sums = columns.restore(district.zone_ids, zone_minutes.blank(len(district.zones)), saved.sums)
        return State(detected, zone_minutes.State(saved.minute, sums))

    def learned(self, state: State) -> Mapping[str, Part]:
        return self.detect.learned(state.detected)

    def recall(self, state: State, parts: Mapping[str, bytes]) -> State:
        return State(self.detect.recall(state.detected, parts), state.minutes)

    def live(self, state: State) -> Mapping[str, bytes]:
        return self.detect.live(state.detected)

    def progress(self, state: State) -> Progress:
        return self.detect.progress(state.detected)

    def _none_yet(self, detected: Detected) -> zone_minutes.State:
        district, _ = self.detect.occupancy_of(detected)
        return zone_minutes.State(zone_minutes.NONE_YET, zone_minutes.blank(len(district.zones)))
