"""Who owns which partition, for the buses that have no broker to ask."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from ingest.bus.contract import TopicPartition


def sticky_assignment(
    partitions: Mapping[str, int],
    subscriptions: Mapping[str, frozenset[str]],
    owners: Mapping[TopicPartition, str],
) -> dict[TopicPartition, str]:
    """
    The member that should own each partition: shares differ by one at most, and what need not move stays.

    Every member computes it for itself from the same facts, so it depends on nothing else.

    Args:
        partitions: number of partitions of each topic.
        subscriptions: the topics that each live member reads.
        owners: who owns what now; owners that are not live members, and partitions that are gone, are passed over.

    Returns:
        The member of each partition; a partition that nobody subscribes to is left out.
    """
    wanted: dict[TopicPartition, str] = {}
    # Topics with the same readers are shared out together, so that many topics of one partition spread as well.
    readers = {
        topic: tuple(sorted(m for m, topics in subscriptions.items() if topic in topics)) for topic in partitions
    }
    shared = sorted((readers[topic], topic) for topic in partitions if readers[topic])
    for members, group in groupby(shared, key=lambda pair: pair[0]):
        all_of_them = [TopicPartition(topic, p) for _, topic in group for p in range(partitions[topic])]
        wanted |= _share(all_of_them, members, owners)
    return wanted


def _share(
    partitions: list[TopicPartition], members: tuple[str, ...], owners: Mapping[TopicPartition, str]
) -> dict[TopicPartition, str]:
    held: dict[str, list[TopicPartition]] = {member: [] for member in members}
    for at in partitions:
        if (owner := owners.get(at)) in held:
            held[owner].append(at)
    floor, rest = divmod(len(partitions), len(members))
    # The one more of an uneven share goes to those who hold most already: fewest moves.
    by_load = sorted(members, key=lambda member: (-len(held[member]), member))
    share = {member: floor + (rank < rest) for rank, member in enumerate(by_load)}
    kept = {at: member for member in members for at in held[member][: share[member]]}
    room = [member for member in by_load for _ in range(share[member] - min(len(held[member]), share[member]))]
    free = [at for at in partitions if at not in kept]
    return kept | dict(zip(free, room, strict=True))
