"""The real model and the real clips, where they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from detectors.vision.models import Model, add_model, load_model
from ingest.schema.tick import U8

ROOT = Path(__file__).parents[3]
CARD = ROOT / "docs/models/yolox-nano.toml"
WEIGHTS = ROOT.parent / "shared/data/models/yolox_nano.onnx"
CLIPS = ROOT.parent / "shared/data/clips"

needs_model = pytest.mark.skipif(not WEIGHTS.exists(), reason=f"no weights at {WEIGHTS}")
needs_clips = pytest.mark.skipif(not CLIPS.exists(), reason=f"no clips at {CLIPS}")


def yolox_nano(store: Path) -> Model:
    add_model(store, WEIGHTS, CARD)
    return load_model(store, "yolox-nano")


def pictures(clip: str, every: int) -> Iterator[U8]:
    """Each `every`-th picture of a clip, (H, W, 3)."""
    with av.open(str(CLIPS / clip)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index % every == 0:
                yield frame.to_ndarray(format="bgr24")
