"""A camera that sends pictures, RTSP or file: packets in one thread, decoding and signals in the worker's analyst."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from zlib import crc32

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from ingest.cameras.evidence_picture import EvidenceSlots, encoded, evidence_picture
from ingest.cameras.observation import Observation
from ingest.cameras.settings import IngestSettings
from ingest.cameras.signals import HEIGHT, WIDTH, SignalReader, Signals, SignalSettings
from ingest.cameras.signals.sample import from_planes
from ingest.cameras.sources.cause import source_error
from ingest.cameras.sources.choice import StreamChoice
from ingest.cameras.sources.sampler import Sampler, Want
from ingest.cameras.sources.stream import StreamPacket, VideoStream, Zero, open_file, open_rtsp
from ingest.cameras.sources.timeline import TimeLine, place
from ingest.cameras.workers.analyst import Analyst, Job
from ingest.cameras.workers.danger import Danger
from ingest.cameras.workers.outbox import Outbox
from ingest.cameras.workers.reader import Reader, RecordingOver
from ingest.clock import NS_PER_S, Clock
from ingest.registry.district import Camera
from ingest.schema.tick import U8, Picture, TimeSource

_JOBS_MAX = 300  # packets that a fully decoded stream may owe the decoder
_JOB_NS_MAX = 2 * NS_PER_S
_PICTURE_S_MAX = 90.0  # packets without a picture for so long: longer than any sane key-frame gap
_KEYS_MAX = 8
_ROUGH_PIXELS = 4  # a picture that is scaled down by more is averaged, not sampled


class VideoReader(Reader):
    """Reads one camera; `next_job` and `look` are the analyst's, the rest is the reader thread's."""

    def __init__(
        self,
        camera: Camera,
        slot: int,
        settings: IngestSettings,
        clock: Clock,
        outbox: Outbox,
        danger: Danger,
        analyst: Analyst,
    ) -> None:
        super().__init__(camera, slot, settings, clock, outbox, danger)
        self._analyst = analyst
        self._choice = StreamChoice(
            max(settings.stream_width_px_min, settings.frame_width_px if settings.frames else 0)
        )
        self._jobs: deque[Job] = deque()
        self._lock = threading.Lock()
        self._scaler, self._jpeg_scaler = VideoReformatter(), VideoReformatter()
        signals = SignalSettings(absorb_s=settings.absorb_s, frozen_s=settings.frozen_s, flow=settings.flow)
        self._signals = SignalReader(signals) if settings.signals else None
        self._key_digests: deque[int] = deque(maxlen=_KEYS_MAX)  # since the last picture that was looked at
        self._slots = EvidenceSlots(settings.evidence, camera.id) if settings.evidence.pictures else None
        self._size = (0, 0)
        self._line = TimeLine(bound_ns=int(settings.clock_offset_s_max * NS_PER_S))
        self._zero: Zero | None = None
        self._file_at_s = 0.0
        self._pictured_ns = 0
        self._failure: str | None = None

    def session(self) -> None:
        """One connection, from open to its loss."""
        stream = self.opened(self._open)
        assert isinstance(stream, VideoStream)
        with closing(stream):
            sampler = Sampler(self.camera.sampling_period_s)
            self._pictured_ns = self.clock.monotonic_ns()
            packets, self._failure = 0, None
            for packet in self._packets(stream):
                packets += 1
                if self.ended.is_set():
                    return
                self.deadline(self.settings.read_s_max * 2 + 60.0 * (self.camera.source == "file"))
                self.say("live")
                self._offer(stream, packet, sampler)
                if self._failure is not None:
                    raise source_error(self.camera, "broken_stream", self._failure)
                self.hold_back(packet.packet.size)
                if self.clock.monotonic_ns() - self._pictured_ns > _PICTURE_S_MAX * NS_PER_S:
                    raise source_error(self.camera, "no_video", "packets without a picture")
        if self.camera.source == "file" and not self.ended.is_set():
            if not packets:
                raise source_error(self.camera, "no_video", "no picture")
            if not self.settings.file_loops:
                raise RecordingOver

    def _open(self) -> VideoStream:
        if self.camera.source == "file":
            return open_file(self.camera, self.settings, self.clock)
        after_none = self.last_cause in ("no_video", "broken_stream")
        return self._choice.open(
            self.camera,
            lambda camera, look_longer: open_rtsp(
                camera, self.settings, self.clock, look_longer or after_none, self.last_cause in ("refused", "no_video")
            ),
        )

    def _packets(self, stream: VideoStream) -> Iterator[StreamPacket]:
        if self.camera.source != "file":
            yield from stream.packets()
            return
        if self._zero is None:
            self._zero = Zero(self.clock.monotonic_ns(), self.clock.now_ns())
        for packet in stream.file_packets(self._file_at_s, self._zero, self.ended):
            self._file_at_s = max(self._file_at_s, packet.at_s + 0.04)
            yield packet

    def _offer(self, stream: VideoStream, packet: StreamPacket, sampler: Sampler) -> None:
        want = sampler.offer(packet.packet.is_keyframe, packet.at_s)
        self.key_gap_s = sampler.key_gap_s
        if want is Want.PASS:
            return
        job = Job(stream, packet, want, sampler.keys_only)
        with self._lock:
            waiting = self._jobs
            oldest_ns = waiting[0].packet.arrived_at_ns if waiting else packet.arrived_at_ns
            slow = len(waiting) >= _JOBS_MAX or packet.arrived_at_ns - oldest_ns > _JOB_NS_MAX
            if waiting and packet.packet.is_keyframe and (sampler.keys_only or slow):
                # A key frame needs nothing before it: only the newest picture counts.
                self._shed()
            elif slow:
                self._shed()
                sampler.unchain()
                return
            waiting.append(job)
        self._analyst.call(self)

    def _shed(self) -> None:
        self.outbox.count("frames_dropped", "slow", sum(job.want is Want.SAMPLE for job in self._jobs))
        self._jobs.clear()

    # From here on: the analyst's thread.
    def next_job(self) -> Job | None:
        with self._lock:
            return self._jobs.popleft() if self._jobs else None

    def look(self, job: Job) -> None:
        """Decode, and tell what is seen where the picture is wanted."""
        with job.stream.lock:
            if job.stream.decoder is None:  # of an earlier connection
                return
            if job.packet.packet.is_keyframe and self._signals is not None:
                self._key_digests.append(crc32(memoryview(job.packet.packet)))
            decoded = job.stream.decoder.decode(job.packet.packet, job.want, job.keys_only)
        if decoded.corrupt:
            self.outbox.count("frames_dropped", "corrupt")
            self._tell(job.packet, *self._size, Picture.CORRUPT)
        elif decoded.frame is not None:
            self._pictured_ns = self.clock.monotonic_ns()
            self._see(job.packet, decoded.frame)

    def failed(self, error: Exception) -> None:
        """The connection is begun anew. Only the error's type is told: its text may hold anything."""
        self._failure = type(error).__name__

    def _see(self, packet: StreamPacket, frame: VideoFrame) -> None:
        size = (frame.width, frame.height)
        if size != self._size:
            self._size = size
            if self._signals is not None:
                self._signals.reset()
        jpeg = self._jpeg(frame) if self.settings.frames else None
        if self._signals is None:
            self._tell(packet, *size, Picture(0), jpeg=jpeg)
            return
        how = "AREA" if frame.width > WIDTH * _ROUGH_PIXELS else "BILINEAR"
        small = self._scaler.reformat(frame, WIDTH, HEIGHT, format="yuv420p", interpolation=how, threads=1)
        grey, colour = from_planes(small.to_ndarray().astype(np.uint8, copy=False))
        captured_ns, source = self._placed(packet)
        seen = self._signals.read(grey, captured_ns, colour, tuple(self._key_digests))
        self._key_digests.clear()
        self.picture = seen.picture
        self._put(
            Observation(
                camera=self.camera.number,
                captured_at_ns=captured_ns,
                arrived_at_ns=packet.arrived_at_ns,
                time_source=source,
                width=min(size[0], 65_535),
                height=min(size[1], 65_535),
                picture=seen.picture,
                foreground=seen.foreground,
                flame=seen.flame,
                smoke=seen.smoke,
                sharpness=seen.sharpness,
                brightness=seen.brightness,
                foreground_grid=seen.foreground_grid,
                flow_grid=seen.flow_grid,
                events=seen.events,
                jpeg=jpeg,
                evidence=self._evidence(colour, captured_ns, seen),
            )
        )

    def _evidence(self, colour: U8, captured_ns: int, seen: Signals) -> bytes | None:
        """The first picture of each slot, its persons covered."""
        if self._slots is None or not self._slots.is_new(captured_ns):
            return None
        return evidence_picture(colour, *self._size, seen, self.settings.evidence.quality)

    def _tell(self, packet: StreamPacket, width: int, height: int, picture: Picture, jpeg: bytes | None = None) -> None:
        captured_ns, source = self._placed(packet)
        self.picture = int(picture)
        size = min(width, 65_535), min(height, 65_535)
        number, arrived_ns = self.camera.number, packet.arrived_at_ns
        self._put(Observation(number, captured_ns, arrived_ns, source, *size, int(picture), jpeg=jpeg))

    def _put(self, observation: Observation) -> None:
        self.last_frame_at_ns = observation.arrived_at_ns
        self.outbox.put(observation)

    def _placed(self, packet: StreamPacket) -> tuple[int, TimeSource]:
        if self.camera.source == "file":
            assert packet.camera_at_ns is not None
            return packet.camera_at_ns, TimeSource.FILE
        self._line, captured_ns, source = place(self._line, packet.camera_at_ns, packet.arrived_at_ns)
        self.offset_ns = self._line.offset_ns
        return captured_ns, source

    def _jpeg(self, frame: VideoFrame) -> bytes | None:
        width = min(self.settings.frame_width_px, frame.width)
        height = max(2, round(frame.height * width / frame.width) & ~1)
        scaled = self._jpeg_scaler.reformat(frame, width, height, format="bgr24", interpolation="AREA", threads=1)
        return encoded(scaled.to_ndarray().astype(np.uint8, copy=False), self.settings.frame_quality)
