"""The RTSP server, read as the product reads cameras; and each fault, seen from the reader's side."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Iterable

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.demo import rtp
from deploy.demo.rtsp_message import take_request
from deploy.demo.rtsp_server import RtspServer
from tests.support.rtsp import (
    FaultServer,
    capture_time_s,
    fault_server,
    moving_clip,
    open_camera,
    playing,
    until,
)

__all__ = ["fault_server"]

CLIP = moving_clip()


@given(st.lists(st.binary(min_size=1, max_size=5000).map(lambda tail: b"\x65" + tail), min_size=1, max_size=4))
def test_fragments_put_together_are_the_units_that_were_cut(units: list[bytes]) -> None:
    rebuilt: list[bytes] = []
    for payload in rtp.h264_payloads(units):
        assert len(payload) <= rtp.PAYLOAD_BYTES_MAX
        if payload[0] & 31 != 28:
            rebuilt.append(payload)
        elif payload[1] & 0x80:
            rebuilt.append(bytes(((payload[0] & 0xE0) | (payload[1] & 31),)) + payload[2:])
        else:
            rebuilt[-1] += payload[2:]
    assert rebuilt == units


@given(st.lists(st.binary(min_size=1, max_size=600).map(lambda tail: b"\x65" + tail.replace(b"\0", b"\1"))))
def test_units_are_the_same_from_start_codes_and_from_lengths(units: list[bytes]) -> None:
    start_codes = b"".join(b"\0\0\0\1" + unit for unit in units)
    lengths = b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)
    assert rtp.nal_units(start_codes) == rtp.nal_units(lengths) == units


@given(st.binary(max_size=5000))
def test_a_metadata_document_is_marked_only_at_its_end(document: bytes) -> None:
    packets = rtp.Track(107, 1).pack(rtp.metadata_payloads(document), 9)
    assert b"".join(packet[12:] for packet in packets) == document
    assert [packet[1] >> 7 for packet in packets] == [0] * (len(packets) - 1) + [1] * bool(packets)


@given(st.integers(1, 60), st.data())
def test_requests_are_the_same_however_the_bytes_arrive(port: int, data: st.DataObject) -> None:
    first = f"OPTIONS rtsp://h:{port}/a RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode()
    wire = first + b"$\1\0\3abc" + b"SETUP rtsp://h/a/trackID=1 RTSP/1.0\r\n\r\n"
    cut = data.draw(st.integers(0, len(wire)))
    buffer, got = bytearray(), []
    for part in (wire[:cut], wire[cut:]):
        buffer += part
        while (request := take_request(buffer)) is not None:
            got.append((request.method, request.path, request.track))
    assert got == [("OPTIONS", "a", 0), ("SETUP", "a", 1)]
    assert not buffer


def test_pictures_come_with_the_time_at_which_they_were_taken(fault_server: FaultServer) -> None:
    stream = fault_server.add_stream("gate-7")
    with playing(stream, CLIP), open_camera(fault_server.url_of("gate-7")) as camera:
        packets = list(itertools.islice(camera.demux(video=0), 12))
        ages_s = [time.time() - (capture_time_s(packet) or 0.0) for packet in packets[-3:]]
    assert packets[0].is_keyframe
    assert all(-0.05 < age_s < 1.0 for age_s in ages_s), ages_s


def test_a_feed_whose_first_picture_was_late_does_not_show_the_future(fault_server: FaultServer) -> None:
    stream, begun_s = fault_server.add_stream("gate-7"), time.time()
    stream.begin_at(begun_s - 0.5)  # half a second was lost before the first picture
    for unit in CLIP[:6]:
        stream.push_video(unit.data, unit.time_s, unit.is_key)
    with open_camera(fault_server.url_of("gate-7"), analyzeduration="0", probesize="5000") as camera:
        taken_s = capture_time_s(next(packet for packet in camera.demux(video=0)))
    assert taken_s == pytest.approx(begun_s - 0.5, abs=0.01)


def test_a_late_client_starts_with_a_whole_picture(fault_server: FaultServer) -> None:
    stream = fault_server.add_stream("gate-7")
    for unit in CLIP[:15]:
        stream.push_video(unit.data, unit.time_s, unit.is_key)
    with open_camera(fault_server.url_of("gate-7"), analyzeduration="0", probesize="5000") as camera:
        frame = next(camera.decode(video=0))
    assert (frame.width, frame.height) == (320, 180)
    assert not frame.is_corrupt


def test_a_camera_without_pictures_serves_its_metadata(fault_server: FaultServer) -> None:
    stream = fault_server.add_stream("street-1", video=False, metadata=True)
    document = b"<m>" + b"x" * 3000 + b"</m>"
    with open_camera(fault_server.url_of("street-1"), allowed_media_types="data") as camera:
        until(lambda: fault_server.clients == 1)
        stream.push_metadata(document, 0.0)
        packets = list(itertools.islice(camera.demux(), 3))
    assert b"".join(bytes(packet) for packet in packets) == document
    assert all(abs(time.time() - (capture_time_s(packet) or 0.0)) < 2.0 for packet in packets)


def test_pictures_and_metadata_of_one_camera_share_one_clock(fault_server: FaultServer) -> None:
    stream = fault_server.add_stream("gate-7", metadata=True)
    for unit in CLIP[:10]:
        stream.push_video(unit.data, unit.time_s, unit.is_key)
    with open_camera(fault_server.url_of("gate-7"), analyzeduration="0", probesize="5000") as camera:
        until(lambda: fault_server.clients == 1)
        stream.push_metadata(b"<m/>", CLIP[10].time_s)
        stream.push_video(CLIP[10].data, CLIP[10].time_s, CLIP[10].is_key)
        taken_s: dict[str, float | None] = {}
        packets = camera.demux()
        while len(taken_s) < 2:
            packet = next(packets)
            taken_s[packet.stream.type] = capture_time_s(packet)
    # The parser holds a picture back until its successor comes: the last one seen is two before the document.
    assert taken_s["data"] == pytest.approx((taken_s["video"] or 0.0) + 0.2, abs=1e-3)


def test_every_play_ends_with_a_teardown_when_readers_close(fault_server: FaultServer) -> None:
    stream = fault_server.add_stream("gate-7")
    with playing(stream, CLIP):
        for _ in range(3):
            with open_camera(fault_server.url_of("gate-7"), analyzeduration="0", probesize="5000") as camera:
                next(camera.demux())
    until(lambda: fault_server.clients == 0)
    assert fault_server.plays == fault_server.teardowns == 3


def test_udp_is_refused(fault_server: FaultServer) -> None:
    fault_server.add_stream("gate-7")
    url = fault_server.url_of("gate-7")
    assert _status(fault_server, f"SETUP {url}/trackID=0 RTSP/1.0\r\nTransport: RTP/AVP;unicast;client_port=4-5") == 461


def test_a_request_that_is_none_is_answered_as_bad(fault_server: FaultServer) -> None:
    assert _status(fault_server, "GET / HTTP/1.1") == 400


def test_an_unknown_path_is_not_found(fault_server: FaultServer) -> None:
    with pytest.raises(av.error.HTTPNotFoundError), open_camera(fault_server.url_of("nowhere")):
        pass


def test_only_the_right_password_reads_and_a_changed_one_does_not() -> None:
    with FaultServer(user="operator", password="a/b@c") as server:
        stream = server.add_stream("gate-7")
        url = server.url_of("gate-7", credentials=True)
        with playing(stream, CLIP):
            with open_camera(url, analyzeduration="0", probesize="5000") as camera:
                assert next(camera.demux()).size > 0
            with pytest.raises(av.error.HTTPUnauthorizedError), open_camera(server.url_of("gate-7")):
                pass
            server.faults("gate-7").password = "new"
            with pytest.raises(av.error.HTTPUnauthorizedError), open_camera(url):
                pass


def test_a_slow_client_loses_pictures_and_the_others_none() -> None:
    with FaultServer(queue_bytes_max=20_000) as server:
        stream = server.add_stream("gate-7")
        slow, head = (
            socket.create_connection((server.host, server.port)),
            f"{server.url_of('gate-7')}/trackID=0 RTSP/1.0",
        )
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(f"SETUP {head}\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\nPLAY {head}\r\n\r\n".encode())
        until(lambda: server.clients == 1)
        pushes = itertools.count()

        def is_losing() -> bool:
            unit = CLIP[(n := next(pushes)) % len(CLIP)]
            stream.push_video(unit.data, n / 10, unit.is_key)
            return stream.frames_lost > 0

        until(is_losing)
        with playing(stream, CLIP), open_camera(server.url_of("gate-7")) as camera:
            frames = list(itertools.islice(camera.decode(video=0), 10))
        slow.close()
    assert not any(frame.is_corrupt for frame in frames)


def test_a_stalled_stream_sends_nothing_and_comes_back(fault_server: FaultServer) -> None:
    stream = fault_server.add_stream("gate-7")
    faults = fault_server.faults("gate-7")
    with playing(stream, CLIP), open_camera(fault_server.url_of("gate-7"), read_s=0.5) as camera:
        packets = camera.demux(video=0)
        next(packets)
        faults.is_stalled = True
        with pytest.raises(av.error.ExitError):
            _drain(packets)
        faults.is_stalled = False
        with open_camera(fault_server.url_of("gate-7"), read_s=2.0) as again:
            assert next(again.demux(video=0)).is_keyframe


def test_a_hanging_camera_never_answers(fault_server: FaultServer) -> None:
    fault_server.add_stream("gate-7")
    fault_server.faults("gate-7").is_hanging = True
    with pytest.raises(av.error.FFmpegError), open_camera(fault_server.url_of("gate-7"), open_s=0.3, timeout="300000"):
        pass
    assert fault_server.plays == 0


def test_a_closed_connection_ends_the_stream_without_a_teardown(fault_server: FaultServer) -> None:
    stream = fault_server.add_stream("gate-7")
    with playing(stream, CLIP), open_camera(fault_server.url_of("gate-7")) as camera:
        packets = camera.demux(video=0)
        next(packets)
        fault_server.close_clients("gate-7")
        _drain(packets)
    assert (stream.plays, stream.teardowns) == (1, 0)


def test_too_many_clients_are_refused_by_453(fault_server: FaultServer) -> None:
    fault_server.add_stream("gate-7")
    fault_server.faults("gate-7").status = 453
    assert _status(fault_server, f"DESCRIBE {fault_server.url_of('gate-7')} RTSP/1.0") == 453


def test_lost_packets_are_seen_as_corrupt_pictures(fault_server: FaultServer) -> None:
    stream = fault_server.add_stream("gate-7")
    with playing(stream, CLIP, speed=4.0), open_camera(fault_server.url_of("gate-7")) as camera:
        fault_server.faults("gate-7").drop_share = 0.2
        assert any(frame.is_corrupt for frame in itertools.islice(camera.decode(video=0), 60))


@pytest.mark.parametrize("by_s", [3600.0, -3600.0])
def test_a_clock_that_jumps_moves_the_capture_times(fault_server: FaultServer, by_s: float) -> None:
    stream = fault_server.add_stream("gate-7")
    fault_server.faults("gate-7").clock_jump_s = by_s
    with playing(stream, CLIP), open_camera(fault_server.url_of("gate-7")) as camera:
        taken_s = capture_time_s(list(itertools.islice(camera.demux(video=0), 3))[-1])
    assert taken_s is not None
    assert taken_s - time.time() == pytest.approx(by_s, abs=2.0)


def test_a_camera_without_battery_lives_in_1970(fault_server: FaultServer) -> None:
    stream = fault_server.add_stream("gate-7")
    fault_server.faults("gate-7").lose_clock()
    with playing(stream, CLIP), open_camera(fault_server.url_of("gate-7")) as camera:
        taken_s = capture_time_s(list(itertools.islice(camera.demux(video=0), 3))[-1])
    assert taken_s is not None
    assert taken_s < 60.0


def test_a_jump_of_the_media_time_is_seen_between_packets(fault_server: FaultServer) -> None:
    stream = fault_server.add_stream("gate-7")
    with playing(stream, CLIP), open_camera(fault_server.url_of("gate-7")) as camera:
        packets = camera.demux(video=0)
        _drain(itertools.islice(packets, 5))
        fault_server.faults("gate-7").jump(100.0)
        times = [packet.pts for packet in itertools.islice(packets, 15) if packet.pts is not None]
    assert max(b - a for a, b in itertools.pairwise(times)) > 90 * rtp.CLOCK_HZ


def test_a_camera_without_reports_gives_no_capture_time(fault_server: FaultServer) -> None:
    stream = fault_server.add_stream("gate-7")
    fault_server.faults("gate-7").is_mute = True
    with playing(stream, CLIP), open_camera(fault_server.url_of("gate-7")) as camera:
        assert all(capture_time_s(packet) is None for packet in itertools.islice(camera.demux(video=0), 10))


def test_a_frozen_camera_shows_one_picture(fault_server: FaultServer) -> None:
    stream = fault_server.add_stream("gate-7")
    with playing(stream, CLIP, speed=4.0), open_camera(fault_server.url_of("gate-7")) as camera:
        fault_server.faults("gate-7").is_frozen = True
        pictures = [frame.to_ndarray() for frame in itertools.islice(camera.decode(video=0), 60)]
    assert (pictures[-1] == pictures[-2]).all()


def test_a_stopped_server_frees_its_port() -> None:
    server = RtspServer()
    server.start()
    again = RtspServer(port=server.port)
    server.stop()
    again.start()
    again.stop()


def test_a_path_is_served_once(fault_server: FaultServer) -> None:
    fault_server.add_stream("gate-7")
    with pytest.raises(ValueError, match="stream gate-7: expected a new path"):
        fault_server.add_stream("/gate-7/")


def _drain(packets: Iterable[object]) -> None:
    for _ in packets:
        pass


def _status(server: RtspServer, request: str) -> int:
    with socket.create_connection((server.host, server.port), timeout=5) as wire:
        wire.sendall(f"{request}\r\n\r\n".encode())
        return int(wire.recv(4096).split()[1])
