"""The schema has no field that could carry an identity: every column, topic, table and JSON schema is walked."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from correlator.casebook.tables import metadata
from deploy.schemas import published
from ingest.bus.topics import topic_specs
from ingest.metrics import Metrics
from ingest.schema.codec import TICK_SCHEMA

IDENTITY = frozenset(
    """
    name names surname forename nickname alias face faces facial plate plates licence_plate license vin embedding
    embeddings biometric biometrics gender sex age ages ethnicity race nationality religion skin hair beard glasses
    hat mask clothing clothes shirt trousers dress bag backpack colour color gait iris fingerprint height_m weight
    passport identity identities person_id persons_id subject_id suspect suspects watchlist watch_list blacklist
    reid re_id appearance attribute attributes posture_id protest petition banner banners slogan slogans
    """.split()
)
# The one other sense in which these words stand here: a place has a name, a calibration an age.
ALLOWED = {
    "alert.v1.json: Measurement.calibration_age_s",
    "finding.v1.json: Measurement.calibration_age_s",
    "camera.v1.json: Camera.name",
    "zone.v1.json: Zone.name",
}


def words_of(name: str) -> set[str]:
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    single = [part for part in re.split(r"[^a-z0-9]+", parts) if part]
    return {*single, *("_".join(pair) for pair in itertools.pairwise(single))}


def arrow_names(fields: Any) -> Iterator[str]:
    for field in fields:
        yield field.name
        kind = field.type
        while hasattr(kind, "value_type"):
            kind = kind.value_type
        if kind.num_fields:
            yield from arrow_names(kind.field(index) for index in range(kind.num_fields))


def json_names(node: Any, owner: str) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.get("$defs", {}).items():
            yield from json_names(value, key)
        for key, value in node.get("properties", {}).items():
            yield f"{owner}.{key}"
            yield from json_names(value, owner)
        for word in node.get("enum", ()):
            yield f"{owner}.{word}"
        for key in ("items", "anyOf", "additionalProperties", "prefixItems"):
            yield from json_names(node.get(key), owner)
    elif isinstance(node, list):
        for part in node:
            yield from json_names(part, owner)


def every_name() -> Iterator[tuple[str, str]]:
    """(where it stands, the name)."""
    for name in arrow_names(TICK_SCHEMA):
        yield f"tick: {name}", name
    for spec in topic_specs(4, ("detect", "perceive")):
        yield f"topic: {spec.name}", spec.name
    for table in metadata.tables.values():
        yield f"table: {table.name}", table.name
        for column in table.columns:
            yield f"table: {table.name}.{column.name}", column.name
    for file, text in published().items():
        if file.endswith(".json"):
            for name in json_names(json.loads(text), file):
                yield f"{file}: {name}", name.partition(".")[2]
    registry = CollectorRegistry()
    Metrics(registry)
    for metric in registry.collect():
        yield f"metric: {metric.name}", metric.name


def test_no_column_topic_table_or_schema_could_name_or_describe_a_person() -> None:
    crossed = {where: words_of(name) & IDENTITY for where, name in every_name() if words_of(name) & IDENTITY}
    assert {where: words for where, words in crossed.items() if where not in ALLOWED} == {}


def test_the_walk_reaches_every_kind_of_place() -> None:
    places = {where.partition(":")[0] for where, _ in every_name()}
    assert {"tick", "topic", "table", "metric", "finding.v1.json", "alert.v1.json", "camera.v1.json"} <= places
    names = {name for _, name in every_name()}
    assert {"object_box", "dt.findings", "outbox", "condition", "safe_capacity", "not_measurable"} <= names


@pytest.mark.parametrize("crossing", ["face_box", "plateNumber", "person_gender", "hair_colour", "watch_list", "Age"])
def test_a_crossing_would_be_seen(crossing: str) -> None:
    assert words_of(crossing) & IDENTITY
