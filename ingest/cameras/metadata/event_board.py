"""
What the rules of one camera say together. Two rules of one kind are one state: on while any of them is. Ids of objects
are counted here, and go no farther.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from ingest.cameras.metadata.event_rules import EventRule, EventTable, kind_of
from ingest.cameras.metadata.json_document import number
from ingest.cameras.metadata.reading import Notice
from ingest.cameras.observation import CameraEvent
from ingest.schema.tick import EventKind, EventState

RULES_MAX = 256  # rules that are on at once, and fields with objects in them
INSIDE_MAX = 1_000  # objects in one field
_TRUE, _FALSE = ("true", "1", "on", "active", "yes"), ("false", "0", "off", "inactive", "no")
_CONFIDENCES = ("confidence", "likelihood", "score")


class EventBoard:
    """The memory of one camera. A new connection begins with `forget`: the camera then says how all stands."""

    def __init__(self, table: EventTable, bound_ns: int) -> None:
        self._table, self._bound_ns = table, bound_ns
        self._on: dict[EventKind, dict[str, float]] = {}
        self._inside: dict[tuple[EventKind, str], set[str]] = {}

    def forget(self) -> None:
        self._on.clear()
        self._inside.clear()

    def events(self, notices: Iterable[Notice], arrived_ns: int, dropped: Counter[str]) -> tuple[CameraEvent, ...]:
        """The events of these notices, in their order; what is not told is counted by kind."""
        told = []
        for notice in notices:
            rule = self._table.rule_of(notice, dropped)
            event = None if rule is None else self._event(rule, notice, arrived_ns, dropped)
            if event is not None:
                told.append(event)
        return tuple(told)

    def _event(self, rule: EventRule, notice: Notice, arrived_ns: int, dropped: Counter[str]) -> CameraEvent | None:
        kind, initial = kind_of(rule), notice.operation == "initialized"
        is_on, value = self._reading(rule, kind, notice, dropped)
        if is_on is None:
            # What happened before we asked is no news.
            return None if initial or notice.operation == "deleted" else self._told(kind, 0, value, notice, arrived_ns)
        rules = self._on.setdefault(kind, {})
        key = f"{notice.topic} {notice.rule}"
        if not is_on:
            rules.pop(key, None)
        elif key in rules or sum(map(len, self._on.values())) < RULES_MAX:
            rules[key] = value
        else:
            dropped["event"] += 1
            return None
        if initial:
            state = EventState.KNOWN_ON if rules else EventState.KNOWN_OFF
        else:
            state = EventState.ON if rules else EventState.OFF
        known = [each for each in rules.values() if math.isfinite(each)]
        total = sum(known) if known else (math.nan if rules else value)
        return self._told(kind, state, total, notice, arrived_ns)

    def _reading(
        self, rule: EventRule, kind: EventKind, notice: Notice, dropped: Counter[str]
    ) -> tuple[bool | None, float]:
        """Whether the rule is on (None: it is of a moment), and its number."""
        item = notice.items.get(rule.item.lower())
        deleted = notice.operation == "deleted"
        if rule.reads == "happened":
            return None, math.nan
        if rule.reads == "number":
            value = math.nan if item is None else number(item)
            if not math.isfinite(value) and not deleted:
                dropped["event"] += 1
            is_on = None if not rule.at_least else not deleted and value >= rule.at_least
            return is_on, value if math.isfinite(value) else math.nan
        if rule.reads == "objects":
            count = len(set((item or "").split()))
            # Without a property behind it, nothing will tell of its end.
            if not notice.operation and not rule.at_least:
                return None, float(count)
            return not deleted and count >= max(rule.at_least, 1), float(count)
        is_true = None if item is None else _flag(item)
        if is_true is None and not deleted:
            return None, math.nan
        if rule.reads == "inside" and (object_id := notice.items.get("objectid")):
            count = self._count_inside((kind, notice.rule), object_id, bool(is_true) and not deleted, dropped)
            return count >= max(rule.at_least, 1), float(count)
        return bool(is_true) and not deleted, math.nan

    def _count_inside(
        self, field: tuple[EventKind, str], object_id: str, is_inside: bool, dropped: Counter[str]
    ) -> int:
        ids = self._inside.get(field, set())
        if not is_inside:
            ids.discard(object_id)
        elif len(ids) < INSIDE_MAX and (field in self._inside or len(self._inside) < RULES_MAX):
            ids.add(object_id)
        else:
            dropped["event"] += 1
        if ids:
            self._inside[field] = ids
        else:
            self._inside.pop(field, None)
        return len(ids)

    def _told(self, kind: EventKind, state: int, value: float, notice: Notice, arrived_ns: int) -> CameraEvent:
        at_ns = notice.at_ns
        # A clock that is wrong dates nothing; nor does anything happen after it was told.
        if at_ns is None or abs(at_ns - arrived_ns) > self._bound_ns:
            at_ns = arrived_ns
        return CameraEvent(kind, state, value, _confidence(notice), min(at_ns, arrived_ns))


def _flag(item: str) -> bool | None:
    word = item.strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def _confidence(notice: Notice) -> float:
    """As the camera says it; per cent are made shares."""
    for name in _CONFIDENCES:
        if name in notice.items:
            value = number(notice.items[name])
            if 0.0 <= value <= 1.0:
                return value
            if 1.0 < value <= 100.0:
                return value / 100.0
    return math.nan
