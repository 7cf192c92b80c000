"""
The registry from files: cameras, zones and the points of calibrations, and how they become the next district.

Every fault of a file is listed at once, by line and column, with the mend.
"""

from ingest.registry.calibration.points import read_points
from ingest.registry.cameras import read_cameras
from ingest.registry.merge import merge
from ingest.registry.rows import CameraRow, Rows, ZoneRow
from ingest.registry.topics import read_district, read_registry, registry_drafts
from ingest.registry.zones import read_zones

__all__ = [
    "CameraRow",
    "Rows",
    "ZoneRow",
    "merge",
    "read_cameras",
    "read_district",
    "read_points",
    "read_registry",
    "read_zones",
    "registry_drafts",
]
