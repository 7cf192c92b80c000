"""The cameras of a worker are opened one after the other, so that a district that starts is no storm."""

from __future__ import annotations

from itertools import pairwise
from multiprocessing.connection import Connection

from msgspec.structs import replace

from ingest.cameras.settings import IngestSettings
from ingest.cameras.workers.danger import Danger
from ingest.cameras.workers.supervisor import Supervisor
from ingest.cameras.workers.tether import Tether
from ingest.cameras.workers.worker import Add, Report, Stop
from ingest.clock import SystemClock
from tests.ingest.cameras.cameras import QUICK, camera
from tests.ingest.cameras.test_role import Tally
from tests.support.waiting import until

CAMERAS, SPREAD_S = 8, 0.5


def tell_waits(connection: Connection, settings: IngestSettings, danger: Danger, tether: Tether) -> None:
    """A worker that reads nothing, and says how long each camera would wait, in ms."""
    while not isinstance(order := connection.recv(), Stop):
        if isinstance(order, Add):
            connection.send(Report(counts={("frames_dropped", f"{order.wait_s * 1_000:.0f}"): 1}))


def test_the_openings_of_a_worker_are_spread_in_time() -> None:
    tally = Tally()
    settings = replace(QUICK, open_spread_s=SPREAD_S)
    supervisor = Supervisor(settings, SystemClock(), tally, run=tell_waits)  # type: ignore[arg-type]
    try:
        supervisor.set_cameras([camera(n, "rtsp", f"rtsp://127.0.0.1:1/{n}") for n in range(CAMERAS)])
        until(lambda: sum(tally.counts.values()) == CAMERAS, "all cameras to be told")
    finally:
        supervisor.stop()
    waits_s = sorted(int(name.removeprefix("dropped ")) / 1_000 for name in tally.counts)
    assert len(waits_s) == CAMERAS
    # What has passed between two orders is taken off, so that they begin so far apart.
    assert all(SPREAD_S / 2 < later - earlier <= SPREAD_S + 0.01 for earlier, later in pairwise(waits_s))
