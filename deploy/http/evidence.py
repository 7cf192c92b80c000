"""
Pictures of an incident: only those that it refers to, only with covered persons, each read in the audit.

What is asked for is looked up among evidence alone; there is no way from here to a frame as the camera sent it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from correlator.evidence.book import EvidenceBook
from deploy.http.answers import ApiError
from ingest.clock import NS_PER_S, utc
from ingest.errors import RecordError
from ingest.evidence import EvidenceReference, EvidenceSettings, gone_at_ns, read_reference


@dataclass(frozen=True)
class EvidenceRoom:
    """Where pictures with covered persons are."""

    book: EvidenceBook  # those of incidents, for days
    fresh: Callable[[str], bytes | None]  # those of the live store, for minutes; no others
    settings: EvidenceSettings
    kept_s: float

    def picture(self, text: str, now_ns: int) -> bytes:
        """
        The JPEG of a reference.

        Raises:
            ApiError: its time is over (410), it is not there, or the reference is none of ours (404).
            StoreRetryable: where it would be cannot be reached.
        """
        try:
            reference = read_reference(text)
        except RecordError as error:
            raise ApiError(404, "no_evidence", error.fault, error.mend) from error
        found = self.book.picture(text, now_ns - round(self.kept_s * NS_PER_S)) if self.kept_s > 0 else None
        if found is None and now_ns <= gone_at_ns(self.settings, reference):
            found = self.fresh(text)
        if found is None:
            raise self._none(reference, now_ns)
        return found

    def _none(self, reference: EvidenceReference, now_ns: int) -> ApiError:
        of = f"The picture of camera {reference.camera} of {utc(reference.from_ns):%Y-%m-%d %H:%M:%S} UTC"
        if now_ns <= gone_at_ns(self.settings, reference):
            return ApiError(
                404,
                "no_evidence",
                f"{of} is not there: none came, or there was no room for it.",
                "Look at drumtower_evidence_pictures_total; outcome `shed` says that the live store is full.",
            )
        if now_ns - reference.from_ns <= self.kept_s * NS_PER_S:
            return ApiError(
                410,
                "evidence_over",
                f"{of} is over: it was not kept beyond the {self.settings.lifetime_s:g} s of all pictures.",
                "Pictures of an incident are kept while the role correlate runs and there is room for them.",
            )
        kept_s = max(self.kept_s, self.settings.lifetime_s)
        return ApiError(
            410, "evidence_over", f"{of} is over: pictures are kept for {_spelt(kept_s)}.", "See docs/privacy.md."
        )


async def picture(request: Request) -> Response:
    """`GET /api/incidents/{incident_id}/evidence/{reference}`"""
    desk = request.app.state.desk
    incident_id: str = request.path_params["incident_id"]
    reference: str = request.path_params["reference"]
    actor = request.client.host if request.client else "unknown"

    def read() -> bytes:
        # Before the look: what is not written down is not seen.
        subject = f"evidence {reference[:96]} of incident {incident_id[:64]}"
        desk.casebook.audit(actor, "read", subject, desk.clock.now_ns())
        incident = desk.casebook.incident(incident_id)
        if incident is None:
            raise ApiError(404, "unknown_incident", f"No incident {incident_id[:64]!r}.", "Load /api/incidents again.")
        if reference not in incident.evidence:
            raise ApiError(
                404,
                "no_evidence",
                f"Incident {incident_id[:64]!r} refers to no picture {reference[:96]!r}.",
                "Take it from `evidence` of the incident.",
            )
        if desk.evidence is None:
            raise ApiError(404, "no_evidence", "No pictures are kept here.", "See ingest.evidence.pictures.")
        found: bytes = desk.evidence.picture(reference, desk.clock.now_ns())
        return found

    jpeg = await run_in_threadpool(read)
    return Response(jpeg, media_type="image/jpeg", headers={"cache-control": "no-store"})


def _spelt(seconds: float) -> str:
    return f"{seconds / 3_600:g} h" if seconds >= 3_600 else f"{seconds:g} s"
