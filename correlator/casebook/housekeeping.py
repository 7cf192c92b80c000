"""The times of the settings, kept: once an hour, what is over goes, in pieces."""

from __future__ import annotations

from correlator.casebook.contract import Casebook
from correlator.casebook.retention import INCIDENTS_MAX
from correlator.incidents.settings import CorrelateSettings, ns
from ingest.clock import NS_PER_S, Clock

PERIOD_NS = 3_600 * NS_PER_S
_DAY_S = 86_400.0


class Housekeeping:
    """For one thread: the correlator's, between two batches."""

    def __init__(self, casebook: Casebook, settings: CorrelateSettings, clock: Clock) -> None:
        self._casebook, self._settings, self._clock = casebook, settings, clock
        self._due_ns = clock.monotonic_ns()

    def do(self) -> int:
        """
        Prune one piece if it is time; the number of incidents that went. While there are more, the next call goes on.

        Raises:
            StoreRetryable: call again.
        """
        if self._clock.monotonic_ns() < self._due_ns:
            return 0
        settings, now_ns = self._settings, self._clock.now_ns()
        # What a correlator may still have on its board stays: it would come back with the next finding.
        link_s = 2 * max(settings.link_s, settings.reopen_s)
        gone = self._casebook.prune(
            now_ns - ns(max(link_s, settings.incidents_kept_days * _DAY_S)),
            alerts_before_ns=now_ns - ns(settings.alerts_kept_days * _DAY_S),
            before_ns_of={
                kind: now_ns - ns(max(link_s, days * _DAY_S)) for kind, days in settings.incidents_kept_days_of.items()
            },
        )
        if gone < INCIDENTS_MAX:
            self._due_ns = self._clock.monotonic_ns() + PERIOD_NS
        return gone
