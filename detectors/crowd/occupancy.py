"""
How many persons stand in each zone, how dense, and how far that can be trusted.

Each view (a camera on a zone) keeps its last count and when it was; what is older than `stale_s` is unknown, not zero.
Views of one zone are joined by density over the area that they see, never by matching people: two cameras on the same
ground agree, two on different parts add up.

The number of persons is the count over the recall of boxes at that density, with an interval: see `recall`. Above
`boxes_per_m2_max`, or where a site's own curve ends, people hide one another, and the count is a lower bound. Without
boxes, the foreground stands in: right within a stated factor, and marked degraded. Where positions are measurable, the
density where people stand most densely goes beside the mean: see `local_density`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
import numpy as np

from detectors import columns
from detectors.crowd.counting import (
    Outlines,
    outlines,
    pairs,
    persons_by_head,
    persons_from_foreground,
    persons_in_views,
    standing,
)
from detectors.crowd.measures.density import densest
from detectors.crowd.measures.local_density import LocalDensity, kernel_radius_m, local_density
from detectors.crowd.measures.recall import (
    SIGMAS_95,
    RecallCurve,
    RecallTable,
    Share,
    corrected,
    curves_of,
    level_curve,
    recall_table,
)
from detectors.district_view import DistrictView
from detectors.geometry.homography import Bools, Floats, Ints
from detectors.newest import NOT_YET, newest, put
from ingest.schema.tick import F32, GRID_COLUMNS, GRID_ROWS, Picture, Tick, empty_tick

# Out of focus, people are missed; elsewhere, they are counted for the wrong zone. Neither is a calm square.
BLIND = (
    Picture.CORRUPT | Picture.FROZEN | Picture.DARK | Picture.COVERED | Picture.BLURRED | Picture.MOVED
    | Picture.WASHED_OUT | Picture.UNSTEADY
)  # fmt: skip
READS = (
    "camera", "captured_at_ns", "picture", "brightness", "grid_known", "foreground_grid",
    "objects_known", "object_start", "object_class", "object_confidence", "object_box",
)  # fmt: skip
_SAMPLES_MISSED_MAX = 3


class OccupancySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    confidence_min: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.3  # boxes below it do not count
    recall: Share = 0.9  # share of the persons that boxes find
    recall_sd: Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)] = 0.05  # how uncertain that is
    boxes_per_m2_max: Annotated[float, msgspec.Meta(gt=0.0)] = 1.0  # above it, boxes are a lower bound
    recall_at: dict[str, RecallCurve] = {}  # sites with a curve of their own, as `drumtower calibrate recall` writes it
    foreground_factor: Annotated[float, msgspec.Meta(ge=1.0)] = 2.5  # an estimate from foreground is right within it
    coverage_min: Share = 0.5  # share of a zone that must be seen before the rest is taken to be alike
    stale_s: Annotated[float, msgspec.Meta(gt=0.0)] = 10.0  # or three sampling periods of the camera, if longer


@dataclass(frozen=True, eq=False)
class Prepared:
    settings: OccupancySettings
    district: DistrictView
    outlines: Outlines
    cell_person_share: F32  # (V, 144)
    seen_area_m2: Floats  # (V,)
    area_error: Floats  # (V,) relative, 1 sigma
    noise_m: Floats  # (V,) of a position; infinite without a calibration
    radius_m: Floats  # (V,) of the kernel; NaN where positions are not measurable
    recall: RecallTable  # of Z zones
    view_stale_ns: Ints  # (V,)
    camera_stale_ns: Ints  # (C,)
    area_m2: Floats  # (Z,)
    safe_capacity: Floats  # (Z,) NaN where there is none


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """The last count of each of V views."""

    boxes: Ints  # (V,) persons counted
    boxes_ns: Ints  # (V,) when; NOT_YET before the first
    crowding: Floats  # (V,) sum of the kernel where somebody in the zone stands most densely; NaN: not measurable
    crowding_square: Floats  # (V,) sum of its squares there
    by_head: Ints  # (V,) of the persons counted, those whose feet are not seen
    foreground: Floats  # (V,) persons estimated
    foreground_ns: Ints  # (V,)


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """Whether each of C cameras could see, when its picture was last looked at."""

    blind: Bools  # (C,)
    learning: Bools  # (C,) what is foreground is not known: a crowd that stands there now would become background
    looked_ns: Ints  # (C,)


@dataclass(frozen=True, slots=True, eq=False)
class State:
    views: Views
    sight: Sight


@dataclass(frozen=True, slots=True, eq=False)
class Occupancy:
    """Z zones at one moment. Numbers of a zone that is not known are NaN."""

    known: Bools  # (Z,) a count that is not stale
    observed_at_ns: Ints  # (Z,) the newest of the counts that were used, of all where none is fresh; NOT_YET before all
    broken: Bools  # (Z,) nothing of before this tick is fresh any more
    before_ns: Ints  # (Z,) the newest count before this tick
    persons: Floats  # (Z,)
    low: Floats  # (Z,) 95 %; only persons that were seen
    high: Floats  # (Z,) 95 %; infinite where `persons` is a lower bound
    per_m2: Floats  # (Z,) over the part that is seen
    per_m2_low: Floats  # (Z,)
    use: Floats  # (Z,) persons over safe capacity; NaN without one
    use_low: Floats  # (Z,)
    seen_share: Floats  # (Z,) of the area, at most 1
    by_boxes: Bools  # (Z,) else by foreground
    degraded: Bools  # (Z,)
    hidden: Bools  # (Z,) so dense that people hide one another: `persons` is a lower bound
    views_used: Bools  # (V,)
    head_share: Floats  # (Z,) of the boxes, those placed by the head because the feet are not seen
    recall: Floats  # (Z,) of boxes
    boxes_per_m2_max: Floats  # (Z,) above it they hide one another
    local: LocalDensity  # where people stand most densely; NaN where that is not measurable


def prepare(settings: OccupancySettings, district: DistrictView) -> Prepared:
    views = district.views
    seen_area_m2 = np.array([view.seen_area_m2 for view in views], np.float64)
    # A zone that is cut by nothing is seen whole, to the last bit: at capacity is at capacity.
    whole_m2 = district.area_m2[district.view_zone]
    seen_area_m2 = np.where(np.abs(seen_area_m2 - whole_m2) <= 1e-6 * whole_m2, whole_m2, seen_area_m2)
    noise_m = np.array([view.noise_m for view in views], np.float64)
    default = level_curve(settings.recall, settings.recall_sd, settings.boxes_per_m2_max)
    radius_m = kernel_radius_m(noise_m)
    # A whole picture is not cut, and so has no such error.
    error = np.array([view.area_error for view in views], np.float64)
    period_s = np.array([camera.sampling_period_s for camera in district.cameras], np.float64)
    camera_stale_ns = (np.maximum(settings.stale_s, _SAMPLES_MISSED_MAX * period_s) * 1e9).astype(np.int64)
    capacity = [np.nan if zone.safe_capacity is None else zone.safe_capacity for zone in district.zones]
    shares = np.array([view.cell_person_share.reshape(-1) for view in views], np.float32)
    lines = outlines(district)
    _compile(lines)
    return Prepared(
        settings=settings,
        district=district,
        outlines=lines,
        cell_person_share=shares.reshape(len(views), GRID_ROWS * GRID_COLUMNS),
        seen_area_m2=seen_area_m2,
        area_error=np.minimum(error, 1.0),
        noise_m=noise_m,
        radius_m=radius_m,
        recall=recall_table(curves_of([zone.site for zone in district.zones], default, settings.recall_at)),
        view_stale_ns=camera_stale_ns[district.view_camera],
        camera_stale_ns=camera_stale_ns,
        area_m2=district.area_m2,
        safe_capacity=np.array(capacity, np.float64),
    )


def initial(prepared: Prepared) -> State:
    views, cameras = len(prepared.district.views), len(prepared.district.cameras)
    not_yet, unknown = np.full(views, NOT_YET, np.int64), np.full(views, np.nan)
    return State(
        Views(
            np.zeros(views, np.int64), not_yet, unknown, unknown, np.zeros(views, np.int64), np.zeros(views), not_yet
        ),
        Sight(np.zeros(cameras, np.bool_), np.zeros(cameras, np.bool_), np.full(cameras, NOT_YET, np.int64)),
    )


def observe(prepared: Prepared, state: State, tick: Tick, camera_row: Ints, at_ns: int) -> State:
    """
    The state after the frames of a tick. A blind picture (`BLIND`) counts nobody, and neither do boxes that were found
    elsewhere in the pictures of a camera that was last seen so.

    Args:
        camera_row: (N,) row of each frame's camera, -1 for a frame that does not count.
        at_ns: no frame is newer.
    """
    frames = np.flatnonzero(camera_row >= 0)
    if not len(frames):
        return state
    cameras, captured_ns = camera_row[frames], np.minimum(tick.captured_at_ns[frames], at_ns)
    flagged = (tick.picture[frames] & BLIND) != 0
    learning = (tick.picture[frames] & Picture.LEARNING) != 0
    looked = flagged | learning | ~np.isnan(tick.brightness[frames])
    sight = state.sight
    if looked.any():
        sight = _look(sight, cameras[looked], captured_ns[looked], flagged[looked], learning[looked])
    blind = _blind(prepared, sight, at_ns)
    good = ~flagged & (looked | ~blind[cameras])
    with_boxes = good & tick.objects_known[frames]
    with_foreground = good & tick.grid_known[frames] & ~tick.objects_known[frames] & ~learning
    views = state.views
    if with_boxes.any():
        pair, view = pairs(prepared.district, cameras[with_boxes])
        frame, at = frames[with_boxes][pair], captured_ns[with_boxes][pair]
        there = standing(prepared.outlines, tick, camera_row, frame, view, prepared.settings.confidence_min)
        count = persons_in_views(there)
        kept = newest(view, at, count, views.boxes_ns)
        crowded = densest(there.place_m, there.start, there.counted, prepared.radius_m[view])
        measurable = ~np.isnan(prepared.radius_m[view])
        weight, square = (np.where(measurable, each, np.nan) for each in (crowded.weight, crowded.square))
        densest_kept = newest(view, at, weight, views.boxes_ns)
        views = replace(
            views,
            boxes=put(views.boxes, count, kept),
            boxes_ns=put(views.boxes_ns, at, kept),
            crowding=put(views.crowding, weight, densest_kept),
            crowding_square=put(views.crowding_square, square, densest_kept),
            by_head=put(views.by_head, persons_by_head(there), kept),
        )
    if with_foreground.any():
        pair, view = pairs(prepared.district, cameras[with_foreground])
        frame = frames[with_foreground][pair]
        estimate = persons_from_foreground(prepared.cell_person_share, tick.foreground_grid, frame, view)
        kept = newest(view, captured_ns[with_foreground][pair], estimate, views.foreground_ns)
        views = replace(
            views,
            foreground=put(views.foreground, estimate, kept),
            foreground_ns=put(views.foreground_ns, captured_ns[with_foreground][pair], kept),
        )
    return State(views, sight)


def blind_cameras(prepared: Prepared, state: State, at_ns: int) -> Bools:
    """(C,) whether a camera's last picture was blind. One that sends nothing is not: it says nothing either."""
    return _blind(prepared, state.sight, at_ns)


