from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ingest.bus.assignment import sticky_assignment
from ingest.bus.contract import TopicPartition

TOPICS = ("a", "b", "c")
MEMBERS = ("m1", "m2", "m3", "m4")

counts = st.dictionaries(st.sampled_from(TOPICS), st.integers(1, 7), min_size=1)
groups = st.sets(st.sampled_from(MEMBERS), min_size=1)
owners = st.dictionaries(
    st.builds(TopicPartition, st.sampled_from(TOPICS), st.integers(0, 8)), st.sampled_from((*MEMBERS, "gone"))
)


@given(counts, groups, owners)
def test_every_partition_has_one_owner_and_shares_differ_by_one_at_most(
    partitions: dict[str, int], members: set[str], held: dict[TopicPartition, str]
) -> None:
    wanted = sticky_assignment(partitions, {member: frozenset(partitions) for member in members}, held)
    assert wanted.keys() == {TopicPartition(topic, p) for topic, count in partitions.items() for p in range(count)}
    shares = [Counter(wanted.values())[member] for member in members]
    assert max(shares) - min(shares) <= 1
    assert sum(shares) == len(wanted)


@given(counts, groups, owners)
def test_an_assignment_that_is_reached_stays(
    partitions: dict[str, int], members: set[str], held: dict[TopicPartition, str]
) -> None:
    subscriptions = {member: frozenset(partitions) for member in members}
    wanted = sticky_assignment(partitions, subscriptions, held)
    assert sticky_assignment(partitions, subscriptions, wanted) == wanted


@given(counts, groups)
def test_a_member_that_leaves_moves_nothing_but_its_own(partitions: dict[str, int], members: set[str]) -> None:
    everyone = {member: frozenset(partitions) for member in members | {"leaver"}}
    before = sticky_assignment(partitions, everyone, {})
    del everyone["leaver"]
    after = sticky_assignment(partitions, everyone, before)
    assert all(after[at] == owner for at, owner in before.items() if owner != "leaver")


@given(counts, st.dictionaries(st.sampled_from(MEMBERS), st.frozensets(st.sampled_from(TOPICS), min_size=1)), owners)
def test_a_member_gets_only_what_it_reads(
    partitions: dict[str, int], subscriptions: dict[str, frozenset[str]], held: dict[TopicPartition, str]
) -> None:
    wanted = sticky_assignment(partitions, subscriptions, held)
    assert all(at.topic in subscriptions[member] for at, member in wanted.items())
    read = frozenset().union(*subscriptions.values())
    assert {at.topic for at in wanted} == partitions.keys() & read
