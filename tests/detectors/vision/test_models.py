"""The store of models takes only what its card says."""

from __future__ import annotations

import hashlib

import pytest

from detectors.vision.models import add_model, chosen_model, load_model, model_names, read_card
from ingest.errors import SettingsError
from tests.detectors.vision.real import CARD, WEIGHTS, needs_model

WEIGHTS_HERE = b"weights"
DIGEST = hashlib.sha256(WEIGHTS_HERE).hexdigest()


@pytest.fixture
def files(tmp_path):
    """Weights, a card that fits them, and an empty store."""
    weights, card = tmp_path / "file.onnx", tmp_path / "card.toml"
    weights.write_bytes(WEIGHTS_HERE)
    card.write_text(CARD.read_text().replace(read_card(CARD).sha256, DIGEST))
    return weights, card, tmp_path / "data" / "models"


def test_a_model_comes_out_as_it_went_in_with_its_licence(files):
    weights, card, store = files
    added = add_model(store, weights, card, DIGEST.upper())
    assert added.licence == "Apache-2.0"
    assert model_names(store) == ("yolox-nano",)
    model = load_model(store, "yolox-nano")
    assert (model.card, model.weights) == (added, WEIGHTS_HERE)
    assert sorted(each.name for each in (store / "yolox-nano").iterdir()) == ["card.toml", "model.onnx"]


def test_weights_with_another_checksum_are_refused_and_nothing_is_stored(files):
    weights, card, store = files
    weights.write_bytes(b"other")
    with pytest.raises(SettingsError, match=r"file.onnx: SHA-256: expected .* \(as the card says\), got"):
        add_model(store, weights, card)
    weights.write_bytes(WEIGHTS_HERE)
    with pytest.raises(SettingsError, match=r"\(as given\)"):
        add_model(store, weights, card, "0" * 64)
    assert not store.exists()


def test_weights_that_changed_in_the_store_are_refused(files):
    weights, card, store = files
    add_model(store, weights, card)
    (store / "yolox-nano" / "model.onnx").write_bytes(b"changed")
    with pytest.raises(SettingsError, match=r"model.onnx: SHA-256"):
        load_model(store, "yolox-nano")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('decode = "yolox"', 'decode = "magic"', "Invalid enum value 'magic'"),
        ("input_width = 416", "input_width = 400", "multiples of 32"),
        ("person_class = 0", "person_class = 80", "person_class below classes"),
        ('name = "yolox-nano"', 'name = "../nano"', "a name of small letters"),
        ('licence = "Apache-2.0"', "", "missing required field `licence`"),
        ("score_min = 0.3", "score_min = 0", "> 0"),
        ("classes = 80", "classes = 80\ncolour = 1", "unknown field `colour`"),
        ("classes = 80", "classes = ", "card.toml"),
    ],
)
def test_a_card_with_a_fault_is_refused_and_the_fault_is_named(files, old, new, message):
    weights, card, store = files
    card.write_text(card.read_text().replace(old, new))
    with pytest.raises(SettingsError, match=message):
        add_model(store, weights, card)


def test_files_that_are_not_there_are_named(files, tmp_path):
    weights, card, store = files
    with pytest.raises(SettingsError, match=r"nowhere.onnx: expected a file that can be read, got No such file"):
        add_model(store, tmp_path / "nowhere.onnx", card)
    with pytest.raises(SettingsError, match=r"nowhere.toml: expected a file that can be read"):
        add_model(store, weights, tmp_path / "nowhere.toml")
    with pytest.raises(SettingsError, match=r"model yolox-nano: expected one of the models in .* \(none yet\)"):
        load_model(store, "yolox-nano")
    with pytest.raises(SettingsError, match="none of that name"):
        load_model(store, "../models")


@needs_model
def test_the_published_card_is_that_of_the_real_weights(tmp_path):
    assert add_model(tmp_path, WEIGHTS, CARD).name == "yolox-nano"


def test_the_only_model_is_chosen_without_a_name_and_of_several_none_is(files):
    weights, card, store = files
    assert chosen_model(store, "") is None
    added = add_model(store, weights, card)
    assert chosen_model(store, "") == chosen_model(store, "yolox-nano") == added
    with pytest.raises(SettingsError, match=r"model yolox: expected one of the models in .* \(yolox-nano\)"):
        chosen_model(store, "yolox")
    card.write_text(card.read_text().replace('"yolox-nano"', '"yolox-tiny"'))
    add_model(store, weights, card)
    with pytest.raises(SettingsError, match=r"perceive.model: expected one of yolox-nano, yolox-tiny, got none"):
        chosen_model(store, "")
