"""
A connection to an MQTT broker: the only module that knows paho-mqtt.

- Version 5 first: there a client may say how large a packet it takes, so that a larger one never comes. A broker that
  does not know it is asked in version 3.1.1, where a packet of any size has come before it can be dropped.
- Each connection is a clean one: what was missed is old. How the rules of a camera stand, the broker keeps for us.
- The library's own way of reconnecting knows no causes; we connect, and lose, by hand.
"""

from __future__ import annotations

import socket
import ssl
import threading
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ingest.cameras.brokers.link import Link, Loss
from ingest.cameras.brokers.station import Message
from ingest.cameras.sources.assembly import DOCUMENT_BYTES_MAX
from ingest.clock import NS_PER_S

_LOOP_S = 0.1
_PACKET_BYTES_MAX = DOCUMENT_BYTES_MAX + 4_096
_REFUSAL = 0x80  # reason codes from here on are refusals
_AUTH = {"Bad user name or password", "Not authorized", "Bad authentication method", "Banned"}
_VERSION = {"Unsupported protocol version", "Unspecified error", "Protocol error", "Malformed packet"}


class MqttLink(Link):
    _client: paho.Client | None = None
    _version = MQTTProtocolVersion.MQTTv5

    def start(self) -> None:
        self._asking = threading.Lock()
        self._topics: dict[int, str] = {}
        super().start()

    def session(self) -> None:
        password = self.password()
        client = self._opened(password)
        answers: list[Any] = []
        client.on_connect = lambda _client, _data, _flags, code, _properties: answers.append(code)
        client.on_subscribe = self._on_subscribe
        try:
            self._connect(client)
            self._wait(client, answers)
            self._topics.clear()
            self._client = client
            for topic, qos in self.filters().items():
                self.subscribe(topic, qos)
            self.connected()
            while not self.ended.is_set():
                code = client.loop(_LOOP_S)
                if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
                    raise Loss("closed", f"a connection that was cut ({paho.error_string(code).rstrip('.')})")
        finally:
            self._client = None
            if client.is_connected():
                client.disconnect()
                client.loop(0.0)

    def subscribe(self, topic: str, qos: int) -> None:
        client = self._client
        if client is None:
            return  # the next connection does it
        client.message_callback_add(topic, lambda _client, _data, message: self._on_message(topic, message))
        with self._asking:  # the answer must not be quicker than its number
            _, number = client.subscribe(topic, qos)
            if number is not None:
                self._topics[number] = topic

    def unsubscribe(self, topic: str) -> None:
        client = self._client
        if client is not None:
            client.unsubscribe(topic)
            client.message_callback_remove(topic)

    def _opened(self, password: str | None) -> paho.Client:
        client = paho.Client(CallbackAPIVersion.VERSION2, protocol=self._version, reconnect_on_failure=False)
        client.connect_timeout = self.settings.open_s_max
        if self.key.user is not None:
            client.username_pw_set(self.key.user, password)
        if self.key.scheme == "mqtts":
            try:
                client.tls_set(ca_certs=self.settings.mqtt_ca_file)
            except (OSError, ssl.SSLError):
                raise Loss("refused", f"no certificates in {self.settings.mqtt_ca_file}") from None
        return client

    def _connect(self, client: paho.Client) -> None:
        host, _, port = self.key.servers[0].rpartition(":")
        properties = None
        if self._version == MQTTProtocolVersion.MQTTv5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.MaximumPacketSize = _PACKET_BYTES_MAX
        keep_alive_s = max(1, round(self.settings.read_s_max))
        try:
            client.connect(host.strip("[]"), int(port), keep_alive_s, properties=properties)
        except socket.gaierror:
            raise Loss("unreachable", f"no address for {host}") from None
        except ssl.SSLError as error:
            raise Loss("refused", f"a certificate that is not trusted ({error.reason})") from None
        except TimeoutError:
            raise Loss("unreachable", "no connection within the deadline") from None
        except OSError as error:
            raise Loss("unreachable", (error.strerror or type(error).__name__).lower()) from None

    def _wait(self, client: paho.Client, answers: list[Any]) -> None:
        """Until the broker has let us in."""
        until_ns = self.clock.monotonic_ns() + int(self.settings.open_s_max * NS_PER_S)
        while not answers:
            code = client.loop(_LOOP_S)
            if answers or self.ended.is_set():
                break
            if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._other_version()
                raise Loss("closed", "a connection that was cut before an answer")
            if self.clock.monotonic_ns() > until_ns:
                raise Loss("unreachable", "no answer within the deadline")
        if not answers or not answers[0].is_failure:
            return
        said = str(answers[0])
        if said in _AUTH:
            raise Loss("auth_failed", said.lower())
        if said in _VERSION:
            self._other_version()
        raise Loss("refused", said.lower())

    def _other_version(self) -> None:
        newer = self._version == MQTTProtocolVersion.MQTTv5
        self._version = MQTTProtocolVersion.MQTTv311 if newer else MQTTProtocolVersion.MQTTv5

    def _on_subscribe(self, _client: Any, _data: Any, number: int, codes: list[Any], _properties: Any) -> None:
        with self._asking:
            topic = self._topics.pop(number, None)
        if topic is None:
            return
        if any(code.value >= _REFUSAL for code in codes):
            self.refused |= {topic}
        else:
            self.granted |= {topic}

    def _on_message(self, topic_filter: str, message: paho.MQTTMessage) -> None:
        now_ns = self.clock.now_ns()
        try:
            topic = message.topic
        except UnicodeDecodeError:
            self.count("frames_dropped", "document")
            return
        told = Message(topic, bytes(message.payload), message.retain, now_ns, now_ns)
        for station in self.listeners(topic_filter):
            self.desk.offer(station, told)
