"""One minute of the zones of a partition, as it is kept for the record: how many persons, how dense, how well known."""

from __future__ import annotations

from datetime import datetime

import msgspec

from ingest.bus.contract import Headers, Record
from ingest.schema.codec import decode_event, headers

VERSION = 1


class ZoneMinute(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Means and maxima of up to 60 readings, one a second; None where nothing was known."""

    id: str  # of the zone
    readings: int = 0  # seconds in which the occupancy was known; 0: nobody could see the zone
    persons: float | None = None  # mean
    persons_max: float | None = None
    low: float | None = None  # 95 %, means of the bounds: errors of one minute are alike, so they do not average out
    high: float | None = None  # None where `lower_bound`
    per_m2: float | None = None  # mean density over the part that is seen
    local_per_m2_max: float | None = None  # highest density where people stood most densely; None: not measurable
    lower_bound: bool = False  # a reading was beyond what boxes can count
    degraded: bool = False  # a reading was


class ZoneMinutes(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A record of `dt.zone_minutes`."""

    partition: int
    starts_at: datetime  # a whole minute, UTC
    zones: tuple[ZoneMinute, ...]
    synthetic: bool = False  # the cameras are those of a demo


def encode_zone_minutes(minutes: ZoneMinutes) -> tuple[bytes, Headers]:
    value = msgspec.json.encode(minutes)
    return value, (*headers(f"zone_minutes/{VERSION}", value), ("content-type", b"application/json"))


def decode_zone_minutes(record: Record) -> ZoneMinutes:
    """
    Raises:
        RecordError: not such a record of a version that this reader accepts, or not whole.
    """
    return decode_event(record, "zone_minutes", VERSION, ZoneMinutes)
