"""RTP and RTCP packets for H.264 and for an ONVIF metadata track. Pure functions: bytes in, bytes out."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

CLOCK_HZ = 90_000
PAYLOAD_BYTES_MAX = 1_400
NTP_EPOCH_S = 2_208_988_800  # seconds from 1900 to 1970

_IDR, _SPS, _PPS, _FU_A = 5, 7, 8, 28
_START_CODE = re.compile(b"\x00*\x00\x00\x01")


def nal_units(access_unit: bytes) -> list[bytes]:
    """
    The NAL units of one H.264 access unit, without start codes or lengths.

    Args:
        access_unit: Annex B (start codes) or ISO 14496-15 (four-byte lengths); told apart by the bytes.

    Source: ITU-T H.264 Annex B; ISO/IEC 14496-15, 5.3.
    """
    units: list[bytes] = []
    at = 0
    while at + 4 < len(access_unit):
        size = int.from_bytes(access_unit[at : at + 4], "big")
        if size == 0 or at + 4 + size > len(access_unit):
            break
        units.append(access_unit[at + 4 : at + 4 + size])
        at += 4 + size
    # Lengths first: a unit of 256 to 511 bytes has a length that looks like a start code, while start codes read as
    # lengths practically never end exactly at the last byte.
    if units and at == len(access_unit):
        return units
    return [unit for unit in _START_CODE.split(access_unit) if unit]


def parameter_sets(units: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """The sequence and picture parameter sets among `units`; None where either is missing."""
    sps = next((unit for unit in units if unit[0] & 31 == _SPS), None)
    pps = next((unit for unit in units if unit[0] & 31 == _PPS), None)
    return None if sps is None or pps is None else (sps, pps)


def has_idr(units: Sequence[bytes]) -> bool:
    """Whether the access unit can be decoded without any other (it holds an IDR slice)."""
    return any(unit[0] & 31 == _IDR for unit in units)


def h264_payloads(units: Sequence[bytes], payload_bytes_max: int = PAYLOAD_BYTES_MAX) -> list[bytes]:
    """
    RTP payloads of one access unit: a small NAL unit as it is, a large one in FU-A fragments.

    Source: RFC 6184, 5.6 and 5.8.
    """
    return [payload for unit in units for payload in _fragments(unit, payload_bytes_max)]


def _fragments(unit: bytes, payload_bytes_max: int) -> Iterator[bytes]:
    if len(unit) <= payload_bytes_max:
        yield unit
        return
    indicator, kind, step = (unit[0] & 0xE0) | _FU_A, unit[0] & 31, payload_bytes_max - 2
    for at in range(1, len(unit), step):
        first, last = 0x80 * (at == 1), 0x40 * (at + step >= len(unit))
        yield bytes((indicator, first | last | kind)) + unit[at : at + step]


def metadata_payloads(document: bytes, payload_bytes_max: int = PAYLOAD_BYTES_MAX) -> list[bytes]:
    """RTP payloads of one XML document, cut where it must be. Source: ONVIF Streaming Specification, 5.1.2.1.1."""
    return [document[at : at + payload_bytes_max] for at in range(0, len(document), payload_bytes_max)]


def rtp_timestamp(time_s: float) -> int:
    """The 32-bit RTP timestamp of a time in seconds, which may be negative."""
    return round(time_s * CLOCK_HZ) & 0xFFFFFFFF


def format_parameters(payload_type: int, sets: tuple[bytes, bytes] | None) -> str:
    """The `a=fmtp` line of an H.264 track; without known parameter sets they come in the stream."""
    line = f"a=fmtp:{payload_type} packetization-mode=1"
    if sets is not None:
        sps, pps = (base64.b64encode(unit).decode("ascii") for unit in sets)
        line += f";profile-level-id={sets[0][1:4].hex()};sprop-parameter-sets={sps},{pps}"
    return line


@dataclass(slots=True)
class Track:
    """One RTP source: its numbers, and what it has sent."""

    payload_type: int
    synchronization_source: int
    sequence: int = 0
    packets: int = 0
    payload_bytes: int = 0
    header: struct.Struct = field(default=struct.Struct("!BBHII"), repr=False)

    def pack(self, payloads: Sequence[bytes], timestamp: int) -> list[bytes]:
        """RTP packets of one frame or document: one timestamp, marker on the last. Source: RFC 3550, 5.1."""
        packets = []
        for n, payload in enumerate(payloads, start=1):
            kind = self.payload_type | (0x80 if n == len(payloads) else 0)
            packets.append(
                self.header.pack(0x80, kind, self.sequence, timestamp, self.synchronization_source) + payload
            )
            self.sequence = (self.sequence + 1) & 0xFFFF
            self.packets += 1
            self.payload_bytes += len(payload)
        return packets

    def sender_report(self, unix_time_s: float, timestamp: int) -> bytes:
        """The RTCP packet that ties `timestamp` to a wall-clock time. Source: RFC 3550, 6.4.1 and 6.5."""
        whole, rest = divmod(unix_time_s + NTP_EPOCH_S, 1.0)
        counts = self.packets & 0xFFFFFFFF, self.payload_bytes & 0xFFFFFFFF
        source = self.synchronization_source
        report = struct.pack(
            "!BBHIIIIII", 0x80, 200, 6, source, int(whole) & 0xFFFFFFFF, int(rest * 2**32), timestamp, *counts
        )
        # A compound packet must name its source (SDES CNAME), padded with zeros to a whole word.
        name = b"\x01\x09drumtower".ljust(12, b"\x00")
        return report + struct.pack("!BBHI", 0x81, 202, 1 + len(name) // 4, source) + name
