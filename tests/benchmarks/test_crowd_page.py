"""The page of crowd safety quotes the benchmark, and nothing else."""

from __future__ import annotations

import math
import re

import pytest

from benchmarks.crowd_page import FOLDER, GOALS, PAGE, Goal, figures_kept, filled, goals_table, quoted

TEXT = PAGE.read_text("utf-8")


def test_every_number_that_the_page_quotes_is_the_one_of_the_benchmark() -> None:
    assert filled(TEXT, figures_kept()) == TEXT, "run `python -m benchmarks.crowd --page`"


def test_the_page_quotes_each_figure_that_has_a_goal_and_no_other_than_is_kept() -> None:
    kept = figures_kept()
    assert set(quoted(TEXT)) <= set(kept)
    assert {goal.figure for goal in GOALS} <= set(kept)
    assert all(math.isfinite(value) for value in kept.values())


def test_each_plot_of_the_page_is_there_and_small() -> None:
    shown = re.findall(r"\]\(crowd/(\w+\.svg)\)", TEXT)
    assert len(shown) == 5
    for name in shown:
        drawn = (FOLDER / name).read_text("utf-8")
        assert drawn.lstrip().startswith("<?xml") and len(drawn) < 100_000, name


def test_a_number_is_filled_in_as_it_is_written_and_an_unknown_one_is_refused() -> None:
    text = "after 0<!--=delay_s:.1f--> s, 1,000<!--=ratio:,.0f--> times, 1e-9<!--=off:.0g-->, 0<!--=share:.0%-->"
    figures = {"delay_s": 12.345, "ratio": 2345.6, "off": 3.2e-14, "share": 0.5}
    done = filled(text, figures)
    assert re.sub("<!--.*?-->", "", done) == "after 12.3 s, 2,346 times, 3e-14, 50%"
    assert filled(done, figures) == done
    with pytest.raises(KeyError):
        filled("0<!--=nothing:.1f-->", figures)


def test_a_goal_that_is_not_reached_is_said_so() -> None:
    assert Goal("a", "", "<=", 2.0).reached(2.0) and not Goal("a", "", ">=", 2.0).reached(1.9)
    table = goals_table({"missed": 3.0, "voronoi_ratio_10": 400.0})
    assert re.search(r"events missed \| <= 0 \| 3 \| \*\*not reached\*\*", table)
    assert re.search(r"10 persons a frame.* \| >= 100 \| 400 \| reached", table)
    assert "not measured" in table


def test_a_crowd_hides_its_feet_first_and_a_higher_camera_sees_more() -> None:
    plots = pytest.importorskip("benchmarks.crowd_plots", reason="needs matplotlib, of the extra `bench`")
    for per_m2 in (0.5, 2.0, 4.0):
        head, waist, feet = plots.seen_shares(per_m2, 6.0, 10.0)
        assert head >= waist >= feet
        assert plots.seen_shares(per_m2, 12.0, 10.0)[0] >= head
    assert plots.seen_shares(1.0, 6.0, 10.0)[2] > plots.seen_shares(4.0, 6.0, 10.0)[2]
