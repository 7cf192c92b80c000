"""
The detectors that are installed: entry points of the group `drumtower.detectors`, ours and a user's own alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import msgspec

from detectors.detector import Detector
from detectors.settings import DetectSettings
from ingest.errors import SettingsError, SettingsFaults
from ingest.schema.tick import Tick

GROUP = "drumtower.detectors"
_MEMBERS = ("name", "version", "reads", "settings", "prepare", "initial", "step", "save", "restore")
_COLUMNS = tuple(Tick.__slots__[4:])


@dataclass(frozen=True, slots=True)
class Configured:
    detector: Detector
    settings: Any  # of the detector's own type


def installed_detectors(entries: Iterable[EntryPoint] | None = None) -> dict[str, Detector]:
    """
    All installed detectors, by name and in its order.

    Args:
        entries: where to look; None looks at what is installed in this environment.

    Raises:
        SettingsError: none is installed, one cannot be imported or is no detector, or two have one name; each fault.
    """
    found = sorted(
        entry_points(group=GROUP) if entries is None else entries, key=lambda entry: (entry.name, entry.value)
    )
    if not found:
        raise SettingsError(
            f"entry points {GROUP}",
            expected="the product's own detectors at least",
            got="none",
            mend="Install the package (`pip install drumtower`, or `pip install -e .` in its folder).",
        )
    faults = [
        SettingsError(
            f"detector {name}",
            expected="one package that brings it",
            got=", ".join(entry.value for entry in found if entry.name == name),
            mend="Remove all but one of these packages.",
        )
        for name, count in Counter(entry.name for entry in found).items()
        if count > 1
    ]
    detectors = []
    for entry in found:
        try:
            detectors.append(_loaded(entry))
        except SettingsError as fault:
            faults.append(fault)
    _raise(faults)
    return {each.name: each for each in detectors}


def prepared_settings(settings: DetectSettings, detectors: Iterable[Detector] | None = None) -> tuple[Configured, ...]:
    """
    The detectors that shall run, by name, each with its settings.

    Raises:
        SettingsError: as `installed_detectors`; settings that a detector refuses, or for one that is not there.
        SettingsFaults: several of these.
    """
    given = installed_detectors().values() if detectors is None else detectors
    all_of_them = sorted(given, key=lambda each: each.name)
    names = [each.name for each in all_of_them]
    faults = [
        SettingsError(
            f"detect.{where}: {name}",
            expected=f"an installed detector ({', '.join(names)})",
            got="one that is not",
            mend="Mend the name, or install the package that brings it.",
        )
        for where, named in (("off", settings.off), ("detectors", settings.detectors))
        for name in named
        if name not in names
    ]
    running = []
    for each in all_of_them:
        try:
            running.append(Configured(each, settings_of(each, settings.detectors.get(each.name, {}))))
        except SettingsError as fault:
            faults.append(fault)
    _raise(faults)
    return tuple(each for each in running if each.detector.name not in settings.off)


def settings_of(detector: Detector, given: dict[str, Any]) -> Any:
    """
    A detector's own settings from what a file says.

    Raises:
        SettingsError: names the detector and the field.
    """
    try:
        return msgspec.convert(given, detector.settings)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at ")
        raise SettingsError(
            f"detect.detectors.{detector.name}{path.strip('`$')}",
            expected="settings that this detector takes",
            got=reason,
            mend="`drumtower detectors list` shows its settings and their defaults.",
        ) from error


def _loaded(entry: EntryPoint) -> Detector:
    thing = f"detector {entry.name}"
    try:
        detector: Detector = entry.load()
    except Exception as error:  # a stranger's package may fail in any way while it is imported
        raise SettingsError(
            thing,
            expected=f"{entry.value} to be importable",
            got=f"{type(error).__name__}: {error}",
            mend="Mend or remove the package that brings it.",
        ) from error
    missing = [member for member in _MEMBERS if not hasattr(detector, member)]
    if missing:
        raise SettingsError(
            thing,
            expected="a detector as detectors/detector.py describes it",
            got=f"{entry.value} without {', '.join(missing)}",
            mend="Add them, or point the entry point at the detector itself.",
        )
    if detector.name != entry.name:
        raise SettingsError(
            thing,
            expected="an entry point of the detector's own name",
            got=str(detector.name),
            mend="Give both the same name.",
        )
    strange = [column for column in detector.reads if column not in _COLUMNS]
    if strange:
        raise SettingsError(
            f"{thing}: reads",
            expected=f"columns of the tick ({', '.join(_COLUMNS)})",
            got=", ".join(strange),
            mend="Mend the names.",
        )
    return detector


def _raise(faults: list[SettingsError]) -> None:
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise SettingsFaults(faults)
