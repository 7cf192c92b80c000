"""
Why a camera is down, as a `SourceError` with a typed cause.

The text of PyAV's errors holds the URL with its password, so nothing of it is ever passed on: only type and number.
"""

from __future__ import annotations

import errno

import av.error

from ingest.errors import SourceError
from ingest.registry.district import Camera

_MEND = {
    "unreachable": "Check the camera's power and network.",
    "unknown_host": "Check the host name in the camera's address, and the name server.",
    "auth_failed": "Check the camera's user and password; tries are slow now, so that the account is not locked.",
    "refused": "The camera has no session free or does not allow this one; close other readers.",
    "not_found": "Check the path in the camera's address.",
    "no_video": "Check that the address names a video stream, and the camera's encoder.",
    "stalled": "Check the camera and its network; it is tried again.",
    "closed": "Check the camera and its network; it is tried again.",
    "broken_stream": "Check the camera's encoder and the network for loss.",
    "crashed": "Its stream takes the decoder down: change the camera's codec or resolution, or update the firmware.",
}

# The first that fits counts: subclasses stand before what they inherit from.
_CAUSES: tuple[tuple[type[BaseException], str, str], ...] = (
    (av.error.HTTPUnauthorizedError, "auth_failed", "401, wrong user or password"),
    (av.error.HTTPForbiddenError, "auth_failed", "403, this user may not see the stream"),
    (av.error.HTTPNotFoundError, "not_found", "404, no such stream"),
    (av.error.HTTPServerError, "refused", "a server error (5xx)"),
    (av.error.HTTPClientError, "refused", "a refusal (4xx; 453 says that no session is free)"),
    (av.error.ConnectionRefusedError, "unreachable", "connection refused: nothing listens there"),
    (av.error.ExitError, "stalled", "nothing within the deadline"),
    (av.error.TimeoutError, "unreachable", "no connection within the deadline"),
    (av.error.FileNotFoundError, "not_found", "no such file"),
    (av.error.PermissionError, "not_found", "a file that may not be read"),
    (av.error.IsADirectoryError, "not_found", "a folder"),
    (av.error.EOFError, "closed", "the end of the stream"),
    (av.error.ConnectionResetError, "closed", "a connection that was cut"),
    (av.error.BrokenPipeError, "closed", "a connection that was cut"),
    (av.error.DecoderNotFoundError, "no_video", "a codec that cannot be decoded here"),
    (av.error.InvalidDataError, "broken_stream", "data that is no video stream"),
    (av.error.OSError, "unreachable", "an input or output error"),
)


def source_error(camera: Camera, cause: str, got: str, expected: str = "a video stream") -> SourceError:
    """A `SourceError` of this cause, with the mend that fits it."""
    return SourceError(camera.id, cause, expected=expected, got=got, mend=_MEND[cause])


def opening_error(camera: Camera, error: BaseException, timed_out: bool) -> SourceError:
    """
    Why the stream could not be opened. A camera that accepts and never answers is `unreachable`.

    Args:
        timed_out: the deadline had passed; some of the library's errors then say that the data was invalid.
    """
    if isinstance(error, av.error.ExitError) or (timed_out and isinstance(error, av.error.InvalidDataError)):
        return source_error(camera, "unreachable", "no answer within the deadline")
    if isinstance(error, av.error.InvalidDataError):
        return source_error(camera, "no_video", "data that is no video stream")
    return reading_error(camera, error)


def reading_error(camera: Camera, error: BaseException) -> SourceError:
    """Why the stream ended."""
    if isinstance(error, OSError) and error.errno == errno.EPROTONOSUPPORT:
        return source_error(camera, "refused", "461, no transport over TCP")
    for kind, cause, got in _CAUSES:
        if isinstance(error, kind):
            return source_error(camera, cause, got)
    return source_error(camera, "broken_stream", type(error).__name__)
