"""
The bus on Apache Kafka, through kafka-python 3.0.12: the only module that knows the library, and all its traps.

- A transaction is kept in memory until its commit, then sent in one go. So a slow stage never holds up the readers
  behind an open transaction, an aborted one never reaches the broker, and the window in which a fenced producer could
  still send (which would take its replacement down with it) is a few milliseconds.
- After any error a producer is thrown away without a word and another one is made: the library keeps the offsets of an
  aborted transaction and would send them with the next one, and its states after fencing are not to be trusted.
- Every record of a transaction is acknowledged before its end: after a refused one the library took a new epoch, and
  its commit ended with success and had committed nothing (8 of 100 trials beside a fenced zombie's last send).
- Rebalance call-backs come from the library's own thread. They are kept, and made in the caller's thread by `poll`.
- A static member that closes does not leave its group. We have the coordinator remove it, so that others take over.
- `send()` never blocks and buffers without end: the bytes in flight are counted here.
"""

from __future__ import annotations

import importlib
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import kafka
from kafka import errors as faults
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, MemberToRemove, OffsetSpec
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.net.sasl import get_sasl_mechanism

from ingest.bus.contract import Consumer, Draft, Position, Rebalance, Record, TopicPartition, TopicSpec
from ingest.bus.in_flight import InFlight
from ingest.bus.kafka_login import check_login
from ingest.bus.kafka_settings import KafkaSettings, read_password
from ingest.bus.refusals import in_flight_full, missing, partition_mismatch, record_too_large
from ingest.errors import BusError, BusFenced, BusRetryable, DrumtowerError, SettingsError

_FENCED = (
    faults.ProducerFencedError,
    faults.InvalidProducerEpochError,
    faults.InvalidProducerIdMappingError,
    faults.FencedInstanceIdError,
    faults.CommitFailedError,
    faults.IllegalGenerationError,
    faults.UnknownMemberIdError,
)
_SETTINGS = (
    faults.AuthorizationError,
    faults.SaslAuthenticationFailedError,
    faults.UnsupportedSaslMechanismError,
    faults.KafkaConfigurationError,
    faults.InvalidSessionTimeoutError,
    faults.InvalidTransactionTimeoutError,
    faults.InvalidReplicationFactorError,
    faults.PolicyViolationError,
    faults.UnsupportedVersionError,
)
_TOO_LARGE = (faults.MessageSizeTooLargeError, faults.RecordListTooLargeError)

_REQUEST_S = 10.0
_LEAVE_S = 5.0
_OPENINGS_MAX = 3
_ALONE_S = 2.0  # without any connection for so long, the bus is said to be out of reach
_BATCH_BYTES = 64 * 1024
# A topic's own limit is of a batch: what we ask for is the record's limit and what goes around it.
_BATCH_OVERHEAD_BYTES = 16 * 1024
_BATCH_BYTES_MIN = 128 * 1024
_LOOK_BACK = 8  # offsets; a snapshot's partition holds a record and a marker for each transaction
_COMPACTED = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.1",
    "segment.ms": str(600_000),
    "delete.retention.ms": str(86_400_000),
}


def open_kafka(settings: KafkaSettings) -> KafkaBus:
    """
    A bus on the brokers of `settings`.

    Raises:
        SettingsError: a password or the package `crc32c` is missing, or the brokers refuse us.
        BusRetryable: no broker answers.
    """
    return KafkaBus(settings)


