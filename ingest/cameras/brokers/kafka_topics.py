"""Topics of a Kafka that is not our bus, followed from their end on, through the bus's own client."""

from __future__ import annotations

import msgspec

from ingest.bus.kafka_settings import KafkaSettings
from ingest.cameras.brokers.link import Link, Loss
from ingest.cameras.brokers.station import Message
from ingest.clock import NS_PER_S
from ingest.errors import BusError, BusRetryable, SettingsError

_POLL_S = 0.1
_LOOK_NS, _MISSING_NS = 30 * NS_PER_S, 2 * NS_PER_S  # for new partitions, and for a topic that is not there


class KafkaLink(Link):
    _changed = True

    def session(self) -> None:
        from ingest.bus.kafka import open_tail  # only a district with such cameras pays for its import

        password = self.password()
        try:
            tail = open_tail(self._settings(), password)
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
        """The settings of all such sources, with the address of this one and, where there is one, its user."""
        settings = self.settings.kafka
        protocol = settings.security_protocol
        if self.key.scheme == "kafkas" and not protocol.endswith("SSL"):
            protocol = "SSL" if protocol == "PLAINTEXT" else "SASL_SSL"
        if self.key.user is not None:
            protocol = "SASL_SSL" if protocol.endswith("SSL") else "SASL_PLAINTEXT"
        return msgspec.structs.replace(
            settings,
            bootstrap_servers=self.key.servers,
            security_protocol=protocol,
            sasl_username=self.key.user or settings.sasl_username,
        )
