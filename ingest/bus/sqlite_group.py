"""
Consumer groups in SQLite: members with a heartbeat, owners of partitions, and a generation that only grows.

A partition moves in two steps, as in Kafka's cooperative protocol: its owner lets go of it (after its call-back), then
the next one takes it. Each owner's row carries the generation in which it was taken: offsets are accepted only under
it. All functions run inside the caller's write transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.bus import sqlite_log
from ingest.bus.assignment import sticky_assignment
from ingest.clock import NS_PER_S
from ingest.errors import BusFenced

if TYPE_CHECKING:
    from ingest.bus.contract import TopicPartition
    from ingest.bus.sqlite_log import Log


@dataclass(frozen=True, slots=True)
class Member:
    """One joining of one named member; the same name joining again is another, and fences this one."""

    group: str
    name: str
    generation: int
    topics: frozenset[str]


@dataclass(frozen=True, slots=True)
class Membership:
    """Under which generation a member holds its partitions: what offsets are accepted by."""

    member: Member
    generations: Mapping[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class Turn:
    """What a member is to do now: call back and release, and what it has just been given."""

    release: frozenset[TopicPartition]
    taken: Mapping[TopicPartition, int]  # generation of each


def current_generation(connection: sqlite3.Connection, group: str) -> int:
    row = connection.execute("SELECT value FROM generation WHERE consumer_group = ?", (group,)).fetchone()
    return row[0] if row else 0


def _next_generation(connection: sqlite3.Connection, group: str) -> int:
    (value,) = connection.execute(
        "INSERT INTO generation VALUES (?, 1) ON CONFLICT DO UPDATE SET value = value + 1 RETURNING value", (group,)
    ).fetchone()
    return int(value)


def join(connection: sqlite3.Connection, group: str, name: str, topics: frozenset[str], now_ns: int) -> Member:
    """Join, and fence the earlier member of this name; what it held waits for this one."""
    generation = _next_generation(connection, group)
    connection.execute(
        "INSERT OR REPLACE INTO member VALUES (?, ?, ?, ?, ?)",
        (group, name, generation, "\n".join(sorted(topics)), now_ns),
    )
    # Under the new generation at once: nothing that the earlier one still sends is taken.
    connection.execute(
        "UPDATE owner SET generation = ? WHERE consumer_group = ? AND member = ?", (generation, group, name)
    )
    return Member(group, name, generation, topics)


def is_member(connection: sqlite3.Connection, member: Member) -> bool:
    """False when the session of `member` timed out.

    Raises:
        BusFenced: another one of the same name has joined since.
    """
    row = connection.execute(
        "SELECT generation FROM member WHERE consumer_group = ? AND name = ?", (member.group, member.name)
    ).fetchone()
    if row and row[0] != member.generation:
        raise fenced(member, f"generation {row[0]}")
    return row is not None


def fenced(member: Member, got: str) -> BusFenced:
    mend = "Another worker owns its partitions now; this one must stop."
    return BusFenced(
        f"member {member.name} of group {member.group}", expected=f"generation {member.generation}", got=got, mend=mend
    )


def beat(connection: sqlite3.Connection, member: Member, now_ns: int) -> None:
    connection.execute(
        "UPDATE member SET beat_at_ns = ? WHERE consumer_group = ? AND name = ? AND generation = ?",
        (now_ns, member.group, member.name, member.generation),
    )


def take_turn(
    connection: sqlite3.Connection,
    member: Member,
    held: Mapping[TopicPartition, int],
    logs: Mapping[TopicPartition, Log],
    now_ns: int,
    session_ns: int,
) -> Turn | None:
    """
    Beat, drop the dead, take what is free and ours, and say what we must give.

    Returns:
        None when our own session has timed out: all is lost, join again.

    Raises:
        BusFenced: another one of the same name has joined since.
    """
    if not is_member(connection, member):
        return None
    beat(connection, member, now_ns)
    _drop_the_dead(connection, member.group, now_ns, session_ns)
    rows = connection.execute("SELECT name, topics FROM member WHERE consumer_group = ?", (member.group,))
    subscriptions = {name: frozenset(topics.split("\n")) for name, topics in rows}
    by_id = {log.id: at for at, log in logs.items()}
    rows = connection.execute(
        "SELECT partition_id, member, generation FROM owner WHERE consumer_group = ?", (member.group,)
    )
    owners = {by_id[row[0]]: (row[1], row[2]) for row in rows if row[0] in by_id}
    topics = frozenset().union(*subscriptions.values())
    counts = {topic: count for topic, count in _counts(connection).items() if topic in topics}
    # Rows of an earlier one of our name are ours already: `join` has moved them to our generation.
    taken = {at: generation for at, (owner, generation) in owners.items() if owner == member.name and at not in held}
    while True:
        wanted = sticky_assignment(counts, subscriptions, {at: owner for at, (owner, _) in owners.items()})
        ours = {at for at, owner in wanted.items() if owner == member.name}
        free = sorted(ours - owners.keys())
        if not free:
            break
        # What we take may change who gets the odd one: look again until there is nothing to take.
        generation = _next_generation(connection, member.group)
        connection.executemany(
            "INSERT INTO owner VALUES (?, ?, ?, ?)",
            ((member.group, logs[at].id, member.name, generation) for at in free),
        )
        taken |= dict.fromkeys(free, generation)
        owners |= dict.fromkeys(free, (member.name, generation))
    return Turn(frozenset((held.keys() | taken.keys()) - ours), taken)


def _counts(connection: sqlite3.Connection) -> dict[str, int]:
    return {name: spec.partitions for name, spec in sqlite_log.specs(connection).items()}


def _drop_the_dead(connection: sqlite3.Connection, group: str, now_ns: int, session_ns: int) -> None:
    # A beat in the future is from before a restart of the machine: the count began anew.
    dead = connection.execute(
        "SELECT name FROM member WHERE consumer_group = ? AND (beat_at_ns < ? OR beat_at_ns > ?)",
        (group, now_ns - session_ns, now_ns + NS_PER_S),
    ).fetchall()
    for (name,) in dead:
        connection.execute("DELETE FROM member WHERE consumer_group = ? AND name = ?", (group, name))
        connection.execute("DELETE FROM owner WHERE consumer_group = ? AND member = ?", (group, name))
    if dead:
        _next_generation(connection, group)


def release(
    connection: sqlite3.Connection,
    member: Member,
    held: Mapping[TopicPartition, int],
    logs: Mapping[TopicPartition, Log],
) -> None:
    """Let go of the partitions in `held`; those that are no longer ours stay as they are."""
    connection.executemany(
        "DELETE FROM owner WHERE consumer_group = ? AND partition_id = ? AND member = ? AND generation = ?",
        ((member.group, logs[at].id, member.name, generation) for at, generation in held.items()),
    )
    _next_generation(connection, member.group)


def leave(connection: sqlite3.Connection, member: Member) -> None:
    gone = connection.execute(
        "DELETE FROM member WHERE consumer_group = ? AND name = ? AND generation = ?",
        (member.group, member.name, member.generation),
    )
    if gone.rowcount:
        connection.execute("DELETE FROM owner WHERE consumer_group = ? AND member = ?", (member.group, member.name))
        _next_generation(connection, member.group)


def committed(connection: sqlite3.Connection, group: str, log: Log) -> int | None:
    row = connection.execute(
        "SELECT next_offset FROM committed WHERE consumer_group = ? AND partition_id = ?", (group, log.id)
    ).fetchone()
    return row[0] if row else None


def move_offsets(
    connection: sqlite3.Connection,
    membership: Membership,
    offsets: Mapping[TopicPartition, int],
    logs: Mapping[TopicPartition, Log],
) -> None:
    """
    Raises:
        BusFenced: the member no longer holds one of the partitions under the generation it knows.
    """
    member = membership.member
    if not is_member(connection, member):
        raise fenced(member, "a session that timed out")
    for at, offset in offsets.items():
        row = connection.execute(
            "SELECT member, generation FROM owner WHERE consumer_group = ? AND partition_id = ?",
            (member.group, logs[at].id),
        ).fetchone()
        if row is None or row != (member.name, membership.generations.get(at)):
            owner = f"{row[0]}, generation {row[1]}" if row else "nobody"
            raise fenced(member, f"{at.topic}/{at.partition} owned by {owner}")
        connection.execute("INSERT OR REPLACE INTO committed VALUES (?, ?, ?)", (member.group, logs[at].id, offset))
