"""
Cameras of the registry, changed through the API: added, set and removed while everything runs, each change audited.

What comes over the network may not reach for what is on this machine: it names no secret and no file, and does not send
the secret of a camera to another host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from correlator.casebook.contract import Casebook
from deploy.http.answers import ApiError, answer, body_of
from deploy.registry_change import add_on, remove_on, set_on
from ingest.bus.contract import Bus
from ingest.clock import Clock
from ingest.errors import BusRetryable, SettingsError, StoreConflict
from ingest.registry.change import CameraMissing
from ingest.registry.district import Camera


class CameraBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    actor: str  # the desk that acts
    id: str
    name: str | None = None
    site: str | None = None
    source: str | None = None
    url: str | None = None
    lon: float | None = None
    lat: float | None = None
    sampling_period_s: float | None = None
    enabled: bool | None = None
    switch: str | None = None  # what it hangs on
    recorder: str | None = None
    power: str | None = None


class RemoveBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    actor: str


async def set_camera(request: Request) -> Response:
    """Add a camera, or change what is given of one that is there."""
    _ours(request)
    body = await body_of(request, CameraBody)
    _check_actor(body.actor)
    cells = {
        name: value for name, value in msgspec.to_builtins(body).items() if name not in ("actor", "id") and value != ""
    }
    if cells.get("source") == "file":
        raise ApiError(403, "not_here", "source: a file cannot be named through the API.", "drumtower cameras add")

    def change() -> list[str]:
        bus, book, clock = _parts(request)
        # Before the act: what is not written down is not done.
        book.audit(body.actor, "set", f"camera {body.id[:64]}", clock.now_ns())
        try:
            return set_on(bus, body.id, cells, _check_secret)
        except CameraMissing:
            return add_on(bus, body.id, {"source": "rtsp", "name": body.id} | cells)

    return answer({"changes": await run_in_threadpool(_answered, change)})


async def remove_camera(request: Request) -> Response:
    _ours(request)
    body = await body_of(request, RemoveBody)
    _check_actor(body.actor)
    camera_id: str = request.path_params["camera_id"]

    def change() -> list[str]:
        bus, book, clock = _parts(request)
        book.audit(body.actor, "remove", f"camera {camera_id[:64]}", clock.now_ns())
        return remove_on(bus, [camera_id])

    return answer({"changes": await run_in_threadpool(_answered, change)})


def _answered(change: Callable[[], list[str]]) -> list[str]:
    """What the change says, or why it was refused, in the API's own form."""
    try:
        return change()
    except StoreConflict as error:
        raise ApiError(409, "conflict", error.fault, error.mend) from error
    except BusRetryable as error:
        raise ApiError(503, "bus_unavailable", str(error), "Try again in a few seconds.") from error
    except CameraMissing as error:
        raise ApiError(404, "unknown_camera", error.fault, error.mend) from error
    except SettingsError as error:
        raise ApiError(400, "bad_camera", error.fault, error.mend) from error


def _check_secret(camera: Camera, cells: Mapping[str, object]) -> None:
    """Refuse to send a camera's password elsewhere."""
    url = cells.get("url")
    secrets = (camera.user, camera.password_file, camera.password_env, camera.password_key)
    if url is None or not any(secrets):
        return
    before, after = urlsplit(camera.url), urlsplit(str(url))
    if (before.scheme, before.netloc) != (after.scheme, after.netloc):
        raise SettingsError(
            f"camera {camera.id}: url",
            expected=f"the host {before.netloc}, since it has a secret",
            got="another host",
            mend="Use `drumtower cameras set` on the machine itself.",
        )


def _parts(request: Request) -> tuple[Bus, Casebook, Clock]:
    desk = request.app.state.desk
    if desk.bus is None:
        raise ApiError(503, "no_registry", "The registry cannot be changed here.", "Use `drumtower cameras`.")
    return desk.bus, desk.casebook, desk.clock


def _ours(request: Request) -> None:
    if request.headers.get("x-drumtower-request") != "1":
        raise ApiError(403, "not_ours", "The header X-Drumtower-Request is missing.", "Send it with the value 1.")


def _check_actor(actor: str) -> None:
    if not 0 < len(actor) <= 64 or not actor.isprintable():
        raise ApiError(400, "bad_body", "actor: expected 1 to 64 printable characters.", "Name the desk that acts.")
