"""Whether a camera's name can be resolved: the library that opens streams hides this cause among others."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from ingest.cameras.sources.cause import source_error
from ingest.registry.district import Camera


def check_host(camera: Camera) -> None:
    """
    Raises:
        SourceError: `unknown_host`, or `not_found` where the address names no host.
    """
    try:
        parts = urlsplit(camera.url)
        host, port = parts.hostname, parts.port or 554
    except ValueError:
        host, port = None, 0
    if not host:
        raise source_error(camera, "not_found", "an address without a host", "rtsp://HOST[:PORT]/PATH")
    try:
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise source_error(camera, "unknown_host", f"no address for {host}", "a host that can be resolved") from None
