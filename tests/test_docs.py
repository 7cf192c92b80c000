"""What is written about the product is true of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from prometheus_client import CollectorRegistry

from deploy.cli import main
from deploy.schemas import published
from deploy.settings_reference import page
from ingest.metrics import Metrics

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


@pytest.mark.parametrize("name", sorted(published()))
def test_a_published_schema_is_the_one_on_the_wire(name: str) -> None:
    written = (ROOT / "docs" / "schemas" / name).read_text("utf-8")
    assert written == published()[name], "run `drumtower schemas write docs/schemas` and read the difference"


def test_no_schema_is_published_that_is_not_on_the_wire() -> None:
    assert {path.name for path in (ROOT / "docs" / "schemas").iterdir()} == set(published())


def test_the_page_of_settings_is_the_one_of_the_structs() -> None:
    assert (ROOT / "docs" / "settings.md").read_text("utf-8") == page(), "run `drumtower settings write`"


def test_every_setting_says_what_it_means() -> None:
    silent = [line for line in page().splitlines() if line.startswith("| `") and line.endswith("|  |")]
    assert silent == []


def test_every_command_shows_an_example_of_itself() -> None:
    for name, command in commands(main, "drumtower"):
        assert f"Example:  {name}" in (command.help or ""), name


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text("utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.name}: {target}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_that_a_page_names_is_there(path: Path) -> None:
    known = {name for name, _ in commands(main, "drumtower")}
    groups = {name.rsplit(" ", 1)[0] for name in known}
    for words in re.findall(r"(?:^|[`/ ])drumtower ((?:[a-z]+ ?)+)", path.read_text("utf-8"), re.MULTILINE):
        first, *rest = words.split()
        name = f"drumtower {first}"
        if name in groups and name != "drumtower" and rest:
            name = f"{name} {rest[0]}"
        assert name in known | groups, f"{path.name}: {name}"


def test_every_metric_is_on_its_page() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    text = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    for metric in registry.collect():
        assert f"`{metric.name}`" in text and metric.documentation in text, metric.name
