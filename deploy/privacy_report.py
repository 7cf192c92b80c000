"""`drumtower privacy`: what is kept, where and for how long; from the settings and from what is there now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from deploy.parts import STAGES, open_bus, open_evidence, open_live
from deploy.settings import Settings
from detectors.vision.models import chosen_model
from ingest.bus.contract import Bus
from ingest.bus.topics import (
    ALERTS,
    CAMERAS,
    DEAD,
    FINDINGS,
    FRAMES,
    OBSERVATIONS,
    ZONE_MINUTES,
    ZONES,
    learned_topic,
    topic_specs,
)
from ingest.clock import NS_PER_S, Clock, SystemClock
from ingest.counted import counted
from ingest.errors import DrumtowerError
from ingest.live.contract import FramesKept, LiveStore

_WHAT = {
    CAMERAS: "the registry of cameras; passwords are named, not held",
    ZONES: "the registry of zones",
    OBSERVATIONS: "counts, boxes and grids of frames; no picture, and track numbers of one camera only",
    FRAMES: "references of pictures, no picture",
    FINDINGS: "what is the matter with a place; names of pictures, no picture",
    ALERTS: "what people were told; names of pictures, no picture",
    ZONE_MINUTES: "persons and density of each zone, by the minute",
    DEAD: "records that could not be read",
    learned_topic("detect"): "persons usual in each zone, by the quarter of an hour of seven weeks; nobody's track",
}


class Kept(msgspec.Struct, frozen=True):
    what: str
    where: str
    kept: str  # how long, as the settings say
    now: str  # what is there


def privacy_report(settings: Settings) -> list[Kept]:
    """What is kept; a store that does not answer says so in its own row."""
    clock = SystemClock()
    rows = [_frames(settings, clock), _evidence(settings, clock)]
    where = "the file bus.sqlite" if settings.bus.kind == "embedded" else "Kafka"
    try:
        bus = open_bus(settings)
        try:
            rows += _topics(settings, bus, clock, where)
        finally:
            bus.close()
    except DrumtowerError as error:
        rows.append(Kept("observations, findings, alerts", where, "not known", f"no answer: {error}"))
    book = "PostgreSQL" if settings.casebook.url.startswith("postgresql") else "the file casebook.sqlite"
    rows.append(_pictures_of_incidents(settings, clock, book))
    kept = "until an operator prunes it; never by itself"
    rows.append(Kept("incidents, their history and alerts; no picture, nobody's identity", book, kept, ""))
    minutes_kept = _spelt(settings.correlate.zone_minutes_kept_days * 86_400)
    rows.append(Kept("persons and density of each zone, a row a minute; nobody's track", book, minutes_kept, ""))
    rows.append(Kept("the audit: who read or changed what, by desk or address", book, "for ever", ""))
    rows.append(
        Kept("the log: states of cameras and roles; no picture, no password", "standard error", "its reader's", "")
    )
    return rows


def _frames(settings: Settings, clock: Clock) -> Kept:
    what = "pictures as the cameras send them, for the person detector alone; never shown, never written to disk by us"
    now = _now(settings, clock, lambda live: live.frames_kept())
    if not settings.ingest.frames and chosen_model(Path(settings.data) / "models", settings.perceive.model) is None:
        return Kept(what, _live(settings), "not at all: there is no model, and ingest.frames is off", now)
    return Kept(what, _live(settings), f"{settings.ingest.frame_lifetime_s:g} s", now)


def _evidence(settings: Settings, clock: Clock) -> Kept:
    what = "small pictures with covered persons, as evidence; people see those that an incident refers to"
    now = _now(settings, clock, lambda live: live.evidence_kept())
    evidence = settings.ingest.evidence
    if not evidence.pictures or not settings.ingest.signals:
        off = "ingest.evidence.pictures" if not evidence.pictures else "ingest.signals"
        return Kept(what, _live(settings), f"not at all: {off} is off", now)
    kept = f"{evidence.lifetime_s:g} s; of each camera one in {evidence.period_s:g} s"
    return Kept(what, _live(settings), kept, now)


def _pictures_of_incidents(settings: Settings, clock: Clock, book: str) -> Kept:
    what = "small pictures with covered persons that an incident refers to; each read is in the audit"
    kept_s, bytes_max = settings.correlate.evidence_kept_s, settings.correlate.evidence_bytes_max
    kept = f"{_spelt(kept_s)}, at most {bytes_max} bytes; then taken away" if kept_s else "not at all"
    try:
        pictures = open_evidence(settings)
        try:
            found = pictures.kept()
        finally:
            pictures.close()
    except DrumtowerError as error:
        return Kept(what, book, kept, f"no answer: {error}")
    if found.oldest_from_ns is None:
        return Kept(what, book, kept, "nothing")
    age = _spelt((clock.now_ns() - found.oldest_from_ns) / NS_PER_S)
    held = f"{counted(found.pictures, 'picture')}, {counted(found.size_bytes, 'byte')}"
    return Kept(what, book, kept, f"{held}, the oldest is {age} old")


def _live(settings: Settings) -> str:
    return "the memory of the process" if settings.live.kind == "memory" else "the memory of Redis"


def _now(settings: Settings, clock: Clock, look: Callable[[LiveStore], FramesKept]) -> str:
    if settings.live.kind == "memory":
        return "only the process itself can see them"
    try:
        live = open_live(settings, clock)
        try:
            kept = look(live)
        finally:
            live.close()
    except DrumtowerError as error:
        return f"no answer: {error}"
    held = f"{counted(kept.frames, 'picture')}, {counted(kept.size_bytes, 'byte')}"
    return f"{held}, the last gone in {kept.longest_s:.1f} s"


def _topics(settings: Settings, bus: Bus, clock: Clock, where: str) -> list[Kept]:
    rows = []
    for spec in topic_specs(settings.bus.partitions, STAGES):
        kept = "the last of each" if spec.retention_s is None else _spelt(spec.retention_s)
        what = _WHAT.get(spec.name, "the state of a stage: counts and times of zones and cameras")
        oldest_ns = [
            record.appended_at_ns
            for partition in range(bus.partition_counts().get(spec.name, 0))
            for record in bus.read(spec.name, partition, 0, 1)
        ]
        now = f"the oldest is {_spelt((clock.now_ns() - min(oldest_ns)) / NS_PER_S)} old" if oldest_ns else "nothing"
        rows.append(Kept(what, f"{where}, topic {spec.name}", kept, now))
    return rows


def _spelt(seconds: float) -> str:
    for size_s, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size_s:
            return f"{seconds / size_s:.3g} {unit}"
    return f"{max(seconds, 0.0):.0f} s"