def measure(prepared: Prepared, before: State, state: State, at_ns: int) -> Occupancy:
    """The occupancy at a moment, from the state before its tick and the state after it."""
    district, settings, views = prepared.district, prepared.settings, state.views
    zones, zone_of = len(district.zones), district.view_zone
    boxes_fresh = at_ns - views.boxes_ns <= prepared.view_stale_ns
    foreground_fresh = _foreground_fresh(prepared, state, at_ns)
    by_boxes = np.bincount(zone_of[boxes_fresh], minlength=zones) > 0
    used = boxes_fresh | (foreground_fresh & ~by_boxes[zone_of])
    area_used_m2 = np.where(used, prepared.seen_area_m2, 0.0)
    found = np.where(boxes_fresh, views.boxes, views.foreground)
    seen_m2 = np.bincount(zone_of, area_used_m2, zones)
    known = seen_m2 > 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        covered_m2 = np.minimum(seen_m2, prepared.area_m2)
        count = np.bincount(zone_of, np.where(used, found, 0.0), zones) * (covered_m2 / seen_m2)
        area_error = np.bincount(zone_of, area_used_m2 * prepared.area_error, zones) / seen_m2
        said = corrected(prepared.recall, np.arange(zones), count, covered_m2)
        seen = np.where(by_boxes, said.persons, count)
        low = np.where(by_boxes, said.low, count / settings.foreground_factor)
        high = np.where(by_boxes, said.high, count * settings.foreground_factor)
        per_m2 = seen / covered_m2
        hidden = by_boxes & said.beyond
        below = np.hypot(seen - low, SIGMAS_95 * area_error * seen) / covered_m2
        seen_share = covered_m2 / prepared.area_m2
        partial = seen_share < settings.coverage_min
        persons = np.where(partial, seen, seen / seen_share)
        boxes = np.bincount(zone_of, np.where(boxes_fresh, views.boxes, 0), zones)
        head_share = np.bincount(zone_of, np.where(boxes_fresh, views.by_head, 0), zones) / np.maximum(boxes, 1.0)
        use, use_low = persons / prepared.safe_capacity, low / prepared.safe_capacity
    all_ns = np.maximum(views.boxes_ns, views.foreground_ns)
    used_ns = np.where(used, np.where(boxes_fresh, views.boxes_ns, views.foreground_ns), NOT_YET)
    before_ns = np.maximum(before.views.boxes_ns, before.views.foreground_ns)
    old_boxes_fresh = at_ns - before.views.boxes_ns <= prepared.view_stale_ns
    old_fresh = old_boxes_fresh | _foreground_fresh(prepared, before, at_ns)
    return Occupancy(
        known=known,
        observed_at_ns=np.where(
            known, _newest_of_zone(used_ns, zone_of, zones), _newest_of_zone(all_ns, zone_of, zones)
        ),
        broken=np.bincount(zone_of[old_fresh], minlength=zones) == 0,
        before_ns=_newest_of_zone(before_ns, zone_of, zones),
        persons=persons,
        low=low,
        high=np.where(hidden, np.inf, high / seen_share),
        per_m2=per_m2,
        per_m2_low=np.maximum(per_m2 - below, 0.0),
        use=use,
        use_low=use_low,
        seen_share=np.where(known, seen_share, 0.0),
        by_boxes=by_boxes,
        degraded=known & (~by_boxes | hidden | partial),
        hidden=hidden,
        views_used=used,
        head_share=head_share,
        recall=said.recall,
        boxes_per_m2_max=prepared.recall.per_m2_max,
        local=local_density(
            np.where(boxes_fresh, views.crowding, np.nan),
            views.crowding_square,
            prepared.radius_m,
            prepared.noise_m,
            prepared.area_error,
            zone_of,
            prepared.recall,
        ),
    )


