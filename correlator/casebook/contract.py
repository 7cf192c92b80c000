"""
The casebook, on one page: incidents with their past, the outbox, the positions, the audit. One contract suite holds
SQLite and PostgreSQL to it.

What one step changes is written in one transaction together with the input positions it came from. Every writing
transaction holds the one row of the outbox's head, so that sequence numbers have no gaps and become visible in their
order, however many writers there are; and it raises the revision, so that whoever decided on an older state of things
is refused and decides again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from correlator.casebook.audit import AuditRow, ChainedRow
from correlator.casebook.holds import Hold
from correlator.incidents.board import Opened
from correlator.incidents.changes import Changes, History
from correlator.incidents.lifecycle import Action
from correlator.muting.preview import Preview, SilenceView
from correlator.muting.silence import Silence
from correlator.muting.storm import StormState
from correlator.zone_history.minutes import KeptMinute
from ingest.bus.contract import TopicPartition
from ingest.errors import StoreConflict, StoreError
from ingest.schema.alert import Alert, IncidentView
from ingest.schema.zone_minute import ZoneMinutes


class IncidentConflict(StoreConflict):
    """Somebody else moved the incident, or the move is not a legal one; `.incident` is how it stands now."""

    def __init__(self, incident: IncidentView, *, expected: str, got: str, mend: str) -> None:
        super().__init__(f"incident {incident.id}", expected=expected, got=got, mend=mend)
        self.incident = incident


class IncidentMissing(StoreError):
    """There is no incident of this id."""


@dataclass(frozen=True, slots=True)
class Page:
    items: tuple[IncidentView, ...]
    next: str | None  # names the page after this one; None: that was the last


class Casebook(Protocol):
    """
    Safe for several threads and processes. Every method may raise `StoreRetryable`: the same call may succeed later.
    """

    def positions(self, stage: str) -> dict[TopicPartition, int]:
        """The offset that `stage` reads next, for each partition that it has read."""

    def record(
        self,
        stage: str,
        changes: Changes,
        positions: Mapping[TopicPartition, int],
        expected: Mapping[TopicPartition, int],
    ) -> None:
        """
        Rows, outbox and positions, all or nothing. An alert whose id is in the outbox already is left out.

        Args:
            positions: where the stage reads next.
            expected: where it read before; a partition that it never read is at 0.

        Raises:
            StoreConflict: positions or incidents moved meanwhile; nothing was written. Load again and decide again.
        """

    def load_open(self, closed_after_ns: int = 0) -> Opened:
        """Incidents that are not closed, were closed after `closed_after_ns` or have an active condition."""

    def revision(self) -> int:
        """Grows with every change of an incident."""

    def load_of(self, conditions: Sequence[str]) -> Opened:
        """The incidents that these conditions belong to, whole, however old."""

    def incidents(self, *, state: Literal["open", "all"], limit: int, cursor: str | None = None) -> Page:
        """
        `open`: the severest first, then the newest; `all`: the newest first.

        Raises:
            RecordError: the cursor is not one of ours.
        """

    def incident(self, incident_id: str) -> IncidentView | None:
        """The incident; for the id of one that was merged, its heir."""

    def history(self, incident_id: str) -> tuple[History, ...]:
        """All that happened to it and to those merged into it, in the order in which it was written."""

    def act(self, incident_id: str, action: Action, *, actor: str, version: int | None, at_ns: int) -> IncidentView:
        """
        The incident after a person's action; where it is there already, nothing changes.

        Args:
            actor: the desk that acts.
            version: the version that the actor saw; None: whatever it is.

        Raises:
            IncidentConflict: its state changed since `version`, or forbids the action.
            IncidentMissing: there is none of this id.
        """

    def put_silence(self, silence: Silence, at_ns: int) -> Silence:
        """
        The silence with its id, written and audited; correlators decide anew. The same asked again is the same one.

        Raises:
            SettingsError: it has no end, no reason, or a rule that cannot be read.
        """

    def end_silence(self, silence_id: str, actor: str, at_ns: int) -> Silence:
        """
        The silence, ended now; one that is over stays as it is.

        Raises:
            SilenceMissing: there is none of this id.
        """

    def silences(self, expires_after_ns: int, now_ns: int) -> tuple[SilenceView, ...]:
        """Silences that are not over by `expires_after_ns`, each with the number of incidents that it has muted."""

    def preview_silence(self, silence: Silence, now_ns: int) -> Preview:
        """What a silence would mute now, and would have muted in the last week; nothing is written."""

    def storm(self) -> StormState:
        """Whether it storms, as the correlator last said."""

    def alerts_after(self, sequence: int, limit: int) -> tuple[Alert, ...]:
        """Alerts with a greater sequence number, in order, without gaps."""

    def sequence(self) -> int:
        """That of the newest alert, 0 before the first."""

    def oldest_sequence(self) -> int:
        """That of the oldest alert still kept; one more than `sequence` where none is."""

    def cursor(self, receiver: str) -> int:
        """The sequence number up to which `receiver` has everything."""

    def move_cursor(self, receiver: str, sequence: int) -> None:
        """Cursors only go forward: a smaller number changes nothing."""

    def drop_cursor(self, receiver: str) -> None:
        """Forget a receiver that is no more, so that nothing is kept for it."""

    def audit(self, actor: str, act: str, subject: str, at_ns: int) -> None:
        """Write down who did or read what, chained to the row before."""

    def audit_after(self, number: int, limit: int) -> tuple[AuditRow, ...]: ...

    def verify_audit(self) -> tuple[bool, int | None]:
        """Whether the chain is whole, and the number of the first row that is not as it was written."""

    def prune(
        self, before_ns: int, *, alerts_before_ns: int | None = None, before_ns_of: Mapping[str, int] | None = None
    ) -> int:
        """
        Take away alerts that every receiver has, and closed incidents, that are older; never the audit, and nothing
        that is held. How many incidents went; call again while there are any.

        Args:
            before_ns_of: the time by the beginning of the kind, `crowd`; the longest that fits counts.
        """

    def hold(self, incident_id: str, *, actor: str, reason: str, at_ns: int) -> Hold:
        """
        Keep an incident with its rows and pictures until it is released; one that is held stays as it is.

        Raises:
            IncidentMissing: there is none of this id.
            SettingsError: no reason.
        """

    def release(self, incident_id: str, *, actor: str, reason: str, at_ns: int) -> None:
        """End a hold; the incident's time counts again. Raises as `hold`."""

    def holds(self) -> tuple[Hold, ...]: ...

    def audit_of(self, text: str) -> tuple[ChainedRow, ...]:
        """The rows of the audit whose subject speaks of `text`, each with the digest before it."""

    def keep_minutes(self, told: Sequence[ZoneMinutes]) -> None:
        """Write minutes of zones; one that is told again is the same row."""

    def zone_minutes(self, zone: str, from_ns: int, to_ns: int) -> tuple[KeptMinute, ...]:
        """The minutes of a zone that start in [from, to), in their order; those that nobody wrote are not there."""

    def prune_minutes(self, before_ns: int) -> int:
        """Take away the minutes before a time; how many there were."""

    def incidents_of_zone(self, zone: str, from_ns: int, to_ns: int) -> tuple[IncidentView, ...]:
        """Incidents with a condition in the zone that were detected before `to` and not closed before `from`."""

    def close(self) -> None: ...
