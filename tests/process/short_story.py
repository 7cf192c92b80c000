"""
The demo's cameras with a story that waits for cues: the square stays empty until the first SIGUSR1, and full until the
second. So a slow machine delays the story and does not miss it.

Takes what `python -m deploy.demo` takes, and runs as a process of its own: `python -m tests.process.short_story`.
"""

from __future__ import annotations

import signal

from deploy.demo import story
from deploy.demo.__main__ import main

FILL_S, DRAIN_S = (14.0, 22.0), (50.0, 56.0)
WAITS_S = ((6.0, 12.0), (42.0, 48.0))  # while it waits, time goes to and fro in here: people still move


class CuedTime:
    """Time of the story from the time that has passed; grows steadily, but for the waits."""

    def __init__(self) -> None:
        self._cues = self._taken = 0
        self._behind_s = 0.0

    def cue(self, *_: object) -> None:
        self._cues += 1

    def __call__(self, elapsed_s: float) -> float:
        if self._taken < min(self._cues, len(WAITS_S)):
            now_s = self._at(elapsed_s)
            self._taken += 1
            self._behind_s = elapsed_s - now_s
        return self._at(elapsed_s)

    def _at(self, elapsed_s: float) -> float:
        time_s = elapsed_s - self._behind_s
        if self._taken == len(WAITS_S):
            return time_s % story.LENGTH_S
        first_s, last_s = WAITS_S[self._taken]
        if time_s <= last_s:
            return time_s
        span_s = last_s - first_s
        return first_s + abs((time_s - last_s) % (2 * span_s) - span_s)


if __name__ == "__main__":
    cued = CuedTime()
    signal.signal(signal.SIGUSR1, cued.cue)
    # The story reads its times when it is asked for its people, which is after this.
    story.FILL_FROM_S, story.FILL_TO_S = FILL_S
    story.DRAIN_FROM_S, story.DRAIN_TO_S = DRAIN_S
    story.story_time_s = cued
    main()
