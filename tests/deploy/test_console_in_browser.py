"""The console in a real browser, against the real API, casebook and correlator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deploy.http.app import CONSOLE
from ingest.schema.finding import Level
from tests.correlator.cases import finding
from tests.deploy.desk import DeskServer
from tests.support.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.skipif(
    not (CONSOLE / "index.html").is_file(), reason="the console is not built here (pip install -e .)"
)
ROW = "[data-testid=alert-row]"
CONNECTION = "[data-testid=connection]"


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
    page.clock.install()
    page.goto(desk.url)
    page.wait_for_selector(f"{CONNECTION}[data-state=live]")
    yield page
    page.close()
    assert faults == []


def test_an_alert_is_seen_and_acknowledged_by_keyboard(page: Page, desk: DeskServer) -> None:
    desk.watch.play(finding("a", level=Level.RED))
    row = page.wait_for_selector(f"{ROW}[data-level=red][data-state=open]")
    assert row is not None
    words = row.inner_text()
    assert "RED" in words and "104 of 100 persons" in words and "North square" in words
    page.keyboard.press("j")
    page.keyboard.press("a")
    page.wait_for_selector(f"{ROW}[data-state=acknowledged][data-pending=false]")
    (incident,) = desk.watch.open()
    assert (incident.state, incident.acknowledged_by) == ("acknowledged", "operator")
    assert page.get_attribute("[data-testid=clock-seen]", "data-stand") == "met"


def test_a_clock_is_breached_on_the_screen_when_its_target_passes(page: Page, desk: DeskServer) -> None:
    desk.watch.play(finding("a", level=Level.AMBER))
    page.wait_for_selector("[data-testid=clock-seen][data-stand=running]")
    desk.watch.until(75.0)
    page.wait_for_selector("[data-testid=clock-seen][data-stand=breached]")
    assert "BREACHED" in page.inner_text("[data-testid=clock-seen]")
    assert page.get_attribute("[data-testid=clock-on-scene]", "data-stand") == "running"


def test_the_slower_of_two_desks_is_told_who_was_faster(page: Page, desk: DeskServer) -> None:
    desk.watch.play(finding("a", level=Level.RED))

    def be_faster(route: Route) -> None:
        (incident,) = desk.watch.open()
        desk.watch.casebook.act(
            incident.id, "acknowledge", actor="desk-2", version=incident.version, at_ns=desk.watch.clock.now_ns()
        )
        route.continue_()

    page.route("**/acknowledge", be_faster)
    page.click(f"{ROW} [data-testid=acknowledge]")
    page.wait_for_selector("[data-testid=notices] >> text=desk-2 acknowledged it")
    page.wait_for_selector(f"{ROW}[data-state=acknowledged][data-pending=false]")
    assert "by desk-2" in page.inner_text(ROW)


def test_a_screen_that_hears_nothing_says_that_it_is_not_live_and_catches_up(page: Page, desk: DeskServer) -> None:
    desk.stop()
    page.wait_for_selector(f"{CONNECTION}[data-state=connecting]")
    page.clock.fast_forward(9_000)
    page.wait_for_selector(f"{CONNECTION}[data-state=lost]")
    assert "what you see is NOT live" in page.inner_text("[data-testid=lost-banner]")
    desk.watch.play(finding("a", level=Level.CRITICAL))
    desk.start()
    page.clock.fast_forward(5_000)  # longer than any pause between two attempts
    page.wait_for_selector(f"{ROW}[data-level=critical]")
    page.wait_for_selector(f"{CONNECTION}[data-state=live]")
    assert page.query_selector("[data-testid=lost-banner]") is None


def test_the_map_is_drawn_and_no_other_host_is_asked(browser: Browser, desk: DeskServer) -> None:
    page = browser.new_page(viewport={"width": 1000, "height": 700})
    asked: list[str] = []
    refused: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: refused.append(message.text) if message.type == "error" else None)
    page.goto(desk.url)
    page.wait_for_selector("[data-testid=map][data-ready=true]", timeout=60_000)
    page.close()
    assert asked and all(url.startswith((desk.url + "/", "data:", "blob:")) for url in asked)
    assert refused == []  # nor did the content security policy have to refuse anything


def test_a_camera_that_goes_blind_is_counted_in_the_header(page: Page, desk: DeskServer) -> None:
    page.wait_for_selector("[data-testid=camera-counts] [data-state=live] >> text=2")

    def is_counted() -> bool:
        desk.watch.clock.advance(1)
        desk.show("red", 104, camera_state="stalled")  # a worker tells its state again and again
        return page.query_selector("[data-testid=camera-counts] [data-state=stalled] >> text=1") is not None

    until(is_counted, "one stalled camera in the header")


def test_the_console_fits_a_phone(browser: Browser, desk: DeskServer) -> None:
    desk.watch.play(finding("a", level=Level.RED))
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.goto(desk.url)
    page.wait_for_selector(ROW)
    wide = page.evaluate("document.documentElement.scrollWidth")
    button = page.locator("[data-testid=acknowledge]").bounding_box()
    page.close()
    assert wide <= 360
    assert button is not None and button["x"] + button["width"] <= 360 and button["height"] >= 36
