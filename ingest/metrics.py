"""
Every metric with its meaning, on a registry that is passed in. Base units; labels with few values, never a camera.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LATENCY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """All of them; a role touches only its own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(f"drumtower_{name}", meaning, labels, registry=registry)

        def gauge(name: str, meaning: str, *labels: str) -> Gauge:
            return Gauge(f"drumtower_{name}", meaning, labels, registry=registry)

        def histogram(name: str, meaning: str, *labels: str) -> Histogram:
            return Histogram(f"drumtower_{name}", meaning, labels, registry=registry, buckets=LATENCY_BUCKETS_S)

        self._records = counter("records", "Records that a stage has taken from its topic.", "stage")
        self._outputs = counter("outputs", "What a stage has appended to its topic.", "stage")
        self._dead = counter("dead_letters", "Records that a stage could not read or step.", "stage")
        self._rows_dropped = counter(
            "rows_dropped", "Rows that a stage passed over: late, unknown ...", "stage", "cause"
        )
        self._watermark = gauge("watermark_delay_seconds", "How far event time is behind the wall clock.", "stage")
        self._step = histogram("step_seconds", "Time of one step over a batch, encoding included.", "stage")
        self._commit = histogram("commit_seconds", "Time of one commit.", "stage")
        self._lag = gauge("lag_records", "Records that a stage has yet to take.", "stage", "partition")
        self._frames = counter("frames", "Frames that were read from cameras.")
        self._frames_dropped = counter("frames_dropped", "Frames that were read, but shed.", "cause")
        self._evidence = counter("evidence_pictures", "Pictures with covered persons, by their fate.", "outcome")
        self._reconnects = counter("reconnects", "Streams that were lost and are tried again.", "cause")
        self._cameras = gauge("cameras", "Cameras by the state of their stream.", "state")
        self._clocks = gauge(
            "cameras_by_clock_offset", "Cameras whose clock is off by no more than the bucket.", "off_s"
        )
        self._pictures = gauge(
            "cameras_by_picture", "Live cameras by what is wrong with their last picture.", "trouble"
        )
        self._flooding = gauge("cameras_flooding", "Cameras that send more than they may, and are held back.")
        self._held_back = counter("held_back_seconds", "Time in which streams were held back for their flood.")
        self._ticks = counter("ticks", "Ticks that were appended to the bus.")
        self._parsed_away = counter("fields_dropped", "Fields of a source that could describe a person.", "field")
        self.finding_latency = histogram("finding_latency_seconds", "Capture of the frame to its finding on the bus.")
        self.alert_latency = histogram("alert_latency_seconds", "Finding on the bus to its alert in the outbox.")
        self._alerts = counter("alerts", "Alerts in the outbox, by type.", "type")
        self._incidents = gauge("incidents_open", "Incidents that are not closed, by level.", "level")
        self._targets = counter("response_targets", "Response targets that were met or breached.", "target", "outcome")
        self.streams = gauge("stream_clients", "Browsers and programs that listen to the live stream.")
        self._requests = histogram("request_seconds", "Time of one HTTP request.", "route", "status")

    def stepped(self, stage: str, records: int, outputs: int, dead: int, seconds: float) -> None:
        self._records.labels(stage).inc(records)
        self._outputs.labels(stage).inc(outputs)
        if dead:
            self._dead.labels(stage).inc(dead)
        self._step.labels(stage).observe(seconds)

    def committed(self, stage: str, seconds: float) -> None:
        self._commit.labels(stage).observe(seconds)

    def lag(self, stage: str, partition: int, records: int) -> None:
        self._lag.labels(stage, str(partition)).set(records)

    def rows_dropped(self, stage: str, cause: str, rows: int) -> None:
        self._rows_dropped.labels(stage, cause).inc(rows)

    def watermark_delay(self, stage: str, seconds: float) -> None:
        self._watermark.labels(stage).set(seconds)

    def frames_read(self, frames: int) -> None:
        self._frames.inc(frames)

    def frames_dropped(self, cause: str, frames: int) -> None:
        self._frames_dropped.labels(cause).inc(frames)

    def evidence(self, outcome: str, pictures: int) -> None:
        self._evidence.labels(outcome).inc(pictures)

    def reconnected(self, cause: str) -> None:
        self._reconnects.labels(cause).inc()

    def cameras_by_state(self, counts: dict[str, int]) -> None:
        for state, count in counts.items():
            self._cameras.labels(state).set(count)

    def cameras_by_clock(self, counts: dict[str, int]) -> None:
        for bucket, count in counts.items():
            self._clocks.labels(bucket).set(count)

    def cameras_by_picture(self, counts: dict[str, int]) -> None:
        for trouble, count in counts.items():
            self._pictures.labels(trouble).set(count)

    def cameras_flooding(self, cameras: int) -> None:
        self._flooding.set(cameras)

    def held_back(self, seconds: float) -> None:
        self._held_back.inc(seconds)

    def ticked(self, ticks: int) -> None:
        self._ticks.inc(ticks)

    def fields_dropped(self, field: str, count: int) -> None:
        self._parsed_away.labels(field).inc(count)

    def alerted(self, kind: str) -> None:
        self._alerts.labels(kind).inc()

    def incidents_open(self, counts: dict[str, int]) -> None:
        for level, count in counts.items():
            self._incidents.labels(level).set(count)

    def response_target(self, target: str, outcome: str) -> None:
        self._targets.labels(target, outcome).inc()

    def requested(self, route: str, status: int, seconds: float) -> None:
        self._requests.labels(route, str(status)).observe(seconds)
