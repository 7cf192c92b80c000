"""Which conditions may touch a given one: by cell of the ground, by zone, by cause; exact tests come after."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Set
from dataclasses import dataclass

from msgspec.structs import replace

from correlator.incidents.condition import Condition
from correlator.incidents.family import is_labelled
from correlator.incidents.place import between_m, cells
from correlator.incidents.settings import CorrelateSettings
from ingest.schema.finding import Place


def is_loss(condition: Condition) -> bool:
    return condition.family.rpartition("/")[2] == "loss"


def is_near(settings: CorrelateSettings, one: Condition, other: Condition) -> bool:
    """Whether two conditions of one family are at one place: the same zone or cause, or circles within the gap."""
    if is_loss(one):
        if not set(one.causes).isdisjoint(other.causes):
            return True
        # What hangs on different things has different causes, however near its cameras are to one another.
        if all(map(is_labelled, one.causes)) and all(map(is_labelled, other.causes)):
            return False
        gap_m = settings.loss_gap_m
    else:
        if not set(one.zones).isdisjoint(other.zones):
            return True
        gap_m = settings.gap_m
    return any(between_m(here, there) <= gap_m for here in one.places for there in other.places)


def is_at_one_place(settings: CorrelateSettings, one: Condition, other: Condition) -> bool:
    """Whether two conditions of different hazards are at one place: the same zone, or circles within the gap."""
    if not set(one.zones).isdisjoint(other.zones):
        return True
    return any(between_m(here, there) <= settings.gap_m for here in one.places for there in other.places)


def is_together(one: Condition, other: Condition, gap_ns: int, loss_gap_ns: int) -> bool:
    """Whether their intervals are within the gap; for lost cameras, whether their onsets are."""
    if is_loss(one):
        return one.onset_ns - other.onset_last_ns <= loss_gap_ns and other.onset_ns - one.onset_last_ns <= loss_gap_ns
    return one.onset_ns - other.observed_ns <= gap_ns and other.onset_ns - one.observed_ns <= gap_ns


def is_unmoved(before: Condition, after: Condition) -> bool:
    """
    Whether a condition cannot meet more than it did. True of a lost camera that only goes on being lost; others may
    meet what began later, just by lasting.
    """
    same = before.places == after.places and before.zones == after.zones and before.causes == after.causes
    return is_loss(after) and same and (before.onset_ns, before.onset_last_ns) == (after.onset_ns, after.onset_last_ns)


@dataclass(frozen=True, slots=True)
class _Known:
    """The keys of a condition, and what they were made of."""

    family: str
    places: tuple[Place, ...]
    zones: tuple[str, ...]
    causes: tuple[str, ...]
    keys: frozenset[Hashable]
    wide: bool

    def is_of(self, condition: Condition) -> bool:
        """A fold keeps what did not change, so that mostly this compares nothing but addresses."""
        same = self.places is condition.places and self.zones is condition.zones and self.causes is condition.causes
        return same and self.family == condition.family


_NOWHERE = _Known("", (), (), (), frozenset(), False)


class Neighbours:
    """Ids of conditions by where they are."""

    def __init__(self, settings: CorrelateSettings) -> None:
        self._settings = settings
        self._by_key: defaultdict[Hashable, set[str]] = defaultdict(set)
        self._wide: defaultdict[str, set[str]] = defaultdict(set)  # circles over too many cells to list
        self._all: defaultdict[str, set[str]] = defaultdict(set)
        self._keys: dict[str, _Known] = {}
        self._foreign: defaultdict[str, dict[str, _Known]] = defaultdict(dict)  # by the other family asked about

    def put(self, condition: Condition) -> None:
        before = self._keys.get(condition.id, _NOWHERE)
        keys, wide = self._keys_of(condition)
        if keys is before.keys:
            return
        for key in keys - before.keys:
            self._by_key[key].add(condition.id)
        self._keys[condition.id] = _Known(
            condition.family, condition.places, condition.zones, condition.causes, keys, wide
        )
        self._all[condition.family].add(condition.id)
        if wide:
            self._wide[condition.family].add(condition.id)

    def drop(self, condition: Condition) -> None:
        self._foreign.pop(condition.id, None)
        for key in self._keys.pop(condition.id, _NOWHERE).keys:
            self._by_key[key].discard(condition.id)
            if not self._by_key[key]:
                del self._by_key[key]
        self._all[condition.family].discard(condition.id)
        self._wide[condition.family].discard(condition.id)

    def of(self, condition: Condition) -> Set[str]:
        """Ids of others that may be near."""
        return self._of_keys(condition, *self._keys_of(condition))

    def _of_keys(self, condition: Condition, keys: frozenset[Hashable], wide: bool) -> Set[str]:
        found = set(self._all[condition.family]) if wide else set(self._wide[condition.family])
        for key in keys:
            found |= self._by_key.get(key, set())
        found.discard(condition.id)
        return found

    def of_family(self, condition: Condition, family: str) -> Set[str]:
        """Ids of conditions of another hazard that may be at its place."""
        if not self._all.get(family):
            return set()
        other = replace(condition, family=family)
        keys, wide = self._keys_of(other)
        if condition.id in self._keys:  # asked of every finding, and the same as long as it stays where it is
            foreign = self._foreign[condition.id]
            if family not in foreign or foreign[family].keys is not keys:
                foreign[family] = _Known(family, other.places, other.zones, other.causes, keys, wide)
        return self._of_keys(other, keys, wide)

    def _keys_of(self, condition: Condition) -> tuple[frozenset[Hashable], bool]:
        known = self._keys.get(condition.id)
        if known is None or known.family != condition.family:
            known = self._foreign.get(condition.id, {}).get(condition.family)
        if known is not None and known.is_of(condition):
            return known.keys, known.wide
        loss = is_loss(condition)
        margin_m = (self._settings.loss_gap_m if loss else self._settings.gap_m) / 2
        keys: set[Hashable] = {("cause", condition.family, cause) for cause in condition.causes} if loss else set()
        if not loss:
            keys |= {("zone", condition.family, zone) for zone in condition.zones}
        wide = False
        for place in condition.places:
            covered = cells(place, margin_m)
            wide = wide or covered is None
            keys |= {("cell", condition.family, cell) for cell in covered or ()}
        return frozenset(keys), wide
