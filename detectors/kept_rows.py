"""A tick with only some of its frames."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from detectors.geometry.homography import Bools
from ingest.schema.tick import Tick

_PLAIN = 4  # the fields before the columns: partition, producer, start and end


def kept_rows(tick: Tick, kept: Bools) -> Tick:
    """The tick with the frames that are marked in `kept` (N,), their objects and their events."""
    within = {"object": kept[tick.object_frame()], "event": kept[tick.event_frame()]}
    columns: dict[str, Any] = {}
    for field in fields(Tick)[_PLAIN:]:
        column = getattr(tick, field.name)
        if field.name in ("object_start", "event_start"):
            columns[field.name] = np.concatenate([[0], np.cumsum(np.diff(column)[kept])]).astype(np.int64)
        else:
            columns[field.name] = column[within.get(field.name.partition("_")[0], kept)]
    return Tick(tick.partition, tick.producer, tick.starts_at_ns, tick.ends_at_ns, **columns)
