"""A tick with only some of its frames."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from detectors.geometry.homography import Bools
from ingest.schema.tick import Tick

_PLAIN = 4  # the fields before the columns: partition, producer, start and end


def kept_rows(tick: Tick, kept: Bools) -> Tick:
    """The tick with the frames that are marked in `kept` (N,), and their objects."""
    of_objects = kept[tick.object_frame()]
    start = np.concatenate([[0], np.cumsum(np.diff(tick.object_start)[kept])]).astype(np.int64)
    columns: dict[str, Any] = {}
    for field in fields(Tick)[_PLAIN:]:
        rows = of_objects if field.name.startswith("object_") else kept
        columns[field.name] = getattr(tick, field.name)[rows] if field.name != "object_start" else start
    return Tick(tick.partition, tick.producer, tick.starts_at_ns, tick.ends_at_ns, **columns)
