"""The rules of the bus, one suite for all back ends. A rule that is found on one is added here for all."""

from __future__ import annotations

import pytest

from ingest.bus.contract import Consumer, Draft, Record, TopicPartition, TopicSpec
from ingest.bus.dead_letter import dead_letter, parse_dead_letter
from ingest.errors import BusError, BusFenced, BusRetryable, SettingsError
from tests.ingest.bus.bench import BYTES_IN_FLIGHT_MAX, Town


def values(records: list[Record]) -> list[bytes | None]:
    return [record.value for record in records]


# order and positions


def test_a_partition_is_read_in_the_order_in_which_it_was_written(town: Town) -> None:
    topic = town.topic()
    written = [b"%d" % i for i in range(200)]
    town.fill(topic, *written)
    records = town.take(town.consumer(topic), 200)
    assert values(records) == written
    offsets = [record.position.offset for record in records]
    assert offsets == sorted(set(offsets))
    assert {record.position[:2] for record in records} == {(topic, 0)}


def test_a_record_arrives_as_it_was_sent(town: Town) -> None:
    topic = town.topic()
    headers = (("schema", b"tick/1"), ("twice", b"1"), ("twice", b"\x00\xff"))
    producer = town.bus.producer()
    producer.append(Draft(topic, 0, b"\x00key", b"\xff\x00value", headers))
    producer.append(Draft(topic, 0, None, b""))
    producer.flush()
    first, second = town.take(town.consumer(topic), 2)
    assert (first.key, first.value, first.headers) == (b"\x00key", b"\xff\x00value", headers)
    assert (second.key, second.value, second.headers) == (None, b"", ())
    assert abs(second.appended_at_ns - first.appended_at_ns) < 60e9
    producer.close()


def test_a_reader_outside_of_any_group_sees_what_a_member_sees(town: Town) -> None:
    topic = town.topic(partitions=2)
    town.fill(topic, b"a", b"b", b"c", partition=1)
    seen = town.bus.read(topic, 1, 0)
    assert values(list(seen)) == [b"a", b"b", b"c"]
    assert values(list(town.bus.read(topic, 1, seen[1].position.offset, records_max=1))) == [b"b"]
    assert town.bus.read(topic, 1, seen[-1].position.offset + 1) == []
    assert town.bus.read(topic, 0, 0) == []


def test_a_poll_takes_no_more_than_it_was_asked_for(town: Town) -> None:
    topic = town.topic()
    town.fill(topic, *[b"x"] * 10)
    consumer = town.consumer(topic)
    got: list[int] = []

    def all_there() -> bool:
        got.append(len(consumer.poll(0.05, records_max=3)))
        return sum(got) == 10

    town.until(all_there, "ten records")
    assert max(got) <= 3


def test_the_end_is_behind_the_last_record_that_can_be_seen(town: Town) -> None:
    topic = town.topic()
    consumer = town.consumer(topic)
    at = TopicPartition(topic, 0)
    assert consumer.end_offset(at) == 0
    town.fill(topic, b"a", b"b")
    assert consumer.end_offset(at) == 2


def test_the_ends_of_many_partitions_are_those_of_each(town: Town) -> None:
    topic = town.topic(partitions=3)
    consumer = town.consumer(topic)
    town.fill(topic, b"a", b"b")
    town.fill(topic, b"c", partition=2)
    every = frozenset(TopicPartition(topic, partition) for partition in range(3))
    assert consumer.end_offsets(every) == {at: consumer.end_offset(at) for at in every}
    assert [consumer.end_offsets(every)[at] for at in sorted(every)] == [2, 0, 1]
    assert consumer.end_offsets(frozenset()) == {}


def test_seek_moves_the_next_record_to_be_read(town: Town) -> None:
    topic = town.topic()
    town.fill(topic, b"a", b"b", b"c")
    consumer = town.consumer(topic)
    town.take(consumer, 3)
    consumer.seek(TopicPartition(topic, 0), 1)
    assert values(town.take(consumer, 2)) == [b"b", b"c"]


