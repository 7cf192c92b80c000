"""
The composition root: roles, made of the parts that they are given. The code of a role is the same on one machine and on
many.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import msgspec
import structlog

from correlator.evidence.role import EvidenceRole
from correlator.incidents.role import CorrelateRole
from correlator.incidents.settings import CorrelateSettings
from correlator.zone_history.role import HistoryRole
from deploy.http.app import Desk, app
from deploy.http.district_view import DistrictView
from deploy.http.evidence import EvidenceRoom
from deploy.http.server import serve
from deploy.http.stream import LiveStream
from deploy.parts import Parts, open_book, open_evidence
from deploy.roles import Role, Run
from deploy.settings import Settings, correlate_settings, detect_settings
from detectors.recorded_stage import RecordedStage
from detectors.stage import DetectStage
from detectors.vision.models import ModelCard, chosen_model, load_model
from ingest.cameras.role import IngestRole
from ingest.clock import NS_PER_S
from ingest.evidence import EvidenceSettings
from ingest.registry.district import Camera, District, Zone, labels_of
from ingest.registry.topics import read_district
from ingest.stages.runner import Runner

ROLES = ("ingest", "perceive", "detect", "correlate", "serve")
REGISTRY_PERIOD_NS = 3 * NS_PER_S


def roles(parts: Parts, names: tuple[str, ...]) -> list[Role]:
    """The roles of these names, ready to run."""
    makers = {"ingest": _ingest, "perceive": _perceive, "detect": _detect, "correlate": _correlate, "serve": _serve}
    made = [Role(name, makers[name](parts)) for name in names]
    if "correlate" in names:  # beside it, so that a slow history or a dead live store hold up no alert
        made += [Role("history", _history(parts)), Role("evidence", _evidence(parts))]
    return made


def _ingest(parts: Parts) -> Run:
    # Pictures leave the workers only where a model looks at them: what nobody needs is not kept.
    settings = parts.settings.ingest
    settings = msgspec.structs.replace(settings, frames=settings.frames or _model(parts.settings) is not None)
    log = structlog.get_logger().bind(role="ingest")
    return IngestRole(parts.bus, parts.live, settings, parts.clock, parts.metrics, log, parts.member).run


def _detect(parts: Parts) -> Run:
    def run(stop: threading.Event) -> None:
        # A changed registry is a new stage over the same snapshots: the runner drains and is built again.
        while not stop.is_set():
            district = read_district(parts.bus)
            detect = DetectStage(district, detect_settings(parts.settings), pictures=_pictures(parts.settings))
            stage = RecordedStage(detect, synthetic=parts.demo)
            log = structlog.get_logger().bind(stage=stage.name)
            log.info(
                "district.taken", version=district.version, cameras=len(district.cameras), zones=len(district.zones)
            )
            if not district.cameras:
                log.warning("district.empty", mend="drumtower cameras import cameras.csv")
            watch = _RegistryWatch(parts, district.version, stop)
            _runner(parts, stage, log, parts.settings.detect.snapshots_apart_s).run(watch.ended, watch.look)

    return run


def _perceive(parts: Parts) -> Run:
    def run(stop: threading.Event) -> None:
        log = structlog.get_logger().bind(stage="perceive")
        card = _model(parts.settings)
        if card is None:
            log.info("model.none", meaning="occupancy is estimated from the foreground", mend="drumtower models add")
            stop.wait()
            return
        from detectors.vision.covering import covering
        from detectors.vision.hazard import hazard_finder
        from detectors.vision.stage import PerceiveStage

        store = _model_store(parts.settings)
        hazard = chosen_model(store, parts.settings.perceive.hazard_model, "hazards")

        stage = PerceiveStage(
            load_model(store, card.name),
            parts.live.frame,
            parts.settings.perceive,
            cover=covering(parts.live, parts.settings.ingest.evidence.quality),
            hazards=None if hazard is None else hazard_finder(load_model(store, hazard.name)),
        )
        for each in (card, hazard):
            if each is not None:
                log.info("model.loaded", model=each.name, licence=each.licence)
        _runner(parts, stage, log).run(stop)

    return run


def _correlate(parts: Parts) -> Run:
    def run(stop: threading.Event) -> None:
        casebook = open_book(parts.settings)
        log = structlog.get_logger().bind(role="correlate")
        settings = _with_names(correlate_settings(parts.settings), read_district(parts.bus))
        role = CorrelateRole(parts.bus, casebook, settings, parts.clock, parts.metrics, log, parts.member)
        try:
            role.run(stop)
        finally:
            casebook.close()

    return run


def _history(parts: Parts) -> Run:
    def run(stop: threading.Event) -> None:
        casebook = open_book(parts.settings)
        log = structlog.get_logger().bind(role="history")
        kept_days = parts.settings.correlate.zone_minutes_kept_days
        try:
            HistoryRole(parts.bus, casebook, kept_days, parts.clock, log, parts.member).run(stop)
        finally:
            casebook.close()

    return run


def _evidence(parts: Parts) -> Run:
    def run(stop: threading.Event) -> None:
        settings, log = parts.settings, structlog.get_logger().bind(role="evidence")
        casebook, book = open_book(settings), open_evidence(settings)
        pictures = settings.ingest.evidence
        role = EvidenceRole(casebook, book, parts.live, pictures, settings.correlate, parts.clock, parts.metrics, log)
        try:
            role.run(stop)
        finally:
            book.close()
            casebook.close()

    return run


def _pictures(settings: Settings) -> EvidenceSettings | None:
    """Which pictures the workers keep; without signals they cannot tell whom to cover, and keep none."""
    kept = settings.ingest.evidence
    return kept if kept.pictures and settings.ingest.signals else None


def _with_names(settings: CorrelateSettings, district: District) -> CorrelateSettings:
    """Titles speak of places as the registry calls them, and cameras hang on what it says; the settings come first."""
    places: list[Camera | Zone] = [*district.cameras, *district.zones]
    hangs_on = {camera.id: hung for camera in district.cameras if (hung := labels_of(camera))}
    return msgspec.structs.replace(
        settings,
        names={place.id: place.name for place in places} | settings.names,
        hangs_on=hangs_on | settings.hangs_on,
    )


def _serve(parts: Parts) -> Run:
    def run(stop: threading.Event) -> None:
        casebook = open_book(parts.settings)
        view = DistrictView(lambda: read_district(parts.bus), parts.live, parts.clock)
        stream = LiveStream(casebook, view, parts.clock, parts.metrics)
        http, book = parts.settings.http, open_evidence(parts.settings)
        kept_s = parts.settings.correlate.evidence_kept_s
        room = EvidenceRoom(book, parts.live.evidence, parts.settings.ingest.evidence, kept_s)
        desk = Desk(
            parts.settings.name,
            parts.demo,
            casebook,
            view,
            stream,
            parts.clock,
            parts.metrics,
            parts.health,
            parts.bus,
            parts.settings.time_zone,
            room,
        )
        try:
            serve(app(desk, http.allowed_hosts), http.host, http.port, stop)
        finally:
            book.close()
            casebook.close()

    return run


def _runner(parts: Parts, stage: Any, log: Any, snapshots_apart_s: float = 0.0) -> Runner[Any, Any, Any]:
    return Runner(
        parts.bus,
        stage,
        member=parts.member,
        clock=parts.clock,
        metrics=parts.metrics,
        log=log,
        live=parts.live,
        snapshots_apart_s=snapshots_apart_s,
    )


class _RegistryWatch:
    """Ends a run when the district is no longer the one that it began with, or when all is to stop."""

    def __init__(self, parts: Parts, version: str, stop: threading.Event) -> None:
        self._parts, self._version, self._stop = parts, version, stop
        self._due_ns = parts.clock.monotonic_ns() + REGISTRY_PERIOD_NS
        self.ended = threading.Event()

    def look(self) -> None:
        if self._stop.is_set():
            self.ended.set()
        elif self._parts.clock.monotonic_ns() >= self._due_ns:
            self._due_ns = self._parts.clock.monotonic_ns() + REGISTRY_PERIOD_NS
            if read_district(self._parts.bus).version != self._version:
                self.ended.set()


def _model_store(settings: Settings) -> Path:
    return Path(settings.data) / "models"


def _model(settings: Settings) -> ModelCard | None:
    """The model that the settings name; without a name the only one for persons in the store; None: there is none."""
    return chosen_model(_model_store(settings), settings.perceive.model)
