"""
The perceive stage: references of frames in, ticks with the persons of each frame out.

It gets its pictures through a function that is passed in, as they are not on the bus; so its output is a function of
the references and of the pictures that are still there. It is the one stage that may shed: a frame that is older than
`age_ms_max` beside the newest that has come is passed over, oldest first, and counted, since what cannot be looked at
in time must not hold back what can. Only so far does its output depend on how the input is cut into batches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np

from detectors.settings import PerceiveSettings
from detectors.vision import lying
from detectors.vision.covering import Cover, nobody
from detectors.vision.hazard import FindHazards
from detectors.vision.models import Model
from detectors.vision.person import FindPersons, Persons, person_finder, picture_of
from ingest.bus.contract import Draft, Record
from ingest.errors import RecordError, StoreRetryable
from ingest.schema.codec import encode_tick
from ingest.schema.frame_reference import FrameReference, decode_reference
from ingest.schema.tick import U8, ObjectClass, Tick, empty_tick
from ingest.stages.stage import Progress, Read

PRODUCER = "perceive"
_BEFORE_ALL = -(2**62)

Pictures = Callable[[str], bytes | None]  # the JPEG of a reference, None when it is gone


class Counts(msgspec.Struct, frozen=True, array_like=True):
    looked: int = 0
    shed: int = 0  # too old, or too many
    gone: int = 0  # the picture was no longer there, or could not be had
    broken: int = 0  # the picture could not be decoded
    turned: int = 0  # the picture was looked at again for somebody who lies


class _Recent(msgspec.Struct, frozen=True, array_like=True):
    camera: int
    box: bytes
    seen_ns: list[int]


@dataclass(frozen=True, slots=True)
class State:
    partition: int
    ends_at_ns: int  # of the last tick
    newest_ns: int  # the newest arrival of a frame
    counts: Counts
    recent: Mapping[int, lying.Recent] = field(default_factory=dict)  # of each camera with persons, by its number


class PerceiveStage:
    """
    Args:
        pictures: the JPEG of a reference, None when it is gone; may raise `StoreRetryable`.
        finder: makes of the model what finds the persons of a decoded picture.
        cover: is told the persons of each frame that evidence was made of, to cover them there.
        hazards: looks for fire and smoke too, where there is a model for them.

    Raises:
        SettingsError: the model cannot be read, or is not what its card says.
    """

    name = "perceive"
    version = 2  # 2 remembers where persons were
    reads = "dt.frames"
    writes = "dt.observations"

    def __init__(
        self,
        model: Model,
        pictures: Pictures,
        settings: PerceiveSettings,
        finder: Callable[[Model], FindPersons] = person_finder,
        cover: Cover = nobody,
        hazards: FindHazards | None = None,
    ) -> None:
        self._hazards = hazards
        self.settings, self._pictures, self._find, self._cover = settings, pictures, finder(model), cover

    def initial(self, partition: int) -> State:
        return State(partition, _BEFORE_ALL, _BEFORE_ALL, Counts())

    def decode(self, record: Record) -> FrameReference:
        return decode_reference(record)

    def step(self, state: State, batch: Sequence[Read[FrameReference]]) -> tuple[State, Sequence[Tick]]:
        if not batch:
            return state, []
        arrived_ns = np.array([read.value.arrived_at_ns for read in batch], np.int64)
        newest_ns = max(state.newest_ns, int(arrived_ns.max()))
        fresh = np.flatnonzero(arrived_ns >= newest_ns - self.settings.age_ms_max * 1_000_000)
        # The newest of them, in the order in which they came.
        kept = np.sort(fresh[np.argsort(arrived_ns[fresh], kind="stable")][-self.settings.frames_max :])
        counts = msgspec.structs.replace(state.counts, shed=state.counts.shed + len(batch) - len(kept))
        state = replace(state, newest_ns=newest_ns, counts=counts)
        ticks: list[Tick] = []
        for index in kept:  # a picture takes tens of milliseconds; the loop takes none
            state, tick = self._look(state, batch[index].value)
            ticks += [tick] if tick is not None else []
        return state, ticks

    def encode(self, partition: int, output: Tick) -> Draft:
        value, headers = encode_tick(output)
        return Draft(self.writes, partition, str(partition).encode(), value, headers)

    def save(self, state: State) -> bytes:
        recent = [
            _Recent(camera, each.box.astype("<f4").tobytes(), each.seen_ns.tolist())
            for camera, each in sorted(state.recent.items())
        ]
        return msgspec.msgpack.encode((state.ends_at_ns, state.newest_ns, state.counts, recent))

    def restore(self, partition: int, snapshot: bytes) -> State:
        try:
            ends_at_ns, newest_ns, counts, saved = msgspec.msgpack.decode(
                snapshot, type=tuple[int, int, Counts, list[_Recent]]
            )
            recent = {each.camera: _recent(each) for each in saved}
        except (msgspec.DecodeError, ValueError) as error:
            raise RecordError(
                f"snapshot of perceive/{partition}",
                expected=f"the state of version {self.version}",
                got=str(error)[:200],
                mend="The stage starts afresh.",
            ) from error
        return State(partition, ends_at_ns, newest_ns, counts, recent)

    def live(self, state: State) -> Mapping[str, bytes]:
        return {}

    def progress(self, state: State) -> Progress:
        counts = state.counts
        return Progress(None, {"shed": counts.shed, "gone": counts.gone, "broken": counts.broken})

    def _look(self, state: State, frame: FrameReference) -> tuple[State, Tick | None]:
        counts = state.counts
        try:
            jpeg = self._pictures(frame.reference)
        except StoreRetryable:  # a picture that cannot be had now is as good as gone: the next one comes soon
            jpeg = None
        if jpeg is None:
            return replace(state, counts=msgspec.structs.replace(counts, gone=counts.gone + 1)), None
        picture = picture_of(jpeg)
        if picture is None:
            return replace(state, counts=msgspec.structs.replace(counts, broken=counts.broken + 1)), None
        # Ticks of one producer must follow one another, also where frames of two cameras arrived the other way round.
        ends_at_ns = max(state.ends_at_ns + 1, frame.arrived_at_ns + 1)
        persons, recent, turned = self._persons(state.recent.get(frame.camera, lying.NOBODY), frame, picture)
        if frame.evidence is not None:
            self._cover(frame.evidence, persons)
        tick = perceived_tick(state.partition, frame, persons, ends_at_ns)
        if self._hazards is not None:
            seen = self._hazards(picture)
            tick = replace(tick, flame=np.array([seen.flame], np.float32), smoke=np.array([seen.smoke], np.float32))
        counts = msgspec.structs.replace(counts, looked=counts.looked + 1, turned=counts.turned + turned)
        after = {camera: each for camera, each in state.recent.items() if camera != frame.camera}
        if len(recent.box):
            after[frame.camera] = recent
        return replace(state, ends_at_ns=ends_at_ns, counts=counts, recent=after), tick

    def _persons(self, recent: lying.Recent, frame: FrameReference, picture: U8) -> tuple[Persons, lying.Recent, int]:
        """Who is in a picture, whom to remember, and how many places were looked at again."""
        found = self._find(picture)
        if not self.settings.lying_looks_max:
            return found, lying.NOBODY, 0
        missed = lying.missed(recent, found.box, frame.captured_at_ns)
        # The last who was seen first: he may still be falling.
        rows = np.flatnonzero(missed)
        rows = rows[np.argsort(-recent.seen_ns[rows], kind="stable")][: self.settings.lying_looks_max]
        for row in rows:
            found = lying.look_again(self._find, picture, recent.box[row], found)
        return found, lying.remembered(recent, missed, found.box, frame.captured_at_ns), len(rows)


def _recent(saved: _Recent) -> lying.Recent:
    """
    Raises:
        ValueError: the bytes are not as many boxes as there are times.
    """
    box = np.frombuffer(saved.box, "<f4").astype(np.float32).reshape(len(saved.seen_ns), 4)
    return lying.Recent(box, np.array(saved.seen_ns, np.int64))


def perceived_tick(partition: int, frame: FrameReference, persons: Persons, ends_at_ns: int) -> Tick:
    """The tick of one frame with its persons; all that was not looked at is unknown."""
    count = len(persons.box)
    return replace(
        empty_tick(partition, PRODUCER, min(frame.arrived_at_ns, ends_at_ns), ends_at_ns, 1),
        camera=np.array([frame.camera], np.uint32),
        captured_at_ns=np.array([frame.captured_at_ns], np.int64),
        arrived_at_ns=np.array([frame.arrived_at_ns], np.int64),
        time_source=np.array([frame.time_source], np.uint8),
        width=np.array([frame.width], np.uint16),
        height=np.array([frame.height], np.uint16),
        objects_known=np.array([True]),
        object_start=np.array([0, count], np.int64),
        object_class=np.full(count, ObjectClass.PERSON, np.uint8),
        object_confidence=persons.confidence,
        object_box=persons.box,
        object_track=np.full(count, -1, np.int32),
    )
