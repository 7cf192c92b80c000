"""The record of a zone by the API: `GET /api/zones/{zone_id}/report.svg`, `.csv`, and `.alerts.csv`."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from deploy.http.answers import ApiError
from deploy.zone_report.picture import picture
from deploy.zone_report.report import ZoneReport, zone_report
from deploy.zone_report.span import span_of, time_zone_of
from deploy.zone_report.table import alerts_csv, minutes_csv
from ingest.errors import SettingsError

_FORMS: dict[str, tuple[str, Callable[[ZoneReport], bytes]]] = {
    "svg": ("image/svg+xml", lambda report: picture(report, "svg")),
    "csv": ("text/csv; charset=utf-8", lambda report: minutes_csv(report).encode("utf-8-sig")),
    "alerts.csv": ("text/csv; charset=utf-8", lambda report: alerts_csv(report).encode("utf-8-sig")),
}


def report(request: Request) -> Response:
    """
    Synchronous, so that Starlette runs it in a thread: it reads the casebook and draws.

    Query: `from` and `to` as of `drumtower crowd report`, `time_zone`.
    """
    desk, zone, form = request.app.state.desk, request.path_params["zone_id"], request.path_params["form"]
    if form not in _FORMS:
        raise ApiError(404, "unknown_form", f"No report.{form[:20]}.", f"One of {', '.join(_FORMS)}.")
    query = request.query_params
    if "from" not in query:
        raise ApiError(400, "bad_parameter", "from: expected a day or a time, got nothing.", "Add ?from=2026-11-25.")
    try:
        clock = time_zone_of("time_zone", query.get("time_zone") or desk.time_zone)
        from_ns, to_ns = span_of(query["from"], query.get("to"), clock)
    except SettingsError as error:
        raise ApiError(400, "bad_parameter", error.fault, error.mend) from error
    actor = request.client.host if request.client else "unknown"
    desk.casebook.audit(actor, "read", f"report of zone {zone[:64]}", desk.clock.now_ns())
    try:
        found = zone_report(desk.casebook, desk.view.district(), zone, from_ns, to_ns, desk.clock.now_ns(), clock)
    except SettingsError as error:
        raise ApiError(404, "unknown_zone", f"No zone {zone[:64]!r}.", error.mend) from error
    media_type, make = _FORMS[form]
    try:
        content = make(found)
    except SettingsError as error:
        raise ApiError(501, "not_installed", error.fault, error.mend) from error
    return Response(content, media_type=media_type, headers={"cache-control": "no-store"})
