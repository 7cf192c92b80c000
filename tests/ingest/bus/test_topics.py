from __future__ import annotations

from ingest.bus import topics
from ingest.bus.topics import learned_topic, state_topic, topic_specs


def test_partition_p_of_one_topic_feeds_partition_p_of_the_next() -> None:
    specs = {spec.name: spec for spec in topic_specs(12, ["detect", "perceive"])}
    assert {spec.partitions for name, spec in specs.items() if name != topics.DEAD} == {12}
    assert specs[topics.DEAD].partitions == 1


def test_what_must_outlive_a_restart_is_compacted_and_the_rest_is_not_kept_for_ever() -> None:
    kept = {spec.name: spec.retention_s for spec in topic_specs(1, ["detect"])}
    assert {name for name, retention_s in kept.items() if retention_s is None} == {
        topics.CAMERAS,
        topics.ZONES,
        state_topic("detect"),
        learned_topic("detect"),
    }
    assert kept[topics.OBSERVATIONS] == 3_600
    assert kept[topics.FINDINGS] == kept[topics.ALERTS] == kept[topics.DEAD] == 7 * 86_400
    assert kept[topics.FRAMES] in range(60, 601)
