"""`anomaly.fire`: flames in a camera's picture; see `candidate` for how they are confirmed."""

from __future__ import annotations

from detectors.anomaly.candidate import Candidate, CandidateSettings, Samples, Seconds, Share
from ingest.schema.tick import EventKind


class FireSettings(CandidateSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    share_min: Share = 0.000_1  # of the picture that is core of a flame: 6 px of 320 x 180
    samples_min: Samples = 4  # pictures that must show it
    hold_s: Seconds = 3.0  # and for so long
    gap_s: Seconds = 2.5  # flames do not pause


detector = Candidate("anomaly.fire", "flame", EventKind.FIRE, FireSettings)
