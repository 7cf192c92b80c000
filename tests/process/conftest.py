"""One district in five processes for all tests of this folder; who fails shows the logs of all its programs."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from tests.process.district import DistrictInProcesses
from tests.process.programs import Programs
from tests.support.kafka_broker import KafkaBroker


@pytest.fixture(scope="module")
def district(
    tmp_path_factory: pytest.TempPathFactory, kafka_broker: KafkaBroker, redis_url: str, postgres_url: str
) -> Iterator[DistrictInProcesses]:
    folder = tmp_path_factory.mktemp("district")
    (folder / "logs").mkdir()
    with Programs(folder / "logs") as programs:
        district = DistrictInProcesses(folder, programs, kafka_broker.bootstrap_servers, redis_url, postgres_url)
        try:
            district.start()
        except BaseException as error:
            error.add_note(programs.shown())
            raise
        yield district
        district.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    district = getattr(item, "funcargs", {}).get("district")
    if report.failed and isinstance(district, DistrictInProcesses):
        report.sections.append(("the logs of the district", district.programs.shown()))
    return report
