"""
The store of models: a folder with the weights and the card of each. The product brings no weights; an operator adds a
file together with a card that says where it is from, under which licence, and what goes in and comes out.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from ingest.errors import SettingsError

FOLDER = "models"  # within the data folder
CARD, WEIGHTS = "card.toml", "model.onnx"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")

Share = Annotated[float, msgspec.Meta(gt=0.0, le=1.0)]
Size = Annotated[int, msgspec.Meta(ge=32, le=4096)]
Class = Annotated[int, msgspec.Meta(ge=-1)]
Sees = Literal["persons", "hazards"]  # hazards: fire and smoke
_SETTING: dict[Sees, str] = {"persons": "perceive.model", "hazards": "perceive.hazard_model"}


class ModelCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    licence: str
    source: str
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    input_width: Size
    input_height: Size
    input_names: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    decode: Literal["yolox"]
    classes: Annotated[int, msgspec.Meta(ge=1)]
    # Which of its classes is what; -1 where it knows none of the kind.
    person_class: Class = -1
    fire_class: Class = -1
    smoke_class: Class = -1
    mean: tuple[float, float, float]  # blue, green, red; taken off each pixel in [0, 255]
    scale: tuple[float, float, float]  # and then multiplied by
    score_min: Share
    overlap_max: Share

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError("Expected a name of small letters, digits, `.`, `_` and `-`")
        for kind in ("person_class", "fire_class", "smoke_class"):
            if getattr(self, kind) >= self.classes:
                raise ValueError(f"Expected {kind} below classes")
        if max(self.person_class, self.fire_class, self.smoke_class) < 0:
            raise ValueError("Expected a person_class, a fire_class or a smoke_class")
        if self.input_width % 32 or self.input_height % 32:
            raise ValueError("Expected input_width and input_height in multiples of 32")


def sees(card: ModelCard, what: Sees) -> bool:
    """Whether a model knows persons, or fire or smoke."""
    return card.person_class >= 0 if what == "persons" else max(card.fire_class, card.smoke_class) >= 0


@dataclass(frozen=True, slots=True)
class Model:
    card: ModelCard
    weights: bytes


def read_card(path: Path) -> ModelCard:
    """
    Raises:
        SettingsError: the file cannot be read, or is no model card.
    """
    try:
        return msgspec.toml.decode(_bytes_of(path), type=ModelCard)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path}",
            expected="a model card as docs/models/yolox-nano.toml",
            got=str(error),
            mend="Mend the card, or take the one that is published for this model.",
        ) from error


def add_model(store: Path, file: Path, card: Path, sha256: str | None = None) -> ModelCard:
    """
    Put weights and their card into the store, in place of an earlier model of that name. Weights and card that do not
    belong together, as after a crash in between, are refused when they are loaded.

    Args:
        store: the folder `<data>/models`; made if it is not there.
        sha256: what the operator expects besides the card.

    Returns:
        The card, so that its licence can be shown.

    Raises:
        SettingsError: a file that cannot be read or written, a card that is none, weights with another SHA-256.
    """
    described = read_card(card)
    weights = _bytes_of(file)
    _check_digest(str(file), weights, described.sha256, "as the card says")
    if sha256 is not None:
        _check_digest(str(file), weights, sha256.strip().lower(), "as given")
    folder = store / described.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / WEIGHTS, weights)
        _write(folder / CARD, _bytes_of(card))
    except OSError as error:
        raise SettingsError(
            f"{folder}",
            expected="a folder that can be written",
            got=error.strerror or str(error),
            mend="Look at its owner and at the space left.",
        ) from error
    return described


def load_model(store: Path, name: str) -> Model:
    """
    Raises:
        SettingsError: there is no such model, or its weights are not those of its card.
    """
    folder = store / name
    if not _NAME.fullmatch(name) or not (folder / CARD).is_file():
        raise SettingsError(
            f"model {name}",
            expected=f"one of the models in {store} ({', '.join(model_names(store)) or 'none yet'})",
            got="none of that name",
            mend="Add it: `drumtower models add FILE --card CARD`.",
        )
    card, weights = read_card(folder / CARD), _bytes_of(folder / WEIGHTS)
    _check_digest(str(folder / WEIGHTS), weights, card.sha256, "as the card says")
    return Model(card, weights)


def chosen_model(store: Path, name: str, what: Sees = "persons") -> ModelCard | None:
    """
    The card of the model of that name; of the only one in the store that knows `what` where the name is empty, None
    where there is none.

    Raises:
        SettingsError: no model of that name, or one that does not know `what`, or several to choose from; a card that
            cannot be read.
    """
    names = tuple(each for each in model_names(store) if sees(read_card(store / each / CARD), what))
    if not name and len(names) > 1:
        raise SettingsError(
            _SETTING[what], expected=f"one of {', '.join(names)}", got="none", mend="Say which model shall be used."
        )
    if not name and not names:
        return None
    card = load_model(store, name or names[0]).card
    if not sees(card, what):
        raise SettingsError(
            _SETTING[what],
            expected=f"a model that knows {'persons' if what == 'persons' else 'fire or smoke'}",
            got=f"{name}, whose card has no such class",
            mend="Name another model, or mend its card.",
        )
    return card


def model_names(store: Path) -> tuple[str, ...]:
    """Names of the models in the store."""
    return tuple(sorted(card.parent.name for card in store.glob(f"*/{CARD}")))


def _check_digest(thing: str, weights: bytes, expected: str, whose: str) -> None:
    digest = hashlib.sha256(weights).hexdigest()
    if digest != expected:
        raise SettingsError(
            f"{thing}: SHA-256",
            expected=f"{expected} ({whose})",
            got=digest,
            mend="It is another file, or it was damaged on its way: fetch it again from the card's source.",
        )


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"{path}",
            expected="a file that can be read",
            got=error.strerror or str(error),
            mend="Look at the path and at its rights.",
        ) from error


def _write(path: Path, content: bytes) -> None:
    """All of it or nothing: written beside, then moved."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as beside:
        try:
            beside.write(content)
            beside.flush()
            os.fsync(beside.fileno())
        except OSError:
            Path(beside.name).unlink(missing_ok=True)
            raise
    Path(beside.name).chmod(0o644)
    Path(beside.name).replace(path)
