"""Ids are computed, never drawn: a replay yields the same ids, so that a duplicate is harmless everywhere."""

from __future__ import annotations

from hashlib import blake2b


def record_id(stage: str, version: int, topic: str, partition: int, offset: int, ordinal: int) -> str:
    """32 hexadecimal digits that name the `ordinal`-th output of a stage for the input at `topic/partition/offset`."""
    return derived_id(stage, str(version), topic, str(partition), str(offset), str(ordinal))


def derived_id(*parts: str) -> str:
    """32 hexadecimal digits that name whatever `parts` name together; no two lists of parts run into one another."""
    digest = blake2b(digest_size=16)
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(4, "little") + data)
    return digest.hexdigest()
