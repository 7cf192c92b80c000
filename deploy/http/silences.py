"""Silences through the API: listed with what they have muted, looked at before they are set, set, and ended early."""

from __future__ import annotations

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from correlator.casebook.silences import SilenceMissing
from correlator.muting.silence import Silence
from deploy.http.answers import ApiError, answer, body_of
from ingest.errors import SettingsError


class EndBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    actor: str  # the desk that acts


async def silences(request: Request) -> Response:
    """Those that are not over; `?state=all` also the old ones."""
    desk = request.app.state.desk
    state = request.query_params.get("state", "live")
    if state not in ("live", "all"):
        raise ApiError(400, "bad_parameter", f"state: expected live or all, got {state[:40]!r}.", "Mend it.")

    def read() -> dict[str, object]:
        now_ns = desk.clock.now_ns()
        return {"silences": desk.casebook.silences(0 if state == "all" else now_ns, now_ns)}

    return answer(await run_in_threadpool(read))


async def preview_silence(request: Request) -> Response:
    """What a silence would mute now, and would have muted in the last week; nothing is written."""
    return await _with_silence(request, write=False)


async def set_silence(request: Request) -> Response:
    _ours(request)
    return await _with_silence(request, write=True)


async def end_silence(request: Request) -> Response:
    _ours(request)
    desk = request.app.state.desk
    body = await body_of(request, EndBody)
    if not 0 < len(body.actor) <= 64 or not body.actor.isprintable():
        raise ApiError(400, "bad_body", "actor: expected 1 to 64 printable characters.", "Name the desk that acts.")

    def end() -> Silence:
        try:
            ended: Silence = desk.casebook.end_silence(
                request.path_params["silence_id"], body.actor, desk.clock.now_ns()
            )
        except SilenceMissing as error:
            raise ApiError(404, "unknown_silence", str(error), "GET /api/silences lists them.") from error
        return ended

    return answer(await run_in_threadpool(end))


async def storm(request: Request) -> Response:
    """Whether more begins than people can read; the stream tells the same as `storm`."""
    return answer(await run_in_threadpool(request.app.state.desk.casebook.storm))


async def _with_silence(request: Request, *, write: bool) -> Response:
    desk = request.app.state.desk
    silence = await body_of(request, Silence)

    def act() -> object:
        now_ns = desk.clock.now_ns()
        try:
            if write:
                return desk.casebook.put_silence(silence, now_ns)
            return desk.casebook.preview_silence(silence, now_ns)
        except SettingsError as error:
            raise ApiError(400, "bad_silence", str(error), error.mend) from error

    return answer(await run_in_threadpool(act))


def _ours(request: Request) -> None:
    if request.headers.get("x-drumtower-request") != "1":
        raise ApiError(403, "not_ours", "The header X-Drumtower-Request is missing.", "Send it with the value 1.")
