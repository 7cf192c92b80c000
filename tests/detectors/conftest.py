"""Options of the detectors' tests."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import settings

settings.register_profile("no deadline", deadline=None)  # the machine is shared; time is for benchmarks
settings.load_profile("no deadline")


def pytest_addoption(parser: pytest.Parser) -> None:
    with suppress(ValueError):  # it may be there already, for all rooms
        parser.addoption(
            "--update-golden",
            action="store_true",
            help="write golden files anew; read the difference before committing",
        )


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files shall be written instead of compared."""
    return bool(request.config.getoption("--update-golden", default=False))
