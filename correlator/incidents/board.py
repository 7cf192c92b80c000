"""The incidents that are open or were lately closed, with their conditions, as one working memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from correlator.incidents.changes import Changes, History
from correlator.incidents.condition import ACTIVE, LEVELS, Condition
from correlator.incidents.family import is_blinding
from correlator.incidents.incident import Incident, view_of
from correlator.incidents.neighbours import Neighbours
from correlator.incidents.settings import CorrelateSettings
from correlator.incidents.tally import Tally
from correlator.muting.silence import Silence
from correlator.muting.storm import Storm, StormState
from ingest.schema.alert import Alert, IncidentView
from ingest.schema.finding import Level


@dataclass(frozen=True, slots=True)
class Opened:
    """What the casebook knows of open and lately closed incidents."""

    revision: int = 0
    incidents: tuple[Incident, ...] = ()
    conditions: tuple[tuple[Condition, str], ...] = ()  # with the id of its incident
    findings: tuple[tuple[str, str], ...] = ()  # finding id, condition id
    silences: tuple[Silence, ...] = ()  # that are not over


@dataclass(slots=True)
class _Touched:
    """What was changed since the last `take_changes`; dictionaries keep the order."""

    incidents: dict[str, None] = field(default_factory=dict)
    conditions: dict[str, None] = field(default_factory=dict)
    findings: list[tuple[str, str]] = field(default_factory=list)
    merged: list[tuple[str, str]] = field(default_factory=list)
    history: list[History] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    muted: dict[tuple[str, str], None] = field(default_factory=dict)
    storm: StormState | None = None


class Board:
    """Not safe for several threads. After a refused write it is thrown away and made anew from the casebook."""

    def __init__(self, settings: CorrelateSettings, opened: Opened | None = None) -> None:
        opened = opened or Opened()
        self.settings = settings
        self.revision = opened.revision
        self.incidents: dict[str, Incident] = {}
        self.conditions: dict[str, Condition] = {}
        self.home: dict[str, str] = {}  # condition -> incident
        self.neighbours = Neighbours(settings)
        self._members: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._tallies: defaultdict[str, Tally] = defaultdict(Tally)
        self._seen: defaultdict[str, set[str]] = defaultdict(set)
        self.silences = opened.silences
        self.storm = Storm(settings.storm_findings, settings.storm_s)
        self.situation = StormState()
        self._ailing: defaultdict[str, set[str]] = defaultdict(set)  # camera -> conditions that blind it
        self._speaking: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._of_site: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._touched = _Touched()
        self.add(opened)

    def add(self, opened: Opened) -> None:
        """Put incidents of the casebook on the board; those that are there stay as they are."""
        fresh = {incident.id for incident in opened.incidents} - self.incidents.keys()
        self.incidents |= {incident.id: incident for incident in opened.incidents if incident.id in fresh}
        for name in fresh:
            self._note(self.incidents[name])
        for condition, incident in opened.conditions:
            if incident in fresh:
                self._place(condition, incident)
                self._tallies[incident].put(None, condition)
                self.neighbours.put(condition)
        for finding, condition_id in opened.findings:
            if self.home.get(condition_id) in fresh:
                self._seen[condition_id].add(finding)

    def members(self, incident: str) -> Sequence[Condition]:
        return [self.conditions[condition] for condition in self._members[incident]]

    def tally(self, incident: str) -> Tally:
        return self._tallies[incident]

    def view(self, incident: str) -> IncidentView:
        members = self.members(incident)
        return view_of(self.settings, self.incidents[incident], members, self._tallies[incident].spread(members))

    def levels(self) -> dict[str, int]:
        """Number of incidents that are not closed, by level."""
        counts = dict.fromkeys((level.value for level in Level), 0)
        for name, incident in self.incidents.items():
            if incident.state != "closed":
                counts[LEVELS[self.tally(name).rank].value] += 1
        return counts

    def is_seen(self, condition: str, finding: str) -> bool:
        return finding in self._seen[condition]

    def put_finding(self, condition: str, finding: str) -> None:
        self._seen[condition].add(finding)
        self._touched.findings.append((finding, condition))

    def put_condition(self, condition: Condition, incident: str) -> None:
        before = self.home.get(condition.id)
        if before is not None and before != incident:
            self._members[before].pop(condition.id, None)
        self._tallies[incident].put(self.conditions[condition.id] if before == incident else None, condition)
        self._place(condition, incident)
        self.neighbours.put(condition)
        self._touched.conditions[condition.id] = None

    def _place(self, condition: Condition, incident: str) -> None:
        if condition.id not in self.conditions:
            self.storm.put(condition.detected_ns)
        self.conditions[condition.id] = condition
        self.home[condition.id] = incident
        self._members[incident][condition.id] = None
        self._of_site[condition.latest.site][incident] = None
        if is_blinding(condition.latest):
            for camera in condition.cameras:
                if condition.status == ACTIVE:
                    self._ailing[camera].add(condition.id)
                else:
                    self._ailing[camera].discard(condition.id)

    def is_ailing(self, camera: str) -> bool:
        """Whether a camera is lost or blind just now."""
        return bool(self._ailing.get(camera))

    def of_site(self, site: str) -> list[str]:
        """The incidents with a condition at a site, the first first."""
        return [name for name in self._of_site.get(site, ()) if name in self.incidents]

    def mute(self, silence: str, incident: str) -> None:
        """Count an incident with the silence that mutes it."""
        self._touched.muted[(silence, incident)] = None

    def put_situation(self, state: StormState) -> None:
        if state != self.situation:
            self.situation = self._touched.storm = state

    def put_incident(self, incident: Incident) -> None:
        self.incidents[incident.id] = incident
        self._touched.incidents[incident.id] = None
        self._note(incident)

    def _note(self, incident: Incident) -> None:
        """Remember it among those that people were told of, where they were."""
        if incident.told_rank and incident.muted_by is None and incident.state != "closed":
            self._speaking[incident.family][incident.id] = None
        else:
            self._speaking[incident.family].pop(incident.id, None)

    def speaking(self, family: str) -> Collection[str]:
        """Incidents of a family that people were told of and that are not closed."""
        return self._speaking.get(family, ())

    def replace(self, gone: str, heir: Incident) -> None:
        """Put `heir` in the place of the incident `gone`, which it takes the conditions of; both may be one."""
        if gone == heir.id:
            self.put_incident(heir)
            return
        for condition in list(self._members[gone]):
            self._of_site[self.conditions[condition].latest.site].pop(gone, None)
            self.put_condition(self.conditions[condition], heir.id)
        del self._members[gone], self._tallies[gone]
        if (left := self.incidents.pop(gone, None)) is not None:
            self._speaking[left.family].pop(gone, None)
        self._touched.incidents.pop(gone, None)
        self._touched.merged.append((gone, heir.id))
        self.put_incident(heir)

    def say(self, alert: Alert) -> None:
        self._touched.alerts.append(alert)

    def write(self, history: History) -> None:
        self._touched.history.append(history)

    def take_changes(self) -> Changes:
        """All that changed since the last call."""
        touched, self._touched = self._touched, _Touched()
        return Changes(
            revision=self.revision,
            incidents=tuple((self.incidents[name], self.view(name)) for name in touched.incidents),
            conditions=tuple((self.conditions[name], self.home[name]) for name in touched.conditions),
            findings=tuple(touched.findings),
            merged=tuple(touched.merged),
            history=tuple(touched.history),
            alerts=tuple(touched.alerts),
            muted=tuple(touched.muted),
            storm=touched.storm,
        )

    def forget(self, incidents: Iterable[str]) -> None:
        """Drop incidents that nothing can join or follow any more; the casebook keeps them."""
        for name in list(incidents):
            sites = set[str]()
            for condition in self._members.pop(name, {}):
                gone = self.conditions.pop(condition)
                sites.add(gone.latest.site)
                self.neighbours.drop(gone)
                for camera in gone.cameras:
                    self._ailing[camera].discard(condition)
                self.home.pop(condition, None)
                self._seen.pop(condition, None)
            self._tallies.pop(name, None)
            for site in sites:
                self._of_site[site].pop(name, None)
            if (left := self.incidents.pop(name, None)) is not None:
                self._speaking[left.family].pop(name, None)
