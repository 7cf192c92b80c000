"""
Whether a Kafka broker lets us in, asked once before the client library is started.

The library does not say why it cannot log in, and asks again every half second: a wrong password would look like a
broker that is down, until it has locked the account. Here it is one try, with its cause.

Source: the Kafka protocol, SaslHandshake version 1 and SaslAuthenticate version 0; https://kafka.apache.org/protocol
"""

from __future__ import annotations

import socket
import ssl
import struct
from typing import Protocol

from ingest.errors import BusRetryable, SettingsError

_CLIENT = b"drumtower"
_HANDSHAKE, _AUTHENTICATE = (17, 1), (36, 0)  # key and version of a request
_ANSWER_BYTES_MAX = 65_536
_UNSUPPORTED = 33  # UNSUPPORTED_SASL_MECHANISM
_ROUNDS_MAX = 4


class Mechanism(Protocol):
    """What is said to log in, as the client library has it."""

    def auth_bytes(self) -> bytes: ...

    def receive(self, auth_bytes: bytes) -> object: ...

    def is_done(self) -> bool: ...


def check_login(server: str, mechanism: Mechanism, name: str, tls: ssl.SSLContext | None, answer_s_max: float) -> None:
    """
    Log in at one broker, and leave.

    Args:
        server: `host:port`.
        name: of the mechanism.
        tls: None for a plain connection.

    Raises:
        SettingsError: it does not let us in.
        BusRetryable: it does not answer.
    """
    host, _, port = server.rpartition(":")
    host = host.strip("[]")
    try:
        with socket.create_connection((host, int(port)), answer_s_max) as plain:
            link = plain if tls is None else tls.wrap_socket(plain, server_hostname=host)
            with link:
                _log_in(link, server, mechanism, name)
    except ssl.SSLError as error:
        raise _refused(server, f"a certificate that is not trusted ({error.reason})") from None
    except OSError as error:
        got = (error.strerror or type(error).__name__).lower()
        mend = "Check the broker and the network; it is tried again."
        raise BusRetryable(f"kafka {server}", expected="an answer", got=got, mend=mend) from None


def _log_in(link: socket.socket, server: str, mechanism: Mechanism, name: str) -> None:
    asked = name.encode()
    answer = _ask(link, _HANDSHAKE, struct.pack(">h", len(asked)) + asked)
    if answer is None or len(answer) < 2:
        raise _refused(server, f"a door that does not know {name}")
    (code,) = struct.unpack_from(">h", answer)
    if code:
        raise _refused(server, f"a door that does not know {name}" if code == _UNSUPPORTED else f"error {code}")
    for _ in range(_ROUNDS_MAX):
        if mechanism.is_done():
            return
        token = mechanism.auth_bytes()
        answer = _ask(link, _AUTHENTICATE, struct.pack(">i", len(token)) + token)
        # A broker that closes instead of an answer has refused: it was there a moment ago.
        if answer is None or len(answer) < 4 or struct.unpack_from(">h", answer)[0]:
            raise _refused(server, "a wrong user or password")
        (length,) = struct.unpack_from(">h", answer, 2)  # of the message, -1 for none
        try:
            mechanism.receive(answer[8 + max(length, 0) :])
        except Exception:  # a stranger's answer, read by a library: what it is does not matter, only that it is none
            raise _refused(server, "a wrong user or password") from None


def _ask(link: socket.socket, kind: tuple[int, int], body: bytes) -> bytes | None:
    """The answer without its head; None where the connection is closed instead."""
    request = struct.pack(">hhih", *kind, 1, len(_CLIENT)) + _CLIENT + body
    try:
        link.sendall(struct.pack(">i", len(request)) + request)
        head = _received(link, 4)
        if head is None:
            return None
        (size,) = struct.unpack(">i", head)
        answer = _received(link, size) if 4 <= size <= _ANSWER_BYTES_MAX else None
    except (ConnectionResetError, BrokenPipeError):
        return None
    return None if answer is None else answer[4:]


def _received(link: socket.socket, size: int) -> bytes | None:
    data = b""
    while len(data) < size:
        more = link.recv(size - len(data))
        if not more:
            return None
        data += more
    return data


def _refused(server: str, got: str) -> SettingsError:
    mend = "Check user, password and mechanism of `[bus.kafka]`, or of the camera, and the rights on the broker."
    return SettingsError(f"kafka {server}: login", expected="to be let in", got=got, mend=mend)
