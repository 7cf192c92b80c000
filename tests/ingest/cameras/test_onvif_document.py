"""What a camera's own analytics say, and what is never taken from it."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.cameras.metadata.reading import MetadataFrame
from ingest.cameras.sources.assembly import Assembly
from ingest.cameras.sources.metadata_objects import SeenObject, Tracks, objects_of
from ingest.cameras.sources.onvif_document import read_document
from ingest.clock import utc
from tests.ingest.cameras.cameras import shared

HEAD = '<tt:MetadataStream xmlns:tt="http://www.onvif.org/ver10/schema"><tt:VideoAnalytics><tt:Frame UtcTime="{}">'
TAIL = "</tt:Frame></tt:VideoAnalytics></tt:MetadataStream>"
BOX = '<tt:Shape><tt:BoundingBox left="-0.5" top="0.5" right="0.5" bottom="-0.5"/></tt:Shape>'


def seen_as(word: str, more: str = "") -> str:
    kind = f"<tt:Class><tt:Type>{word}</tt:Type></tt:Class>"
    return f"<tt:Object ObjectId='{word}'><tt:Appearance>{BOX}{kind}{more}</tt:Appearance></tt:Object>"


def frames_of(given: bytes, tracks: Tracks, dropped: Counter[str]) -> list[MetadataFrame]:
    return read_document(given, tracks, dropped).frames


def read(name: str) -> tuple[list[MetadataFrame], Counter[str]]:
    dropped: Counter[str] = Counter()
    return frames_of(shared("metadata", name).read_bytes(), Tracks(), dropped), dropped


def document(objects: str, at: str = "2026-03-14T12:00:00Z") -> bytes:
    return (HEAD.format(at) + objects + TAIL).encode()


@pytest.mark.parametrize(
    ("name", "box"),
    [
        ("onvif_frame_normalized.xml", (0.24, 0.295, 0.105, 0.315)),
        ("onvif_frame_spec_640x480_yup.xml", (20 / 640, 1 - 80 / 480, 80 / 640, 50 / 480)),
        ("onvif_frame_pixels_ydown.xml", (1350 / 2590.67, 600 / 1519.75, 300 / 2590.67, 850 / 1519.75)),
        ("odd_nan_swapped_notz.xml", (0.35, 0.35, 0.3, 0.3)),
    ],
)
def test_boxes_of_every_convention_come_out_in_ours(name: str, box: tuple[float, ...]) -> None:
    frames, _ = read(name)
    assert frames[0].objects.box[0] == pytest.approx(box, abs=2e-3)
    assert frames[0].objects.object_class[0] == 0


def test_a_frame_without_objects_is_a_look_that_saw_nobody() -> None:
    frames, _ = read("onvif_frame_empty.xml")
    assert len(frames) == 1 and len(frames[0].objects.track) == 0
    assert utc(frames[0].at_ns or 0).isoformat() == "2026-03-14T12:24:57.921000+00:00"


def test_tracks_keep_their_number_through_merge_and_split_and_removed_objects_are_gone() -> None:
    frames, _ = read("onvif_frames_merge_split.xml")
    assert [frame.objects.track.tolist() for frame in frames] == [[0, 1], [0], [0, 1], []]


def test_track_numbers_are_not_used_again_after_a_new_connection() -> None:
    tracks = Tracks()
    before = tracks.number("12")
    tracks.forget()
    assert tracks.number("12") != before and tracks.number(None) == -1


def test_nan_boxes_and_objects_without_a_box_are_dropped_and_counted() -> None:
    frames, dropped = read("odd_nan_swapped_notz.xml")
    assert len(frames[0].objects.track) == 1 and dropped["box"] == 2 and dropped["zone"] == 1
    assert frames[0].objects.confidence[0] == 1.0


@pytest.mark.parametrize("name", ["hostile_billion_laughs.xml"])
def test_a_document_type_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no document type"):
        frames_of(shared("metadata", name).read_bytes(), Tracks(), Counter())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8"])
def test_a_document_type_in_another_encoding_is_refused_too(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'
    with pytest.raises(ValueError):
        frames_of(text.encode(encoding), Tracks(), Counter())


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        frames_of(data, Tracks(), Counter())
    except ValueError as error:
        assert str(error).startswith("metadata:")


IDENTITIES = (
    "<tt:HumanFace><tt:Gender>CANARY</tt:Gender><tt:Age>41</tt:Age></tt:HumanFace>"
    "<tt:LicensePlateInfo><tt:PlateNumber>CANARY</tt:PlateNumber></tt:LicensePlateInfo>"
    "<tt:Image>CANARY</tt:Image><tt:ImageRef>CANARY</tt:ImageRef>"
    "<tt:HumanBody><tt:Clothing>CANARY</tt:Clothing></tt:HumanBody>"
)


def test_what_could_describe_a_person_is_dropped_and_counted_by_kind() -> None:
    dropped: Counter[str] = Counter()
    human = seen_as("Human", IDENTITIES)
    face, plate = seen_as("HumanFace"), seen_as("LicensePlate")
    (frame,) = frames_of(document(human + face + plate), Tracks(), dropped)
    assert frame.objects.object_class.tolist() == [0]
    assert {"face", "plate", "image", "body"} <= dropped.keys()
    assert "CANARY" not in repr([dataclasses.asdict(frame.objects), dropped])


@pytest.mark.parametrize(
    ("words", "kind"),
    [("Human", 0), ("Person", 0), ("Vehicle", 1), ("Car", 1), ("Animal", 2), ("Bag", 3), ("Unknown", 3)],
)
def test_words_of_vendors_become_our_classes(words: str, kind: int) -> None:
    objects = objects_of([SeenObject(((words, 0.5),), 0.1, 0.1, 0.2, 0.2, "1")], Tracks(), Counter())
    assert objects.object_class.tolist() == [kind]


FLOATS = st.floats(width=32)


@given(st.lists(st.tuples(FLOATS, FLOATS, FLOATS, FLOATS, FLOATS), max_size=20))
def test_every_box_that_is_kept_lies_in_the_picture(rows: list[tuple[float, ...]]) -> None:
    seen = [SeenObject((("Human", row[4]),), *row[:4], id=str(n)) for n, row in enumerate(rows)]
    objects = objects_of(seen, Tracks(), Counter())
    box = objects.box
    assert box.shape == (len(objects.track), 4) and np.isfinite(box).all() and (box >= 0).all()
    assert (box[:, :2] + box[:, 2:] <= 1 + 1e-6).all()
    confidence = objects.confidence[~np.isnan(objects.confidence)]
    assert ((confidence >= 0) & (confidence <= 1)).all()
    assert len(box) == sum(all(math.isfinite(edge) for edge in row[:4]) for row in rows)


@given(st.integers(0, 60), st.integers(1, 700), st.booleans())
def test_a_document_comes_whole_from_any_pieces(objects: int, size: int, missing_first_time: bool) -> None:
    whole = document(f"<tt:Object ObjectId='1'><tt:Appearance>{BOX}</tt:Appearance></tt:Object>" * objects)
    assembly = Assembly()
    for pts in (90, 180):
        pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
        stamps = [None if missing_first_time and pts == 90 else pts] * len(pieces)
        got = [assembly.add(piece, stamp) for piece, stamp in zip(pieces, stamps, strict=True)]
        assert got[-1] == whole and not any(got[:-1])
    assert assembly.torn == 0


def test_a_torn_document_is_dropped_and_the_next_one_read() -> None:
    assembly, whole = Assembly(), document("")
    assert assembly.add(whole[:50], 1) is None
    assert assembly.add(whole, 2) == whole and assembly.torn == 1


def test_a_document_without_end_is_cut_off() -> None:
    assembly = Assembly(bytes_max=1_000)
    assert all(assembly.add(b"<a>" * 100, 1) is None for _ in range(20))
    assert assembly.torn == 1
    assert assembly.add(document(""), 2) == document("")


def test_an_empty_root_ends_itself() -> None:
    assert Assembly().add(b'<tt:MetadataStream xmlns:tt="x"/>', 1) is not None


def test_a_deep_document_is_read_or_refused_in_good_time() -> None:
    deep = b"<tt:MetadataStream xmlns:tt='x'>" + b"<a>" * 300_000
    with pytest.raises(ValueError, match="metadata:"):
        frames_of(deep, Tracks(), Counter())
    closed = deep + b"</a>" * 300_000 + b"</tt:MetadataStream>"
    assert frames_of(closed, Tracks(), Counter()) == []
