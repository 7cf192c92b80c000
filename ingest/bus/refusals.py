"""What every back end refuses, said in the same words."""

from __future__ import annotations

from ingest.bus.contract import TopicPartition, TopicSpec
from ingest.counted import counted
from ingest.errors import BusError, BusRetryable, SettingsError


def partition_mismatch(spec: TopicSpec, got: int) -> SettingsError:
    """A topic is there with another number of partitions."""
    mend = "Set bus.partitions back: a site cannot leave its partition under its snapshots."
    return SettingsError(f"topic {spec.name}", expected=counted(spec.partitions, "partition"), got=f"{got}", mend=mend)


def missing(at: TopicPartition) -> SettingsError:
    """A topic or partition is not there."""
    mend = "Create the topics with `drumtower topics create`."
    return SettingsError(f"topic {at.topic}", expected=f"partition {at.partition}", got="no such partition", mend=mend)


def record_too_large(topic: str, bytes_max: int, got: int) -> BusError:
    """A record is larger than its topic takes."""
    mend = "Send large things by reference, or raise the topic's message_bytes_max."
    return BusError(f"topic {topic}", expected=f"a record of at most {bytes_max} bytes", got=f"{got}", mend=mend)


def in_flight_full(bytes_max: int, got: int) -> BusRetryable:
    """Appends come faster than the bus takes them."""
    mend = "Wait for the bus to come back, commit or flush more often, or raise bytes_in_flight_max."
    return BusRetryable("bus", expected=f"at most {bytes_max} bytes in flight", got=f"{got}", mend=mend)