class KafkaBus:
    """See `ingest.bus.contract.Bus`. Safe for several threads; a consumer or producer of it is not."""

    def __init__(self, settings: KafkaSettings) -> None:
        _check_crc32c()
        self.settings = settings
        self.servers = ",".join(settings.bootstrap_servers)
        self._connection = _connection_options(settings)
        self._lock = threading.RLock()
        self._limits: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        self._admin_client: Any = None
        self._reader_client: Any = None
        self._group_clients: dict[str, Any] = {}
        self._ends_client: Any = None
        self._ends_lock = threading.Lock()  # of its own: reading a whole partition must not hold up who asks for an end
        _check_door(settings, self._connection)
        self.partition_counts()

    def connect(self, make: Callable[..., Any], **options: object) -> Any:
        """A client of the library; its options are those of the settings and `options`."""
        with self.faults("kafka"):
            return make(**self._connection, **options)

    @contextmanager
    def faults(self, thing: str) -> Iterator[None]:
        """Turn the library's errors into the bus's own."""
        try:
            yield
        except faults.KafkaError as error:
            raise _translated(thing, self.servers, error) from error

    # topics

    @property
    def _admin(self) -> Any:
        if self._admin_client is None:
            self._admin_client = self.connect(KafkaAdminClient)
        return self._admin_client

    def create_topics(self, specs: Sequence[TopicSpec]) -> None:
        with self._lock, self.faults("kafka"):
            self._check_counts(specs)
            there = self.partition_counts()
            wanted = {spec.name: self._creation(spec) for spec in specs if spec.name not in there}
            if not wanted:
                return
            try:
                self._admin.create_topics(wanted, timeout_ms=int(_REQUEST_S * 1_000), wait_for_metadata=True)
            except faults.TopicAlreadyExistsError:  # another worker starts at the same time
                self._admin.wait_for_topics(list(wanted), timeout_ms=int(_REQUEST_S * 1_000))
                self._check_counts(specs)

    def _check_counts(self, specs: Sequence[TopicSpec]) -> None:
        there = self.partition_counts()
        for spec in specs:
            if there.get(spec.name, spec.partitions) != spec.partitions:
                raise partition_mismatch(spec, there[spec.name])

    def _creation(self, spec: TopicSpec) -> dict[str, object]:
        configs = {
            "max.message.bytes": str(max(spec.message_bytes_max, _BATCH_BYTES_MIN) + _BATCH_OVERHEAD_BYTES),
            "min.insync.replicas": str(self.settings.insync_replicas_min),
        }
        if spec.retention_s is None:
            configs |= _COMPACTED
        else:
            kept_ms = spec.retention_s * 1_000
            # Only whole segments are deleted: a quarter of the time each, so that little is kept too long.
            configs |= {"retention.ms": str(kept_ms), "segment.ms": str(max(kept_ms // 4, 60_000))}
        replicas = self.settings.replication_factor
        return {"num_partitions": spec.partitions, "replication_factor": replicas, "configs": configs}

    def partition_counts(self) -> Mapping[str, int]:
        with self._lock, self.faults("kafka"):
            topics = self._admin.describe_topics()
        self._counts = {topic["name"]: len(topic["partitions"]) for topic in topics if not topic.get("is_internal")}
        return self._counts

    def message_bytes_max(self, at: TopicPartition) -> int:
        """
        The largest record that the topic takes.

        Raises:
            SettingsError: there is no such topic or partition.
        """
        with self._lock:
            if at.topic not in self._limits:
                self.check_partition(at)
                with self.faults(f"topic {at.topic}"):
                    resource = ConfigResource(ConfigResourceType.TOPIC, at.topic)
                    found = self._admin.describe_configs([resource], config_filter="all")
                limit = found["topic"][at.topic]["max.message.bytes"]["value"]
                self._limits[at.topic] = int(limit) - _BATCH_OVERHEAD_BYTES
            return self._limits[at.topic]

    def check_partition(self, at: TopicPartition) -> None:
        """
        Raises:
            SettingsError: there is no such topic or partition.
        """
        # Topics only grow: what was there once is not asked for again.
        if at.partition >= self._counts.get(at.topic, 0) and at.partition >= self.partition_counts().get(at.topic, 0):
            raise missing(at)

    # members and producers

    def consumer(
        self,
        group: str,
        topics: Sequence[str],
        member: str,
        on_assigned: Rebalance | None = None,
        on_revoked: Rebalance | None = None,
    ) -> KafkaBusConsumer:
        for topic in topics:
            self.check_partition(TopicPartition(topic, 0))
        return KafkaBusConsumer(self, group, topics, member, on_assigned, on_revoked)

    def remove_member(self, group: str, member_id: str, member: str) -> None:
        """Have the coordinator forget this very member; one of the same name that came after it stays."""
        with self._lock, self.faults(f"group {group}"):
            self._admin.remove_group_members(group, [MemberToRemove(member_id, member)])

    def committed(self, group: str, at: TopicPartition) -> int | None:
        """
        The group's offset, once no transaction that would move it is open.

        Asked on a connection of its own: a member that joins again gets no other answer from its coordinator until all
        others have joined too, and they may be busy with a batch.
        """
        with self._lock, self.faults(f"group {group}"):
            if group not in self._group_clients:
                self._group_clients[group] = self.connect(kafka.KafkaConsumer, group_id=group, **self.fetch_options())
            timeout_ms = int(self.settings.answer_s_max * 1_000)
            offset = self._group_clients[group].committed(kafka.TopicPartition(*at), timeout_ms=timeout_ms)
        return None if offset is None or offset < 0 else int(offset)

    def end_offsets(self, partitions: frozenset[TopicPartition]) -> dict[TopicPartition, int]:
        """
        The offset after the last record of each that a reader may see now; one question to each broker.

        Asked by a client that never fetches: a broker answers the requests of one connection in turn, so that behind a
        fetch that waits for records all else waits as long.
        """
        if not partitions:
            return {}
        thing = ", ".join(sorted({f"topic {at.topic}" for at in partitions}))
        with self._ends_lock, self.faults(thing):
            if self._ends_client is None:
                self._ends_client = self.connect(kafka.KafkaConsumer, **self.fetch_options())
            theirs = [kafka.TopicPartition(*at) for at in partitions]
            ends = self._ends_client.end_offsets(theirs, timeout_ms=int(self.settings.answer_s_max * 1_000))
        return {TopicPartition(at.topic, at.partition): int(end) for at, end in ends.items()}

    def producer(self, transactional_id: str | None = None) -> KafkaBusProducer:
        return KafkaBusProducer(self, transactional_id)

    def fetch_options(self) -> dict[str, object]:
        return {
            "isolation_level": "read_committed",
            "enable_auto_commit": False,
            "auto_offset_reset": "earliest",
            "allow_auto_create_topics": False,
            "metrics_enabled": False,
            "fetch_max_bytes": self.settings.fetch_bytes_max,
            "max_partition_fetch_bytes": self.settings.fetch_bytes_max,
        }

    # reading outside of groups

    def last_records(self, topic: str, partition: int) -> Mapping[bytes, Record]:
        last: dict[bytes, Record] = {}
        with self._reader(TopicPartition(topic, partition)) as (first, end, scan):
            for record in scan(first, end):
                if record.key is not None:
                    last[record.key] = record
        return {key: record for key, record in last.items() if record.value is not None}

    def last_record(self, topic: str, partition: int, key: bytes) -> Record | None:
        with self._reader(TopicPartition(topic, partition)) as (first, end, scan):
            step, upper = _LOOK_BACK, end
            while upper > first:
                lower = max(first, end - step)
                found = None
                for record in scan(lower, upper):
                    if record.key == key:
                        found = record
                if found is not None:
                    return found if found.value is not None else None
                step, upper = step * 8, lower
        return None

    def read(self, topic: str, partition: int, offset: int, records_max: int = 500) -> Sequence[Record]:
        found: list[Record] = []
        with self._reader(TopicPartition(topic, partition)) as (first, end, scan):
            for record in scan(max(first, offset), end):
                found.append(record)
                if len(found) == records_max:
                    break
        return found

    @contextmanager
    def _reader(self, at: TopicPartition) -> Iterator[tuple[int, int, Callable[[int, int], Iterator[Record]]]]:
        """First offset, end, and a scan over committed records of a range of offsets."""
        with self._lock:
            self.check_partition(at)
            if self._reader_client is None:
                self._reader_client = self.connect(kafka.KafkaConsumer, **self.fetch_options())
            reader, ours = self._reader_client, kafka.TopicPartition(*at)
            try:
                with self.faults(f"topic {at.topic}"):
                    reader.assign([ours])
                    first, end = reader.beginning_offsets([ours])[ours], self._settled_end(ours)
                    yield first, end, lambda lower, upper: self._scan(at, lower, upper)
            except BusError:
                self._reader_client = None
                reader.close(autocommit=False, timeout_ms=1_000)
                raise

    def _settled_end(self, ours: Any) -> int:
        """
        The end of the partition, once all that stands in it now is committed or aborted. A commit is acknowledged
        before its last marker is written: who takes over a line at once would read the snapshot before the last.
        """
        written = self._admin.list_partition_offsets({ours: OffsetSpec.LATEST})[ours].offset
        give_up_at_s = time.monotonic() + self.settings.answer_s_max
        while (end := int(self._reader_client.end_offsets([ours])[ours])) < written:
            if time.monotonic() > give_up_at_s:
                raise faults.KafkaTimeoutError(f"a transaction on {ours.topic}/{ours.partition} is still open")
            time.sleep(0.005)
        return end

    def _scan(self, at: TopicPartition, lower: int, upper: int) -> Iterator[Record]:
        if lower >= upper:
            return
        reader, ours = self._reader_client, kafka.TopicPartition(*at)
        reader.seek(ours, lower)
        give_up_at_s = time.monotonic() + self.settings.answer_s_max
        # The position passes over markers and aborted records, which are never returned.
        while reader.position(ours) < upper:
            batch = reader.poll(timeout_ms=100).get(ours, [])
            for message in batch:
                if message.offset >= upper:
                    return
                yield _record(message)
            if batch:
                give_up_at_s = time.monotonic() + self.settings.answer_s_max
            elif time.monotonic() > give_up_at_s:
                raise faults.KafkaTimeoutError(f"no record of {at} within {self.settings.answer_s_max} s")

    def close(self) -> None:
        with self._lock:
            reader, self._reader_client = self._reader_client, None
            admin, self._admin_client = self._admin_client, None
            groups, self._group_clients = self._group_clients, {}
            for client in (reader, *groups.values()):
                if client is not None:
                    with suppress(faults.KafkaError):
                        client.close(autocommit=False, timeout_ms=1_000)
            if admin is not None:
                with suppress(faults.KafkaError):
                    admin.close()
        with self._ends_lock:
            ends, self._ends_client = self._ends_client, None
            if ends is not None:
                with suppress(faults.KafkaError):
                    ends.close(autocommit=False, timeout_ms=1_000)


class _CallBacks(kafka.ConsumerRebalanceListener):  # type: ignore[misc]
    """Keeps what happened, in order, for `poll` to tell."""

    def __init__(self) -> None:
        self.events: deque[tuple[bool, frozenset[TopicPartition]]] = deque()  # is it an assignment?

    def on_partitions_assigned(self, assigned: Any) -> None:
        self.events.append((True, _partitions(assigned)))

    def on_partitions_revoked(self, revoked: Any) -> None:
        self.events.append((False, _partitions(revoked)))

    def on_partitions_lost(self, lost: Any) -> None:
        self.events.append((False, _partitions(lost)))


class KafkaBusConsumer:
    """See `ingest.bus.contract.Consumer`."""

    def __init__(
        self,
        bus: KafkaBus,
        group: str,
        topics: Sequence[str],
        member: str,
        on_assigned: Rebalance | None,
        on_revoked: Rebalance | None,
    ) -> None:
        self._bus, self._group, self._member = bus, group, member
        self._on_assigned, self._on_revoked = on_assigned, on_revoked
        self._thing = f"member {member} of group {group}"
        self._held: set[TopicPartition] = set()
        self._next_offsets: dict[TopicPartition, int] = {}  # behind the last record that was given, or where it was put
        self._call_backs = _CallBacks()
        self._alone_since_s: float | None = None
        session_ms = int(bus.settings.session_s * 1_000)
        self._client = bus.connect(
            kafka.KafkaConsumer,
            group_id=group,
            group_instance_id=member,
            client_id=member,
            partition_assignment_strategy=(CooperativeStickyAssignor,),
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=max(100, session_ms // 10),
            max_poll_interval_ms=int(bus.settings.poll_interval_s_max * 1_000),
            **bus.fetch_options(),
        )
        self._is_polling = False
        self._hold_joins(self._client._coordinator)
        self._client.subscribe(topics=list(topics), listener=self._call_backs)
        with bus.faults(self._thing):
            for topic in topics:
                # A group that is joined before its leader knows the topic gets nothing, and is not shared out again.
                self._client.partitions_for_topic(topic)

    def _hold_joins(self, coordinator: Any) -> None:
        """
        Keep the answer of a rebalance until somebody polls. The library throws away one that arrives between two polls
        and joins again, which makes all others join again too; with short polls a group may never settle.
        """
        join = coordinator._do_join_and_sync_async

        async def join_and_hold() -> Any:
            answer = await join()
            while not self._is_polling and self._client is not None:
                await coordinator._net.sleep(0.002)
            return answer

        coordinator._do_join_and_sync_async = join_and_hold

    def poll(self, timeout_s: float, records_max: int = 500) -> Sequence[Record]:
        with self._bus.faults(self._thing):
            self._is_polling = True
            try:
                batches = self._client.poll(timeout_ms=int(timeout_s * 1_000), max_records=records_max)
            finally:
                self._is_polling = False
            fresh = self._tell(batches)
        if not batches:
            self._check_connected()
        found: list[Record] = []
        for at, messages in batches.items():
            ours = TopicPartition(at.topic, at.partition)
            if ours in self._held and ours not in fresh:
                found += [_record(message) for message in messages]
                self._next_offsets[ours] = messages[-1].offset + 1
        return found

    def _tell(self, batches: Mapping[Any, list[Any]]) -> set[TopicPartition]:
        """Make the call-backs that are due. Records of a fresh partition came before its seek: read them again."""
        fresh: set[TopicPartition] = set()
        while self._call_backs.events:
            is_assignment, partitions = self._call_backs.events.popleft()
            if is_assignment:
                partitions -= self._held
                for at in partitions:
                    if messages := batches.get(kafka.TopicPartition(*at)):
                        self._client.seek(kafka.TopicPartition(*at), messages[0].offset)
                self._held |= partitions
                fresh |= partitions
                if partitions and self._on_assigned:
                    self._on_assigned(partitions)
            else:
                partitions &= self._held
                fresh -= partitions
                if partitions and self._on_revoked:
                    self._on_revoked(partitions)
                self._held -= partitions
                for at in partitions:
                    self._next_offsets.pop(at, None)
        return fresh

    def _check_connected(self) -> None:
        self._alone_since_s = _alone_since(self._client, self._alone_since_s, self._bus.servers)

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(self._held)

    def membership(self, offsets: Mapping[TopicPartition, int]) -> Any:
        """
        The membership to send with `offsets`; never a bare group id, which fences nothing.

        Raises:
            BusFenced: this member does not hold one of the partitions.
        """
        # The broker checks the generation, not who holds which partition of it.
        for at in offsets.keys() - self._held:
            raise _not_held(self._thing, at)
        return self._client.group_metadata()

    def seek(self, at: TopicPartition, offset: int) -> None:
        assert at in self._held, f"{at} is not owned by {self._member}"
        self._client.seek(kafka.TopicPartition(*at), offset)
        self._next_offsets[at] = offset

    def committed(self, at: TopicPartition) -> int | None:
        return self._bus.committed(self._group, at)

    def end_offset(self, at: TopicPartition) -> int:
        return self.end_offsets(frozenset([at]))[at]

    def end_offsets(self, partitions: frozenset[TopicPartition]) -> dict[TopicPartition, int]:
        return {at: self._seen_end(at, end) for at, end in self._bus.end_offsets(partitions).items()}

    def _seen_end(self, at: TopicPartition, end: int) -> int:
        if at in self._next_offsets:
            # The end of a transaction has an offset of its own. The library's position passes over it, and says so
            # that nothing is left to be seen: the end is then behind the last record that was.
            with self._bus.faults(self._thing), suppress(faults.IllegalStateError):  # taken away; `poll` will tell
                position = self._client.position(kafka.TopicPartition(*at), timeout_ms=self._answer_ms)
                if position is not None and position >= end:
                    return self._next_offsets[at]
        return end

    @property
    def _answer_ms(self) -> int:
        return int(self._bus.settings.answer_s_max * 1_000)

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        self.membership(offsets)
        with self._bus.faults(self._thing):
            self._client.commit(_offsets(offsets), timeout_ms=self._answer_ms)

    def pause(self, partitions: frozenset[TopicPartition]) -> None:
        self._client.pause(*(kafka.TopicPartition(*at) for at in partitions & self._held))

    def resume(self, partitions: frozenset[TopicPartition]) -> None:
        self._client.resume(*(kafka.TopicPartition(*at) for at in partitions & self._held))

    def close(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        held, self._held = frozenset(self._held), set()
        try:
            if held and self._on_revoked:
                self._on_revoked(held)
        finally:
            member_id = client.group_metadata().member_id
            with suppress(faults.KafkaError):
                client.close(autocommit=False, timeout_ms=int(_LEAVE_S * 1_000))
            if member_id:
                # If it cannot be done now, the session time-out does it.
                with suppress(DrumtowerError):
                    self._bus.remove_member(self._group, member_id, self._member)


class KafkaBusProducer:
    """See `ingest.bus.contract.Producer`. After `BusFenced` it never sends again."""

    def __init__(self, bus: KafkaBus, transactional_id: str | None) -> None:
        self._bus, self._id = bus, transactional_id
        self._thing = f"producer {transactional_id}" if transactional_id else "producer"
        self._drafts: list[Draft] = []
        self._moves: list[tuple[Any, dict[Any, Any]]] = []
        self._is_open = False
        self._fenced: BusFenced | None = None
        self._in_flight = InFlight()
        self._client: Any = self._opened()

    def _opened(self) -> Any:
        """A client that is ready. A predecessor's last words may take it down while it starts: try a few times."""
        for attempt in range(1, _OPENINGS_MAX + 1):
            client = self._new_client()
            if self._id is None:
                return client
            try:
                client.init_transactions()
            except faults.KafkaError as error:
                _discard(client)
                if attempt == _OPENINGS_MAX or isinstance(error, _SETTINGS):
                    raise _translated(self._thing, self._bus.servers, error) from error
            else:
                return client
        raise AssertionError("the last attempt returns or raises")

    def _new_client(self) -> Any:
        settings = self._bus.settings
        options: dict[str, object] = {"linger_ms": 5}
        if self._id is not None:
            transaction_ms = int(settings.transaction_s_max * 1_000)
            options = {"linger_ms": 0, "transactional_id": self._id, "transaction_timeout_ms": transaction_ms}
        return self._bus.connect(
            kafka.KafkaProducer,
            acks="all",
            enable_idempotence=True,
            batch_size=_BATCH_BYTES,
            max_request_size=settings.bytes_in_flight_max + _BATCH_OVERHEAD_BYTES,
            max_block_ms=int(_REQUEST_S * 1_000),
            delivery_timeout_ms=int(max(settings.answer_s_max, _REQUEST_S + 1) * 1_000),
            allow_auto_create_topics=False,
            metrics_enabled=False,
            **options,
        )

    def append(self, draft: Draft) -> None:
        """
        Raises:
            BusError: the record is larger than its topic takes.
            BusRetryable: too much is in flight; commit, flush, or wait for the bus to come back.
            BusFenced: a newer producer took over.
        """
        self._raise_if_fenced()
        assert self._id is None or self._is_open, "append outside of a transaction"
        size, bytes_max = draft.size_bytes, self._bus.message_bytes_max(TopicPartition(draft.topic, draft.partition))
        if size > bytes_max:
            raise record_too_large(draft.topic, bytes_max, size)
        in_flight_max = self._bus.settings.bytes_in_flight_max
        if self._in_flight.bytes + size > in_flight_max:
            raise in_flight_full(in_flight_max, self._in_flight.bytes + size)
        if self._id is not None:
            self._drafts.append(draft)
            self._in_flight.add(size)
            return
        if self._client is None:
            self._client = self._opened()
        with self._bus.faults(self._thing):
            self._in_flight.add(size)
            try:
                self._send(draft).add_both(lambda _: self._in_flight.remove(size)).add_errback(self._in_flight.fail)
            except faults.KafkaError:
                self._in_flight.remove(size)
                raise

    def _send(self, draft: Draft) -> Any:
        headers = list(draft.headers)
        if draft.key is None and draft.value is None:
            raise ValueError("a record has a key or a value")
        return self._client.send(
            draft.topic, value=draft.value, key=draft.key, headers=headers, partition=draft.partition
        )

    def flush(self, timeout_s: float = 30.0) -> None:
        if self._id is not None:
            return
        error = self._in_flight.wait(timeout_s)
        if error is not None:
            # What the failed client still holds must not come after what the next one sends.
            self._drop_client()
            raise _translated(self._thing, self._bus.servers, error) from error

    def begin(self) -> None:
        self._raise_if_fenced()
        assert self._id is not None, "a producer without a transactional id has no transactions"
        assert not self._is_open, "a transaction is open already"
        if self._client is None:
            self._client = self._opened()
        self._is_open = True

    def move_offsets(self, consumer: Consumer, offsets: Mapping[TopicPartition, int]) -> None:
        self._raise_if_fenced()
        assert self._is_open, "offsets moved outside of a transaction"
        assert isinstance(consumer, KafkaBusConsumer), "the consumer is one of another bus"
        try:
            self._moves.append((consumer.membership(offsets), _offsets(offsets)))
        except BusFenced as error:
            self._stop(error)

    def commit(self) -> None:
        self._raise_if_fenced()
        assert self._is_open, "no transaction is open"
        if self._client is None:
            raise _unreachable(self._bus.servers, "a transaction that failed before")
        try:
            _within(self._bus.settings.answer_s_max, self._carry)
        except faults.KafkaError as error:
            translated = _translated(self._thing, self._bus.servers, error)
            if isinstance(translated, BusFenced):
                self._stop(translated, error)
            self._drop_client()
            raise translated from error
        self._clear()

    def _carry(self) -> None:
        client = self._client
        epoch = client._transaction_manager.producer_id_and_epoch
        client.begin_transaction()
        sent = [self._send(draft) for draft in self._drafts]
        for membership, offsets in self._moves:
            client.send_offsets_to_transaction(offsets, membership)
        # All must be acknowledged, under the epoch that we began with, before the end. After a refused send the library
        # may take a new epoch and then commit nothing, with success.
        client.flush(self._bus.settings.answer_s_max)
        for future in sent:
            if not future.is_done or future.exception is not None:
                raise future.exception or faults.KafkaTimeoutError("a record was not acknowledged")
        if client._transaction_manager.producer_id_and_epoch != epoch:
            raise faults.ProducerFencedError("the epoch has changed within the transaction")
        client.commit_transaction()

    def _stop(self, error: BusFenced, cause: BaseException | None = None) -> None:
        self._fenced = error
        self._drop_client()
        self._clear()
        raise error from cause

    def _raise_if_fenced(self) -> None:
        if self._fenced is not None:
            raise self._fenced

    def _drop_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            _discard(client)

    def _clear(self) -> None:
        self._drafts, self._moves, self._is_open = [], [], False
        if self._id is not None:
            self._in_flight = InFlight()

    def abort(self) -> None:
        """Forget the open transaction. If its commit failed, the next `begin` has the broker end it."""
        self._clear()

    def close(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        try:
            error = self._in_flight.wait(self._bus.settings.answer_s_max) if self._id is None else None
            if error is not None:
                raise _translated(self._thing, self._bus.servers, error) from error
        finally:
            _discard(client)


# The library's values and ours


def _partitions(theirs: Any) -> frozenset[TopicPartition]:
    return frozenset(TopicPartition(at.topic, at.partition) for at in theirs)


def _offsets(ours: Mapping[TopicPartition, int]) -> dict[Any, Any]:
    return {kafka.TopicPartition(*at): kafka.OffsetAndMetadata(offset, "", -1) for at, offset in ours.items()}


def _record(message: Any) -> Record:
    position = Position(message.topic, message.partition, message.offset)
    return Record(position, message.key, message.value, tuple(message.headers), message.timestamp * 1_000_000)


def _discard(client: Any) -> None:
    """End a producer without another word: `close()` would flush first, and a fenced one must not send."""
    client._sender.force_close()
    client._unregister_cleanup()
    client._closed = True


def _within(timeout_s: float, call: Callable[[], None]) -> None:
    """`call()`, but no longer than `timeout_s`: the library waits without end for the answer to a commit."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, name="kafka-commit", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if thread.is_alive():
        raise faults.KafkaTimeoutError(f"no answer to a commit within {timeout_s:g} s")
    if raised:
        raise raised[0]


# Start and errors


def _check_crc32c() -> None:
    if importlib.import_module("kafka.record.util").crc32c_c is None:
        raise SettingsError(
            "package crc32c",
            expected="the checksum in C that Kafka's records need",
            got="its replacement in Python, 3,000 times slower",
            mend="Install it: `pip install crc32c`.",
        )


def _connection_options(settings: KafkaSettings, password: str | None = None) -> dict[str, object]:
    options: dict[str, object] = {
        "bootstrap_servers": list(settings.bootstrap_servers),
        "security_protocol": settings.security_protocol,
        "bootstrap_timeout_ms": int(settings.start_s_max * 1_000),
        "request_timeout_ms": int(_REQUEST_S * 1_000),
        # Half a second at most between attempts: the default grows to 30 s, and alarms would wait for it.
        "reconnect_backoff_ms": 50,
        "reconnect_backoff_max_ms": 500,
        "retry_backoff_ms": 20,
    }
    if settings.security_protocol.startswith("SASL"):
        if password is None:
            named = settings.sasl_password_file, settings.sasl_password_env
            password = read_password("bus.kafka.sasl_password", *named)
        if settings.sasl_username is None or password is None:
            raise SettingsError(
                "bus.kafka.sasl_username",
                expected="a user and a password",
                got="none",
                mend="Set sasl_username and sasl_password_file (or sasl_password_env), or use PLAINTEXT or SSL.",
            )
        options |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.sasl_username,
            "sasl_plain_password": password,
        }
    if settings.security_protocol.endswith("SSL"):
        options |= {
            "ssl_cafile": settings.ssl_ca_file,
            "ssl_certfile": settings.ssl_certificate_file,
            "ssl_keyfile": settings.ssl_key_file,
            "ssl_password": read_password("bus.kafka.ssl_key_password", settings.ssl_key_password_file, None),
            "ssl_check_hostname": settings.ssl_check_hostname,
        }
    return options


def _check_door(settings: KafkaSettings, connection: Mapping[str, Any]) -> None:
    """
    Raises:
        SettingsError: an address cannot be read, or the broker does not let us in.
        BusRetryable: nothing listens at any of them.
    """
    server, name = _reachable(settings.bootstrap_servers), settings.sasl_mechanism
    if not settings.security_protocol.startswith("SASL"):
        return
    tls = None
    if settings.security_protocol.endswith("SSL"):
        tls = ssl.create_default_context(cafile=settings.ssl_ca_file)
        tls.check_hostname = settings.ssl_check_hostname
        if settings.ssl_certificate_file is not None:
            password = connection["ssl_password"]
            tls.load_cert_chain(settings.ssl_certificate_file, settings.ssl_key_file, password)
    # What it would warn of is what the settings say.
    mechanism = get_sasl_mechanism(name)(**{**connection, "security_protocol": ""})
    check_login(server, mechanism, name, tls, settings.start_s_max)


def _reachable(servers: Sequence[str]) -> str:
    """
    The first server at which something listens.

    Raises:
        SettingsError: an address cannot be read.
        BusRetryable: nothing listens at any of them.
    """
    causes: list[str] = []
    for server in servers:
        host, _, port = server.rpartition(":")
        if not host or not port.isdecimal():
            mend = "Mend bus.kafka.bootstrap_servers."
            raise SettingsError("bus.kafka.bootstrap_servers", expected="host:port", got=f'"{server}"', mend=mend)
        try:
            socket.create_connection((host.strip("[]"), int(port)), 3.0).close()
        except TimeoutError:
            causes.append("no answer within 3 s")
        except OSError as error:
            causes.append((error.strerror or type(error).__name__).lower())
        else:
            return server
    raise _unreachable(",".join(servers), causes[0] if causes else "an empty list")


def _unreachable(servers: str, got: str) -> BusRetryable:
    mend = "Start it or mend bus.kafka.bootstrap_servers."
    return BusRetryable(f"kafka {servers}", expected="a broker", got=got, mend=mend)


def _not_held(thing: str, at: TopicPartition) -> BusFenced:
    got = f"{at.topic}/{at.partition}, which it does not hold"
    return BusFenced(thing, expected="offsets of its own partitions", got=got, mend="Another worker owns it now.")


def _translated(thing: str, servers: str, error: BaseException) -> DrumtowerError:
    # After fencing the library raises a plain KafkaError whose cause is an argument of it.
    causes = [error, error.__cause__, *error.args]
    got = str(error)[:300] or type(error).__name__
    if any(isinstance(cause, _FENCED) for cause in causes) or _speaks_of_fencing(error):
        return BusFenced(
            thing, expected="to be the newest of its name", got=got, mend="Another worker took over; stop."
        )
    if isinstance(error, _SETTINGS):
        mend = "Mend the section [bus.kafka], or the rights on the broker."
        return SettingsError(f"kafka {servers}: {thing}", expected="to be let in", got=got, mend=mend)
    if isinstance(error, _TOO_LARGE):
        mend = "Raise the topic's max.message.bytes, or send large things by reference."
        return BusError(thing, expected="records that the broker takes", got=got, mend=mend)
    if isinstance(error, faults.CorruptRecordError):
        mend = "Check the disks and the network of the brokers."
        return BusError(thing, expected="records whose checksum fits", got=got, mend=mend)
    if isinstance(error, faults.UnknownTopicOrPartitionError):
        mend = "Create the topics with `drumtower topics create`."
        return SettingsError(thing, expected="a topic that is there", got=got, mend=mend)
    mend = "Trying again; check the brokers if it stays."
    return BusRetryable(f"kafka {servers}: {thing}", expected="an answer", got=got, mend=mend)


def _speaks_of_fencing(error: BaseException) -> bool:
    return any(kind.__name__ in str(error) for kind in _FENCED) or "BUMPING_PRODUCER_EPOCH" in str(error)


# Topics of others


def open_tail(settings: KafkaSettings, password: str | None = None) -> KafkaTail:
    """
    A reader of topics that are not the bus's own.

    Args:
        password: of the user, where the settings name none.

    Raises:
        SettingsError: a password is missing, or the brokers refuse us.
        BusRetryable: no broker answers.
    """
    _check_crc32c()
    connection = _connection_options(settings, password)
    _check_door(settings, connection)
    return KafkaTail(settings, connection)


class KafkaTail:
    """Follows whole topics from their end on, in no group: what was missed is old. For one thread."""

    def __init__(self, settings: KafkaSettings, connection: Mapping[str, object]) -> None:
        self._servers = ",".join(settings.bootstrap_servers)
        self._alone_since_s: float | None = None
        with self._faults():
            self._client = kafka.KafkaConsumer(
                **connection,
                enable_auto_commit=False,
                auto_offset_reset="latest",
                allow_auto_create_topics=False,
                metrics_enabled=False,
                fetch_max_bytes=settings.fetch_bytes_max,
                max_partition_fetch_bytes=settings.fetch_bytes_max,
            )

    def follow(self, topics: Sequence[str]) -> Sequence[str]:
        """Read these topics, each with the partitions that it has now; those that are not there come back."""
        with self._faults():
            there = self._client.topics()
            found = {topic: self._client.partitions_for_topic(topic) or () for topic in topics if topic in there}
            self._client.assign([kafka.TopicPartition(topic, one) for topic in found for one in sorted(found[topic])])
        return [topic for topic in topics if not found.get(topic)]

    def poll(self, timeout_s: float) -> Sequence[Record]:
        """
        Raises:
            BusRetryable: the brokers cannot be reached.
        """
        with self._faults():
            if not self._client.assignment():
                time.sleep(timeout_s)
                return []
            batches = self._client.poll(timeout_ms=int(timeout_s * 1_000))
        self._alone_since_s = _alone_since(self._client, self._alone_since_s, self._servers)
        return [_record(message) for batch in batches.values() for message in batch]

    def close(self) -> None:
        with suppress(faults.KafkaError):
            self._client.close(autocommit=False, timeout_ms=1_000)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except faults.KafkaError as error:
            raise _translated("tail", self._servers, error) from error


def _alone_since(client: Any, since_s: float | None, servers: str) -> float | None:
    """
    Since when no broker is connected; the library goes on quietly, those who wait should know.

    Raises:
        BusRetryable: for too long.
    """
    if any(connection.connected for connection in list(client._manager._conns.values())):
        return None
    now_s = time.monotonic()
    since_s = since_s or now_s
    if now_s - since_s > _ALONE_S:
        raise _unreachable(servers, f"no connection for {now_s - since_s:.0f} s")
    return since_s
