"""
Addresses of cameras that speak through a broker.

    onvif       mqtt://HOST[:PORT]/TOPIC/PREFIX[?profile=TOKEN&video_source=TOKEN]
    frigate     mqtt://HOST[:PORT]/frigate/CAMERA
    axis        mqtt://HOST[:PORT]/TOPIC[?channel=NUMBER]
    deepstream  kafka://HOST:PORT[,HOST:PORT]/TOPIC/SENSOR
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

PORTS = {"mqtt": 1883, "mqtts": 8883, "kafka": 9092, "kafkas": 9093}
_QUERIES = {"onvif": ("profile", "video_source"), "axis": ("channel",), "frigate": (), "deepstream": ()}
_PARTS_MIN = {"onvif": 1, "axis": 1, "frigate": 2, "deepstream": 2}
_FRIGATE_TOPICS = ("events", "reviews", "stats", "available", "tracked_object_update")
_WILD = frozenset("+#\0")


class BrokerUrl(NamedTuple):
    scheme: str
    servers: tuple[str, ...]  # `host:port`
    path: tuple[str, ...]
    query: Mapping[str, str]

    @property
    def topic(self) -> str:
        """All of the path."""
        return "/".join(self.path)

    @property
    def prefix(self) -> str:
        """The path without its last part."""
        return "/".join(self.path[:-1])


def broker_url(url: str) -> BrokerUrl | None:
    """None where the address names no broker, or cannot be read."""
    scheme, colon, rest = url.partition("://")
    scheme = scheme.lower()
    if not colon or scheme not in PORTS:
        return None
    rest, _, query = rest.partition("?")
    servers, _, path = rest.partition("/")
    named = []
    for server in servers.split(","):
        host, port = server, str(PORTS[scheme])
        if not server.endswith("]") and ":" in server:
            host, _, port = server.rpartition(":")
        if not host or not (port.isascii() and port.isdecimal() and 0 < int(port) < 65_536):
            return None
        named.append(f"{host}:{port}")
    return BrokerUrl(scheme, tuple(named), tuple(unquote(part) for part in path.split("/")), dict(parse_qsl(query)))


def broker_url_fault(source: str, url: str) -> str | None:
    """What keeps an address with a broker's scheme from being one of this source, or None."""
    found = broker_url(url)
    if found is None:
        return "no host, or a port that is none"
    if len(found.servers) > 1 and not found.scheme.startswith("kafka"):
        return "several hosts"
    # The last part is a camera's or sensor's name, which may be empty: some senders leave it so.
    named = found.path if source != "deepstream" else found.path[:-1]
    if len(found.path) < _PARTS_MIN[source] or not all(named):
        return "no topic" if _PARTS_MIN[source] == 1 else "no topic, or no camera behind it"
    if _WILD & set(found.topic):
        return "a wildcard"
    if source == "frigate" and found.path[-1] in _FRIGATE_TOPICS:
        return f"Frigate's own topic {found.path[-1]} in the place of a camera"
    strange = found.query.keys() - set(_QUERIES[source])
    return f"?{min(strange)}=" if strange else None
