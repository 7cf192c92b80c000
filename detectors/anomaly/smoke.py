"""`anomaly.smoke`: smoke in a camera's picture; see `candidate` for how it is confirmed."""

from __future__ import annotations

from detectors.anomaly.candidate import Candidate, CandidateSettings, Seconds, Share
from ingest.schema.tick import EventKind


class SmokeSettings(CandidateSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    share_min: Share = 0.02  # of the picture that is veiled
    hold_s: Seconds = 5.0  # dust and exhaust are gone sooner
    gap_s: Seconds = 3.0  # pictures without it, for no longer, do not begin anew


detector = Candidate("anomaly.smoke", "smoke", EventKind.SMOKE, SmokeSettings)
