"""
A recorded storm through the correlator and, beside it, through the real Alertmanager, against its truth.

- `storm_b3_f1`: B-cubed F1 of findings by incident, a symptom counted with its root, against their happenings (Bagga,
  Baldwin 1998). `storm_b3_f1_without_roots` counts every incident for itself.
- A notice is a message that tells something new: of the correlator an alert that an incident was opened, reopened or
  escalated; of Alertmanager a firing notification with an alert that no notification of its group had before. Ends and
  updates are no notices of either. `alertmanager_groups_per_happening` is kinder to it: only notifications that begin a
  group count, however many happenings are in it. `messages_per_happening` counts everything, ends and updates too.
- Missed: a happening of which no notice names a finding.

Alertmanager cannot be run faster than time, so its waits and the storm are divided by one factor, `alertmanager_speed`.
It is given what a careful person would write: groups by hazard and site, of lost cameras by switch, a wait of 10 s, an
interval of 60 s; fire inhibits the other hazards of a site, a blind camera what it says.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from benchmarks.alertmanager import Alertmanager
from benchmarks.incidents_scenes import START_NS, Storm, Told, storm
from benchmarks.measuring import Figures, talk
from correlator.incidents.board import Board
from correlator.incidents.merge import take
from correlator.incidents.settings import CorrelateSettings
from correlator.incidents.timers import tick
from ingest.clock import NS_PER_S
from ingest.schema.finding import Phase
from tests.support.kafka_jars import PartMissingError

SEED = 20_260_214
TICK_S = 5.0
_NOTICES = ("incident.opened", "incident.reopened", "incident.escalated")


def measure(quick: bool) -> Figures:
    """The figures of a storm: 100,000 findings of 7,600 cameras; `quick`: 12,000 of 1,600."""
    cameras, findings, length_s = (1_600, 12_000, 1_200.0) if quick else (7_600, 100_000, 3_600.0)
    made = storm(SEED, cameras, findings, length_s)
    talk(f"storm of {len(made.told)} findings, {made.happenings} happenings")
    figures = {
        "replay_findings": float(len(made.told)),
        "replay_cameras": float(cameras),
        "replay_happenings": float(made.happenings),
    }
    figures |= correlated(made)
    talk("correlated")
    try:
        figures |= alertmanaged(made, speed=40.0 if quick else 60.0)
    except PartMissingError as error:
        talk(str(error))
    return figures


def correlated(made: Storm) -> Figures:
    """What the correlator makes of it: findings one by one in the order of the bus, time passing in between."""
    board = Board(CorrelateSettings(hangs_on=made.hangs_on))
    notices, messages, heard = 0, 0, set[str]()
    roots: dict[str, str] = {}
    now_ns = due_ns = START_NS
    told_ns = START_NS
    last_ns = START_NS + round((made.length_s + 900) * NS_PER_S)
    for each in [*made.told, None]:
        now_ns = last_ns if each is None else each.arrives_ns
        while due_ns <= now_ns:
            at_ns = due_ns
            tick(board, at_ns, lambda _, at=at_ns: at, lambda _, at=at_ns: at, {0}, leads=True)  # type: ignore[misc]
            due_ns += round(TICK_S * NS_PER_S)
        if each is not None:
            take(board, each.finding, 0, each.arrives_ns, each.arrives_ns)
        if each is not None and now_ns - told_ns < NS_PER_S:
            continue
        told_ns, changes = now_ns, board.take_changes()
        for alert in changes.alerts:
            messages += alert.type != "incident.recorded"
            if alert.type in _NOTICES:
                notices += 1
                heard.add(alert.incident.id)
        for line in changes.history:
            if line.act == "muted":
                roots.setdefault(line.incident, _root(board, line.detail["by"]))
    heirs = {alias: name for name, incident in board.incidents.items() for alias in incident.aliases}
    incident_of = dict(board.home)
    told = {heirs.get(name, name) for name in heard}
    found = {happening for condition, happening in _truth(made).items() if incident_of[condition] in told}
    rooted = {condition: _top(roots, heirs, name) for condition, name in incident_of.items()}
    return {
        "storm_b3_f1": b_cubed_f1(_by_finding(made, rooted), _truth_of_findings(made)),
        "storm_b3_f1_without_roots": b_cubed_f1(_by_finding(made, incident_of), _truth_of_findings(made)),
        "replay_incidents": float(len(board.incidents)),
        "notices_per_happening": notices / made.happenings,
        "messages_per_happening": messages / made.happenings,
        "missed_happenings": float(made.happenings - len(found)),
    }


def _root(board: Board, why: str) -> str:
    """The incident that a muted one is a symptom of."""
    what, _, name = why.partition(" ")
    if what != "camera":
        return name
    health = (one for one in board.conditions.values() if one.latest.kind.startswith("health"))
    blinding = [one for one in health if name in one.cameras]
    return board.home[max(blinding, key=lambda one: one.onset_ns).id]


def _top(roots: Mapping[str, str], heirs: Mapping[str, str], name: str) -> str:
    seen = set[str]()
    while name in roots and name not in seen:
        seen.add(name)
        name = heirs.get(roots[name], roots[name])
    return name


def _truth(made: Storm) -> dict[str, int]:
    return {each.finding.data.condition: each.happening for each in made.told}


def _truth_of_findings(made: Storm) -> dict[str, int]:
    return {each.finding.id: each.happening for each in made.told}


def _by_finding(made: Storm, of_condition: Mapping[str, str]) -> dict[str, str]:
    return {each.finding.id: of_condition[each.finding.data.condition] for each in made.told}


def b_cubed_f1(found: Mapping[str, object], truth: Mapping[str, object]) -> float:
    """
    Harmonic mean of B-cubed precision and recall over the elements of `truth`.

    Source: A. Bagga, B. Baldwin, Algorithms for scoring coreference chains, LREC 1998.
    """
    both = Counter((found[one], truth[one]) for one in truth)
    sizes, true_sizes = Counter(found[one] for one in truth), Counter(truth.values())
    precision = sum(n * n / sizes[cluster] for (cluster, _), n in both.items()) / len(truth)
    recall = sum(n * n / true_sizes[happening] for (_, happening), n in both.items()) / len(truth)
    return 2 * precision * recall / (precision + recall)


def alertmanaged(made: Storm, speed: float) -> Figures:
    """
    What Alertmanager makes of it, `speed` times as fast as time.

    Raises:
        PartMissingError: it is not installed.
    """
    with Alertmanager(speed) as manager:
        began = time.monotonic()
        for batch in _batches(made.told, speed):
            wait_s = (batch[-1].arrives_ns - START_NS) / NS_PER_S / speed - (time.monotonic() - began)
            if wait_s > 0:
                time.sleep(wait_s)
            manager.post([_alert_of(each, made.hangs_on, speed) for each in batch])
        manager.settle()
        notifications = manager.notifications()
    happening = _truth(made)
    known: defaultdict[str, set[str]] = defaultdict(set)
    firing_groups: set[str] = set()
    notices, groups, heard = 0, 0, set[int]()
    for group, firing in notifications:
        names = set(firing)
        notices += bool(names - known[group])
        groups += bool(names) and group not in firing_groups
        firing_groups = firing_groups | {group} if names else firing_groups - {group}
        known[group] |= names
        heard |= {happening[name] for name in names}
    return {
        "alertmanager_notices_per_happening": notices / made.happenings,
        "alertmanager_groups_per_happening": groups / made.happenings,
        "alertmanager_messages_per_happening": len(notifications) / made.happenings,
        "alertmanager_missed_happenings": float(made.happenings - len(heard)),
        "alertmanager_speed": speed,
    }


def _batches(told: Sequence[Told], speed: float) -> list[list[Told]]:
    """A tenth of a second of the run each."""
    by_tenth: defaultdict[int, list[Told]] = defaultdict(list)
    for each in told:
        by_tenth[int((each.arrives_ns - START_NS) / NS_PER_S / speed * 10)].append(each)
    return [by_tenth[tenth] for tenth in sorted(by_tenth)]


def _alert_of(each: Told, hangs_on: Mapping[str, tuple[str, ...]], speed: float) -> dict[str, object]:
    data = each.finding.data
    hazard = {"anomaly.smoke": "fire", "anomaly.fire": "fire", "crowd.surge": "crowd"}.get(data.kind)
    hazard = hazard or data.kind.partition(".")[2] or data.kind
    lost = data.kind == "health.stream"
    labels = {
        "alertname": data.kind,
        "hazard": "loss" if lost else "picture" if data.kind == "health.picture" else hazard,
        # Lost cameras are one group a switch: the rest have no switch, so that their group is their site.
        "switch": next(one for one in hangs_on[data.cameras[0]] if one.startswith("switch")) if lost else "",
        "site": "" if lost else data.site,
        "place": data.site,
        "camera": data.cameras[0],
        "severity": str(data.level),
        "condition": data.condition,
    }
    return {"labels": labels, "ends": data.phase is Phase.CLEARED, "keeps_s": 90.0 / speed}
