"""Legal holds through the API: who holds what and why, hold, release."""

from __future__ import annotations

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from correlator.casebook.contract import IncidentMissing
from deploy.http.answers import ApiError, answer, body_of
from ingest.errors import SettingsError


class HoldBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    actor: str  # the desk that acts
    reason: str  # 1 to 500 characters; written into the audit


async def holds(request: Request) -> Response:
    """`GET /api/holds`: the incidents that are held, the oldest hold first."""
    desk = request.app.state.desk

    def read() -> dict[str, object]:
        actor = request.client.host if request.client else "unknown"
        desk.casebook.audit(actor, "read", "holds", desk.clock.now_ns())
        return {"holds": desk.casebook.holds()}

    return answer(await run_in_threadpool(read))


async def hold(request: Request) -> Response:
    """`POST /api/incidents/{incident_id}/hold`: the hold; one that is there already stays as it is."""
    return await _with_body(request, release=False)


async def release(request: Request) -> Response:
    """`POST /api/incidents/{incident_id}/release`"""
    return await _with_body(request, release=True)


async def _with_body(request: Request, *, release: bool) -> Response:
    desk, incident_id = request.app.state.desk, request.path_params["incident_id"]
    if request.headers.get("x-drumtower-request") != "1":
        raise ApiError(403, "not_ours", "The header X-Drumtower-Request is missing.", "Send it with the value 1.")
    body = await body_of(request, HoldBody)
    if not 0 < len(body.actor) <= 64 or not body.actor.isprintable():
        raise ApiError(400, "bad_body", "actor: expected 1 to 64 printable characters.", "Name the desk that acts.")

    def act() -> object:
        said = {"actor": body.actor, "reason": body.reason, "at_ns": desk.clock.now_ns()}
        try:
            if release:
                desk.casebook.release(incident_id, **said)
                return {"holds": desk.casebook.holds()}
            return desk.casebook.hold(incident_id, **said)
        except IncidentMissing as error:
            raise ApiError(
                404, "unknown_incident", f"No incident {incident_id[:64]!r}.", "Load /api/incidents again."
            ) from error
        except SettingsError as error:
            raise ApiError(400, "bad_body", str(error), error.mend) from error

    return answer(await run_in_threadpool(act))
