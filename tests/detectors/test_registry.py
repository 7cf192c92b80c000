"""Detectors come in by one door, ours and a user's own."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import msgspec
import pytest

from detectors.columns import parts, restore
from detectors.crowd.rules.capacity import detector as capacity
from detectors.health.stream import detector as stream
from detectors.onset import blank
from detectors.registry import GROUP, installed_detectors, prepared_settings
from detectors.settings import DetectSettings
from ingest.errors import RecordError, SettingsError, SettingsFaults

OURS = {
    "crowd.capacity": "detectors.crowd.rules.capacity:detector",
    "health.stream": "detectors.health.stream:detector",
}


def entries(**more: str) -> list[EntryPoint]:
    return [EntryPoint(name.replace("__", "."), value, GROUP) for name, value in (OURS | more).items()]


def test_ours_come_in_by_their_entry_points():
    assert installed_detectors(entries()) == {"crowd.capacity": capacity, "health.stream": stream}


@pytest.mark.parametrize("detector", [capacity, stream])
def test_settings_have_a_default_for_each_field_and_take_no_other(detector):
    assert msgspec.convert({}, detector.settings)
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert({"persons_mni": 20}, detector.settings)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "nowhere.at_all:detector",
            "detector my.own: expected nowhere.at_all:detector to be importable, got ModuleNot",
        ),
        (
            "detectors.onset:missing",
            "detector my.own: expected detectors.onset:missing to be importable, got Attribute",
        ),
        ("detectors.onset:RULE", "to be importable"),
        ("detectors.onset:NEVER", "detector my.own: expected a detector as .* without name, version"),
        ("detectors.health.stream:detector", "an entry point of the detector's own name, got health.stream"),
    ],
)
def test_a_detector_that_does_not_fit_is_named(value, message):
    with pytest.raises(SettingsError, match=message):
        installed_detectors(entries(my__own=value))


def test_a_detector_that_reads_what_no_tick_has_is_named(monkeypatch):
    monkeypatch.setattr(type(stream), "reads", ("camera", "faces"))
    with pytest.raises(
        SettingsError, match=r"detector health.stream: reads: expected columns of the tick .* got faces"
    ):
        installed_detectors(entries())


def test_two_detectors_of_one_name_are_refused():
    with pytest.raises(SettingsError, match=r"detector health.stream: expected one package"):
        installed_detectors([*entries(), EntryPoint("health.stream", "other.package:detector", GROUP)])


def test_no_detector_at_all_is_a_fault_not_silence():
    with pytest.raises(SettingsError, match="the product's own detectors at least, got none"):
        installed_detectors([])


def test_bad_settings_name_the_detector_and_the_field_and_all_faults_are_listed():
    bad = DetectSettings(detectors={"crowd.capacity": {"persons_min": 3}, "crowd.capacty": {}}, off=("health.steam",))
    with pytest.raises(SettingsFaults) as caught:
        prepared_settings(bad, installed_detectors(entries()).values())
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(
        "detect.off: health.steam: expected an installed detector (crowd.capacity, health.stream)"
    )
    assert lines[1].startswith("detect.detectors: crowd.capacty")
    assert lines[2].startswith("detect.detectors.crowd.capacity.persons_min: expected")


def test_a_detector_that_is_off_does_not_run():
    running = prepared_settings(DetectSettings(off=("health.stream",)), installed_detectors(entries()).values())
    assert [each.detector.name for each in running] == ["crowd.capacity"]


def test_a_condition_is_told_again_before_it_would_count_as_silent():
    with pytest.raises(msgspec.ValidationError, match="silent_s >= 2"):
        msgspec.convert({"silent_s": 15.0}, DetectSettings)


def test_saved_columns_that_are_not_whole_are_refused():
    with pytest.raises(RecordError):
        restore(["a"], blank(1, 3), b"\x01")
    with pytest.raises(RecordError, match="2 parts"):
        parts(b"\x91\xc4\x00", 2)
