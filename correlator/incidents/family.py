"""Hazard families: only conditions of one family are ever one incident. And what a kind is called by people."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from correlator.incidents.settings import CorrelateSettings
from ingest.counted import counted
from ingest.schema.finding import FindingData

LOSS_KINDS = frozenset({"health.stream", "health.stalled", "health.offline", "health.lost", "health.blind_site"})
LABELS = ("switch ", "recorder ", "power ")  # no id of a site has a space
BLINDING_KINDS = LOSS_KINDS | {"health.picture"}
# Worse than usual, but it still sees: what such a camera says is degraded, and told.
_IMPAIRED = frozenset({"blurred", "moved", "unsteady", "colour_lost", "key_gap", "flooding"})
_FAMILIES = {"smoke": "fire"}
# What a camera's own rule sees may be what our own detectors see, or another camera.
_FAMILY_OF_EVENT = {
    "fire": "fire",
    "smoke": "fire",
    "fall": "fall",
    "abandoned_object": "abandoned_object",
    "removed_object": "removed_object",
    "line_crossed": "intrusion",
    "objects_inside": "intrusion",
    "wrong_way": "intrusion",
}
# How a stream is lost or blind, as people say it of several cameras.
_BLIND = {"frozen", "covered", "dark", "corrupt", "moved", "blurred"}
_TITLES = {
    "crowd.capacity": "Overcrowding",
    "crowd.density": "Crowd too dense",
    "crowd.gathering": "Gathering",
    "crowd.surge": "Crowd surge",
    "crowd.counterflow": "Counter-flow",
    "crowd.oscillation": "Crowd oscillation",
    "crowd.pressure": "Crowd pressure",
    "anomaly.fire": "Fire",
    "anomaly.smoke": "Smoke",
    "anomaly.fall": "Suspected fall",
    "anomaly.intrusion": "Intrusion",
    "anomaly.abandoned_object": "Abandoned object",
    "anomaly.removed_object": "Removed object",
    "anomaly.unusual_occupancy": "Unusual occupancy",
    "health.nobody_seen": "Nobody seen where somebody usually is",
    "health.picture": "Camera picture impaired",
    "health.clock": "Camera clock is wrong",
    "health.calibration": "Camera moved or calibration doubtful",
    "health.objects": "What a camera says of objects cannot be used",
}


def family_of(settings: CorrelateSettings, data: FindingData) -> str:
    """
    Name of the family of a finding; drills have families of their own.

    `crowd.capacity` is `crowd`, `anomaly.smoke` is `fire`, lost streams are `loss`, and what else is wrong with one
    camera is `health/<camera>`: it never meets that of another. What a camera's own rules say is
    `camera/<camera>/<kind>`, but for fire, smoke, falls, objects left or taken and intrusion, which are one whoever
    sees them.
    """
    head, _, tail = data.kind.partition(".")
    if data.kind in LOSS_KINDS:
        family = "loss"
    elif head == "camera":
        event = data.rule.rpartition(".")[2]
        family = _FAMILY_OF_EVENT.get(event) or f"camera/{data.cameras[0] if data.cameras else data.site}/{event}"
    elif head == "health":
        family = f"{head}/{data.cameras[0] if data.cameras else data.zone or data.site}"
    else:
        name = tail or head if head == "anomaly" else head
        family = _FAMILIES.get(name, name)
    return f"drill/{family}" if data.drill else family


def causes_of(settings: CorrelateSettings, data: FindingData) -> tuple[str, ...]:
    """
    What the cameras of a finding hang on, all of them: `switch s1`, as the registry's labels or the settings say; its
    site where they say nothing.
    """
    for cause, behind in settings.causes.items():
        if data.site in behind or any(camera in behind for camera in data.cameras):
            return (cause,)
    shared: set[str] = set()
    for number, camera in enumerate(data.cameras):
        labels = settings.hangs_on.get(camera, ())
        shared = shared.intersection(labels) if number else set(labels)
    return tuple(sorted(shared)) or (data.site,)


@lru_cache(maxsize=4_096)
def family_is(family: str) -> str:
    """The hazard of a family: that of a drill is the same; `health` for all that is wrong with a camera."""
    hazard = family.removeprefix("drill/")
    return "health" if hazard == "loss" or hazard.startswith("health/") else hazard


def is_blinding(data: FindingData) -> bool:
    """Whether what its cameras say cannot be believed while this lasts."""
    return data.kind in BLINDING_KINDS and data.rule.rpartition(".")[2] not in _IMPAIRED


def is_labelled(cause: str) -> bool:
    """Whether a cause is a label such as `switch s1`, and not just a site."""
    return cause.startswith(LABELS)


def _ails(rules: Iterable[str]) -> str:
    """What is wrong with cameras whose streams break these rules."""
    words = {rule.rpartition(".")[2] for rule in rules}
    words = {word if word in _BLIND or word == "flooding" else "lost" for word in words}
    if len(words) == 1:
        return words.pop()
    return "in trouble" if "flooding" in words else "lost or blind"


def title_of(
    settings: CorrelateSettings, data: FindingData, cameras: int, rules: Iterable[str] = (), cause: str | None = None
) -> str:
    """
    `Overcrowding: North square`; `200 cameras lost: Station`; drills begin with `Exercise: `.

    Args:
        cause: what all of its cameras hang on, where that is known.
        rules: of all conditions of the incident; none: that of `data`.
    """
    named = data.rule if data.kind == "camera.events" else data.kind
    what = (
        f"Camera {_ails([data.rule])}"
        if data.kind == "health.stream"
        else _TITLES.get(data.kind) or named.rpartition(".")[2].replace("_", " ").capitalize()
    )
    if data.kind in LOSS_KINDS and cameras > 1:
        what, where = f"{counted(cameras, 'camera')} {_ails(list(rules) or [data.rule])}", cause or data.site
    elif data.kind.startswith(("health.", "camera.")) and data.cameras:
        where = data.cameras[0]
    else:
        where = data.zone or data.site
    name = settings.names.get(where) or where.replace("-", " ").replace("_", " ").capitalize()
    return f"{'Exercise: ' if data.drill else ''}{what}: {name}"