def test_a_seek_in_the_call_back_of_an_assignment_counts_for_the_first_record(town: Town) -> None:
    topic = town.topic()
    town.fill(topic, b"a", b"b", b"c")
    consumer: Consumer

    def to_the_third(fresh: frozenset[TopicPartition]) -> None:
        for at in fresh:
            consumer.seek(at, 2)

    consumer = town.consumer(topic, on_assigned=to_the_third)
    assert values(town.take(consumer, 1)) == [b"c"]


def test_a_paused_partition_is_silent_until_it_is_resumed(town: Town) -> None:
    topic = town.topic(partitions=2)
    consumer = town.consumer(topic)
    town.settle(consumer, partitions=2)
    consumer.pause(frozenset({TopicPartition(topic, 0)}))
    town.fill(topic, b"quiet", partition=0)
    town.fill(topic, b"loud", partition=1)
    assert values(town.take(consumer, 1)) == [b"loud"]
    assert not consumer.poll(0.1)
    consumer.resume(frozenset({TopicPartition(topic, 0)}))
    assert values(town.take(consumer, 1)) == [b"quiet"]


# restarts


def test_a_group_starts_at_the_beginning_and_goes_on_at_its_committed_offset(town: Town) -> None:
    topic = town.topic()
    town.fill(topic, b"a", b"b", b"c")
    at = TopicPartition(topic, 0)
    first = town.consumer(topic)
    records = town.take(first, 3)
    assert first.committed(at) is None
    first.commit({at: records[1].position.offset + 1})
    assert first.committed(at) == records[1].position.offset + 1
    first.close()
    second = town.consumer(topic)
    assert values(town.take(second, 1)) == [b"c"]


def test_what_was_read_but_not_committed_is_read_again(town: Town) -> None:
    topic = town.topic()
    town.fill(topic, b"a", b"b")
    first = town.consumer(topic)
    town.take(first, 2)
    first.close()
    assert values(town.take(town.consumer(topic), 2)) == [b"a", b"b"]


# transactions


def test_a_transaction_is_seen_whole_or_not_at_all(town: Town) -> None:
    topics = [town.topic("one"), town.topic("two")]
    producer = town.bus.producer(town.id("p"))
    producer.begin()
    for topic in topics:
        producer.append(Draft(topic, 0, None, b"x"))
    assert [town.read_all(topic) for topic in topics] == [[], []]
    producer.commit()
    assert [town.read_all(topic) for topic in topics] == [[b"x"], [b"x"]]
    producer.close()


def test_an_aborted_transaction_is_never_seen(town: Town) -> None:
    topic = town.topic()
    producer = town.bus.producer(town.id("p"))
    producer.begin()
    producer.append(Draft(topic, 0, None, b"aborted"))
    producer.abort()
    producer.begin()
    producer.append(Draft(topic, 0, None, b"kept"))
    producer.commit()
    producer.close()
    assert values(town.take(town.consumer(topic), 1)) == [b"kept"]
    assert town.read_all(topic) == [b"kept"]


def test_an_open_transaction_holds_up_nobody(town: Town) -> None:
    topic = town.topic()
    slow = town.bus.producer(town.id("slow"))
    slow.begin()
    slow.append(Draft(topic, 0, None, b"slow"))
    town.fill(topic, b"quick")
    assert values(town.take(town.consumer(topic), 1)) == [b"quick"]
    slow.commit()
    assert town.read_all(topic) == [b"quick", b"slow"]
    slow.close()


