"""The few calls of kafka-topics.sh and kafka-acls.sh that librdkafka's tests make, without a Java to start for each."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewPartitions,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

TIMEOUT_S = 30


def kafka_topics(arguments: Sequence[str]) -> None:
    """Create, alter (the number of partitions) or delete one topic. Raises KafkaException if the broker refuses."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--bootstrap-server", required=True)
    parser.add_argument("--create", action="store_true")
    parser.add_argument("--alter", action="store_true")
    parser.add_argument("--delete", action="store_true")
    parser.add_argument("--topic", required=True)
    parser.add_argument("--partitions", type=int, default=-1)
    parser.add_argument("--replication-factor", type=int, default=-1)
    parser.add_argument("--config", action="append", default=[])
    asked = parser.parse_args(arguments)
    admin = AdminClient({"bootstrap.servers": asked.bootstrap_server})
    if asked.create:
        settings = dict(setting.split("=", 1) for setting in asked.config)
        topic = NewTopic(asked.topic, asked.partitions, asked.replication_factor, config=settings)
        done = admin.create_topics([topic])
    elif asked.alter:
        done = admin.create_partitions([NewPartitions(asked.topic, asked.partitions)])
    elif asked.delete:
        done = admin.delete_topics([asked.topic])
    else:
        parser.error("one of --create, --alter, --delete")
    done[asked.topic].result(TIMEOUT_S)


def kafka_acls(arguments: Sequence[str]) -> None:
    """Add or remove one rule about one topic. Raises KafkaException if the broker refuses."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--bootstrap-server", required=True)
    parser.add_argument("--add", action="store_true")
    parser.add_argument("--remove", action="store_true")
    parser.add_argument("--force", action="store_true")
    parser.add_argument("--allow-principal")
    parser.add_argument("--deny-principal")
    parser.add_argument("--operation", required=True)
    parser.add_argument("--allow-host", default="*")
    parser.add_argument("--deny-host", default="*")
    parser.add_argument("--topic", required=True)
    asked = parser.parse_args(arguments)
    admin = AdminClient({"bootstrap.servers": asked.bootstrap_server})
    rule = (
        ResourceType.TOPIC,
        asked.topic,
        ResourcePatternType.LITERAL,
        asked.deny_principal or asked.allow_principal,
        asked.deny_host if asked.deny_principal else asked.allow_host,
        AclOperation[asked.operation.upper()],
        AclPermissionType.DENY if asked.deny_principal else AclPermissionType.ALLOW,
    )
    done = admin.create_acls([AclBinding(*rule)]) if asked.add else admin.delete_acls([AclBindingFilter(*rule)])
    for future in done.values():
        future.result(TIMEOUT_S)


if __name__ == "__main__":
    tool, *rest = sys.argv[1:]
    {"kafka-topics.sh": kafka_topics, "kafka-acls.sh": kafka_acls}[tool](rest)
