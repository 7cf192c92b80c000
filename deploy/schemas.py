"""The published schemas, made from the structs: `docs/schemas/` is what this writes, and a test holds it so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from ingest.cameras.state import CameraState, ZoneState
from ingest.registry import district
from ingest.schema import alert, codec, finding, frame_reference, zone_minute


def published() -> dict[str, str]:
    """Text of each schema by file name."""
    structs: dict[str, Any] = {
        f"finding.v{finding.VERSION}": finding.Finding,
        f"alert.v{alert.VERSION}": alert.Alert,
        f"camera.v{district.VERSION}": district.Camera,
        f"zone.v{district.VERSION}": district.Zone,
        f"frame_reference.v{frame_reference.VERSION}": frame_reference.FrameReference,
        f"zone_minutes.v{zone_minute.VERSION}": zone_minute.ZoneMinutes,
        "camera_state.v1": CameraState,
        "zone_state.v1": ZoneState,
    }
    texts = {f"{name}.json": _json_schema(struct) for name, struct in structs.items()}
    texts[f"tick.v{codec.TICK_VERSION}.txt"] = _arrow_schema(codec.TICK_SCHEMA)
    return texts


def write(folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in sorted(published().items()):
        path = folder / name
        path.write_text(text, "utf-8")
        paths.append(path)
    return paths


def _json_schema(struct: Any) -> str:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | msgspec.json.schema(struct)
    return msgspec.json.format(msgspec.json.encode(schema, order="sorted"), indent=2).decode() + "\n"


def _arrow_schema(schema: pa.Schema) -> str:
    facts = (
        "metadata: partition, producer, starts_at_ns, ends_at_ns (text)\n"
        "A column that may be null may be left out: it is unknown in each row.\n"
    )
    return f"tick/{codec.TICK_VERSION}: an Arrow IPC stream of one record batch\n{facts}\n{schema.to_string()}\n"
