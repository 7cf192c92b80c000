"""
When a condition starts and when it ends: hold, hysteresis and a tolerance for gaps, over many places at once.

A level is raised when its excess has held for `hold_ns`; readings below the threshold for no longer than `gap_ns` do
not break the hold. It is lowered when readings have stayed below the lower, second threshold for `release_ns`. In
between it stays as it is: flicker extends a condition and never doubles it. Only what was observed counts: where
nothing was observed, nothing changes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from detectors.geometry.homography import Bools, Ints

NEVER = int(np.iinfo(np.int64).max)


@dataclass(frozen=True, slots=True)
class Rule:
    hold_ns: Ints  # (L,) how long a level must be exceeded before it is raised
    release_ns: Ints  # (L,) how long readings must stay below the second threshold before it is lowered
    gap_ns: int | Ints  # how long readings may drop below the threshold without starting the hold anew; or (N, 1)


@dataclass(frozen=True, slots=True)
class State:
    """N places with L levels each."""

    since_ns: Ints  # (N, L) start of the present excess; NEVER where there is none
    over_ns: Ints  # (N, L) the last reading above the threshold; NEVER before the first
    under_ns: Ints  # (N, L) since when a raised level's readings are below the second threshold; NEVER where not
    over: Bools  # (N, L) whether the last reading was above the threshold
    raised: Bools  # (N, L)
    gaps: Ints  # (N, L) how often a raised level's readings dropped below the threshold


def blank(places: int, levels: int) -> State:
    """Nothing seen yet."""
    shape = (places, levels)
    never = np.full(shape, NEVER, np.int64)
    false = np.zeros(shape, np.bool_)
    return State(never, never, never, false, false, np.zeros(shape, np.int64))


def step(rule: Rule, state: State, at_ns: Ints, observed: Bools, over: Bools, under: Bools) -> State:
    """
    The state after one reading of each observed place.

    Args:
        at_ns: (N, 1) or (N, L) time of the reading; does not go back.
        observed: (N, 1) or (N, L) whether there is a reading.
        over: (N, L) whether it is at or above the threshold.
        under: (N, L) whether it is below the second threshold; never true where `over` is.
    """
    over, under = over & observed, under & observed
    if not over.any() and not state.raised.any() and (state.since_ns == NEVER).all():
        return replace(state, over=state.over & ~observed)  # nothing is there and nothing begins: most of the time
    broken = observed & ~over & ~state.raised & (at_ns - state.over_ns > rule.gap_ns)
    since_ns = np.where(over, np.minimum(state.since_ns, at_ns), np.where(broken, NEVER, state.since_ns))
    held = state.raised | (over & (at_ns - since_ns >= rule.hold_ns))
    falling = held & under
    under_ns = np.where(falling, np.minimum(state.under_ns, at_ns), np.where(observed, NEVER, state.under_ns))
    lowered = falling & (at_ns - under_ns >= rule.release_ns)
    raised = held & ~lowered
    gaps = state.gaps + (state.raised & state.over & observed & ~over)
    return State(
        since_ns=np.where(lowered, NEVER, since_ns),
        over_ns=np.where(over, at_ns, state.over_ns),
        under_ns=np.where(lowered, NEVER, under_ns),
        over=np.where(observed, over, state.over),
        raised=raised,
        gaps=np.where(raised, gaps, 0),
    )


def forget(state: State, places: Bools) -> State:
    """The state with nothing seen yet at `places` (N,)."""
    if not places.any():
        return state
    empty, gone = blank(*state.raised.shape), places[:, None]
    return State(*(np.where(gone, getattr(empty, each.name), getattr(state, each.name)) for each in fields(State)))


def highest(raised: Bools) -> Ints:
    """(N,) the index of the highest raised level of (N, L), -1 where none is."""
    levels = np.arange(raised.shape[1], dtype=np.int64)
    return np.asarray(np.where(raised, levels, -1).max(axis=1, initial=-1))


def onset_ns(state: State) -> Ints:
    """(N,) when the earliest of the raised levels began; NEVER where none is raised."""
    return np.asarray(np.where(state.raised, state.since_ns, NEVER).min(axis=1, initial=NEVER))
