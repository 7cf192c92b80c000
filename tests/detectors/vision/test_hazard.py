"""Fire and smoke by a model: shares of the picture, beside the persons of the same look."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.settings import PerceiveSettings
from detectors.vision import hazard
from detectors.vision.hazard import Hazards, covered, hazard_finder
from detectors.vision.models import Model, add_model, chosen_model, read_card
from detectors.vision.stage import PerceiveStage
from ingest.errors import SettingsError
from tests.detectors.vision.real import CARD
from tests.detectors.vision.test_perceive import batch, find, frame, jpeg

EXAMPLE = read_card(Path(__file__).parents[3] / "docs/models/fire-smoke.example.toml")
CELLS = 52 * 52 + 26 * 26 + 13 * 13


def seeing(monkeypatch: pytest.MonkeyPatch, *cells: tuple[int, int, float], card=EXAMPLE) -> Hazards:
    """What the finder says of a picture, of which the model says (row of a cell, class, score)."""
    output = np.zeros((CELLS, 5 + card.classes), np.float32)
    for row, kind, score in cells:
        output[row, 2:4] = np.log(52.0)  # boxes of 416 px at stride 8: all of the input
        output[row, 4], output[row, 5 + kind] = 1.0, score
    monkeypatch.setattr(hazard, "network", lambda model: lambda blob: output)
    return hazard_finder(Model(card, b""))(np.zeros((416, 416, 3), np.uint8))


def test_each_class_has_its_own_share_and_what_is_unsure_has_none(monkeypatch):
    middle = 26 * 52 + 26
    assert seeing(monkeypatch) == Hazards(0.0, 0.0)
    assert seeing(monkeypatch, (middle, 0, 0.9)) == Hazards(1.0, 0.0)
    assert seeing(monkeypatch, (middle, 1, 0.9)) == Hazards(0.0, 1.0)
    assert seeing(monkeypatch, (middle, 1, 0.3)) == Hazards(0.0, 0.0)


def test_a_class_that_the_model_does_not_know_was_not_looked_for(monkeypatch):
    only_fire = msgspec.structs.replace(EXAMPLE, smoke_class=-1)
    found = seeing(monkeypatch, (100, 0, 0.9), card=only_fire)
    assert found.flame > 0 and np.isnan(found.smoke)


@given(st.lists(st.tuples(*[st.floats(0, 1, width=32)] * 4), max_size=8))
def test_overlapping_boxes_count_once_and_more_boxes_never_less(boxes):
    box = np.array(boxes, np.float32).reshape(-1, 4)
    assert 0 <= covered(box) <= 1
    assert covered(np.concatenate([box, box])) == covered(box)
    assert all(covered(box[:at]) <= covered(box) for at in range(len(box)))
    assert covered(box) > 0 or not len(box)


def test_of_two_models_each_is_taken_for_what_it_knows(tmp_path):
    persons = msgspec.structs.replace(read_card(CARD), name="persons")
    store = tmp_path / "models"
    for card in (persons, EXAMPLE):
        weights = tmp_path / f"{card.name}.onnx"
        weights.write_bytes(card.name.encode())
        add_model(store, weights, written(tmp_path, card, weights))
    chosen = chosen_model(store, ""), chosen_model(store, "", "hazards")
    assert [card.name for card in chosen if card is not None] == ["persons", "fire-smoke"]
    with pytest.raises(SettingsError, match=r"perceive.hazard_model: expected a model that knows fire or smoke"):
        chosen_model(store, "persons", "hazards")


def test_a_card_without_a_class_for_us_is_refused(tmp_path):
    path = tmp_path / "card.toml"
    path.write_bytes(msgspec.toml.encode(msgspec.to_builtins(EXAMPLE) | {"fire_class": -1, "smoke_class": -1}))
    with pytest.raises(SettingsError, match="a person_class, a fire_class or a smoke_class"):
        read_card(path)


@pytest.mark.parametrize("with_model", [False, True])
def test_the_perceive_stage_tells_shares_only_where_a_model_looks(with_model):
    looks = (lambda picture: Hazards(0.25, float("nan"))) if with_model else None
    model = Model(read_card(CARD), b"")
    stage = PerceiveStage(model, lambda _: jpeg(2), PerceiveSettings(), lambda _: find, hazards=looks)
    _, (tick,) = stage.step(stage.initial(0), batch([frame(5.0)]))
    assert tick.objects_known.all()
    assert np.array_equal(tick.flame, [0.25 if with_model else np.nan], equal_nan=True)
    assert np.isnan(tick.smoke).all()


def written(folder: Path, card, weights: Path) -> Path:
    path = folder / f"{card.name}.toml"
    digest = sha256(weights.read_bytes()).hexdigest()
    path.write_bytes(msgspec.toml.encode(msgspec.to_builtins(card) | {"sha256": digest}))
    return path
