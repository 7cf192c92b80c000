"""
How people move in each zone, at each moment: made once a tick from the short tracks of each camera, for all detectors.

Each view (a camera on a zone) keeps the measures of its last sample. Views of one zone are joined as densities are: by
the area that they see, never by matching people. Only a calibrated camera can tell metres; without one, or where too
few persons could be followed, motion is not known. Where no camera gives boxes, the flow grids of the pictures tell how
fast the crowd goes (`flowing`), and nothing of groups or of single persons.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module

import msgspec
import numpy as np

from detectors import columns
from detectors.crowd.counting import outlines
from detectors.crowd.measures.flow_field import Lens, lens
from detectors.crowd.motion import flowing, linking, tracks, view_motion
from detectors.crowd.motion.exits import watched_exits
from detectors.crowd.motion.view_motion import COLUMNS
from detectors.crowd.occupancy import BLIND
from detectors.district_view import DistrictView
from detectors.geometry.homography import Bools, Floats, Ints
from detectors.newest import NOT_YET, newest
from ingest.clock import NS_PER_S
from ingest.schema.tick import F32, ObjectClass, Tick

READS = (
    "camera", "captured_at_ns", "picture", "objects_known",
    "object_start", "object_class", "object_confidence", "object_box", "object_track", *flowing.READS,
)  # fmt: skip
STALE_S = 3.0  # or two and a half sampling periods of the camera, if longer
_SAMPLES_MISSED = 2.5
FOLLOWED_SHARE_MIN = 0.3  # of the persons seen; if fewer could be followed, they are no sample of the others
_BESIDE_M = 5.0  # people so far beside the zones are followed, so that coming and going is seen


@dataclass(frozen=True, eq=False)
class Prepared:
    district: DistrictView
    confidence_min: float
    homography: Floats  # (9, C); 0 where there is none
    edges: Floats  # (4, E, V)
    middle_m: Floats  # (C, 2) of what each camera sees of its zones
    reach_m: Floats  # (C,) how far from it people are followed; 0 where there is no calibration
    gap_ns: Ints  # (C,) after so long, ids may mean others
    view_stale_ns: Ints  # (V,)
    one_way: Floats  # (V, 2) NaN where there is none
    seen_area_m2: Floats  # (V,)
    heads: Floats  # (13, C) of `counting.Outlines`
    exit_start: Ints  # (V + 1,)
    exits: Floats  # (X, 4)
    exits_seen: Bools  # (Z,) all exits of the zone are watched, and it has some
    through: Lens  # how the flow grids read on the ground


@dataclass(frozen=True, slots=True, eq=False)
class Cameras:
    noise_m: Floats  # (C,) sigma-hat; NaN where it is not known
    went_on: Ints  # (C,) ids of the last sample that were known before
    jumped: Ints  # (C,) of these, how many are elsewhere, faster than a person runs


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    sampled_ns: Ints  # (V,) the tick of the last sample; NOT_YET
    measures: F32  # (V, COLUMNS) of `view_motion`


@dataclass(frozen=True, slots=True, eq=False)
class State:
    tracks: tracks.Tracks
    untracked: linking.Untracked
    cameras: Cameras
    views: Views
    flows: flowing.Flows


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """Z zones at one moment. Numbers of a zone that is not known are NaN; counts are of persons seen, not corrected."""

    sampled: Bools  # (Z,) there is a sample of the last second
    known: Bools  # (Z,) fresh, and enough persons could be followed; also where nobody is there
    observed_at_ns: Ints  # (Z,) NOT_YET before the first
    seen: Floats  # (Z,) persons
    followed_share: Floats  # (Z,) of the persons seen, those with a velocity
    noise_m: Floats  # (Z,) sigma-hat of a place, the worst view's
    velocity_noise_m_s: Floats  # (Z,) 1 sigma along each axis of a velocity over about 1 s
    velocity_m_s: Floats  # (Z, 2) mean over about 1 s, east and north
    timed: Floats  # (Z,) persons that this is the mean of
    speed_m_s: Floats  # (Z,) mean speed over about 1 s
    slow_speed_m_s: Floats  # (Z,) mean speed over the window that fits the noise
    running_share: Floats  # (Z,)
    moving: Floats  # (Z,)
    moving_share: Floats  # (Z,)
    against_share: Floats  # (Z,) of the moving, those who go against the one way
    conflict: Floats  # (Z,) 2 x pairs in conflict / moving
    standing: Floats  # (Z,)
    cluster: Floats  # (Z,) persons in the largest standing group
    per_m2: Floats  # (Z,) highest kernel density at a person; of seen persons, so a lower bound
    pressure_per_s2: Floats  # (Z,) highest crowd pressure
    pressure_noise_per_s2: Floats  # (Z,) what the noise alone would make of it
    entered: Floats  # (Z,) persons who have come in since the cameras are watched: differences tell
    left: Floats  # (Z,) who have gone out
    views_used: Bools  # (V,)
    came_in: Floats  # (Z,) as `entered`, through the lines of the zone's exits
    went_out: Floats  # (Z,)
    exits_seen: Bools  # (Z,) each of the zone's exits is watched; else the two before say nothing
    camera_new: Bools  # (C,) sampled within the last second
    went_on: Ints  # (C,) ids of the last sample that were known before
    jumped: Ints  # (C,) of these, who cannot have come there
    view_new: Bools  # (V,) sampled within the last second
    view_moving: Floats  # (V,) persons who move, in the last sample
    view_moving_speed_m_s: Floats  # (V,) mean of their speeds; NaN where nobody moves
    # (Z,) not `known`, but a flow of the last second is: of the foreground are then `seen`, `timed`, velocity and its
    # noise, both speeds, who moves and who goes against the one way; the rest is not known.
    flows: Bools


def prepare(district: DistrictView, confidence_min: float) -> Prepared:
    # Compiled before the first tick, not in the middle of a stream.
    for loops in ("linking", "standing", "track", "view"):
        import_module(f"detectors.crowd.loops.{loops}")
    cameras = len(district.cameras)
    lines = outlines(district)
    low, high = np.full((cameras, 2), np.inf), np.full((cameras, 2), -np.inf)
    for camera, view in zip(district.view_camera, district.views, strict=True):  # once for a district
        if view.homography is not None:
            corners = np.concatenate(view.seen)
            low[camera] = np.minimum(low[camera], corners.min(axis=0))
            high[camera] = np.maximum(high[camera], corners.max(axis=0))
    calibrated = np.isfinite(low).all(axis=1)
    low, high = (np.where(calibrated[:, None], corner, 0.0) for corner in (low, high))
    middle_m = (low + high) / 2.0
    reach_m = np.where(calibrated, (high - low).max(axis=1) / 2.0 + _BESIDE_M, 0.0)
    period_s = np.array([camera.sampling_period_s for camera in district.cameras], np.float64)
    stale_ns = (np.maximum(STALE_S, _SAMPLES_MISSED * period_s) * 1e9).astype(np.int64)
    bearing = np.array(
        [np.nan if zone.one_way_bearing is None else zone.one_way_bearing for zone in district.zones], np.float64
    )
    watched = watched_exits(district)
    way = np.stack([np.sin(np.radians(bearing)), np.cos(np.radians(bearing))], axis=1)
    return Prepared(
        district=district,
        confidence_min=confidence_min,
        homography=lines.homography,
        edges=lines.edges.reshape(4, len(lines.edges) // 4, len(district.views)),
        middle_m=middle_m,
        reach_m=np.minimum(reach_m, tracks.CM_MAX / 100.0),
        gap_ns=stale_ns,
        view_stale_ns=stale_ns[district.view_camera],
        one_way=way[district.view_zone],
        seen_area_m2=np.array([view.seen_area_m2 for view in district.views], np.float64),
        heads=lines.heads,
        exit_start=watched.start,
        exits=watched.line,
        exits_seen=watched.all_of_zone,
        through=lens(district),
    )


def initial(prepared: Prepared) -> State:
    cameras, views = len(prepared.district.cameras), len(prepared.district.views)
    return State(
        tracks.no_tracks(cameras),
        linking.none_untracked(cameras),
        Cameras(np.full(cameras, np.nan), np.zeros(cameras, np.int64), np.zeros(cameras, np.int64)),
        Views(np.full(views, NOT_YET, np.int64), np.zeros((views, COLUMNS), np.float32)),
        flowing.no_flows(views),
    )


def observe(prepared: Prepared, state: State, tick: Tick, camera_row: Ints, at_ns: int) -> State:
    """
    The state after the frames of a tick: the newest frame of each camera counts, if its picture was good.

    Args:
        camera_row: (N,) row of each frame's camera, -1 for a frame that does not count.
        at_ns: the time of the tick; no frame is newer.
    """
    good = (camera_row >= 0) & ((tick.picture & int(BLIND)) == 0)
    if tick.flow_known.any():
        usable_row = np.where(good & ~tick.objects_known, camera_row, -1)
        flows = flowing.flowed(
            state.flows, prepared.through, prepared.district, prepared.one_way, tick, usable_row, at_ns
        )
        state = replace(state, flows=flows)
    usable = good & tick.objects_known
    usable &= prepared.reach_m[np.maximum(camera_row, 0)] > 0.0 if len(prepared.reach_m) else False
    frames = np.flatnonzero(usable)
    if not len(frames):
        return state
    captured_ns = np.minimum(tick.captured_at_ns, at_ns)
    count = np.diff(tick.object_start)
    _, kept = newest(camera_row[frames], captured_ns[frames], count[frames], np.full(len(prepared.reach_m), NOT_YET))
    frames = frames[kept]
    camera = camera_row[frames]
    is_due = tracks.due(state.tracks, camera, captured_ns[frames], prepared.gap_ns)
    has_untracked = np.bincount(tick.object_frame(), tick.object_track < 0, tick.frames)[frames] > 0
    has_untracked |= state.untracked.seen_ns[camera] != NOT_YET
    looked = is_due | has_untracked
    if not looked.any():
        return state
    frames, camera, is_due, has_untracked = frames[looked], camera[looked], is_due[looked], has_untracked[looked]
    order = np.argsort(camera, kind="stable")
    frames, camera, is_due, has_untracked = frames[order], camera[order], is_due[order], has_untracked[order]
    frame, id, place_cm = _persons(prepared, tick, frames, camera)
    untracked = state.untracked
    if has_untracked.any():
        free = (id < 0) & has_untracked[frame]
        number = np.cumsum(has_untracked) - 1
        untracked, given = linking.link(
            untracked,
            camera[has_untracked],
            captured_ns[frames[has_untracked]],
            number[frame[free]],
            place_cm[free],
        )
        id = id.copy()
        id[free] = given
    if not is_due.any():
        return replace(state, untracked=untracked)
    sampled = is_due[frame]
    number = np.cumsum(is_due) - 1
    after, went_on = tracks.advance(
        state.tracks,
        camera[is_due],
        captured_ns[frames[is_due]],
        number[frame[sampled]],
        id[sampled],
        place_cm[sampled],
        prepared.gap_ns,
    )
    counts = state.cameras.went_on.copy(), state.cameras.jumped.copy()
    for column, kept in enumerate(counts):
        kept[camera[is_due]] = went_on[:, column]
    cameras = Cameras(state.cameras.noise_m, *counts)
    return _measured(
        prepared, replace(state, tracks=after, untracked=untracked, cameras=cameras), camera[is_due], at_ns
    )


def measure(prepared: Prepared, state: State, at_ns: int) -> Motion:
    """The motion at the first tick of a second, from the state after it; new is what was sampled since the last."""
    district, views = prepared.district, state.views
    zones, zone_of = len(district.zones), district.view_zone
    used = at_ns - views.sampled_ns <= prepared.view_stale_ns
    new = views.sampled_ns > at_ns - NS_PER_S
    measures = views.measures.astype(np.float64)

    def total(column: int) -> Floats:
        return np.asarray(np.bincount(zone_of, np.where(used, measures[:, column], 0.0), zones), np.float64)

    def worst(column: int) -> Floats:
        value = np.full(zones, np.nan)
        np.fmax.at(value, zone_of[used], measures[used, column])
        return value

    seen_m2 = np.bincount(zone_of, np.where(used, prepared.seen_area_m2, 0.0), zones)
    observed_ns = np.full(zones, NOT_YET, np.int64)
    np.maximum.at(observed_ns, zone_of, views.sampled_ns)
    with np.errstate(divide="ignore", invalid="ignore"):
        # As of densities: two cameras on the same ground agree, two on different parts add up.
        once = np.minimum(seen_m2, district.area_m2) / seen_m2
        seen, timed, paced, moving = (
            total(each) for each in (view_motion.SEEN, view_motion.TIMED, view_motion.PACED, view_motion.MOVING)
        )
        followed = timed / seen
        noise = worst(view_motion.SPEED_NOISE)
        per_m2 = worst(view_motion.PER_M2)
        of_boxes = Motion(
            sampled=np.bincount(zone_of[new], minlength=zones) > 0,
            known=(seen_m2 > 0.0) & ((seen == 0.0) | (followed >= FOLLOWED_SHARE_MIN)),
            observed_at_ns=observed_ns,
            seen=seen * once,
            followed_share=followed,
            noise_m=worst(view_motion.NOISE),
            velocity_noise_m_s=noise,
            velocity_m_s=np.stack([total(view_motion.EAST), total(view_motion.NORTH)], axis=1) / timed[:, None],
            timed=timed,
            speed_m_s=total(view_motion.SPEED) / timed,
            slow_speed_m_s=total(view_motion.SLOW_SPEED) / paced,
            running_share=total(view_motion.RUNNING) / timed,
            moving=moving * once,
            moving_share=moving / paced,
            against_share=total(view_motion.AGAINST) / moving,
            conflict=2.0 * total(view_motion.CONFLICT) / moving,
            standing=total(view_motion.STANDING) * once,
            cluster=total(view_motion.CLUSTER) * once,
            per_m2=per_m2,
            pressure_per_s2=worst(view_motion.PRESSURE),
            pressure_noise_per_s2=2.0 * per_m2 * noise**2,
            entered=total(view_motion.ENTERED) * once,
            left=total(view_motion.LEFT) * once,
            views_used=used,
            came_in=total(view_motion.CAME_IN),
            went_out=total(view_motion.WENT_OUT),
            exits_seen=prepared.exits_seen,
            camera_new=at_ns - state.tracks.sampled_ns[:, 0] < NS_PER_S,
            went_on=state.cameras.went_on,
            jumped=state.cameras.jumped,
            view_new=new,
            view_moving=measures[:, view_motion.MOVING],
            view_moving_speed_m_s=measures[:, view_motion.MOVING_SPEED] / measures[:, view_motion.MOVING],
            flows=np.zeros(zones, np.bool_),
        )
    if (state.flows.read_ns == NOT_YET).all():
        return of_boxes
    return _with_flows(of_boxes, flowing.in_zones(state.flows, district, at_ns), seen_m2 > 0.0, at_ns)


def _with_flows(of_boxes: Motion, flow: flowing.ZoneFlow, boxed: Bools, at_ns: int) -> Motion:
    """The motion with what the flow grids say of zones of which no boxes tell (Z,)."""
    flows: Bools = ~boxed & np.isfinite(flow.speed_m_s) & (at_ns - flow.read_ns < NS_PER_S)

    def told(by_boxes: Floats, by_flow: Floats | float) -> Floats:
        return np.where(flows if by_boxes.ndim == 1 else flows[:, None], by_flow, by_boxes)

    return replace(
        of_boxes,
        flows=flows,
        observed_at_ns=np.where(flows, flow.read_ns, of_boxes.observed_at_ns),
        seen=told(of_boxes.seen, flow.persons),
        timed=told(of_boxes.timed, flow.persons),
        velocity_noise_m_s=told(of_boxes.velocity_noise_m_s, flowing.NOISE_M_S),
        velocity_m_s=told(of_boxes.velocity_m_s, flow.velocity_m_s),
        speed_m_s=told(of_boxes.speed_m_s, flow.speed_m_s),
        slow_speed_m_s=told(of_boxes.slow_speed_m_s, flow.speed_m_s),
        moving=told(of_boxes.moving, flow.moving),
        moving_share=told(of_boxes.moving_share, flow.moving_share),
        against_share=told(of_boxes.against_share, flow.against_share),
    )


def save(prepared: Prepared, state: State) -> bytes:
    """The state as bytes; equal states are equal bytes."""
    district = prepared.district
    parts = [
        tracks.save(district.camera_ids, state.tracks),
        linking.save(district.camera_ids, state.untracked),
        columns.save(district.camera_ids, state.cameras),
        columns.save(district.view_ids, state.views),
        columns.save(district.view_ids, state.flows),
    ]
    return msgspec.msgpack.encode(parts)


def restore(prepared: Prepared, snapshot: bytes) -> State:
    """
    Raises:
        RecordError: the bytes are not whole.
    """
    district, blank = prepared.district, initial(prepared)
    followed, loose, cameras, views, flows = columns.parts(snapshot, 5)
    return State(
        tracks.restore(district.camera_ids, followed),
        linking.restore(district.camera_ids, loose),
        columns.restore(district.camera_ids, blank.cameras, cameras),
        columns.restore(district.view_ids, blank.views, views),
        columns.restore(district.view_ids, blank.flows, flows),
    )


def _persons(prepared: Prepared, tick: Tick, frames: Ints, camera: Ints) -> tuple[Ints, tracks.I32, tracks.I16]:
    """(P,) index in `frames`, (P,) track and (P, 2) place of each person near the zones of the camera."""
    first = tick.object_start[frames]
    count = tick.object_start[frames + 1] - first
    frame = np.repeat(np.arange(len(frames)), count)
    row = np.arange(len(frame)) + np.repeat(first - np.cumsum(count) + count, count)
    counted = (tick.object_class[row] == ObjectClass.PERSON) & ~(tick.object_confidence[row] < prepared.confidence_min)
    if not counted.all():
        frame, row = frame[counted], row[counted]
    from detectors.crowd.loops.standing import NOWHERE, place

    at_m, told_by, of_person = np.empty((len(row), 2)), np.empty(len(row), np.int64), camera[frame]
    place(tick.object_box[row], of_person, prepared.homography, prepared.heads, at_m, told_by)
    east, north = (at_m - prepared.middle_m[of_person]).T
    reach_m = prepared.reach_m[of_person]
    near = (told_by != NOWHERE) & (np.abs(east) <= reach_m) & (np.abs(north) <= reach_m)  # never true of NaN
    place_cm = np.stack([np.rint(east[near] * 100.0), np.rint(north[near] * 100.0)], axis=1).astype(np.int16)
    id = np.maximum(tick.object_track[row[near]], -1).astype(np.int32)
    return frame[near], id, place_cm


def _measured(prepared: Prepared, state: State, camera: Ints, at_ns: int) -> State:
    """The state with the measures of the cameras that were just sampled."""
    district, followed = prepared.district, state.tracks
    from detectors.crowd.loops.view import measure_views

    noise_m, measures = measure_views(
        followed.start, followed.place_cm, followed.sampled_ns, state.cameras.noise_m, camera,
        district.view_start, prepared.edges, prepared.middle_m, prepared.one_way,
        prepared.exit_start, prepared.exits, state.views.measures.astype(np.float64),
    )  # fmt: skip
    sampled = np.zeros(len(district.cameras), np.bool_)
    sampled[camera] = True
    sampled_ns = np.where(sampled[district.view_camera], at_ns, state.views.sampled_ns)
    return replace(
        state, cameras=replace(state.cameras, noise_m=noise_m), views=Views(sampled_ns, measures.astype(np.float32))
    )
