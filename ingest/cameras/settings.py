"""The settings of the ingest role: what each camera is read with, and what is kept of it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from ingest.bus.kafka_settings import KafkaSettings
from ingest.cameras.metadata.event_rules import EventRule
from ingest.evidence import EvidenceSettings

Seconds = Annotated[float, msgspec.Meta(gt=0.0, le=86_400.0)]
PerWorker = Annotated[int, msgspec.Meta(ge=1, le=128)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class IngestSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section `[ingest]` of the settings."""

    # Ticks
    tick_ms: Annotated[int, msgspec.Meta(ge=20, le=10_000)] = 200  # interval of a tick
    ticks_pending_max: Count = 500  # encoded ticks kept while the bus cannot take them; the oldest are shed
    flush_s_max: Seconds = 1.0  # longest wait for the bus in one round
    observations_pending_max: Count = 20_000  # kept in the role until the next tick; the oldest are shed

    # Opening and reading
    stream_width_px_min: Annotated[int, msgspec.Meta(ge=16, le=7_680)] = (
        640  # the smallest stream as wide as this is read
    )
    open_s_max: Seconds = 5.0  # longest time for a camera to answer
    read_s_max: Seconds = 5.0  # no packet for so long: the camera is stalled
    metadata_silence_s_max: Seconds = 30.0  # a metadata camera may be still while nothing moves
    open_spread_s: Annotated[float, msgspec.Meta(ge=0.0, le=10.0)] = 0.02  # between two cameras of one worker at start
    backoff_s_max: Seconds = 60.0  # longest pause before a camera is tried again
    auth_retry_s: Seconds = 300.0  # after two quick tries: more would lock the account
    busy_retry_s: Seconds = 60.0  # a camera that refuses (453, 503)
    steady_s: Seconds = 30.0  # a stream that lived so long starts its back-off anew
    file_folders: tuple[str, ...] = ()  # recordings are read below these folders only; none: no recordings
    file_loops: bool = True  # whether a file begins again at its end
    # packets a second of one camera's stream, 5 s of them at once; then it is read no faster
    stream_packets_per_s_max: Annotated[float, msgspec.Meta(ge=1.0, le=100_000.0)] = 250.0
    stream_mbit_per_s_max: Annotated[float, msgspec.Meta(ge=0.1, le=10_000.0)] = 100.0  # the same for its bits
    picture_mpx_max: Annotated[float, msgspec.Meta(ge=0.1, le=500.0)] = 40.0  # a larger picture is not decoded

    # Secrets
    password_command: tuple[str, ...] = ()  # prints the password of a camera; gets its `password_key` as last argument

    # Time
    clock_offset_s_max: Seconds = 2.0  # a camera's own time counts only within this of arrival

    # Metadata
    metadata_period_s: Seconds = 0.2  # metadata frames that come faster are thinned
    metadata_documents_per_s_max: Annotated[float, msgspec.Meta(ge=1.0, le=10_000.0)] = 100.0  # of a camera; then shed
    metadata_pending_max: Count = 500  # documents of one topic that wait to be read; the oldest are shed
    mqtt_ca_file: str | None = None  # certificates to trust for `mqtts://`; none: those of the system
    frigate_silence_s_max: Seconds = 150.0  # Frigate tells how it is once a minute
    events: tuple[EventRule, ...] = ()  # `[[ingest.events]]`, more rules of cameras to kinds of events; docs/sources.md
    kafka: KafkaSettings = KafkaSettings()  # how to reach a Kafka of DeepStream; its address is in the camera's url

    # Pictures
    signals: bool = True  # whether pictures are measured: foreground, sharpness, brightness, freeze
    flow: bool = False  # whether motion is measured too (optical flow)
    absorb_s: Seconds = 1_800.0  # a crowd that stands still is background after about this long
    frozen_s: Seconds = 4.0  # exactly the same picture for so long, over three key frames, is frozen
    key_gap_s_max: Seconds = 10.0  # key frames further apart are told: after a loss nothing is seen for so long
    frames: bool = False  # JPEG of each sample to the live store, for the perceive stage
    frame_width_px: Annotated[int, msgspec.Meta(ge=64, le=7_680)] = 960  # of the JPEG
    frame_quality: Annotated[int, msgspec.Meta(ge=1, le=100)] = 80  # of the JPEG, 1 to 100
    frame_lifetime_s: Seconds = 10.0  # of a JPEG in the live store
    evidence: EvidenceSettings = EvidenceSettings()  # pictures with covered persons, which people may see

    # Workers
    worker_mib_max: Annotated[int, msgspec.Meta(ge=256, le=1_048_576)] = 4_096  # resident; a larger one is ended
    cameras_per_worker: PerWorker = 40  # video cameras in one process
    metadata_cameras_per_worker: PerWorker = 100  # metadata cameras in one process
    # cameras behind brokers in one process: those of one broker share one connection
    broker_cameras_per_worker: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 1_000
    workers_spread: Count = 2  # so many video workers are filled evenly before any is filled up
    observations_per_worker_max: Count = 2_000  # kept in a worker that its parent does not empty; the oldest are shed
    lease_s: Seconds = 4.0  # a role that slept longer asks whether its cameras are its own; below bus.kafka.session_s
    heartbeat_s_max: Seconds = 20.0  # a worker silent for so long is killed and started again
    crashes_max: Count = 3  # a camera that took its worker down so often is quarantined
    quarantine_s: Seconds = 1_800.0  # how long it is left alone

    # Live picture
    states_period_s: Seconds = 1.0  # how often the live picture of cameras is written
    states_lifetime_s: Seconds = 30.0  # how long it stays without being written again
