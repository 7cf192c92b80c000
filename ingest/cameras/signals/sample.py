"""One picture as all operators are given it, prepared once."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.schema.tick import U8

WIDTH, HEIGHT = 320, 180
NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Arrays are lent: who keeps one past the call keeps a copy of what it needs."""

    grey: U8  # (180, 320) levels 0 to 255
    colour: U8 | None = None  # (180, 320, 3) blue, green, red; None where the source has none
    foreground: U8 | None = None  # (180, 320) 255 where something stands before the background; None: not known
    elapsed_s: float = 0.0  # since the sample before, 0 at the first
    flags: int = 0  # `Picture`: what is wrong with it
