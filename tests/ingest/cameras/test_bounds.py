"""What is kept of a camera stays within its bounds, whatever it sends."""

from __future__ import annotations

import gc
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.bus.contract import Draft
from ingest.cameras.brokers.station import Message
from ingest.cameras.brokers.stations import DeepStreamStation, FrigateStation
from ingest.cameras.metadata import axis_scene, onvif_json
from ingest.cameras.metadata.event_rules import EventTable
from ingest.cameras.metadata.intake import Intake
from ingest.cameras.metadata.reading import Reading
from ingest.cameras.observation import Observation
from ingest.cameras.sender import Pending, Sender
from ingest.cameras.settings import IngestSettings
from ingest.cameras.sources.assembly import DOCUMENT_BYTES_MAX, Assembly
from ingest.cameras.sources.metadata_objects import TRACKS_MAX, Tracks
from ingest.cameras.sources.onvif_document import read_document
from ingest.cameras.sources.sampler import Sampler
from ingest.cameras.sources.stream import StreamPacket
from ingest.cameras.workers import video_reader
from ingest.cameras.workers.analyst import Analyst
from ingest.cameras.workers.danger import Danger
from ingest.cameras.workers.outbox import PICTURES_MAX, Outbox
from ingest.clock import NS_PER_S, SystemClock
from ingest.errors import BusRetryable
from tests.ingest.cameras.brokers_bench import BrokersBench
from tests.ingest.cameras.cameras import QUICK, camera
from tests.ingest.cameras.metadata import samples
from tests.ingest.cameras.metadata.samples import encoded
from tests.ingest.cameras.test_role import Log, Tally

NOW_NS = 1_790_000_000 * NS_PER_S
KEPT_BYTES_MAX = 4 * 2**20  # of all that follows, of one camera
LONG = 100_000  # characters
DOCUMENTS = 60
HD = {"width_px": 1920, "height_px": 1080}
Parse = Callable[[Tracks, Counter[str]], Reading]


@contextmanager
def kept_bytes() -> Iterator[list[int]]:
    """What the block has left behind, in the memory that Python and numpy take."""
    result: list[int] = []
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    try:
        yield result
        gc.collect()
        result.append(tracemalloc.get_traced_memory()[0] - before)
    finally:
        tracemalloc.stop()


def long_word(number: int) -> str:
    return f"{number}-" + "x" * LONG


def xml(number: int) -> Parse:
    """New long ids, tags, topics and rules in each document."""
    word = long_word(number)
    body = (
        f'<tt:MetadataStream xmlns:tt="t" xmlns:w="w"><tt:VideoAnalytics><tt:Frame UtcTime="2026-03-14T12:00:00Z">'
        f'<tt:Object ObjectId="{word}"><tt:Appearance><tt:Shape><tt:BoundingBox left="0" top="0" right="1" bottom="1"/>'
        f"</tt:Shape><tt:Class><tt:Type>{word}</tt:Type></tt:Class></tt:Appearance></tt:Object></tt:Frame>"
        f"</tt:VideoAnalytics><tt:a{word}/><tt:Event><w:NotificationMessage><w:Topic>tns1:RuleEngine/TamperDetector/"
        f'Tamper/{word}</w:Topic><w:Message><tt:Message PropertyOperation="Changed"><tt:Source><tt:SimpleItem '
        f'Name="Rule" Value="{word}"/></tt:Source><tt:Data><tt:SimpleItem Name="IsTamper" Value="true"/></tt:Data>'
        f"</tt:Message></w:Message></w:NotificationMessage></tt:Event></tt:MetadataStream>"
    )
    return partial(read_document, body.encode())


def json_frame(number: int) -> Parse:
    document = encoded(samples.onvif_frame(samples.onvif_object(), at=long_word(number)))
    return partial(onvif_json.read_message, samples.MJ_TOPIC, document, False)


def json_event(number: int) -> Parse:
    word = long_word(number)
    topic = f"gate/onvif-ej/RuleEngine/FieldDetector/ObjectsInside/{word}/&1/{word}"
    document = encoded(samples.onvif_event({"IsInside": True, word: word}, Key={"ObjectId": word}))
    return partial(onvif_json.read_message, topic, document, False)


def axis(number: int) -> Parse:
    body = samples.axis_v1(samples.axis_detection())
    return partial(axis_scene.read_message, encoded(body | {"timestamp": long_word(number)}), None)


@pytest.mark.parametrize("hostile", [xml, json_frame, json_event, axis])
def test_long_words_of_a_camera_are_not_kept(hostile: Callable[[int], Parse]) -> None:
    outbox = Outbox(10)
    intake = Intake(camera(1, "onvif", "rtsp://127.0.0.1/x"), IngestSettings(), outbox, EventTable())
    intake.take(hostile(0), NOW_NS)
    with kept_bytes() as kept:
        for number in range(1, DOCUMENTS):
            intake.take(hostile(number), NOW_NS + number * NS_PER_S)
    assert kept[0] < KEPT_BYTES_MAX, f"{kept[0] / 2**20:.1f} MiB of {DOCUMENTS * LONG / 2**20:.0f} MiB"
    assert len(outbox.take(0.0)) <= 10