def test_output_and_offsets_move_together(town: Town) -> None:
    source, sink = town.topic("in"), town.topic("out")
    at = TopicPartition(source, 0)
    town.fill(source, b"a", b"b", b"c")
    consumer = town.consumer(source)
    producer = town.bus.producer(town.id("p"))
    records = town.take(consumer, 3)
    producer.begin()
    producer.append(Draft(sink, 0, None, b"A"))
    producer.move_offsets(consumer, {at: records[0].position.offset + 1})
    assert consumer.committed(at) is None
    producer.commit()
    assert consumer.committed(at) == records[0].position.offset + 1
    producer.begin()
    producer.append(Draft(sink, 0, None, b"B"))
    producer.move_offsets(consumer, {at: records[1].position.offset + 1})
    producer.abort()
    assert consumer.committed(at) == records[0].position.offset + 1
    assert town.read_all(sink) == [b"A"]
    # After an abort the next transaction carries nothing of it.
    producer.begin()
    producer.append(Draft(sink, 0, None, b"C"))
    producer.commit()
    assert consumer.committed(at) == records[0].position.offset + 1
    assert town.read_all(sink) == [b"A", b"C"]
    producer.close()


def test_who_has_read_all_is_at_the_end_also_behind_a_transaction(town: Town) -> None:
    topic = town.topic()
    at = TopicPartition(topic, 0)
    producer, consumer = town.bus.producer(town.id("p")), town.consumer(topic)
    for value in (b"a", b"b"):
        producer.begin()
        producer.append(Draft(topic, 0, None, value))
        producer.commit()
    last = town.take(consumer, 2)[-1]

    def is_at_the_end() -> bool:
        assert not consumer.poll(0.0)
        return consumer.end_offset(at) == last.position.offset + 1

    town.until(is_at_the_end, "the end behind the last record")
    # So is one that goes on from where an earlier one stopped.
    consumer.seek(at, last.position.offset + 1)
    town.until(is_at_the_end, "the end behind the last record")
    town.fill(topic, b"c")
    assert consumer.end_offset(at) > last.position.offset + 1
    producer.close()


def test_many_transactions_in_a_row_keep_their_order(town: Town) -> None:
    topic = town.topic()
    producer = town.bus.producer(town.id("p"))
    for i in range(20):
        producer.begin()
        producer.append(Draft(topic, 0, None, b"%d" % i))
        producer.commit()
    producer.close()
    assert town.read_all(topic) == [b"%d" % i for i in range(20)]


# fencing


def test_a_zombie_producer_is_fenced_and_leaves_nothing_behind(town: Town) -> None:
    topic = town.topic()
    zombie = town.bus.producer(town.id("p"))
    zombie.begin()
    zombie.append(Draft(topic, 0, None, b"before"))
    replacement = town.bench.open_bus().producer(town.id("p"))
    replacement.begin()
    replacement.append(Draft(topic, 0, None, b"new"))
    with pytest.raises(BusFenced):
        zombie.append(Draft(topic, 0, None, b"after"))
        zombie.commit()
    replacement.commit()
    with pytest.raises(BusFenced):
        zombie.begin()
        zombie.append(Draft(topic, 0, None, b"again"))
        zombie.commit()
    replacement.begin()
    replacement.append(Draft(topic, 0, None, b"newer"))
    replacement.commit()
    assert town.read_all(topic) == [b"new", b"newer"]
    zombie.close()
    replacement.close()


def test_a_fenced_producer_may_be_aborted_and_closed_in_peace(town: Town) -> None:
    topic = town.topic()
    zombie = town.bus.producer(town.id("p"))
    replacement = town.bench.open_bus().producer(town.id("p"))
    zombie.begin()
    zombie.append(Draft(topic, 0, None, b"x"))
    with pytest.raises(BusFenced):
        zombie.commit()
    zombie.abort()
    zombie.close()
    replacement.begin()
    replacement.append(Draft(topic, 0, None, b"y"))
    replacement.commit()
    replacement.close()
    assert town.read_all(topic) == [b"y"]


