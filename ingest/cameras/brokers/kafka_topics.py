"""Topics of a Kafka that is not our bus, followed from their end on, through the bus's own client."""

from __future__ import annotations

import msgspec

from ingest.bus.kafka_settings import KafkaSettings
from ingest.cameras.brokers.link import Link, Loss
from ingest.cameras.brokers.station import Message
from ingest.clock import NS_PER_S
from ingest.errors import BusError, BusRetryable, SettingsError
from ingest.registry.district import Camera

_POLL_S = 0.1
_LOOK_NS, _MISSING_NS = 30 * NS_PER_S, 2 * NS_PER_S  # for new partitions, and for a topic that is not there


class KafkaLink(Link):
    camera: Camera  # whose user and password these are
    _changed = True

    def session(self) -> None:
        from ingest.bus.kafka import open_tail  # only a district with such cameras pays for its import

        try:
            tail = open_tail(self._settings())
        except SettingsError as error:
            raise Loss("auth_failed", error.got) from None
        except BusRetryable as error:
            raise Loss("unreachable", error.got) from None
        try:
            self._changed = True
            is_told, due_ns = False, 0
            while not self.ended.is_set():
                if self._changed or self.clock.monotonic_ns() > due_ns:
                    self._changed = False
                    topics = frozenset(self.filters())
                    self.refused = frozenset(tail.follow(sorted(topics)))
                    self.granted = topics - self.refused
                    due_ns = self.clock.monotonic_ns() + (_MISSING_NS if self.refused else _LOOK_NS)
                    if not is_told:
                        self.connected()
                        is_told = True
                for record in tail.poll(_POLL_S):
                    told = Message(
                        record.position.topic,
                        record.value or b"",
                        False,
                        self.clock.now_ns(),
                        record.appended_at_ns,
                    )
                    for station in self.listeners(record.position.topic):
                        self.desk.offer(station, told)
        except BusRetryable as error:
            raise Loss("unreachable", error.got) from None
        except (BusError, SettingsError) as error:
            raise Loss("refused", error.got) from None
        finally:
            tail.close()

    def subscribe(self, topic: str, qos: int) -> None:
        self._changed = True

    def unsubscribe(self, topic: str) -> None:
        self._changed = True

    def _settings(self) -> KafkaSettings:
        """The settings of all, with the address of this one and, where the camera has them, its user and password."""
        settings, camera = self.settings.kafka, self.camera
        wanted: dict[str, object] = {"bootstrap_servers": self.key.servers}
        protocol = settings.security_protocol
        if self.key.scheme == "kafkas" and "SSL" not in protocol:
            protocol = "SSL" if protocol == "PLAINTEXT" else "SASL_SSL"
        if camera.user is not None:
            protocol = "SASL_SSL" if "SSL" in protocol else "SASL_PLAINTEXT"
            wanted |= {
                "sasl_username": camera.user,
                "sasl_password_file": camera.password_file,
                "sasl_password_env": camera.password_env,
            }
        return msgspec.structs.replace(settings, security_protocol=protocol, **wanted)
