"""A metadata camera over RTSP."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from deploy.demo.rtsp_stream import Stream
from ingest.clock import NS_PER_S
from ingest.schema.tick import TimeSource
from tests.ingest.cameras.bench import Bench
from tests.ingest.cameras.cameras import QUICK, camera
from tests.support.rtsp import FaultServer
from tests.support.waiting import until

OBJECT = (
    '<tt:Object ObjectId="{}"><tt:Appearance><tt:Shape><tt:BoundingBox left="-0.5" top="0.5" right="-0.3" '
    'bottom="-0.2"/></tt:Shape><tt:Class><tt:Type Likelihood="0.9">Human</tt:Type></tt:Class></tt:Appearance>'
    "</tt:Object>"
)


def document(objects: int) -> bytes:
    now = datetime.now(UTC).isoformat()
    body = "".join(OBJECT.format(n) for n in range(objects))
    return (
        '<?xml version="1.0"?><tt:MetadataStream xmlns:tt="http://www.onvif.org/ver10/schema"><tt:VideoAnalytics>'
        f'<tt:Frame UtcTime="{now}">{body}</tt:Frame></tt:VideoAnalytics></tt:MetadataStream>'
    ).encode()


@contextmanager
def talking(stream: Stream, objects: int = 12, junk: bytes | None = None) -> Iterator[None]:
    ended = threading.Event()

    def talk() -> None:
        begun_s = time.monotonic()
        while not ended.wait(0.05):
            stream.push_metadata(junk or document(objects), time.monotonic() - begun_s)

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer(report_period_s=0.2) as running:
        yield running


def test_a_metadata_camera_gives_objects_without_video(server: FaultServer) -> None:
    stream = server.add_stream("gate", metadata=True)
    with talking(stream), Bench(camera(1, "onvif", server.url_of("gate"))) as bench:
        seen = bench.wait_for(1, 3)
        assert bench.wait_state(1, "live").cause == ""
    assert all(one.objects is not None and one.objects.object_class.tolist() == [0] * 12 for one in seen)
    assert all(one.time_source == TimeSource.CAMERA and one.foreground_grid is None for one in seen)
    # 20 documents a second are thinned to the metadata period.
    assert seen[-1].captured_at_ns - seen[0].captured_at_ns >= 0.3 * NS_PER_S
    assert bench.counts["frames_dropped", "thinned"] > 0
    assert server.plays == server.teardowns == 1


def test_an_empty_frame_is_a_sign_of_life(server: FaultServer) -> None:
    stream = server.add_stream("gate", video=False, metadata=True)
    with talking(stream, objects=0), Bench(camera(1, "onvif", server.url_of("gate"))) as bench:
        assert all(one.objects is not None and len(one.objects.track) == 0 for one in bench.wait_for(1, 3))


def test_a_silent_metadata_camera_is_stalled_and_comes_back(server: FaultServer) -> None:
    stream = server.add_stream("gate", video=False, metadata=True)
    with talking(stream), Bench(camera(1, "onvif", server.url_of("gate"))) as bench:
        bench.wait_for(1, 2)
        server.faults("gate").is_stalled = True
        bench.wait_state(1, "stalled")
        server.faults("gate").is_stalled = False
        bench.wait_for(1, 2)


def test_a_camera_without_a_metadata_track_is_told(server: FaultServer) -> None:
    server.add_stream("gate")
    with Bench(camera(1, "onvif", server.url_of("gate"))) as bench:
        assert "no metadata track" in bench.wait_state(1, "refused").cause


def test_junk_instead_of_documents_is_counted_and_then_told(server: FaultServer) -> None:
    stream = server.add_stream("gate", video=False, metadata=True)
    junk = b"<tt:MetadataStream>\xff</tt:MetadataStream>"
    with talking(stream, junk=junk), Bench(camera(1, "onvif", server.url_of("gate")), settings=QUICK) as bench:
        until(lambda: bench.of(1) == [] and bench.counts["frames_dropped", "document"] > 0, "a broken document")
        bench.wait_state(1, "no_video")
