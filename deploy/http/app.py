"""The API, the live stream, the console and `/metrics`, as one Starlette application."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from correlator.casebook.contract import Casebook, IncidentConflict, IncidentMissing
from deploy import __version__
from deploy.http import cameras as camera_changes
from deploy.http import evidence, holds, silences
from deploy.http.answers import ApiError, answer, body_of, error_answer, whole_number
from deploy.http.district_view import DistrictView
from deploy.http.field_of_view import field_of_view_geojson
from deploy.http.stream import LiveStream
from deploy.http.zone_report import report as zone_report
from deploy.roles import Health
from ingest.bus.contract import Bus
from ingest.clock import Clock, utc
from ingest.errors import RecordError, SettingsError, StoreRetryable
from ingest.metrics import Metrics

CONSOLE = Path(__file__).parent.parent / "console" / "dist"
SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "worker-src 'self' blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
Action = Literal["acknowledge", "dispatch", "arrive", "resolve", "close", "reopen", "false_alarm"]
ACTIONS: tuple[Action, ...] = get_args(Action)


@dataclass(frozen=True)
class Desk:
    """All that the handlers need."""

    name: str
    demo: bool
    casebook: Casebook
    view: DistrictView
    stream: LiveStream
    clock: Clock
    metrics: Metrics
    health: Health
    bus: Bus | None = None  # of the registry; None: it cannot be changed here
    time_zone: str = "UTC"  # of the clocks on the walls
    evidence: evidence.EvidenceRoom | None = None  # None: no pictures are kept


class Status(msgspec.Struct, frozen=True):
    name: str
    version: str
    now: datetime
    demo: bool
    sequence: int


class ActionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    actor: str  # the desk that acts: `desk-2`
    version: int | None = None  # the version of the incident that the desk saw


async def status(request: Request) -> Response:
    desk = _desk(request)
    sequence = await run_in_threadpool(desk.casebook.sequence)
    return answer(Status(desk.name, __version__, utc(desk.clock.now_ns()), desk.demo, sequence))


async def incidents(request: Request) -> Response:
    desk = _desk(request)
    state = request.query_params.get("state", "open")
    if state not in ("open", "all"):
        raise ApiError(400, "bad_parameter", f"state: expected open or all, got {state[:40]!r}.", "Mend it.")
    limit = whole_number(request, "limit", 200, 1, 1000)
    cursor = request.query_params.get("cursor")

    def read() -> dict[str, object]:
        # The sequence first: an alert between the two reads is then told again, never missed.
        sequence = desk.casebook.sequence()
        try:
            page = desk.casebook.incidents(state="all" if state == "all" else "open", limit=limit, cursor=cursor)
        except RecordError as error:
            raise ApiError(400, "bad_cursor", "cursor: not one of ours.", "Begin without a cursor.") from error
        _audit(request, "read", "incidents")
        return {"incidents": page.items, "next": page.next, "sequence": sequence}

    return answer(await run_in_threadpool(read))


async def incident(request: Request) -> Response:
    desk, incident_id = _desk(request), request.path_params["incident_id"]

    def read() -> object:
        found = desk.casebook.incident(incident_id)
        _audit(request, "read", f"incident {incident_id[:64]}")
        return found

    found = await run_in_threadpool(read)
    if found is None:
        raise _no_incident(incident_id)
    return answer(found)


async def act(request: Request) -> Response:
    desk = _desk(request)
    incident_id, action = request.path_params["incident_id"], request.path_params["action"]
    if action not in ACTIONS:
        raise ApiError(404, "unknown_action", f"No action {action[:40]!r}.", f"One of {', '.join(ACTIONS)}.")
    if request.headers.get("x-drumtower-request") != "1":
        raise ApiError(403, "not_ours", "The header X-Drumtower-Request is missing.", "Send it with the value 1.")
    body = await body_of(request, ActionBody)
    if not 0 < len(body.actor) <= 64 or not body.actor.isprintable():
        raise ApiError(400, "bad_body", "actor: expected 1 to 64 printable characters.", "Name the desk that acts.")

    def do() -> Response:
        now_ns = desk.clock.now_ns()
        try:
            done = desk.casebook.act(incident_id, action, actor=body.actor, version=body.version, at_ns=now_ns)
        except IncidentMissing as error:
            raise _no_incident(incident_id) from error
        except IncidentConflict as error:
            raise ApiError(409, "conflict", error.fault, error.mend, incident=error.incident) from error
        return answer(done)

    return await run_in_threadpool(do)


async def cameras(request: Request) -> Response:
    def read() -> dict[str, object]:
        _audit(request, "read", "cameras")
        return {"cameras": _desk(request).view.cameras()}

    return answer(await run_in_threadpool(read))


async def field_of_view(request: Request) -> Response:
    def read() -> dict[str, object]:
        district = _desk(request).view.district()
        camera = district.camera_by_id.get(request.path_params["camera_id"])
        if camera is None:
            raise ApiError(404, "not_found", "No such camera.", "GET /api/cameras lists them.")
        _audit(request, "read", f"field of view of {camera.id}")
        return field_of_view_geojson(district, camera)

    return answer(await run_in_threadpool(read), media_type="application/geo+json")


async def zones(request: Request) -> Response:
    def read() -> dict[str, object]:
        _audit(request, "read", "zones")
        return _desk(request).view.zones()

    return answer(await run_in_threadpool(read), media_type="application/geo+json")


async def stream(request: Request) -> Response:
    given = request.headers.get("last-event-id") or request.query_params.get("last_event_id")
    if given is not None and not (given.isascii() and given.isdigit() and len(given) < 19):
        raise ApiError(400, "bad_parameter", "Last-Event-ID: expected a sequence number.", "Begin without it.")
    await run_in_threadpool(_audit, request, "listen", "stream")
    events = _desk(request).stream.events(None if given is None else int(given))
    # `x-accel-buffering` and `no-transform` keep proxies from holding the stream back.
    headers = {"cache-control": "no-store, no-transform", "x-accel-buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


async def metrics(request: Request) -> Response:
    registry = _desk(request).metrics.registry
    return Response(await run_in_threadpool(generate_latest, registry), media_type=CONTENT_TYPE_LATEST)


async def healthz(request: Request) -> Response:
    report = _desk(request).health.report()
    return answer(report, 200 if report.ok else 503)


async def no_console(_: Request) -> Response:
    return HTMLResponse(
        "<h1>Drumtower</h1><p>The console was not built into this installation. "
        "Run <code>pip install .</code> again; the API is at <code>/api/status</code>.</p>"
    )


def app(desk: Desk, allowed_hosts: tuple[str, ...]) -> Starlette:
    routes: list[Route | Mount] = [
        Route("/api/status", status),
        Route("/api/incidents", incidents),
        Route("/api/incidents/{incident_id}", incident),
        Route("/api/incidents/{incident_id}/hold", holds.hold, methods=["POST"]),
        Route("/api/incidents/{incident_id}/release", holds.release, methods=["POST"]),
        Route("/api/incidents/{incident_id}/{action}", act, methods=["POST"]),
        Route("/api/incidents/{incident_id}/evidence/{reference}", evidence.picture),
        Route("/api/holds", holds.holds),
        Route("/api/cameras", cameras),
        Route("/api/cameras", camera_changes.set_camera, methods=["POST"]),
        Route("/api/cameras/{camera_id}", camera_changes.remove_camera, methods=["DELETE"]),
        Route("/api/cameras/{camera_id}/field-of-view", field_of_view),
        Route("/api/zones", zones),
        Route("/api/zones/{zone_id}/report.{form:path}", zone_report),
        Route("/api/silences", silences.silences),
        Route("/api/silences", silences.set_silence, methods=["POST"]),
        Route("/api/silences/preview", silences.preview_silence, methods=["POST"]),
        Route("/api/silences/{silence_id}/end", silences.end_silence, methods=["POST"]),
        Route("/api/storm", silences.storm),
        Route("/api/stream", stream),
        Route("/metrics", metrics),
        Route("/healthz", healthz),
    ]
    if (CONSOLE / "index.html").is_file():
        routes.append(Mount("/", GZipMiddleware(_Console(directory=CONSOLE, html=True), minimum_size=1024)))
    else:
        routes.append(Route("/", no_console))

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await desk.stream.start()
        yield
        await desk.stream.stop()

    middleware = [
        Middleware(TrustedHostMiddleware, allowed_hosts=list(allowed_hosts), www_redirect=False),
        Middleware(_Rim, metrics=desk.metrics),
    ]
    application = Starlette(
        routes=routes,
        middleware=middleware,
        lifespan=lifespan,
        exception_handlers={
            ApiError: _on_api_error,
            HTTPException: _on_http_error,
            StoreRetryable: _on_store_error,
            SettingsError: _on_store_error,
        },
    )
    application.state.desk = desk
    return application


class _Console(StaticFiles):
    """Files whose names carry their hash are kept for ever, the page that names them never."""

    def file_response(self, full_path: Any, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(full_path, *args, **kwargs)
        hashed = Path(full_path).parent.name == "assets"
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if hashed else "no-cache"
        return response


class _Rim:
    """Security headers on every answer, and its time as a metric; pure ASGI, so that streams are not buffered."""

    def __init__(self, inner: Callable[..., Awaitable[None]], metrics: Metrics) -> None:
        self._inner, self._metrics = inner, metrics

    async def __call__(self, scope: dict[str, object], receive: object, send: Callable[..., Awaitable[None]]) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        started_s = time.perf_counter()
        status_code = 0

        async def send_with_headers(message: dict[str, object]) -> None:
            nonlocal status_code
            if message["type"] == "http.response.start":
                status_code = int(str(message["status"]))
                extra = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
                message = message | {"headers": [*message.get("headers", ()), *extra]}  # type: ignore[misc]
                route = scope.get("route")
                path = getattr(route, "path", "console")
                self._metrics.requested(path, status_code, time.perf_counter() - started_s)
            await send(message)

        await self._inner(scope, receive, send_with_headers)


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def _audit(request: Request, what: str, subject: str) -> None:
    desk = _desk(request)
    actor = request.client.host if request.client else "unknown"
    desk.casebook.audit(actor, what, subject, desk.clock.now_ns())


def _no_incident(incident_id: str) -> ApiError:
    return ApiError(404, "unknown_incident", f"No incident {incident_id[:64]!r}.", "Load /api/incidents again.")


async def _on_api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error_answer(error)


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "wrong_method"}.get(error.status_code, "refused")
    return error_answer(ApiError(error.status_code, code, f"{request.url.path}: {error.detail}.", "See docs/api.md."))


async def _on_store_error(_: Request, error: Exception) -> Response:
    return error_answer(ApiError(503, "store_unavailable", str(error), "Try again in a few seconds."))
