"""From conditions to findings: what is open, what is new, what has been told long enough ago to be told again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from detectors.detector import Condition
from detectors.evidence import Pictures
from ingest.bus.contract import Position
from ingest.clock import utc
from ingest.schema.finding import Finding, FindingData, Measurement, Phase
from ingest.schema.ids import derived_id, record_id

_PHASES = tuple(Phase)

Key = tuple[str, str, str]  # kind, subject, aspect


class Open(msgspec.Struct, frozen=True, array_like=True):
    """A condition that was raised and has not ended."""

    told_at_ns: int
    heard_at_ns: int  # when its detector last spoke of it
    last: FindingData  # as last told
    aspect: str = ""


@dataclass(frozen=True, slots=True)
class Teller:
    """What findings of one tick have in common."""

    stage: str
    version: int
    position: Position  # of the tick
    at_ns: int
    update_ns: int
    silent_ns: int
    pictures: Pictures

    def tell(
        self, opened: Mapping[Key, Open], conditions: Iterable[tuple[str, Condition]]
    ) -> tuple[dict[Key, Open], list[Finding]]:
        """
        What is open after a tick, and the findings of the tick by kind, subject and aspect.

        Args:
            opened: what was open before.
            conditions: what detectors said, each with the kind.
        """
        after, findings = dict(opened), []
        for kind, condition in conditions:
            key = (kind, condition.subject, condition.aspect)
            was = after.get(key)
            phase = self._phase(was, condition)
            if phase is None:
                if was is not None:
                    after[key] = Open(was.told_at_ns, self.at_ns, was.last, was.aspect)
                continue
            finding = self._finding(kind, phase, was, condition)
            findings.append(finding)
            if condition.ends is None:
                after[key] = Open(self.at_ns, self.at_ns, finding.data, condition.aspect)
            else:
                del after[key]
        for key, was in sorted(after.items()):
            if self.at_ns - was.heard_at_ns > self.silent_ns:
                findings.append(self._silent(key, was))
                del after[key]
        # Stable: of one subject, an end stays before a new beginning.
        return after, sorted(findings, key=lambda finding: (finding.data.kind, finding.subject))

    def _phase(self, was: Open | None, condition: Condition) -> Phase | None:
        if condition.ends is not None:
            return None if was is None else condition.ends
        if was is None:
            return Phase.RAISED
        return Phase.UPDATED if _is_changed(was, condition) or self.at_ns - was.told_at_ns >= self.update_ns else None

    def _finding(self, kind: str, phase: Phase, was: Open | None, said: Condition) -> Finding:
        id = self._id((kind, said.subject, said.aspect), phase)
        data = FindingData(
            kind=kind,
            phase=phase,
            level=said.level,
            condition=id if was is None else was.last.condition,
            site=said.site,
            zone=said.zone,
            cameras=said.cameras,
            place=said.place,
            # The beginning of a condition is told once: what follows does not move it.
            onset_at=utc(said.onset_at_ns) if was is None else was.last.onset_at,
            detected_at=utc(self.at_ns),
            observed_at=utc(said.observed_at_ns),
            value=said.value,
            unit=said.unit,
            low=said.low,
            high=said.high,
            measurement=said.measurement,
            rule=said.rule,
            rule_version=said.rule_version,
            thresholds=dict(said.thresholds),
            detail=dict(said.detail),
            evidence=self._evidence(was, said),
        )
        return self._event(id, kind, said.subject, data)

    def _evidence(self, was: Open | None, said: Condition) -> tuple[str, ...]:
        """New pictures when something is new: a condition that goes on as it was keeps those that it had."""
        lasts = was is not None and said.ends is None and not _is_changed(was, said)
        return was.last.evidence if was is not None and lasts else self.pictures.of(said.cameras)

    def _silent(self, key: Key, was: Open) -> Finding:
        """The end of a condition of which nobody speaks any more: its zone, camera or detector is gone."""
        kind, subject, _ = key
        data = msgspec.structs.replace(
            was.last,
            phase=Phase.UNKNOWN,
            detected_at=utc(self.at_ns),
            value=None,
            low=None,
            high=None,
            measurement=Measurement(),
        )
        return self._event(self._id(key, Phase.UNKNOWN), kind, subject, data)

    def _event(self, id: str, kind: str, subject: str, data: FindingData) -> Finding:
        source = f"/drumtower/{self.stage}/{kind}"
        return Finding(id=id, source=source, subject=subject, time=data.detected_at, data=data)

    def _id(self, key: Key, phase: Phase) -> str:
        """
        The ordinal comes from what the finding is about, not from its place in a list: what else happens in the same
        tick does not change it.
        """
        kind, subject, aspect = key
        named = (kind, subject, aspect) if aspect else (kind, subject)
        ordinal = int(derived_id(*named)[:12], 16) * len(_PHASES) + _PHASES.index(phase)
        topic, partition, offset = self.position
        return record_id(self.stage, self.version, topic, partition, offset, ordinal)


def _is_changed(was: Open, said: Condition) -> bool:
    return (was.last.level, was.last.rule) != (said.level, said.rule)
