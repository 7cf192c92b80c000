"""The record of a zone over some hours: each minute, how it was known, and what people were told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from enum import StrEnum

import numpy as np

from correlator.casebook.contract import Casebook
from correlator.zone_history.minutes import MINUTE_NS
from detectors.crowd.measures.level_of_service import UNKNOWN, Service, band_shares, service_band
from detectors.geometry.homography import Floats, Ints
from ingest.errors import SettingsError
from ingest.registry.district import District, Zone, ZoneClass
from ingest.schema.alert import IncidentView
from ingest.schema.zone_minute import ZoneMinute

WAITING = (ZoneClass.QUEUE, ZoneClass.PLATFORM)  # judged as queues; all others as walkways


class Known(StrEnum):
    """How a minute is known."""

    MEASURED = "measured"
    DEGRADED = "degraded"
    NOT_SEEN = "not_seen"  # the system ran, but nothing showed the zone
    NO_RECORD = "no_record"  # nobody wrote anything


@dataclass(frozen=True)
class ZoneReport:
    zone: str
    name: str
    site: str
    capacity: int | None
    is_waiting: bool
    clock: tzinfo  # of the site
    from_ns: int
    to_ns: int  # the end of the record: what is not yet over is not in it
    minutes: tuple[ZoneMinute | None, ...]  # one a minute from `from_ns` on; None where there is no record
    synthetic: tuple[bool, ...]  # a minute of made cameras
    incidents: tuple[IncidentView, ...]

    @property
    def starts_ns(self) -> range:
        return range(self.from_ns, self.from_ns + len(self.minutes) * MINUTE_NS, MINUTE_NS)

    @property
    def known(self) -> tuple[Known, ...]:
        return tuple(map(known_of, self.minutes))

    @property
    def service(self) -> Ints:
        """(N,) band of the mean density of each minute; -1 where it is not known."""
        return service_band(self.column("per_m2"), self.is_waiting)

    def column(self, name: str) -> Floats:
        """(N,) one measure of each minute; NaN where it is not known."""
        return np.array([_value(minute, name) for minute in self.minutes], np.float64).reshape(-1)

    def shares(self) -> dict[Known, float]:
        """Share of the minutes that are known in each way; all 0 of a record without a minute."""
        known = self.known
        return {each: known.count(each) / max(len(known), 1) for each in Known}

    def service_shares(self) -> dict[str, float]:
        """Share of the known time in each band of level of service; empty where none is known."""
        seconds = np.array([0 if minute is None else minute.readings for minute in self.minutes], np.float64)
        shares = band_shares(self.service, seconds)
        return {} if np.isnan(shares).any() else {band.name: float(shares[band]) for band in Service}


def zone_report(
    casebook: Casebook, district: District, zone_id: str, from_ns: int, to_ns: int, now_ns: int, clock: tzinfo
) -> ZoneReport:
    """
    Raises:
        SettingsError: neither the registry nor the record knows the zone.
        StoreRetryable: the casebook does not answer.
    """
    end_ns = min(to_ns, now_ns // MINUTE_NS * MINUTE_NS)
    first_ns = from_ns // MINUTE_NS * MINUTE_NS
    kept = {one.starts_at_ns: one for one in casebook.zone_minutes(zone_id, first_ns, max(end_ns, first_ns))}
    zone = next((each for each in district.zones if each.id == zone_id), None)
    if zone is None and not kept:
        raise SettingsError(
            f"zone {zone_id[:64]!r}", expected="one of the registry or of the record", got="none of this id",
            mend=f"One of {', '.join(each.id for each in district.zones[:8]) or 'none: import zones first'}.",
        )  # fmt: skip
    starts = range(first_ns, max(end_ns, first_ns), MINUTE_NS)
    return ZoneReport(
        zone=zone_id,
        name=zone.name if zone else zone_id,
        site=zone.site if zone else "",
        capacity=zone.safe_capacity if zone else None,
        is_waiting=_is_waiting(zone),
        clock=clock,
        from_ns=first_ns,
        to_ns=max(end_ns, first_ns),
        minutes=tuple(kept[at].measured if at in kept else None for at in starts),
        synthetic=tuple(at in kept and kept[at].synthetic for at in starts),
        incidents=casebook.incidents_of_zone(zone_id, first_ns, max(end_ns, first_ns)),
    )


def known_of(minute: ZoneMinute | None) -> Known:
    if minute is None:
        return Known.NO_RECORD
    if not minute.readings:
        return Known.NOT_SEEN
    return Known.DEGRADED if minute.degraded or minute.lower_bound else Known.MEASURED


def band_name(band: int) -> str:
    return "" if band == UNKNOWN else Service(band).name


def notes(report: ZoneReport) -> Sequence[str]:
    """What a reader must know of the record before it is believed, a line each."""
    shares = report.shares()
    said = [
        f"measured {shares[Known.MEASURED]:.1%}, degraded {shares[Known.DEGRADED]:.1%}, "
        f"not seen {shares[Known.NOT_SEEN]:.1%}, no record {shares[Known.NO_RECORD]:.1%} of the time"
    ]
    if any(minute is not None and minute.lower_bound for minute in report.minutes):
        said.append("at times more people than could be counted: there the number is a lower bound")
    if bands := report.service_shares():
        how = "waiting" if report.is_waiting else "walking"
        said.append(f"level of service ({how}, Fruin): " + ", ".join(f"{n} {s:.1%}" for n, s in bands.items()))
    if report.capacity is None:
        said.append("the zone has no safe capacity: density levels only")
    if any(report.synthetic):
        said.append("SYNTHETIC: minutes of made cameras are in this record")
    if any(incident.drill for incident in report.incidents):
        said.append("EXERCISE: alerts of a drill are in this record, marked as such")
    return said


def _is_waiting(zone: Zone | None) -> bool:
    return zone is not None and zone.zone_class in WAITING


def _value(minute: ZoneMinute | None, name: str) -> float:
    value = None if minute is None else getattr(minute, name)
    return np.nan if value is None else float(value)
