"""`place.blocked_fire_lane`: a vehicle stays in a zone that the fire brigade needs."""

import msgspec
import numpy as np

from detectors import columns, onset
from detectors.anomaly.footing import ground, objects_in_views
from detectors.detector import Condition
from ingest.schema.finding import Level, Phase
from ingest.schema.tick import ObjectClass


class LaneSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    zone_prefix: str = "fire-lane"  # how the ids of the zones begin that must stay free
    hold_s: float = 60.0  # a vehicle that only passes is gone by then


class BlockedFireLane:
    name, version, settings = "place.blocked_fire_lane", 1, LaneSettings
    reads = ("camera", "objects_known", "object_start", "object_class", "object_confidence", "object_box")

    def prepare(self, settings, district):
        rule = onset.Rule(np.array([int(settings.hold_s * 1e9)]), np.array([5_000_000_000]), gap_ns=5_000_000_000)
        lanes = np.array([zone.id.startswith(settings.zone_prefix) for zone in district.zones], np.bool_)
        return settings, district, ground(district, margin_sd=1.0), lanes, rule

    def initial(self, prepared):
        return onset.blank(len(prepared[3]), 1)

    def step(self, prepared, state, moment, tick):
        _, district, there, lanes, rule = prepared
        frames = np.flatnonzero((moment.camera_row >= 0) & tick.objects_known)
        vehicles = np.arange(4) == ObjectClass.VEHICLE
        _, view, count = objects_in_views(there, tick, moment.camera_row, frames, vehicles, 0.5, 0.0)
        seen, vehicles = np.zeros(len(lanes), np.bool_), np.zeros(len(lanes), np.int64)
        seen[district.view_zone[view]] = True
        np.maximum.at(vehicles, district.view_zone[view], count)
        over, observed = (vehicles > 0)[:, None], (seen & lanes)[:, None]
        after = onset.step(rule, state, np.full_like(state.since_ns, moment.at_ns), observed, over, ~over)
        told = np.flatnonzero((after.raised | state.raised)[:, 0] & seen)  # more often than needed is harmless
        return after, [self._said(prepared, state, after, int(zone), moment.at_ns, vehicles) for zone in told]

    def save(self, prepared, state):
        return columns.save(prepared[1].zone_ids, state)

    def restore(self, prepared, snapshot):
        return columns.restore(prepared[1].zone_ids, self.initial(prepared), snapshot)

    def _said(self, prepared, before, after, row, at_ns, vehicles):
        zone, holds = prepared[1].zones[row], bool(after.raised[row, 0])
        return Condition(
            subject=zone.id, ends=None if holds else Phase.CLEARED, level=Level.AMBER, site=zone.site, zone=zone.id,
            cameras=prepared[1].cameras_of(row), place=prepared[1].zone_places[row], observed_at_ns=at_ns,
            onset_at_ns=int((after if holds else before).since_ns[row, 0]), value=float(vehicles[row]), unit="vehicles",
            rule=self.name, rule_version=self.version, thresholds={"hold_s": prepared[0].hold_s},
        )  # fmt: skip


detector = BlockedFireLane()