def test_offsets_of_a_member_that_was_replaced_are_refused_with_all_they_came_with(town: Town) -> None:
    source, sink = town.topic("in"), town.topic("out")
    at = TopicPartition(source, 0)
    town.fill(source, b"a")
    stale = town.consumer(source, "m")
    town.take(stale, 1)
    producer = town.bus.producer(town.id("p"))
    producer.begin()
    producer.append(Draft(sink, 0, None, b"A"))
    fresh = town.consumer(source, "m", bus=town.bench.open_bus())
    assert values(town.take(fresh, 1)) == [b"a"]
    with pytest.raises(BusFenced):
        producer.move_offsets(stale, {at: 1})
        producer.commit()
    assert fresh.committed(at) is None
    assert town.read_all(sink) == []
    with pytest.raises(BusFenced):
        stale.commit({at: 1})
    fresh.commit({at: 1})
    assert fresh.committed(at) == 1
    producer.close()


def test_offsets_of_a_partition_that_was_given_away_are_refused(town: Town) -> None:
    source, sink = town.topic("in", partitions=2), town.topic("out")
    one = town.consumer(source, "one")
    town.settle(one, partitions=2)
    producer = town.bus.producer(town.id("p"))
    producer.begin()
    producer.append(Draft(sink, 0, None, b"A"))
    other = town.consumer(source, "two")
    town.settle(one, other, partitions=2)
    (given,) = other.assignment()
    with pytest.raises(BusFenced):
        producer.move_offsets(one, {given: 7})
        producer.commit()
    with pytest.raises(BusFenced):
        one.commit({given: 7})
    assert other.committed(given) is None
    assert town.read_all(sink) == []
    producer.close()


def test_a_transaction_over_what_is_still_owned_outlives_a_rebalance(town: Town) -> None:
    source, sink = town.topic("in", partitions=2), town.topic("out")
    one = town.consumer(source, "one")
    town.settle(one, partitions=2)
    other = town.consumer(source, "two")
    producer = town.bus.producer(town.id("p"))
    producer.begin()
    producer.append(Draft(sink, 0, None, b"A"))
    town.settle(one, other, partitions=2)
    (kept,) = one.assignment()
    producer.move_offsets(one, {kept: 0})
    producer.commit()
    assert one.committed(kept) == 0
    assert town.read_all(sink) == [b"A"]
    producer.close()


@pytest.mark.parametrize("is_given_back", [False, True])
def test_offsets_that_were_moved_before_a_partition_was_given_away_are_refused_at_the_commit(
    town: Town, is_given_back: bool
) -> None:
    source, sink = town.topic("in", partitions=2), town.topic("out")
    one = town.consumer(source, "one")
    town.settle(one, partitions=2)
    producer = town.bus.producer(town.id("p"))
    producer.begin()
    producer.append(Draft(sink, 0, None, b"A"))
    producer.move_offsets(one, dict.fromkeys(one.assignment(), 7))
    other = town.consumer(source, "two")
    town.settle(one, other, partitions=2)
    if is_given_back:
        other.close()
        town.settle(one, partitions=2)
    with pytest.raises(BusFenced):
        producer.commit()
    assert [one.committed(TopicPartition(source, p)) for p in range(2)] == [None, None]
    assert town.read_all(sink) == []
    producer.close()


# groups


def test_members_share_the_partitions_and_each_record_has_one_reader(town: Town) -> None:
    topic = town.topic(partitions=4)
    members = [town.consumer(topic, name) for name in ("one", "two")]
    town.settle(*members, partitions=4)
    for p in range(4):
        town.fill(topic, b"%d" % p, partition=p)
    seen: list[Record] = []

    def all_seen() -> bool:
        for member in members:
            got = member.poll(0.05)
            assert {TopicPartition(*record.position[:2]) for record in got} <= member.assignment()
            seen.extend(got)
        return len(seen) >= 4

    town.until(all_seen, "four records")
    assert sorted(values(seen), key=str) == [b"0", b"1", b"2", b"3"]


def test_a_second_member_takes_only_its_share_and_the_first_is_told_only_of_that(town: Town) -> None:
    topic = town.topic(partitions=4)
    assigned: list[frozenset[TopicPartition]] = []
    revoked: list[frozenset[TopicPartition]] = []
    first = town.consumer(topic, "one", on_assigned=assigned.append, on_revoked=revoked.append)
    town.settle(first, partitions=4)
    assert frozenset().union(*assigned) == first.assignment()
    second = town.consumer(topic, "two")
    town.settle(first, second, partitions=4)
    assert sum(map(len, assigned)) == 4
    assert frozenset().union(*revoked) == second.assignment()


