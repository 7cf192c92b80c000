"""
A record that could not be read or stepped, as a record of `dt.dead`: the bytes, why, and where from.

The value is cut at 256 KiB, and a header says so; a letter that was not cut can be delivered again as it was.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ingest.bus.contract import Draft, Headers, Position, Record
from ingest.bus.topics import DEAD
from ingest.errors import RecordError, scrub

VALUE_BYTES_MAX = 256 * 1024
_KEY_BYTES_MAX = 4 * 1024
_REASON_CHARACTERS_MAX = 2_000
_ORIGINAL_BYTES_MAX = 64 * 1024  # of all original headers together
_ORIGINAL = "original-"
_OFFSET = struct.Struct(">q")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """
    Attributes:
        source: where the broken record stood.
        value: its bytes, or their beginning when `is_truncated`; None when it had none.
        is_truncated: something of the record was cut off, so it cannot be delivered again.
    """

    reason: str
    stage: str
    source: Position
    key: bytes | None
    value: bytes | None
    headers: Headers
    is_truncated: bool

    def redelivery(self) -> Draft:
        """
        The record again, for the topic and partition that it came from.

        Raises:
            RecordError: the letter holds only a part of it.
        """
        if self.is_truncated:
            raise RecordError(
                f"dead letter of {self.source}",
                expected="a whole record",
                got=f"its first {VALUE_BYTES_MAX} bytes at most",
                mend="Take it from its source, or leave it.",
                position=self.source,
            )
        return Draft(self.source.topic, self.source.partition, self.key, self.value, self.headers)


def dead_letter(record: Record, reason: str, stage: str) -> Draft:
    """`record`, broken for `reason` in `stage`, as a draft for `dt.dead`; no credentials are left in the reason."""
    value, key = record.value, record.key
    kept: list[tuple[str, bytes]] = []
    room = _ORIGINAL_BYTES_MAX
    for name, content in record.headers:
        room -= len(name) + len(content)
        if room >= 0:
            kept.append((_ORIGINAL + name, content))
    is_truncated = len(value or b"") > VALUE_BYTES_MAX or len(key or b"") > _KEY_BYTES_MAX or room < 0
    about: list[tuple[str, bytes]] = [
        ("reason", scrub(reason)[:_REASON_CHARACTERS_MAX].encode(errors="replace")),
        ("stage", stage.encode()),
        ("source-topic", record.position.topic.encode()),
        ("source-partition", _OFFSET.pack(record.position.partition)),
        ("source-offset", _OFFSET.pack(record.position.offset)),
        ("truncated", b"1" if is_truncated else b"0"),
        ("has-value", b"0" if value is None else b"1"),
    ]
    if key is not None:
        about.append(("source-key", key[:_KEY_BYTES_MAX]))
    # Without a value it would be a deletion: an empty one stands for it, and a header tells them apart.
    body = b"" if value is None else value[:VALUE_BYTES_MAX]
    return Draft(DEAD, 0, record.position.topic.encode(), body, (*about, *kept))


def parse_dead_letter(record: Record) -> DeadLetter:
    """
    Raises:
        RecordError: it is no dead letter.
    """
    about: dict[str, bytes] = {}
    for name, content in record.headers:
        about.setdefault(name, content)
    try:
        source = Position(
            about["source-topic"].decode(),
            _OFFSET.unpack(about["source-partition"])[0],
            _OFFSET.unpack(about["source-offset"])[0],
        )
        return DeadLetter(
            reason=about["reason"].decode(errors="replace"),
            stage=about["stage"].decode(errors="replace"),
            source=source,
            key=about.get("source-key"),
            value=record.value if about["has-value"] == b"1" else None,
            headers=tuple((n.removeprefix(_ORIGINAL), c) for n, c in record.headers if n.startswith(_ORIGINAL)),
            is_truncated=about["truncated"] != b"0",
        )
    except (KeyError, ValueError, struct.error) as error:
        raise RecordError(
            f"record {record.position}",
            expected="a dead letter",
            got=f"a record without {error}" if isinstance(error, KeyError) else "headers that cannot be read",
            mend="It was not written by this product; pass over it.",
            position=record.position,
        ) from error
