"""
What a metadata document costs to read, by format, with 3 and with 20 objects, beside `json.loads` or ElementTree alone.

    python -m benchmarks.metadata_cost --json
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable
from xml.etree import ElementTree

from ingest.cameras.metadata import axis_scene, deepstream, frigate, onvif_json
from ingest.cameras.sources.metadata_objects import Tracks, objects_of
from ingest.cameras.sources.onvif_document import read_document
from tests.ingest.cameras.metadata import samples
from tests.ingest.cameras.metadata.samples import encoded

_XML_OBJECT = (
    '<tt:Object ObjectId="{}"><tt:Appearance><tt:Shape><tt:BoundingBox left="-0.5" top="0.5" right="-0.3" '
    'bottom="-0.2"/><tt:CenterOfGravity x="-0.4" y="0.1"/></tt:Shape><tt:Class><tt:Type Likelihood="0.9">Human'
    "</tt:Type></tt:Class></tt:Appearance></tt:Object>"
)
_XML = (
    '<?xml version="1.0"?><tt:MetadataStream xmlns:tt="http://www.onvif.org/ver10/schema"><tt:VideoAnalytics>'
    '<tt:Frame UtcTime="2026-03-14T12:00:00Z">{}</tt:Frame></tt:VideoAnalytics></tt:MetadataStream>'
)
Read = Callable[[bytes], object]


def documents(objects: int) -> dict[str, tuple[bytes, Read, Read]]:
    """Document, our reading of it, and the bare parse, by format."""
    tracks = Tracks()

    def streamed(document: bytes) -> object:
        dropped: Counter[str] = Counter()
        seen = deepstream.read_message(document, dropped).objects
        return objects_of([one.within(1920, 1080) for one in seen], tracks, dropped)

    lines = [samples.line(n) for n in range(objects)]
    frame = samples.onvif_frame(*[samples.onvif_object(id_=n) for n in range(objects)])
    scene = samples.axis_v1(*[samples.axis_detection(str(n)) for n in range(objects)])
    xml = _XML.format("".join(_XML_OBJECT.format(n) for n in range(objects))).encode()
    return {
        "onvif_xml": (xml, lambda document: read_document(document, tracks, Counter()), ElementTree.fromstring),
        "onvif_json": (
            encoded(frame),
            lambda document: onvif_json.read_message(samples.MJ_TOPIC, document, False, tracks, Counter()),
            json.loads,
        ),
        "axis": (
            encoded(scene),
            lambda document: axis_scene.read_message(document, None, tracks, Counter()),
            json.loads,
        ),
        "deepstream": (encoded(samples.deepstream(*lines)), streamed, json.loads),
        "frigate_event": (
            encoded(samples.frigate()),
            lambda document: frigate.read_event(document, Counter()),
            json.loads,
        ),
    }


def cost_us(read: Read, document: bytes, repeats: int) -> float:
    """The best of five rounds."""
    best = float("inf")
    for _ in range(5):
        begun_s = time.perf_counter()
        for _ in range(repeats):
            read(document)
        best = min(best, (time.perf_counter() - begun_s) / repeats)
    return best * 1e6


def main() -> None:
    wanted = argparse.ArgumentParser(description=__doc__)
    wanted.add_argument("--json", action="store_true")
    wanted.add_argument("--repeats", type=int, default=1_000)
    given = wanted.parse_args()
    figures: dict[str, float] = {}
    for objects in (3, 20):
        for name, (document, read, bare) in documents(objects).items():
            if name == "frigate_event" and objects > 3:
                continue  # it is of one object
            key = f"{name}_{1 if name == 'frigate_event' else objects}_objects"
            ours, theirs = cost_us(read, document, given.repeats), cost_us(bare, document, given.repeats)
            figures |= {f"{key}_us": round(ours, 1), f"{key}_ratio_to_bare_parse": round(ours / theirs, 2)}
    print(json.dumps(figures) if given.json else "\n".join(f"{key}: {value}" for key, value in figures.items()))  # noqa: T201


if __name__ == "__main__":
    main()