@pytest.mark.parametrize(
    ("source", "url", "hostile"),
    [
        (
            "deepstream",
            "kafka://127.0.0.1:1/mdx/cam-07",
            lambda n: encoded(samples.deepstream(samples.line(long_word(n)), sensor="cam-07")),
        ),
        ("deepstream", "kafka://127.0.0.1:1/mdx/cam-07", lambda n: encoded(samples.deepstream_full(long_word(n)))),
        ("frigate", "mqtt://127.0.0.1:1/frigate/front_door", lambda n: encoded(samples.frigate(id=long_word(n)))),
    ],
)
def test_long_words_on_a_shared_topic_are_not_kept(source: str, url: str, hostile: Callable[[int], bytes]) -> None:
    with BrokersBench(camera(1, source, url, **HD)) as bench:
        _, station = bench.readers[1]._held  # type: ignore[misc]
        assert isinstance(station, DeepStreamStation | FrigateStation)
        topic = "frigate/events" if source == "frigate" else "mdx"

        def work(number: int) -> None:
            at_ns = NOW_NS + number * NS_PER_S
            station.work(Message(topic, hostile(number), False, at_ns, at_ns))

        work(0)
        with kept_bytes() as kept:
            for number in range(1, DOCUMENTS):
                work(number)
        bench.of(1)
    assert kept[0] < KEPT_BYTES_MAX, f"{kept[0] / 2**20:.1f} MiB of {DOCUMENTS * LONG / 2**20:.0f} MiB"


@given(st.lists(st.integers(0, 3 * TRACKS_MAX), max_size=50), st.integers(0, 5))
@settings(deadline=None, max_examples=20)
def test_no_more_tracks_are_remembered_than_the_bound(ids: list[int], rounds: int) -> None:
    tracks = Tracks()
    for one in [*ids, *range(rounds * TRACKS_MAX // 2)]:
        tracks.number(str(one))
    assert len(tracks._numbers) <= TRACKS_MAX


PIECES = st.tuples(st.integers(1, 400_000), st.one_of(st.none(), st.integers(0, 3)), st.booleans())


@given(st.lists(PIECES, max_size=40))
@settings(deadline=None, max_examples=40)
def test_a_document_in_pieces_never_grows_beyond_its_bound(pieces: list[tuple[int, int | None, bool]]) -> None:
    assembly = Assembly()
    for size, pts, ends in pieces:
        document = assembly.add(b"x" * size + (b"</MetadataStream>" if ends else b""), pts)
        assert len(assembly._pieces) <= DOCUMENT_BYTES_MAX
        assert document is None or len(document) <= DOCUMENT_BYTES_MAX


@given(st.lists(st.booleans(), max_size=600), st.integers(1, 400))
@settings(deadline=None, max_examples=30)
def test_a_worker_that_nobody_empties_keeps_its_newest_and_few_pictures(jpegs: list[bool], most: int) -> None:
    outbox = Outbox(most)
    for number, has_jpeg in enumerate(jpegs):
        outbox.put(Observation(1, number, number, 0, jpeg=b"jpeg" if has_jpeg else None))
    counts, left = outbox.take_counts(), outbox.take(0.0)
    assert len(left) == min(len(jpegs), most) and sum(one.jpeg is not None for one in left) <= PICTURES_MAX
    assert [one.captured_at_ns for one in left] == list(range(len(jpegs)))[-most:]
    assert counts.get(("frames_dropped", "outbox"), 0) == max(0, len(jpegs) - most)


class _FullBus:
    """Takes nothing."""

    def producer(self) -> _FullBus:
        return self

    def append(self, draft: Draft) -> None:
        raise BusRetryable("bus", expected="room", got="none", mend="Wait.")


@given(st.lists(st.integers(0, 9), max_size=80), st.integers(1, 30))
@settings(deadline=None)
def test_ticks_that_the_bus_does_not_take_are_bounded_and_what_is_shed_is_counted(
    frames: list[int], pending_max: int
) -> None:
    tally = Tally()
    sender = Sender(_FullBus(), pending_max, 0.01, tally, Log())  # type: ignore[arg-type]
    for count in frames:
        sender.send([Pending(Draft("t", 0, None, b""), count)])
    assert len(sender._pending) == min(len(frames), pending_max)
    assert sender.shed == sum(frames[: max(0, len(frames) - pending_max)]) == tally.counts["dropped bus"]


def test_the_jobs_of_a_stream_that_nobody_decodes_are_bounded() -> None:
    """The decoder hangs; the stream is a new key frame and then nothing but pictures that lean on it."""
    clock, outbox, danger = SystemClock(), Outbox(10), Danger(get_context("spawn"), 1)
    reader = video_reader.VideoReader(
        camera(1, "rtsp", "rtsp://127.0.0.1/x"), 0, replace(QUICK), clock, outbox, danger, Analyst(clock, danger)
    )
    sampler = Sampler(0.2)
    for n in range(5_000):
        packet = SimpleNamespace(is_keyframe=n % 900 == 0, size=1_000)
        at_ns = n * NS_PER_S // 500
        reader._offer(None, StreamPacket(packet, at_ns / 1e9, at_ns, None), sampler)  # type: ignore[arg-type]
        assert len(reader._jobs) <= video_reader._JOBS_MAX
    assert outbox.take_counts()["frames_dropped", "slow"] > 0
