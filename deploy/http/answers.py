"""JSON out, errors in one form, bodies in: `{"error": {"code", "message", "hint"}}`."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ingest.errors import scrub

BODY_BYTES_MAX = 64 * 1024
Body = TypeVar("Body")


class ApiError(Exception):
    """An answer that is not the one that was asked for; `hint` is the mend."""

    def __init__(self, status: int, code: str, message: str, hint: str, **more: object) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.hint, self.more = status, code, message, hint, more


def answer(value: object, status: int = 200, media_type: str = "application/json") -> Response:
    return Response(msgspec.json.encode(value), status, media_type=media_type, headers={"cache-control": "no-store"})


def error_answer(error: ApiError) -> Response:
    body = {"error": {"code": error.code, "message": scrub(error.message), "hint": scrub(error.hint)}} | error.more
    return answer(body, error.status)


async def body_of(request: Request, kind: type[Body]) -> Body:
    """
    The request's JSON body as `kind`.

    Raises:
        ApiError: too large (413), or not such JSON (400).
    """
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > BODY_BYTES_MAX:
            raise ApiError(413, "too_large", f"The body is over {BODY_BYTES_MAX} bytes.", "Send less.")
    try:
        return msgspec.json.decode(raw or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(400, "bad_body", f"The body is not as expected: {error}", "See docs/api.md.") from error


def whole_number(request: Request, name: str, default: int, least: int, most: int) -> int:
    """
    A query parameter in [least, most].

    Raises:
        ApiError: it is none (400).
    """
    given: Any = request.query_params.get(name, str(default))
    if not (given.isascii() and given.isdigit() and len(given) < 19 and least <= int(given) <= most):
        raise ApiError(
            400,
            "bad_parameter",
            f"{name}: expected a whole number from {least} to {most}, got {given[:40]!r}.",
            "Mend it.",
        )
    return int(given)
