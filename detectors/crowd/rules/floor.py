"""
The floor under all rules about groups: below it they are noise, and a small peaceful group is no hazard.

It is in the code, not in the settings: they can raise it and cannot lower it. Exit routes and carriageways are
excepted, because there a few people who stand are in danger, or in the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np

from detectors.geometry.homography import Bools, Floats
from ingest.registry.district import Zone, ZoneClass

PERSONS_FLOOR = 15
PERSONS_DEFAULT = 20

PersonsMin = Annotated[int, msgspec.Meta(ge=PERSONS_FLOOR)]
PassagePersonsMin = Annotated[int, msgspec.Meta(ge=1)]


def is_passage(zones: Sequence[Zone]) -> Bools:
    """(Z,) exit routes and carriageways."""
    return np.array(
        [zone.zone_class in (ZoneClass.EXIT_ROUTE, ZoneClass.CARRIAGEWAY, ZoneClass.TRACK) for zone in zones], np.bool_
    )


def persons_at_least(zones: Sequence[Zone], persons_min: int, passage_persons_min: int) -> Floats:
    """(Z,) how many persons a rule must see in each zone; never below the floor but on a passage."""
    floored = max(persons_min, PERSONS_FLOOR)  # a struct that was not decoded was not checked either
    return np.where(is_passage(zones), float(passage_persons_min), float(floored))
