"""A session of librdkafka 2.0.2, of January 2023, with the broker at `argv[1]`: admin, producer, consumer in a group.

It is run by the Python of an environment that has that version (scripts/install-test-peers), and by itself only:
nothing else of ours is there. What came of it is printed as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from confluent_kafka import Consumer, Producer, libversion
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

RECORDS = 1000
TIMEOUT_S = 60


def main(bootstrap: str) -> None:
    common = {"bootstrap.servers": bootstrap}
    said: dict[str, Any] = {"version": libversion()[0]}
    admin = AdminClient(common)
    admin.create_topics([NewTopic("orders", 3, 1)])["orders"].result(TIMEOUT_S)
    resource = ConfigResource("topic", "orders")
    said["policy"] = admin.describe_configs([resource])[resource].result(TIMEOUT_S)["cleanup.policy"].value

    errors: list[str] = []
    producer = Producer({**common, "enable.idempotence": True, "compression.type": "lz4"})

    def delivered(error: object, record: object) -> None:
        if error is not None:
            errors.append(str(error))

    for number in range(RECORDS):
        producer.produce("orders", str(number), key=str(number), on_delivery=delivered)
    said["unsent"] = producer.flush(TIMEOUT_S)
    said["errors"] = errors

    consumer = Consumer({**common, "group.id": "readers", "auto.offset.reset": "earliest"})
    consumer.subscribe(["orders"])
    values: set[int] = set()
    deadline = time.monotonic() + TIMEOUT_S
    while len(values) < RECORDS and time.monotonic() < deadline:
        record = consumer.poll(1)
        if record is not None and record.error() is None:
            values.add(int(record.value()))
    said["read"] = len(values)
    said["committed"] = sum(place.offset for place in consumer.commit(asynchronous=False))
    said["groups"] = [group.id for group in admin.list_groups("readers", timeout=TIMEOUT_S)]
    consumer.close()
    admin.delete_topics(["orders"])["orders"].result(TIMEOUT_S)
    print(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1])
