"""Numbers of things, as people say them."""

from __future__ import annotations


def counted(number: int, thing: str, things: str | None = None) -> str:
    """`1 camera`, `2 cameras`, `0 cameras`; `things` where it is not `thing` with an s."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"
