"""RTSP/1.0 requests and answers as values, and digest authentication. Source: RFC 2326; RFC 2617, 3.2."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    453: "Not Enough Bandwidth",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    461: "Unsupported Transport",
    501: "Not Implemented",
    503: "Service Unavailable",
}
HEADER_BYTES_MAX = 16_384

_TRACK = re.compile(r"/trackID=(\d+)/?$")
_FIELD = re.compile(r'(\w+)="?([^",]*)"?')
_CHANNELS = re.compile(r"interleaved=(\d+)-(\d+)")


@dataclass(frozen=True, slots=True)
class Request:
    """One request; header names in lower case."""

    method: str
    url: str
    headers: Mapping[str, str]

    @property
    def path(self) -> str:
        """The stream asked for, without leading slash and track."""
        return _TRACK.sub("", urlsplit(self.url).path).strip("/")

    @property
    def track(self) -> int:
        """The track asked for; 0 where the URL names none."""
        found = _TRACK.search(urlsplit(self.url).path)
        return int(found[1]) if found else 0

    @property
    def channels(self) -> tuple[int, int] | None:
        """The two interleaved channels of a SETUP over TCP; None for any other transport."""
        transport = self.headers.get("transport", "")
        found = _CHANNELS.search(transport)
        if "RTP/AVP/TCP" not in transport or found is None:
            return None
        return int(found[1]), int(found[2])


@dataclass(frozen=True, slots=True)
class Response:
    """One answer, before it is bound to a request's sequence number."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def encode(self, sequence: str) -> bytes:
        """The bytes on the wire."""
        lines = [f"RTSP/1.0 {self.status} {REASONS.get(self.status, 'Error')}", f"CSeq: {sequence}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.body:
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode() + self.body


def take_request(buffer: bytearray) -> Request | None:
    """
    The next request in `buffer`, removed from it with any interleaved packets before it; None until one is complete.

    Raises:
        ValueError: what has come is not RTSP, or its header has no end.
    """
    while buffer:
        if buffer[0] == 0x24:  # "$": an interleaved packet (the reader's RTCP reports)
            size = 4 + int.from_bytes(buffer[2:4], "big")
            if len(buffer) < 4 or len(buffer) < size:
                return None
            del buffer[:size]
            continue
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(buffer) > HEADER_BYTES_MAX:
                raise ValueError(f"request header: expected at most {HEADER_BYTES_MAX} bytes, got {len(buffer)}")
            return None
        first, *rest = buffer[:end].decode("utf-8", "replace").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        length = headers.get("content-length", "0")
        words = first.split()
        if len(words) != 3 or not words[2].startswith("RTSP/"):
            raise ValueError(f"request: expected `METHOD URL RTSP/1.0`, got {first[:80]!r}")
        if not length.isdecimal() or int(length) > HEADER_BYTES_MAX:
            raise ValueError(f"Content-Length: expected 0 to {HEADER_BYTES_MAX}, got {length[:20]!r}")
        if len(buffer) < end + 4 + int(length):
            return None
        del buffer[: end + 4 + int(length)]
        return Request(words[0], words[1], headers)
    return None


def challenge(realm: str, nonce: str) -> Response:
    """The answer that asks for a digest."""
    return Response(401, {"WWW-Authenticate": f'Digest realm="{realm}", nonce="{nonce}"'})


def is_authorized(request: Request, user: str, password: str, realm: str, nonce: str) -> bool:
    """Whether the request carries the digest of this user and password for this nonce."""
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "digest":
        return False
    given = dict(_FIELD.findall(rest))
    if (given.get("username"), given.get("nonce")) != (user, nonce):
        return False
    first = _md5(f"{user}:{realm}:{password}")
    second = _md5(f"{request.method}:{given.get('uri', '')}")
    return hmac.compare_digest(_md5(f"{first}:{nonce}:{second}"), given.get("response", ""))


def _md5(text: str) -> str:
    # Digest authentication of RTSP cameras is MD5 by its standard; nothing else is protected by it.
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
