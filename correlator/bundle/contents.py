"""What is in the bundle of one incident: how it stands, its past, its audit, and its pictures with covered persons."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec

from correlator.casebook.audit import ChainedRow
from correlator.casebook.contract import Casebook, IncidentMissing
from correlator.casebook.holds import Hold
from correlator.incidents.changes import History
from ingest.clock import utc
from ingest.schema.alert import IncidentView


class PictureFile(msgspec.Struct, frozen=True):
    reference: str
    file: str | None  # None: its time was over, or it was never there


class IncidentFile(msgspec.Struct, frozen=True, kw_only=True):
    """`incident.json` of a bundle."""

    made_at: datetime
    incident: IncidentView
    held: Hold | None
    pictures: tuple[PictureFile, ...]


def contents(
    casebook: Casebook, incident_id: str, picture: Callable[[str], bytes | None], made_at_ns: int
) -> tuple[IncidentView, dict[str, bytes]]:
    """
    The incident, and the files of its bundle by name.

    Args:
        picture: the JPEG of a reference; None where it is no more.

    Raises:
        IncidentMissing: there is none of this id.
    """
    view = casebook.incident(incident_id)
    if view is None:
        raise IncidentMissing(
            f"incident {incident_id}", expected="one in the casebook", got="none", mend="Look it up in the list."
        )
    files: dict[str, bytes] = {}
    pictures = []
    for number, reference in enumerate(view.evidence, start=1):
        jpeg = picture(reference)
        name = f"pictures/{number:03}.jpg" if jpeg is not None else None
        if name is not None and jpeg is not None:
            files[name] = jpeg
        pictures.append(PictureFile(reference, name))
    held = next((hold for hold in casebook.holds() if hold.incident == view.id), None)
    page = IncidentFile(made_at=utc(made_at_ns), incident=view, held=held, pictures=tuple(pictures))
    files["incident.json"] = _page(page)
    history: tuple[History, ...] = casebook.history(view.id)
    files["history.json"] = _page(history)
    rows: dict[int, ChainedRow] = {}
    for name in (view.id, *view.merged_from):
        rows |= {row.number: row for row in casebook.audit_of(name)}
    files["audit.json"] = _page([rows[number] for number in sorted(rows)])
    return view, files


def is_audit_whole(files: dict[str, bytes]) -> bool:
    """Whether each row of the bundle's audit has the digest that belongs to it."""
    return all(row.whole for row in msgspec.json.decode(files["audit.json"], type=list[ChainedRow]))


def _page(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=1)
