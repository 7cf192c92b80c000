"""Short tracks and what is made of them: bad input, several cameras, and the laws of the stage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.crowd.motion import tracks
from ingest.errors import RecordError
from ingest.registry.district import district_of
from ingest.schema.tick import Picture
from tests.detectors.crowd_scene import (
    film,
    motion_at_end,
    place,
    raised,
    rows,
    stage_of,
    standing,
    told,
)
from tests.detectors.plaza import boxes_at, camera, overhead, reads, square, tick, zone


def walking(count, speed_m_s, apart_m=2.0):
    """Rows that walk east from the west end of the zone."""

    def at(at_s):
        there = rows(count, apart_m, 4)
        return there + np.array([speed_m_s * at_s - 6.0, 0.0])

    return at


def test_speed_and_direction_are_those_of_the_people():
    seen = motion_at_end(stage_of(place()), film(walking(12, 1.3), 6.0))
    assert seen.velocity_m_s[0] == pytest.approx([1.3, 0.0], abs=0.02)
    assert (seen.speed_m_s[0], seen.moving[0], seen.standing[0]) == (pytest.approx(1.3, abs=0.02), 12.0, 0.0)
    assert seen.noise_m[0] < 0.01


@pytest.mark.parametrize("noise_m", [0.05, 0.1, 0.2])
def test_the_noise_of_places_is_found_and_nobody_who_stands_seems_to_walk(noise_m):
    seen = motion_at_end(stage_of(place()), film(standing(40, 1.5), 20.0, noise_m=noise_m))
    assert seen.noise_m[0] == pytest.approx(noise_m, rel=0.25)
    assert seen.moving_share[0] < 0.1 and seen.running_share[0] < 0.05
    assert seen.standing[0] > 30


def test_ids_that_are_used_again_after_a_reboot_are_other_people():
    # The camera restarts and counts from 0: the same ids stand at the other end, with a pause and without one.
    far = standing(30, 1.0)

    def other_end(at_s):
        return far(at_s) + ([0.0, 0.0] if at_s < 10.0 else [6.0, 5.0])

    ticks = film(other_end, 14.0)
    seen = motion_at_end(stage_of(place()), ticks)
    assert seen.running_share[0] == 0.0 and seen.speed_m_s[0] == pytest.approx(0.0, abs=0.05)
    assert raised(told(stage_of(place()), ticks)[1], "crowd.surge") == []
    paused = [each for index, each in enumerate(ticks) if not 45 <= index < 70]
    assert raised(told(stage_of(place()), paused)[1], "crowd.surge") == []


def test_an_id_that_a_frame_has_twice_is_nobodys():
    seen = motion_at_end(stage_of(place()), film(walking(12, 1.3), 6.0, ids=lambda at_s, count: np.zeros(count)))
    assert not seen.known[0] or seen.timed[0] == 0


def test_boxes_that_have_no_place_on_the_ground_are_dropped():
    ticks = film(walking(12, 1.3), 6.0)
    broken = []
    for each in ticks:
        box = each.object_box.copy()
        box[::3] = np.nan
        broken.append(replace(each, object_box=box))
    seen = motion_at_end(stage_of(place()), broken)
    assert seen.seen[0] == 8.0
    assert seen.velocity_m_s[0] == pytest.approx([1.3, 0.0], abs=0.02)


def test_a_frame_rate_that_changes_changes_no_speed_and_raises_nothing():
    ticks = film(walking(20, 1.2), 4.0)
    ticks += film(walking(20, 1.2), 8.0, period_s=1.0, from_s=4.0)
    ticks += film(walking(20, 1.2), 10.0, period_s=0.1, from_s=8.0)
    stage = stage_of(place())
    for until in range(15, len(ticks)):
        speed = motion_at_end(stage, ticks[:until]).speed_m_s[0]
        assert np.isnan(speed) or speed == pytest.approx(1.2, abs=0.03)
    assert raised(told(stage, ticks)[1]) == []


def test_two_cameras_whose_clocks_differ_by_three_seconds_see_one_crowd():
    half = square(-10, -10, 10, 10)
    district = district_of(
        [camera(7, "west", True), camera(8, "east", True)],
        [zone("plaza", 50, polygon=half)],
    )
    crowd = standing(24)
    west = film(crowd, 20.0)
    east = film(crowd, 20.0, number=8)
    late = [replace(each, captured_at_ns=each.captured_at_ns - 3_000_000_000, producer="perceive") for each in east]
    both = [each for pair in zip(west, late, strict=True) for each in pair]
    seen = motion_at_end(stage_of(district), both)
    # Fused by area, not added: two views of one ground are one crowd.
    assert seen.cluster[0] == pytest.approx(24.0)
    assert seen.speed_m_s[0] == pytest.approx(0.0, abs=0.02)
    assert raised(told(stage_of(district), both)[1]) == ["crowd.gathering.capacity"]


def test_sources_without_tracks_are_followed_where_people_stand_apart_and_not_where_they_do_not():
    loose = motion_at_end(stage_of(place()), film(walking(12, 1.3), 6.0, is_tracked=False))
    assert loose.velocity_m_s[0] == pytest.approx([1.3, 0.0], abs=0.02) and loose.followed_share[0] == 1.0

    def thick(at_s):
        return rows(60, 0.4) + np.array([2.0 * at_s - 6.0, 0.0])

    dense = motion_at_end(stage_of(place()), film(thick, 6.0, is_tracked=False, period_s=0.4))
    assert not dense.known[0] or dense.followed_share[0] < 0.5


def test_a_camera_without_calibration_knows_no_motion_and_a_dense_crowd_there_is_not_measurable():
    district = district_of([camera()], [zone("plaza", None, 5.0, cameras=("gate-7",))])
    _, findings = told(stage_of(district), film(standing(120, 0.3), 20.0))
    assert raised(findings) == ["crowd.pressure.not_measurable"]


def test_a_covered_picture_moves_nobody():
    ticks = [replace(each, picture=np.full(1, Picture.COVERED, np.uint16)) for each in film(walking(12, 1.3), 6.0)]
    assert not motion_at_end(stage_of(place()), ticks).known[0]


def chance_film(seed: int, is_tracked: bool, count: int = 60):
    """People who come, go, stand and run, with some untracked, some missed."""
    chance = np.random.default_rng(seed)
    base = rows(40, 1.0)
    speed = chance.choice([0.0, 0.0, 1.2, -1.2, 3.0], 40)

    def at(at_s):
        return base + np.stack([speed * at_s, np.zeros(40)], axis=1)

    made = film(at, count * 0.2, is_tracked=is_tracked, noise_m=0.05, seed=seed)
    kept = []
    for each in made:
        rows_kept = np.flatnonzero(chance.random(len(each.object_track)) > 0.15)
        kept.append(
            replace(
                each,
                object_start=np.array([0, len(rows_kept)], np.int64),
                **{
                    name: getattr(each, name)[rows_kept]
                    for name in ("object_class", "object_confidence", "object_box", "object_track")
                },
            )
        )
    return kept


@given(seed=st.integers(0, 2**32 - 1), is_tracked=st.booleans(), cut=st.integers(1, 59))
@settings(max_examples=12, deadline=None)
def test_a_run_that_is_cut_anywhere_ends_with_the_same_findings_and_the_same_bytes(seed, is_tracked, cut):
    stage, ticks = stage_of(place(30)), chance_film(seed, is_tracked)
    whole, said = stage.step(stage.initial(0), reads(ticks))
    before, first = stage.step(stage.initial(0), reads(ticks[:cut]))
    after, then = stage.step(stage.restore(0, stage.save(before)), reads(ticks[cut:], cut))
    assert [*first, *then] == list(said)
    assert stage.save(after) == stage.save(whole)


@given(seed=st.integers(0, 2**32 - 1), is_tracked=st.booleans())
@settings(max_examples=10, deadline=None)
def test_the_order_of_persons_in_a_frame_changes_nothing(seed, is_tracked):
    stage, ticks = stage_of(place(30)), chance_film(seed, is_tracked)
    chance = np.random.default_rng(seed)
    shuffled = []
    for each in ticks:
        order = chance.permutation(len(each.object_track))
        names = ("object_class", "object_confidence", "object_box", "object_track")
        shuffled.append(replace(each, **{name: getattr(each, name)[order] for name in names}))
    one, other = (stage.step(stage.initial(0), reads(given_ticks)) for given_ticks in (ticks, shuffled))
    assert list(one[1]) == list(other[1])
    assert stage.save(one[0]) == stage.save(other[0])


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=8, deadline=None)
def test_a_camera_elsewhere_changes_nothing_here(seed):
    alone = place(30)
    elsewhere = camera(9, "far", calibration=overhead(30.0, 200.0), sampling_period_s=0.2)
    crowded = district_of(
        [*alone.cameras, elsewhere], [*alone.zones, zone("yard", 30, polygon=square(190, -10, 210, 10))]
    )
    ticks = chance_film(seed, True)
    more = []
    for index, each in enumerate(ticks):
        there = boxes_at(rows(30, 0.7) + np.array([200.0 + 0.01 * index, 0.0]), 30.0, 200.0)
        both = tick((index + 1) * 0.2, {7: each.object_box.astype(np.float64), 9: there}, captured_s=(index + 1) * 0.2)
        track = np.concatenate([each.object_track, np.arange(30)]).astype(np.int32)
        more.append(replace(both, object_track=track))
    # `tick` writes the boxes anew as float32: they are the same numbers.
    quiet = stage_of(alone)
    busy = stage_of(crowded)
    here = [each.data for each in told(quiet, ticks)[1]]
    there_too = [each.data for each in told(busy, more)[1] if each.subject == "plaza"]
    assert [(each.kind, each.phase, each.value, each.onset_at, each.detail) for each in here] == [
        (each.kind, each.phase, each.value, each.onset_at, each.detail) for each in there_too
    ]


def test_tracks_are_forgotten_after_five_seconds():
    stage = stage_of(place())
    ticks = film(walking(12, 1.3), 4.0)
    ticks += film(lambda at_s: np.empty((0, 2)), 12.0, from_s=4.0)
    state, _ = told(stage, ticks)
    assert len(state.motion.tracks.id) == 0


def test_a_snapshot_of_tracks_that_is_not_whole_is_refused_and_a_camera_that_went_is_dropped():
    with pytest.raises(RecordError, match="tracks of each camera"):
        tracks.restore(("a",), b"\x01")
    stage = stage_of(place())
    state, _ = told(stage, film(walking(12, 1.3), 4.0))
    kept = state.motion.tracks
    assert len(kept.id) == 12
    saved = tracks.save(("gate-7",), kept)
    assert tracks.is_same(tracks.restore(("gate-7",), saved), kept)
    assert len(tracks.restore(("another",), saved).id) == 0


def test_no_track_is_in_any_finding():
    _, findings = told(
        stage_of(place(50)), film(standing(24), 20.0, ids=lambda at_s, count: np.arange(count) + 777_000)
    )
    assert findings
    assert not any("777" in repr(each.data.detail) + repr(each.data.thresholds) for each in findings)
