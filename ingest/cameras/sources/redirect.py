"""
Whether a camera sends its reader elsewhere. The library would follow it, to whatever host and port the camera names, so
that a camera could have us knock at doors that only we can reach: it is asked once before the library is.
"""

from __future__ import annotations

import socket
import ssl
from urllib.parse import urlsplit, urlunsplit

from ingest.cameras.sources.cause import source_error
from ingest.registry.district import Camera

_PORTS = {"rtsp": 554, "rtsps": 322}
_LINE_BYTES_MAX = 256


def check_redirect(camera: Camera, answer_s_max: float) -> None:
    """
    Raises:
        SourceError: `refused`, it redirects; `unreachable`, it accepts and says nothing.
    """
    parts = urlsplit(camera.url)
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 554)
    address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    try:
        with socket.create_connection((host, port), answer_s_max) as plain:
            link = plain
            if parts.scheme == "rtsps":
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing secret is said
                link = context.wrap_socket(plain, server_hostname=host)
            link.sendall(f"DESCRIBE {address} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n".encode())
            line = b""
            while b"\n" not in line and len(line) < _LINE_BYTES_MAX and (more := link.recv(_LINE_BYTES_MAX)):
                line += more
    except TimeoutError:
        raise source_error(camera, "unreachable", "no answer within the deadline") from None
    except OSError:
        return  # the library says why
    words = line.split(None, 2)
    if len(words) > 1 and words[0].startswith(b"RTSP/") and words[1][:1] == b"3":
        raise source_error(camera, "refused", "a redirect to another address, which is not followed")
