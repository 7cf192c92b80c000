"""Who is told of what, by day and by night, and who next when nobody acknowledges."""

from __future__ import annotations

import json
import tomllib
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from correlator.incidents.merge import incident_id
from correlator.incidents.settings import CorrelateSettings
from correlator.routing.fault import route_faults
from correlator.routing.route import Case, Expectation, Route, Step, fits, routed, told_by
from deploy.cli import main
from ingest.schema.finding import Level, Phase
from tests.correlator.cases import at_ns, finding
from tests.correlator.watch import Watch

FIRE = Route(name="fire", kinds=("anomaly.fire", "anomaly.smoke"), level_min=Level.RED, to=("brigade",), more=True)
NIGHT = Route(name="night", hours="Mo-Su 22:00-06:00", to=("night-desk",))
REST = Route(name="rest", to=("desk",), escalate=(Step(after_s=60, to=("shift",)), Step(after_s=120, to=("head",))))
ROUTES = (FIRE, NIGHT, REST)


def case(kind: str = "crowd.capacity", level: Level = Level.AMBER, at: str = "2026-12-05T12:00") -> Case:
    return Case(kind=kind, level=level, site="north", zone="square", local=datetime.fromisoformat(at))


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (case(), ("desk",)),
        (case(at="2026-12-05T23:00"), ("night-desk",)),
        (case(at="2026-12-06T05:59"), ("night-desk",)),
        (case(at="2026-12-06T06:00"), ("desk",)),
        (case("anomaly.smoke", Level.RED), ("brigade", "desk")),
        (case("anomaly.smoke", Level.AMBER), ("desk",)),
    ],
)
def test_the_first_route_that_fits_speaks_and_more_lets_the_next_speak_too(one: Case, told: tuple[str, ...]) -> None:
    assert told_by(routed(ROUTES, one)) == told


@given(
    st.lists(
        st.builds(
            Route,
            name=st.text("abc", min_size=1, max_size=3),
            kinds=st.sampled_from([("*",), ("crowd.*",), ("anomaly.fire",)]),
            level_min=st.sampled_from(list(Level)),
            to=st.just(("desk",)),
            more=st.booleans(),
        ),
        max_size=5,
    ),
    st.sampled_from(list(Level)),
)
def test_routes_that_speak_all_fit_and_only_the_last_stops(routes: list[Route], level: Level) -> None:
    one = case(level=level)
    chosen = routed(routes, one)
    assert all(fits(route, one) for route in chosen)
    assert all(route.more for route in chosen[:-1])
    assert bool(chosen) == any(fits(route, one) for route in routes)


@pytest.mark.parametrize(
    ("routes", "said"),
    [
        ((FIRE,), "a last route that takes what no other does"),
        ((REST, NIGHT), 'one behind "rest"'),
        ((FIRE, FIRE, REST), "a name of its own"),
        ((Route(name="x", hours="Mo-Fr 25:00-26:00", to=("a",)), REST), "hours of the week"),
        ((Route(name="x", to=()), REST), "at least one desk"),
        ((Route(name="x", level_min=Level.RED, level_max=Level.AMBER, to=("a",)), REST), "a level not above level_max"),
    ],
)
def test_each_fault_of_routes_is_told_with_its_mend(routes: tuple[Route, ...], said: str) -> None:
    told = [str(fault) for fault in route_faults(routes, (), "UTC")]
    assert any(said in line for line in told), told


def test_what_is_expected_is_held_against_the_routes() -> None:
    right = Expectation(
        kind="anomaly.fire", level=Level.RED, site="north", at="2026-12-05T12:00", to=("brigade", "desk")
    )
    assert route_faults(ROUTES, (right,), "UTC") == []
    wrong = Expectation(kind="anomaly.fire", level=Level.RED, site="north", at="2026-12-05T23:00", to=("desk",))
    (fault,) = route_faults(ROUTES, (wrong,), "UTC")
    assert "expected desk, got brigade, night-desk (fire, night)" in str(fault)


def test_who_is_next_is_told_once_when_nobody_acknowledges_over_a_restart(tmp_path: Path) -> None:
    watch = Watch(f"sqlite:///{tmp_path / 'casebook.db'}", CorrelateSettings(routes=(REST,), silent_s=1e4))
    watch.play(finding("a", 0))
    watch.until(70)
    watch.kill()
    watch.start()
    watch.until(100)
    calls = [alert for alert in watch.said() if alert.type == "incident.unacknowledged"]
    assert [(alert.to, alert.at.timestamp() * 1e9 - at_ns(0)) for alert in calls] == [(("shift",), 60e9)]
    assert next(alert for alert in watch.said() if alert.type == "incident.opened").to == ("desk",)
    watch.casebook.act(incident_id("a"), "acknowledge", actor="desk-1", version=None, at_ns=at_ns(101))
    watch.until(130)
    watch.play(finding("a", 131, Phase.CLEARED))
    assert len([alert for alert in watch.said() if alert.type == "incident.unacknowledged"]) == 1
    watch.kill()


def test_routes_are_tried_and_checked_at_the_command_line(tmp_path: Path) -> None:
    page = tmp_path / "drumtower.toml"
    page.write_text(
        f'data = "{tmp_path}"\ntime_zone = "Europe/Berlin"\n'
        '[[correlate.routes]]\nname = "fire"\nkinds = ["anomaly.*"]\nto = ["brigade"]\n'
        '[[correlate.routes]]\nname = "rest"\nto = ["desk"]\nescalate = [{ after_s = 60, to = ["shift"] }]\n'
        '[[correlate.route_expectations]]\nkind = "crowd.surge"\nlevel = "red"\nsite = "north"\n'
        'at = "2026-12-05T12:00"\nto = ["desk"]\n'
    )
    words = ["route", "try", "--settings", str(page), "--level", "red", "--site", "north"]

    def run(*more: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, [*words, *more])
        return done.exit_code, done.output

    code, said = run("--kind", "crowd.surge", "--json")
    assert (code, json.loads(said)) == (0, {"to": ["desk"], "routes": ["rest"], "escalate": [[60.0, ["shift"]]]})
    assert run("--kind", "anomaly.fire", "--expect", "brigade")[0] == 0
    assert run("--kind", "anomaly.fire", "--expect", "desk")[0] == 1
    assert CliRunner().invoke(main, ["check", "--settings", str(page)]).exit_code == 0
    page.write_text(page.read_text().replace('to = ["desk"]\n', 'to = ["nobody-else"]\n', 1))
    assert CliRunner().invoke(main, ["check", "--settings", str(page)]).exit_code == 2


def test_the_example_of_the_page_has_no_fault() -> None:
    page = (Path(__file__).parents[3] / "docs" / "incidents.md").read_text("utf-8")
    example = tomllib.loads(page.partition("```toml\n")[2].partition("```")[0])
    rules = msgspec.convert(example["correlate"], CorrelateSettings)
    assert len(rules.routes) == 3
    assert route_faults(rules.routes, rules.route_expectations, "Europe/Berlin") == []
