"""What the conditions of one incident come to, kept up to date: a large incident costs no more than a small one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from correlator.incidents.condition import ACTIVE, CLEARED, UNKNOWN, Condition
from correlator.incidents.incident import Spread, spread_of


class Tally:
    """Conditions by status and level, and the earliest of them. One leaves only when the incident goes."""

    def __init__(self) -> None:
        self._statuses: Counter[str] = Counter()
        self._ranks: Counter[int] = Counter()  # of those that are active
        self._peak = 0
        self._rank: int | None = None  # None: to be found out anew
        self._root: tuple[int, str] | None = None
        self._spread: Spread | None = None  # None: to be found out anew

    def put(self, before: Condition | None, after: Condition) -> None:
        """Count `after`, in the place of what it was before, if it was counted."""
        if before is not None:
            self._add(before, -1)
        self._add(after, 1)
        if before is None or not _is_unmoved(before, after):
            self._spread = None
        self._peak, self._rank = max(self._peak, after.peak), None
        key = after.onset_ns, after.id
        self._root = key if self._root is None else min(self._root, key)

    @property
    def status(self) -> str:
        return ACTIVE if self._statuses[ACTIVE] else UNKNOWN if self._statuses[UNKNOWN] else CLEARED

    @property
    def rank(self) -> int:
        """Of the highest level that is active; of the highest there was, when all have ended."""
        if self._rank is None:
            self._rank = max((rank for rank, count in self._ranks.items() if count), default=self._peak)
        return self._rank

    @property
    def root(self) -> tuple[int, str]:
        """Onset and id of the earliest condition."""
        assert self._root is not None, "an incident without a condition"
        return self._root

    def spread(self, conditions: Sequence[Condition]) -> Spread:
        """Where they are, all that were put."""
        if self._spread is None:
            self._spread = spread_of(conditions)
        return self._spread

    def _add(self, condition: Condition, count: int) -> None:
        status = condition.status
        self._statuses[status] += count
        if status == ACTIVE:
            self._ranks[condition.latest.level.rank] += count


def _is_unmoved(before: Condition, after: Condition) -> bool:
    """Whether all that a spread is made of is the same; a fold keeps what did not change."""
    return (
        before.places is after.places
        and before.cameras is after.cameras
        and before.causes is after.causes
        and before.latest.place == after.latest.place
    )
