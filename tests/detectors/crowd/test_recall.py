"""What boxes find and what counts of them say: the curve, its interval, and where it ends."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from deploy.cli import main
from detectors.crowd.measures.hand_counts import FRAMES_MIN, HandCounts, fit_recall, read_hand_counts, toml_of
from detectors.crowd.measures.recall import RecallCurve, corrected, level_curve, recall_at, recall_table
from detectors.settings import DetectSettings
from ingest.errors import SettingsError, SettingsFaults

FALLING = RecallCurve(per_m2=(0.5, 1.0, 2.0), recall=(0.9, 0.8, 0.6), recall_sd=(0.01, 0.02, 0.03), per_m2_max=2.2)
AREA_M2 = 200.0


def said(curve, found, area_m2=AREA_M2):
    found = np.atleast_1d(np.asarray(found, np.float64))
    return corrected(recall_table([curve]), np.zeros(len(found), np.int64), found, np.full(len(found), area_m2))


def counts(recall_of, densities, frames=30, seed=1, wobble=0.0):
    """Frames in which boxes find each person with the chance `recall_of(density)`."""
    random = np.random.default_rng(seed)
    counted = random.poisson(np.repeat(densities, frames) * AREA_M2)
    chance = np.clip(recall_of(counted / AREA_M2) + random.normal(0, wobble, len(counted)), 0, 1)
    return HandCounts(
        np.full(len(counted), AREA_M2), counted.astype(float), random.binomial(counted, chance).astype(float)
    )


def test_at_the_measured_densities_the_recall_is_the_measured_one():
    found = np.array([0.5 * 0.9, 1.0 * 0.8, 2.0 * 0.6]) * AREA_M2
    assert said(FALLING, found).persons == pytest.approx([100.0, 200.0, 400.0])
    assert said(FALLING, found).recall == pytest.approx([0.9, 0.8, 0.6])
    # Between two of them boxes grow evenly with persons; below the first its recall holds.
    assert said(FALLING, [(0.45 + 0.8) / 2 * AREA_M2, 9.0]).persons == pytest.approx([150.0, 10.0])


def test_an_interval_grows_with_how_many_persons_a_box_more_stands_for():
    # Between 1 and 2 persons/m2 a box stands for 1 / 0.4 persons; p = 0.6 and found = 240 at the end of it.
    half = 1.96 * np.sqrt(239.999 * 0.4 + (239.999 * 0.03 / 0.6) ** 2) / 0.4
    found = said(FALLING, 239.999)
    assert found.high[0] - found.persons[0] == pytest.approx(half, rel=1e-3)


def test_above_the_valid_density_there_is_no_upper_bound():
    beyond = said(FALLING, [2.19 * 0.6 * AREA_M2, 2.21 * 0.6 * AREA_M2])
    assert beyond.beyond.tolist() == [False, True] and np.isinf(beyond.high).tolist() == [False, True]


@given(st.floats(0, 500), st.floats(0, 500))
def test_more_boxes_are_never_fewer_persons_and_the_interval_holds_the_estimate(first, second):
    low, high = sorted((first, second))
    found = said(FALLING, [low, high])
    assert found.persons[0] <= found.persons[1] + 1e-9
    assert (found.low >= 0).all() and (found.low <= found.persons).all() and (found.persons <= found.high).all()
    assert (found.persons >= [low, high]).all()


@given(st.floats(0, 300))
def test_a_level_curve_divides_and_zones_have_their_own(boxes):
    curves = [level_curve(0.8, 0.05, 100.0), FALLING, level_curve(1.0, 0.0, 100.0)]
    table, row = recall_table(curves), np.arange(3)
    together = corrected(table, row, np.full(3, boxes), np.full(3, AREA_M2))
    alone = [said(curve, boxes) for curve in curves]
    assert together.persons.tolist() == [each.persons[0] for each in alone]
    assert together.persons[0] == boxes / 0.8 and together.persons[2] == boxes
    assert recall_at(table, row, np.full(3, np.nan))[0].shape == (3,)


@pytest.mark.parametrize(
    "fault",
    [
        {"per_m2": (1.0, 0.5, 2.0)},
        {"recall": (0.9, 0.4, 0.2)},  # more people make fewer boxes
        {"recall_sd": (0.1,)},
        {"per_m2": (), "recall": (), "recall_sd": ()},
    ],
)
def test_a_curve_that_cannot_be_turned_around_is_refused(fault):
    plain = msgspec.to_builtins(FALLING)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(plain | fault, RecallCurve)


def test_a_curve_from_hand_counts_corrects_other_frames_within_its_interval():
    def recall(per_m2):
        return 1.0 - 0.15 * per_m2

    densities = [0.3, 0.8, 1.2, 1.8]
    curve, bands = fit_recall("square", counts(recall, densities, wobble=0.03))
    assert curve.recall == pytest.approx(recall(np.array(curve.per_m2)), abs=0.02)
    assert all(band.used and band.covered >= 0.8 for band in bands)
    fresh = counts(recall, densities, frames=200, seed=2, wobble=0.03)
    found = said(curve, fresh.found)
    within = (found.low <= fresh.counted) & (fresh.counted <= found.high)
    assert 0.9 <= within.mean() <= 1.0
    assert abs((found.persons - fresh.counted).mean()) < 0.03 * fresh.counted.mean()


def test_the_curve_ends_where_counts_cannot_be_corrected():
    lost, _ = fit_recall("square", counts(lambda per_m2: 1.0 - 0.15 * per_m2, [0.3, 1.2, 2.5, 3.7]))
    assert lost.per_m2[-1] == pytest.approx(2.5, abs=0.1) and lost.per_m2_max < 3.0  # at 3.7 less than half
    # 0.9 at 1.2 and 0.55 at 2.5 persons/m2: 1.08 and 1.375 boxes, less than one more for four persons.
    flat, _ = fit_recall("square", counts(lambda per_m2: np.where(per_m2 < 2, 0.9, 0.55), [1.2, 2.5]))
    assert len(flat.per_m2) == 1 and flat.per_m2_max < 1.6


def test_too_few_frames_and_too_few_found_are_refused_with_the_number():
    with pytest.raises(SettingsError, match=f"at least {FRAMES_MIN} frames.*got 7 at most"):
        fit_recall("square", counts(lambda per_m2: 0.9 + 0 * per_m2, [0.3], frames=7))
    with pytest.raises(SettingsError, match=r"got 3\d%"):
        fit_recall("square", counts(lambda per_m2: 0.35 + 0 * per_m2, [0.3]))


def test_every_bad_row_is_told_with_its_line():
    lines = ["site,area_m2,counted,found\n", "a,100,5,4\n", "a,0,5,4\n", ",100,5,4\n", "a,100,x,4\n", "a,100,nan,4\n"]
    with pytest.raises(SettingsFaults) as faults:
        read_hand_counts("counts.csv", lines)
    assert [fault.thing for fault in faults.value.faults] == [f"counts.csv: line {line}" for line in (3, 4, 5, 6)]
    with pytest.raises(SettingsError, match="none called found"):
        read_hand_counts("counts.csv", ["site,area_m2,counted\n", "a,1,2\n"])
    with pytest.raises(SettingsError, match="a row for each frame"):
        read_hand_counts("counts.csv", ["site,area_m2,counted,found\n"])


def test_the_command_writes_what_the_settings_take(tmp_path):
    given_counts = counts(lambda per_m2: 1.0 - 0.15 * per_m2, [0.3, 0.8, 1.2])
    rows = zip(given_counts.area_m2, given_counts.counted, given_counts.found, strict=True)
    file = tmp_path / "counts.csv"
    file.write_text("site,area_m2,counted,found\n" + "".join(f"square,{a:g},{c:g},{f:g}\n" for a, c, f in rows))
    done = CliRunner().invoke(main, ["calibrate", "recall", str(file)])
    assert done.exit_code == 0 and "30 frames, recall" in done.stderr
    taken = msgspec.toml.decode(done.stdout)["detect"]
    settings = msgspec.convert(taken, DetectSettings)
    curve, _ = fit_recall("square", given_counts)
    assert settings.occupancy.recall_at == {"square": curve}
    assert toml_of({"square": curve}) == done.stdout


def test_a_file_that_is_not_there_is_one_clear_line(tmp_path):
    done = CliRunner().invoke(main, ["calibrate", "recall", str(tmp_path / "none.csv")])
    assert done.exit_code == 2 and done.stderr.count("\n") == 1 and "none.csv: expected a CSV file" in done.stderr