def test_a_member_that_closes_hands_over_at_once_where_it_stood(town: Town) -> None:
    topic = town.topic(partitions=2)
    revoked: list[frozenset[TopicPartition]] = []
    first = town.consumer(topic, "one", on_revoked=revoked.append)
    second = town.consumer(topic, "two")
    town.settle(first, second, partitions=2)
    (given,) = first.assignment()
    town.fill(topic, b"a", b"b", partition=given.partition)
    records = town.take(first, 2, beside=[second])
    first.commit({given: records[0].position.offset + 1})
    first.close()
    assert revoked[-1] == frozenset({given})
    assert values(town.take(second, 1)) == [b"b"]
    assert len(second.assignment()) == 2


def test_the_partitions_of_a_dead_member_go_to_the_living(town: Town) -> None:
    topic = town.topic(partitions=2)
    bus = town.bench.open_bus()
    doomed = bus.consumer(town.group, [topic], town.id("doomed"))
    survivor = town.consumer(topic, "survivor")
    town.settle(doomed, survivor, partitions=2)
    town.bench.crash(bus, doomed)

    def taken_over() -> bool:
        survivor.poll(0.02)
        return len(survivor.assignment()) == 2

    town.until(taken_over, "the survivor owns both")


def test_a_member_that_comes_back_soon_has_its_partitions_again_and_the_others_notice_nothing(town: Town) -> None:
    topic = town.topic(partitions=4)
    calls: list[frozenset[TopicPartition]] = []
    bus = town.bench.open_bus()
    doomed = bus.consumer(town.group, [topic], town.id("doomed"))
    other = town.consumer(topic, "other", on_assigned=calls.append, on_revoked=calls.append)
    town.settle(doomed, other, partitions=4)
    held, count = doomed.assignment(), len(calls)
    town.bench.crash(bus, doomed)
    back = town.consumer(topic, "doomed")

    def is_back() -> bool:
        back.poll(0.02)
        other.poll(0.02)
        return back.assignment() == held

    town.until(is_back, "the same partitions")
    assert len(calls) == count


# compaction


def test_the_last_record_of_each_key_is_found_and_deletions_are_kept_out(town: Town) -> None:
    topic = town.topic(retention_s=None)
    producer = town.bus.producer()
    for i in range(30):
        producer.append(Draft(topic, 0, b"%d" % (i % 3), b"v%d" % i))
    producer.append(Draft(topic, 0, b"1", None))
    producer.flush()
    producer.close()
    last = town.bus.last_records(topic, 0)
    assert {key: record.value for key, record in last.items()} == {b"0": b"v27", b"2": b"v29"}


def test_the_last_record_of_one_key_is_the_one_among_all(town: Town) -> None:
    topic = town.topic(retention_s=None, partitions=2)
    assert town.bus.last_records(topic, 0) == {}
    assert town.bus.last_record(topic, 0, b"rare") is None
    town.fill(topic, b"once", key=b"rare")
    town.fill(topic, *[b"%d" % i for i in range(300)], key=b"often")
    town.fill(topic, b"gone", key=b"deleted")
    producer = town.bus.producer()
    producer.append(Draft(topic, 0, b"deleted", None))
    producer.flush()
    producer.close()
    last = town.bus.last_records(topic, 0)
    for key in (b"rare", b"often", b"deleted", b"never"):
        assert town.bus.last_record(topic, 0, key) == last.get(key)
    assert last[b"often"].value == b"299"
    assert town.bus.last_record(topic, 1, b"often") is None


