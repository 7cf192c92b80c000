"""Hazard families: only conditions of one family are ever one incident. And what a kind is called by people."""

from __future__ import annotations

from correlator.incidents.settings import CorrelateSettings
from ingest.schema.finding import FindingData

LOSS_KINDS = frozenset({"health.stream", "health.stalled", "health.offline", "health.lost", "health.blind_site"})
_FAMILIES = {"smoke": "fire"}
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
    "anomaly.baseline": "Unusual occupancy",
    "health.stream": "Camera lost",
    "health.picture": "Camera picture impaired",
    "health.clock": "Camera clock is wrong",
}


def family_of(settings: CorrelateSettings, data: FindingData) -> str:
    """
    Name of the family of a finding; drills have families of their own.

    `crowd.capacity` is `crowd`, `anomaly.smoke` is `fire`, lost streams are `loss`, and what else is wrong with one
    camera is `health/<camera>`: it never meets that of another. What a camera's own rules say, of several hazards in
    turn, is `camera/<camera>`.
    """
    head, _, tail = data.kind.partition(".")
    if data.kind in LOSS_KINDS:
        family = "loss"
    elif head in ("health", "camera"):
        family = f"{head}/{data.cameras[0] if data.cameras else data.zone or data.site}"
    else:
        name = tail or head if head == "anomaly" else head
        family = _FAMILIES.get(name, name)
    return f"drill/{family}" if data.drill else family


def cause_of(settings: CorrelateSettings, data: FindingData) -> str:
    """The switch or recorder that a lost camera hangs on, as the settings say; its site where they say nothing."""
    for cause, behind in settings.causes.items():
        if data.site in behind or any(camera in behind for camera in data.cameras):
            return cause
    return data.site


def title_of(settings: CorrelateSettings, data: FindingData, cameras: int) -> str:
    """`Overcrowding: North square`; `200 cameras lost: Station`; drills begin with `Exercise: `."""
    named = data.rule if data.kind == "camera.events" else data.kind
    what = _TITLES.get(data.kind) or named.rpartition(".")[2].replace("_", " ").capitalize()
    if data.kind in LOSS_KINDS and cameras > 1:
        what, where = f"{cameras} cameras lost", data.site
    elif data.kind.startswith(("health.", "camera.")) and data.cameras:
        where = data.cameras[0]
    else:
        where = data.zone or data.site
    name = settings.names.get(where) or where.replace("-", " ").replace("_", " ").capitalize()
    return f"{'Exercise: ' if data.drill else ''}{what}: {name}"
