"""
Persons in a picture: boxes, and nothing else about them. YOLOX through cv2.dnn.

Source of the decoding: Ge et al., YOLOX: exceeding YOLO series in 2021, arXiv:2107.08430, and its ONNX demo: of each
cell of the grids with strides 8, 16 and 32, the centre is (output + cell) x stride, the size exp(output) x stride.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from detectors.vision.models import Model, ModelCard
from ingest.errors import SettingsError
from ingest.schema.tick import F16, F32, U8

STRIDES = (8, 16, 32)
GREY = 114  # of the border around a picture that has another shape than the input
BOXES_MAX = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class Persons:
    """M persons of one picture, surest first."""

    box: F32  # (M, 4) left, top, width, height in [0, 1], y down
    confidence: F16  # (M,) in [0, 1]


FindPersons = Callable[[U8], Persons]  # of a picture (H, W, 3), blue, green, red


def person_finder(model: Model) -> FindPersons:
    """
    The function that finds persons with this model. Not safe for several threads.

    Raises:
        SettingsError: OpenCV cannot read the weights, or they have another output than the card says.
    """
    run = network(model)
    card = model.card

    def find(picture: U8) -> Persons:
        blob, scale = letterbox(card, picture)
        return persons_of(card, run(blob), scale, picture.shape[1], picture.shape[0])

    return find


def network(model: Model) -> Callable[[F32], F32]:
    """
    The model as a function from its input (1, 3, input_height, input_width) to its output (A, 5 + classes).

    Raises:
        SettingsError: OpenCV cannot read the weights, or they have another output than the card says.
    """
    card = model.card
    try:
        net = cv2.dnn.readNetFromONNX(np.frombuffer(model.weights, np.uint8))
        blank = np.zeros((1, 3, card.input_height, card.input_width), np.float32)
        shape = _output(net, blank).shape
    except cv2.error as error:
        raise SettingsError(
            f"model {card.name}",
            expected="weights in ONNX that OpenCV reads",
            got=str(error).strip()[:200],
            mend="Export it again, with a fixed input size and an operator set of 11 to 17.",
        ) from error
    cells, _ = _grid(card)
    expected = (1, len(cells), 5 + card.classes)
    if shape != expected:
        raise SettingsError(
            f"model {card.name}: output",
            expected=f"{expected}, for the input and classes of its card",
            got=str(tuple(shape)),
            mend="Mend input_width, input_height and classes in the card, or take the weights that it is for.",
        )
    return lambda blob: np.asarray(_output(net, blob)[0], np.float32)


def letterbox(card: ModelCard, picture: U8) -> tuple[F32, float]:
    """
    The picture as the model takes it: scaled into the upper left corner, the rest grey.

    Args:
        picture: (H, W, 3)

    Returns:
        (1, 3, input_height, input_width), and the scale.
    """
    height, width = picture.shape[:2]
    scale = min(card.input_height / height, card.input_width / width)
    size = max(1, int(width * scale)), max(1, int(height * scale))
    canvas = np.full((card.input_height, card.input_width, 3), GREY, np.uint8)
    canvas[: size[1], : size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
    blob = (canvas.astype(np.float32) - np.array(card.mean, np.float32)) * np.array(card.scale, np.float32)
    return np.ascontiguousarray(blob.transpose(2, 0, 1)[None]), scale


def persons_of(card: ModelCard, output: F32, scale: float, width: int, height: int) -> Persons:
    """The persons in an output of the model: `boxes_of` their class."""
    return boxes_of(card, output, card.person_class, scale, width, height)


def boxes_of(card: ModelCard, output: F32, kind: int, scale: float, width: int, height: int) -> Persons:
    """
    What is of one class in an output of the model.

    Args:
        output: (A, 5 + classes) x, y, width, height, objectness, and the score of each class.
        scale: of the picture in the input.
        width, height: of the picture, px.
    """
    score = output[:, 4] * output[:, 5 + kind]
    # A cell where another class is surer shows that other thing.
    sure = np.flatnonzero((score >= card.score_min) & (output[:, 5:].argmax(axis=1) == kind))
    sure = sure[np.argsort(-score[sure], kind="stable")][:BOXES_MAX]
    cells, strides = _grid(card)
    stride = strides[sure][:, None]
    middle = (output[sure, :2] + cells[sure]) * stride
    size = np.exp(np.minimum(output[sure, 2:4], 20.0)) * stride
    corners = np.concatenate([middle - size / 2, middle + size / 2], axis=1) / scale
    corners = np.clip(corners / np.array([width, height, width, height]), 0.0, 1.0)
    kept = _apart(corners, card.overlap_max)
    box = np.concatenate([corners[kept, :2], corners[kept, 2:] - corners[kept, :2]], axis=1)
    return Persons(box.astype(np.float32), np.minimum(score[sure][kept], 1.0).astype(np.float16))


def picture_of(jpeg: bytes) -> U8 | None:
    """(H, W, 3) of a JPEG, or None where it is none."""
    try:
        decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) if jpeg else None
    except cv2.error:
        return None
    return None if decoded is None else np.asarray(decoded, np.uint8)


def _apart(corners: npt.NDArray[np.floating], overlap_max: float) -> npt.NDArray[np.int64]:
    """
    (K,) which of the boxes (M, 4), surest first, to keep: none that overlaps a surer one by more than `overlap_max`.
    Whether a box is kept hangs on the surer ones, so that the last step is a loop over those that overlap at all.
    """
    area = np.prod(corners[:, 2:] - corners[:, :2], axis=1)
    least = np.maximum(corners[:, None, :2], corners[None, :, :2])
    most = np.minimum(corners[:, None, 2:], corners[None, :, 2:])
    shared = np.prod(np.maximum(most - least, 0.0), axis=2)
    overlap = shared / np.maximum(area[:, None] + area[None] - shared, 1e-12)
    hides = np.triu(overlap > overlap_max, 1)
    gone = np.zeros(len(corners), np.bool_)
    for row in np.flatnonzero(hides.any(axis=1)):
        if not gone[row]:
            gone |= hides[row]
    return np.flatnonzero(~gone)


def _grid(card: ModelCard) -> tuple[F32, F32]:
    """(A, 2) column and row of each cell, and (A,) its stride."""
    cells, strides = [], []
    for stride in STRIDES:
        rows, columns = np.mgrid[: card.input_height // stride, : card.input_width // stride]
        cells.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        strides.append(np.full(rows.size, stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(strides).astype(np.float32)


def _output(net: cv2.dnn.Net, blob: F32) -> F32:
    net.setInput(blob)
    return np.asarray(net.forward(), np.float32)