def test_an_aborted_snapshot_is_not_the_last_one(town: Town) -> None:
    topic = town.topic(retention_s=None)
    producer = town.bus.producer(town.id("p"))
    producer.begin()
    producer.append(Draft(topic, 0, b"0", b"committed"))
    producer.commit()
    producer.begin()
    producer.append(Draft(topic, 0, b"0", b"aborted"))
    producer.abort()
    producer.close()
    found = town.bus.last_record(topic, 0, b"0")
    assert found is not None
    assert found.value == b"committed"
    assert town.bus.last_records(topic, 0)[b"0"] == found


# topics


def test_topics_are_made_once_and_counted(town: Town) -> None:
    topic = town.topic(partitions=3)
    town.bus.create_topics([TopicSpec(topic, 3, 3_600), TopicSpec(f"{topic}.more", 1, None)])
    counts = town.bench.open_bus().partition_counts()
    assert (counts[topic], counts[f"{topic}.more"]) == (3, 1)


def test_a_topic_with_another_partition_count_is_refused_and_nothing_is_made(town: Town) -> None:
    topic = town.topic(partitions=8)
    with pytest.raises(SettingsError) as refused:
        town.bus.create_topics([TopicSpec(f"{topic}.more", 1, None), TopicSpec(topic, 12, 3_600)])
    assert "12 partitions" in str(refused.value)
    assert "got 8" in str(refused.value)
    assert "bus.partitions" in refused.value.mend
    assert f"{topic}.more" not in town.bus.partition_counts()


def test_a_topic_that_is_not_there_is_named(town: Town) -> None:
    with pytest.raises(SettingsError, match="no-such-topic"):
        town.bus.consumer(town.group, [f"{town.name}.no-such-topic"], "m")
    with pytest.raises(SettingsError, match="no-such-topic"):
        town.bus.read(f"{town.name}.no-such-topic", 0, 0)


# bounds


def test_appends_are_bounded_in_flight(town: Town) -> None:
    topic = town.topic()
    producer = town.bus.producer(town.id("p"))
    producer.begin()
    with pytest.raises(BusRetryable, match="in flight"):
        for _ in range(BYTES_IN_FLIGHT_MAX // 1_000_000 + 1):
            producer.append(Draft(topic, 0, None, bytes(1_000_000)))
    producer.abort()
    producer.begin()
    producer.append(Draft(topic, 0, None, b"small"))
    producer.commit()
    producer.close()
    assert town.read_all(topic) == [b"small"]


def test_a_record_that_is_too_large_is_refused_alone(town: Town) -> None:
    topic = town.topic(message_bytes_max=200_000)
    producer = town.bus.producer()
    with pytest.raises(BusError, match="200000 bytes") as refused:
        producer.append(Draft(topic, 0, None, bytes(300_000)))
    assert not isinstance(refused.value, BusRetryable | BusFenced)
    producer.append(Draft(topic, 0, None, bytes(190_000)))
    producer.flush()
    producer.close()
    assert town.read_all(topic) == [bytes(190_000)]


# dead letters


def test_a_poison_record_is_buried_in_the_transaction_that_passes_it_and_can_be_delivered_again(town: Town) -> None:
    source, dead = town.topic("in"), town.topic("dead")
    at = TopicPartition(source, 0)
    town.fill(source, b"good", b"\xffpoison", key=b"gate-7")
    consumer = town.consumer(source)
    _, poison = town.take(consumer, 2)
    letter = dead_letter(poison, "not a tick: rtsp://user:secret@10.0.4.7/", "detect")
    producer = town.bus.producer(town.id("p"))
    producer.begin()
    producer.append(Draft(dead, 0, letter.key, letter.value, letter.headers))
    producer.move_offsets(consumer, {at: poison.position.offset + 1})
    producer.commit()
    (buried,) = town.bus.read(dead, 0, 0)
    parsed = parse_dead_letter(buried)
    assert (parsed.source, parsed.value, parsed.key) == (poison.position, b"\xffpoison", b"gate-7")
    assert "secret" not in parsed.reason
    assert consumer.committed(at) == poison.position.offset + 1
    producer.begin()
    producer.append(parsed.redelivery())
    producer.commit()
    producer.close()
    assert values(town.take(consumer, 1)) == [b"\xffpoison"]
