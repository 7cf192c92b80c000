"""What only a file can show: processes that are killed within a commit, full disks, foreign and broken files."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.bus.contract import Draft, TopicPartition, TopicSpec
from ingest.bus.embedded import EmbeddedBus
from ingest.errors import BusError, BusRetryable, SettingsError
from tests.support.clock import ManualClock
from tests.support.waiting import until

_COPIER = """
import sys
from pathlib import Path
from ingest.bus.contract import Draft, TopicPartition
from ingest.bus.embedded import EmbeddedBus
bus = EmbeddedBus(Path(sys.argv[1]), session_s=1.0)
at = TopicPartition("in", 0)
producer = bus.producer("copier")
consumer = bus.consumer("copy", ["in"], "copier")
while True:
    for record in consumer.poll(0.5, records_max=7):
        producer.begin()
        producer.append(Draft("out", 0, None, record.value))
        producer.append(Draft("state", 0, b"0", b"%d" % (record.position.offset + 1)))
        producer.move_offsets(consumer, {at: record.position.offset + 1})
        producer.commit()
        print(record.position.offset, flush=True)
"""


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[EmbeddedBus]:
    with EmbeddedBus(tmp_path / "bus.sqlite") as bus:
        bus.create_topics([TopicSpec("in", 1, 60), TopicSpec("out", 1, 60), TopicSpec("state", 1, None)])
        yield bus


def fill(bus: EmbeddedBus, topic: str, count: int, size_bytes: int = 4) -> None:
    producer = bus.producer()
    for i in range(count):
        producer.append(Draft(topic, 0, None, (b"%d" % i).ljust(size_bytes, b".")))
    producer.close()


def test_a_process_killed_in_the_middle_of_its_commits_leaves_all_or_nothing(bus: EmbeddedBus) -> None:
    fill(bus, "in", 300)
    at = TopicPartition("in", 0)
    for round_ in range(3):
        copier = subprocess.Popen([sys.executable, "-c", _COPIER, str(bus.path)], stdout=subprocess.PIPE, text=True)
        assert copier.stdout is not None
        for _ in range(20):
            copier.stdout.readline()
        copier.send_signal(signal.SIGKILL)
        copier.wait()
        copier.stdout.close()
        copied = [record.value for record in bus.read("out", 0, 0, 1_000)]
        snapshot = bus.last_record("state", 0, b"0")
        assert snapshot is not None
        assert copied == [record.value for record in bus.read("in", 0, 0, len(copied))]
        assert int(snapshot.value or b"") == len(copied) >= 20 * (round_ + 1)
        watcher = bus.consumer("copy", ["in"], "copier")
        assert watcher.committed(at) == len(copied)
        watcher.close()


def test_many_threads_append_and_none_is_lost(bus: EmbeddedBus) -> None:
    def append(name: int) -> None:
        producer = bus.producer()
        for i in range(25):
            producer.append(Draft("in", 0, b"%d" % name, b"%d" % i))
            producer.flush()
        producer.close()

    threads = [threading.Thread(target=append, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records = bus.read("in", 0, 0, 1_000)
    assert [record.position.offset for record in records] == list(range(100))
    for name in range(4):
        assert [r.value for r in records if r.key == b"%d" % name] == [b"%d" % i for i in range(25)]


def test_an_append_wakes_a_waiting_member(bus: EmbeddedBus) -> None:
    consumer = bus.consumer("g", ["in"], "m")
    consumer.poll(0)
    ready = threading.Event()

    def write() -> None:
        ready.wait()
        fill(bus, "in", 1)

    writer = threading.Thread(target=write)
    writer.start()
    ready.set()
    assert len(consumer.poll(20)) == 1
    writer.join()
    consumer.close()


def test_a_member_that_is_busy_for_longer_than_its_session_keeps_its_partitions(tmp_path: Path) -> None:
    with EmbeddedBus(tmp_path / "bus.sqlite", session_s=0.4) as bus, EmbeddedBus(bus.path, session_s=0.4) as other:
        bus.create_topics([TopicSpec("in", 1, 60)])
        busy, idle = bus.consumer("g", ["in"], "busy"), other.consumer("g", ["in"], "idle")
        until(lambda: busy.poll(0) or busy.assignment(), "busy owns the partition")
        started_ns = bus.clock.monotonic_ns()
        until(lambda: idle.poll(0.01) or bus.clock.monotonic_ns() - started_ns > 1.2e9, "three sessions later")
        assert not idle.assignment()
        busy.commit({TopicPartition("in", 0): 0})
        busy.close()
        idle.close()


# retention


def test_what_is_past_its_time_goes_and_its_offsets_are_not_used_again(tmp_path: Path) -> None:
    clock = ManualClock()
    with EmbeddedBus(tmp_path / "bus.sqlite", clock) as bus:
        bus.create_topics([TopicSpec("in", 1, 60), TopicSpec("state", 1, None)])
        fill(bus, "in", 5)
        fill(bus, "state", 5)
        clock.advance(61)
        fill(bus, "in", 1)
        assert bus.prune() == 5
        assert [record.position.offset for record in bus.read("in", 0, 0)] == [5]
        clock.advance(61)
        assert bus.prune() == 1
        fill(bus, "in", 1)
        assert [record.position.offset for record in bus.read("in", 0, 0)] == [6]
        assert len(bus.read("state", 0, 0)) == 5


def test_a_clock_that_was_set_back_tears_no_hole_into_a_partition(tmp_path: Path) -> None:
    clock = ManualClock()
    with EmbeddedBus(tmp_path / "bus.sqlite", clock) as bus:
        bus.create_topics([TopicSpec("in", 1, 60)])
        fill(bus, "in", 1)
        clock.set_back(3_600)
        fill(bus, "in", 1)
        clock.set_back(-3_600)
        assert bus.prune() == 0
        clock.advance(61)
        assert bus.prune() == 2


def test_the_room_of_what_was_deleted_is_used_again(tmp_path: Path) -> None:
    clock = ManualClock()
    with EmbeddedBus(tmp_path / "bus.sqlite", clock) as bus:
        bus.create_topics([TopicSpec("in", 1, 60), TopicSpec("state", 1, None)])
        sizes = []
        for _ in range(4):
            fill(bus, "in", 200, size_bytes=10_000)
            producer = bus.producer()
            for _ in range(50):
                producer.append(Draft("state", 0, b"0", bytes(100_000)))
            producer.close()
            clock.advance(61)
            while bus.prune():
                pass
            with sqlite3.connect(bus.path) as link:
                link.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            link.close()
            sizes.append(bus.path.stat().st_size)
        assert max(sizes[1:]) <= 1.5 * sizes[0]


# faults, each one line


def test_another_programs_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as link:
        link.execute("CREATE TABLE theirs(x)")
    link.close()
    with pytest.raises(SettingsError, match="got a database of another program"):
        EmbeddedBus(path)
    assert sqlite3.connect(path).execute("SELECT count(*) FROM sqlite_schema").fetchone() == (1,)


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"not a database" * 1_000)
    with pytest.raises(SettingsError, match="restore it from a backup"):
        EmbeddedBus(path)
    assert path.read_bytes() == b"not a database" * 1_000


def test_a_bus_of_a_later_version_is_left_alone(bus: EmbeddedBus) -> None:
    with sqlite3.connect(bus.path) as link:
        link.execute("PRAGMA user_version=99")
    link.close()
    with pytest.raises(SettingsError, match="got version 99"):
        EmbeddedBus(bus.path)


def test_a_folder_that_cannot_be_made_is_a_fault_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="Check that the folder can be written"):
        EmbeddedBus(tmp_path / "file" / "bus.sqlite")


def test_a_damaged_file_is_said_to_be_damaged(bus: EmbeddedBus) -> None:
    fill(bus, "in", 300, size_bytes=4_000)
    with sqlite3.connect(bus.path) as link:
        link.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    link.close()
    size = bus.path.stat().st_size
    with bus.path.open("r+b") as file:
        file.seek(8_192)
        file.write(b"\xff" * (size - 8_192))
    with EmbeddedBus(bus.path) as broken, pytest.raises(BusError, match="restore it from a backup") as damaged:
        broken.read("in", 0, 0)
    assert not isinstance(damaged.value, BusRetryable)


def test_a_locked_file_can_be_tried_again(bus: EmbeddedBus, monkeypatch: pytest.MonkeyPatch) -> None:
    producer = bus.producer("p")
    producer._connection.execute("PRAGMA busy_timeout=10")
    other = sqlite3.connect(bus.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    producer.begin()
    producer.append(Draft("in", 0, None, b"x"))
    with pytest.raises(BusRetryable, match="locked by another program"):
        producer.commit()
    other.execute("ROLLBACK")
    other.close()
    producer.commit()
    assert [record.value for record in bus.read("in", 0, 0)] == [b"x"]
    producer.close()


_WRITER_ON_A_FULL_DISK = """
import sys
from pathlib import Path
from ingest.bus.contract import Draft
from ingest.bus.embedded import EmbeddedBus
from ingest.errors import BusRetryable
bus = EmbeddedBus(Path(sys.argv[1]))
producer = bus.producer("p")
producer._connection.execute(f"PRAGMA max_page_count={sys.argv[2]}")
for i in range(1000):
    producer.begin()
    producer.append(Draft("in", 0, None, bytes(50_000)))
    try:
        producer.commit()
    except BusRetryable as error:
        producer.abort()
        print(i, error)
        break
"""


def test_a_full_disk_leaves_nothing_of_the_transaction_and_can_be_tried_again(bus: EmbeddedBus) -> None:
    call = [sys.executable, "-c", _WRITER_ON_A_FULL_DISK, str(bus.path), "200"]
    said = subprocess.run(call, capture_output=True, text=True, check=True).stdout
    count, _, message = said.partition(" ")
    assert "expected room on the disk, got a full disk" in message
    assert len(bus.read("in", 0, 0, 1_000)) == int(count) > 3
    fill(bus, "in", 1)
    assert len(bus.read("in", 0, 0, 1_000)) == int(count) + 1
