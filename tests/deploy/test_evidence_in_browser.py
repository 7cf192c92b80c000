"""The picture of an incident in the console: shown, or the reason why there is none; each read in the audit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import msgspec
import numpy as np
import pytest

from deploy.http.app import CONSOLE
from ingest.evidence import EvidenceSettings, reference_of
from ingest.schema.finding import Finding, Level, Phase
from tests.correlator.cases import at_ns, finding
from tests.deploy.desk import DeskServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.skipif(
    not (CONSOLE / "index.html").is_file(), reason="the console is not built here (pip install -e .)"
)
ROW = "[data-testid=alert-row]"
PICTURE = "[data-testid=evidence]"
NAME, LATER = (reference_of(EvidenceSettings(), "gate-7", at_ns(t_s)) for t_s in (0, 20))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[DeskServer]:
    desk = DeskServer(tmp_path)
    desk.show("normal", 40)
    desk.start()
    yield desk
    desk.close()


@pytest.fixture
def page(browser: Browser, desk: DeskServer) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(desk.url)
    page.wait_for_selector("[data-testid=connection][data-state=live]")
    yield page
    page.close()
    assert faults == []


def jpeg() -> bytes:
    blocks = np.random.default_rng(1).integers(0, 256, (18, 32, 3)).astype(np.uint8).repeat(10, 0).repeat(10, 1)
    return cv2.imencode(".jpg", blocks)[1].tobytes()


def with_pictures(told: Finding, *names: str) -> Finding:
    return msgspec.structs.replace(told, data=msgspec.structs.replace(told.data, evidence=names))


def reads(desk: DeskServer) -> list[str]:
    return [row.subject for row in desk.watch.casebook.audit_after(0, 1_000) if row.subject.startswith("evidence")]


def open_details(page: Page) -> None:
    page.wait_for_selector(ROW)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-testid=details]")


def test_the_picture_of_an_alert_is_seen_in_its_details_and_read_once(page: Page, desk: DeskServer) -> None:
    desk.live.put_evidence(NAME, jpeg(), 60)
    desk.watch.play(with_pictures(finding("a", level=Level.RED), NAME))
    page.wait_for_selector(ROW)
    assert reads(desk) == [], "nobody has looked at a picture yet"
    open_details(page)
    page.wait_for_selector(f"{PICTURE}[data-state=shown] img")
    size = page.evaluate(f"[...document.querySelectorAll('{PICTURE} img')].map(i => [i.naturalWidth, i.naturalHeight])")
    assert size == [[320, 180]]
    shown = page.inner_text(PICTURE)
    assert "Gate 7" in shown and page.get_attribute(f"{PICTURE} img", "alt") == f"{shown}; persons are covered"
    desk.watch.play(with_pictures(finding("a", 10.0, Phase.UPDATED, Level.RED), NAME))
    page.wait_for_selector(f"{ROW} >> text=104 of 100 persons")
    (incident,) = desk.watch.open()
    assert reads(desk) == [f"evidence {NAME} of incident {incident.id}"]


def test_a_picture_whose_time_is_over_says_so_beside_one_that_is_there(page: Page, desk: DeskServer) -> None:
    desk.watch.play(with_pictures(finding("a", level=Level.AMBER), NAME))
    desk.watch.until(80.0)
    worse = with_pictures(finding("a", 80.0, Phase.UPDATED, Level.RED), LATER)
    desk.book.keep(LATER, at_ns(20), jpeg())
    desk.watch.play(worse)
    page.wait_for_selector(f"{ROW}[data-level=red]")
    open_details(page)
    page.wait_for_selector(f"{PICTURE}[data-state=shown] img")
    page.wait_for_selector(f"{PICTURE}[data-state=none] >> text=No picture: The picture of camera gate-7")
    assert "is over" in page.inner_text(f"{PICTURE}[data-state=none]")


def test_an_incident_without_pictures_says_that_it_has_none(page: Page, desk: DeskServer) -> None:
    desk.watch.play(finding("a", level=Level.RED))
    open_details(page)
    page.wait_for_selector("[data-testid=no-evidence] >> text=No picture")
    assert reads(desk) == []
