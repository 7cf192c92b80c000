"""`drumtower doctor`: whether each part works, on this machine and now, and what to do where one does not."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from deploy.checking import check_all
from deploy.parts import data_folder, open_book, open_bus, open_live
from deploy.settings import Settings
from detectors.vision.models import chosen_model, load_model
from ingest.bus.contract import Draft
from ingest.bus.topics import CAMERAS
from ingest.clock import NS_PER_S, SystemClock
from ingest.counted import counted
from ingest.errors import DrumtowerError, SettingsError, SettingsFaults
from ingest.registry.topics import read_registry

FREE_BYTES_MIN = 1 << 30
_TIME_ERROR = 5  # what adjtimex(2) returns for a clock that nobody keeps
_BUILT = datetime(2026, 1, 1, tzinfo=UTC)
_PROBE = "doctor-probe"


class Finding(msgspec.Struct, frozen=True):
    part: str
    ok: bool
    said: str  # what was seen, or what is wrong and how to mend it


def doctor(settings: Settings) -> list[Finding]:
    """A finding for each part; it changes nothing but a picture of a second in the live store."""
    parts: list[tuple[str, Callable[[], str]]] = [
        ("settings", lambda: _settings(settings)),
        ("disk", lambda: _disk(settings)),
        ("clock", _clock),
        ("bus", lambda: _bus(settings)),
        ("live store", lambda: _live(settings)),
        ("casebook", lambda: _casebook(settings)),
        ("model", lambda: _model(settings)),
    ]
    return [_found(name, look) for name, look in parts]


def _found(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, look())
    except SettingsFaults as error:
        return Finding(name, False, " ".join(str(fault) for fault in error.faults))
    except DrumtowerError as error:
        return Finding(name, False, str(error))


def _settings(settings: Settings) -> str:
    notes, faults = check_all(lambda: settings)
    if faults:
        raise SettingsFaults(faults)
    return f"{counted(len(notes), 'note')}; `drumtower check` shows them" if notes else "as they should be"


def _disk(settings: Settings) -> str:
    folder = data_folder(settings)
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES_MIN:
        raise SettingsError(
            f"data folder {folder}",
            expected=f"{FREE_BYTES_MIN >> 20} MiB free",
            got=f"{free >> 20} MiB",
            mend="Free some space on this disk, or move `data` to another.",
        )
    return f"{free >> 30} GiB free in {folder}"


def _clock() -> str:
    now = datetime.now(UTC)
    if now < _BUILT:
        raise SettingsError(
            "clock", expected=f"a time after {_BUILT:%Y}", got=f"{now:%Y-%m-%d}", mend="Set it, and turn NTP on."
        )
    try:
        kept = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)) != _TIME_ERROR
    except (OSError, AttributeError):
        return "right as far as can be told here"
    return "kept by NTP" if kept else "nobody says that it is kept by NTP (in a container: look at the host)"


def _bus(settings: Settings) -> str:
    begun_ns = SystemClock().monotonic_ns()
    bus = open_bus(settings)
    try:
        district, broken = read_registry(bus)
        # A record of no camera: who follows the registry passes over the end of what is not there.
        producer = bus.producer()
        producer.append(Draft(CAMERAS, 0, _PROBE.encode(), None))
        producer.flush(10.0)
        producer.close()
        partitions = bus.partition_counts()[CAMERAS]
    finally:
        bus.close()
    if broken:
        raise SettingsError(
            "registry", expected="records that can be read", got=f"{len(broken)} that cannot", mend=str(broken[0])
        )
    took_s = (SystemClock().monotonic_ns() - begun_ns) / NS_PER_S
    held = f"{counted(partitions, 'partition')}, {counted(len(district.cameras), 'camera')}"
    return f"{settings.bus.kind}, {held}; answered in {took_s:.2f} s"


def _live(settings: Settings) -> str:
    live = open_live(settings, SystemClock())
    try:
        name = f"{_PROBE}-{os.getpid()}"
        if not live.put_frame(name, b"drumtower", 1.0) or live.frame(name) != b"drumtower":
            raise SettingsError(
                f"live store {settings.live.kind}",
                expected="room for a picture",
                got="none",
                mend="Raise the `maxmemory` of Redis, or shorten ingest.frame_lifetime_s.",
            )
        kept = live.frames_kept()
    finally:
        live.close()
    return f"{settings.live.kind}, {counted(kept.frames, 'picture')}"


def _casebook(settings: Settings) -> str:
    casebook = open_book(settings)
    try:
        whole, broken_at = casebook.verify_audit()
        sequence = casebook.sequence()
    finally:
        casebook.close()
    if not whole:
        raise SettingsError(
            "casebook: audit",
            expected="rows as they were written",
            got=f"row {broken_at} changed or missing",
            mend="Someone wrote into the database by hand: keep a copy, and find out who.",
        )
    return f"{counted(sequence, 'alert')} so far; the audit is whole"


def _model(settings: Settings) -> str:
    store = Path(settings.data) / "models"
    card = chosen_model(store, settings.perceive.model)
    if card is None:
        return "none: occupancy is estimated from the foreground; `drumtower models add` adds one"
    load_model(store, card.name)
    return f"{card.name}, licence {card.licence}"