def save(prepared: Prepared, state: State) -> tuple[bytes, bytes]:
    district = prepared.district
    return columns.save(district.view_ids, state.views), columns.save(district.camera_ids, state.sight)


def restore(prepared: Prepared, views: bytes, sight: bytes) -> State:
    """
    Raises:
        RecordError: the bytes are not whole.
    """
    district, blank = prepared.district, initial(prepared)
    return State(
        columns.restore(district.view_ids, blank.views, views), columns.restore(district.camera_ids, blank.sight, sight)
    )


def _compile(lines: Outlines) -> None:
    """Before the first tick, not in the middle of a stream."""
    nobody, none = empty_tick(0, "", 0, 0), np.zeros(0, np.int64)
    there = standing(lines, nobody, none, none, none, 0.0)
    densest(there.place_m, there.start, there.counted, np.zeros(0))


def _blind(prepared: Prepared, sight: Sight, at_ns: int) -> Bools:
    return sight.blind & (at_ns - sight.looked_ns <= prepared.camera_stale_ns)


def _look(sight: Sight, camera: Ints, captured_ns: Ints, flagged: Bools, learning: Bools) -> Sight:
    kept = newest(camera, captured_ns, flagged, sight.looked_ns)
    learning_kept = newest(camera, captured_ns, learning, sight.looked_ns)
    return Sight(
        put(sight.blind, flagged, kept),
        put(sight.learning, learning, learning_kept),
        put(sight.looked_ns, captured_ns, kept),
    )


def _foreground_fresh(prepared: Prepared, state: State, at_ns: int) -> Bools:
    """
    (V,) whose estimate from foreground counts. That of a camera that learns its background anew does not, nor does the
    one from before: a worker that starts while a crowd stands there must not tell that all is clear.
    """
    young = at_ns - state.views.foreground_ns <= prepared.view_stale_ns
    return young & ~state.sight.learning[prepared.district.view_camera]


def _newest_of_zone(view_ns: Ints, zone_of: Ints, zones: int) -> Ints:
    """(Z,) the newest of the times (V,) of a zone's views."""
    zone_ns = np.full(zones, NOT_YET, np.int64)
    np.maximum.at(zone_ns, zone_of, view_ns)
    return zone_ns
