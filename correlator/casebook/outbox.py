"""From the outbox to the bus: each alert at least once, in order, with its stable id."""

from __future__ import annotations

from correlator.casebook.contract import Casebook
from ingest.bus.contract import Draft, Producer
from ingest.bus.topics import ALERTS
from ingest.registry.district import partition_of_site
from ingest.schema.alert import Alert
from ingest.schema.codec import encode_alert

BATCH = 500


def alert_draft(alert: Alert, partitions: int, topic: str = ALERTS) -> Draft:
    """The alert as a record, keyed by its incident; all alerts of a site are in one partition, and keep their order."""
    value, headers = encode_alert(alert)
    partition = partition_of_site(alert.incident.site, partitions)
    return Draft(topic, partition, alert.incident.id.encode(), value, headers)


def publish(
    producer: Producer, casebook: Casebook, receiver: str = "bus", *, partitions: int, topic: str = ALERTS
) -> int:
    """
    Send what `receiver` does not have yet; the number of alerts that were sent.

    The cursor moves only after the bus has acknowledged them all: a crash in between sends some of them again, under
    the same id, and loses none.

    Args:
        producer: without a transactional id.
        partitions: of the topic.

    Raises:
        BusRetryable: not all were acknowledged; call again.
    """
    sent, cursor, is_more = 0, casebook.cursor(receiver), True
    while is_more and (alerts := casebook.alerts_after(cursor, BATCH)):
        for alert in alerts:
            producer.append(alert_draft(alert, partitions, topic))
        producer.flush()
        cursor = alerts[-1].sequence
        casebook.move_cursor(receiver, cursor)
        sent += len(alerts)
        is_more = len(alerts) == BATCH
    return sent
