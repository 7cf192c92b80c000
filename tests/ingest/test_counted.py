"""Numbers of things are said as people say them."""

from __future__ import annotations

import pytest

from ingest.counted import counted


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 cameras"), (1, "1 camera"), (2, "2 cameras"), (7_600, "7,600 cameras")]
)
def test_one_of_a_thing_is_no_plural(number: int, said: str) -> None:
    assert counted(number, "camera") == said


def test_a_plural_of_its_own_is_given() -> None:
    assert counted(1, "child", "children") == "1 child" and counted(3, "child", "children") == "3 children"
