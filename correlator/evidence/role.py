"""
The keeper of evidence: what the live store forgets after minutes is kept for the pictures that an incident refers to,
and is taken away at the end of its time.

It follows the outbox, beside the correlator and not in it: a live store that does not answer holds up no alert. What it
misses while it is down is read again at its start; a picture that is gone by then is gone, and the incident says so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from correlator.casebook.contract import Casebook
from correlator.evidence.book import EvidenceBook
from correlator.incidents.settings import CorrelateSettings, ns
from ingest.clock import NS_PER_S, Clock
from ingest.errors import RecordError, StoreError
from ingest.evidence import EvidenceReference, EvidenceSettings, gone_at_ns, read_reference
from ingest.live.contract import LiveStore
from ingest.metrics import Metrics

ROUND_S = 1.0
PRUNE_S = 30.0
SETTLED_S = 3.0  # after its slot, who looks for persons with a model has covered them too
PENDING_MAX = 10_000
_PAGE = 500
_BEHIND_MAX = 10_000  # alerts that are read again at the start


class EvidenceRole:
    """
    Args:
        log: a structlog logger.
    """

    def __init__(
        self,
        casebook: Casebook,
        book: EvidenceBook,
        live: LiveStore,
        pictures: EvidenceSettings,
        settings: CorrelateSettings,
        clock: Clock,
        metrics: Metrics | None,
        log: Any,
    ) -> None:
        self._casebook, self._book, self._live = casebook, book, live
        self._pictures, self._settings = pictures, settings
        self._clock, self._metrics, self._log = clock, metrics, log
        self._sequence: int | None = None
        self._pending: dict[str, EvidenceReference] = {}
        self._kept: dict[str, int] = {}  # reference -> when nobody asks for it any more
        self._prune_due_ns = clock.monotonic_ns()
        self._blocked = False

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set."""
        while not stop.is_set():
            self.run_once()
            stop.wait(ROUND_S)

    def run_once(self) -> None:
        """Take away what is over, follow the outbox, keep what is due. What fails is tried again in the next round."""
        acts = [self._prune]
        if self._pictures.pictures and self._settings.evidence_kept_s > 0:
            acts += [self._follow, self._keep_due]
        reasons = [reason for act in acts if (reason := self._reason(act)) is not None]
        if reasons and not self._blocked:
            self._log.warning("evidence.retried", reason=reasons[0])
        self._blocked = bool(reasons)

    def _reason(self, act: Callable[[], None]) -> str | None:
        """Why an act could not be done; of them none waits for another: a dead live store lets nothing live longer."""
        try:
            act()
        except StoreError as error:
            return str(error)
        return None

    def _follow(self) -> None:
        if self._sequence is None:
            newest = self._casebook.sequence()
            self._sequence = max(self._casebook.oldest_sequence() - 1, newest - _BEHIND_MAX, 0)
        while alerts := self._casebook.alerts_after(self._sequence, _PAGE):
            for alert in alerts:
                for text in alert.incident.evidence:
                    self._want(text)
            self._sequence = alerts[-1].sequence

    def _want(self, text: str) -> None:
        try:
            reference = read_reference(text)
        except RecordError:  # of a detector with names of its own: there is no picture of ours
            return
        if text in self._pending or text in self._kept or gone_at_ns(self._pictures, reference) < self._clock.now_ns():
            return
        if len(self._pending) >= PENDING_MAX:
            self._count("shed")
            return
        self._pending[text] = reference

    def _keep_due(self) -> None:
        now_ns = self._clock.now_ns()
        settled_ns = round(min(self._pictures.period_s + SETTLED_S, self._pictures.lifetime_s / 2) * NS_PER_S)
        self._kept = {text: until_ns for text, until_ns in self._kept.items() if until_ns > now_ns}
        for text, reference in list(self._pending.items()):
            if now_ns < reference.from_ns + settled_ns:
                continue
            if now_ns > gone_at_ns(self._pictures, reference):
                del self._pending[text]
                self._count("missed")
                continue
            jpeg = self._live.evidence(text)
            if jpeg is not None:
                self._book.keep(text, reference.from_ns, jpeg)
                del self._pending[text]
                self._kept[text] = gone_at_ns(self._pictures, reference)
                self._count("kept")

    def _prune(self) -> None:
        if self._clock.monotonic_ns() < self._prune_due_ns:
            return
        gone = self._book.prune(
            self._clock.now_ns() - ns(self._settings.evidence_kept_s), self._settings.evidence_bytes_max
        )
        # After the act: one that failed is tried again at once, not in half a minute.
        self._prune_due_ns = self._clock.monotonic_ns() + round(PRUNE_S * NS_PER_S)
        if gone:
            self._count("over", gone)

    def _count(self, outcome: str, pictures: int = 1) -> None:
        if self._metrics is not None:
            self._metrics.evidence(outcome, pictures)
