"""
Whom the person detector finds is covered in the evidence of the same frame too.

The worker has covered what moves before the picture left it; who stands so still that he seems to be a part of the
background is found here. What was covered stays so: the two add up, and the picture has only the rest of its time.
"""

from __future__ import annotations

from collections.abc import Callable

from detectors.vision.person import Persons, picture_of
from ingest.cameras.evidence_picture import encoded
from ingest.cameras.privacy import without_persons
from ingest.errors import StoreRetryable
from ingest.live.contract import LiveStore

Cover = Callable[[str, Persons], None]  # the persons of a frame, in the evidence of this name


def covering(live: LiveStore, quality: int) -> Cover:
    """
    Covers persons in the evidence of a live store.

    Args:
        quality: of the JPEG.
    """

    def cover(reference: str, persons: Persons) -> None:
        if not len(persons.box):
            return
        try:
            jpeg = live.evidence(reference)
            picture = None if jpeg is None else picture_of(jpeg)
            if picture is None:
                return
            covered = encoded(without_persons(picture, persons.box, None), quality)
            if covered is not None:
                live.replace_evidence(reference, covered)
        except StoreRetryable:  # it stays as the worker has covered it
            return

    return cover


def nobody(reference: str, persons: Persons) -> None:
    """Where no evidence is kept."""
