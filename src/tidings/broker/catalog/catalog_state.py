"""What topics there are and which settings hold: pure state. A change is planned as records, made by replaying them.

Plans check everything a client may have got wrong and raise ApiError; replaying what is in the log does not fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum

from tidings.broker.catalog.topic import NewTopic, Replica, Topic
from tidings.broker.catalog.topic_names import (
    GROUP_OFFSETS,
    INTERNAL,
    SHARE_STATE,
    TRANSACTIONS,
    check_collision,
    check_name,
    folded,
)
from tidings.broker.settings.resolved import Settings
from tidings.broker.settings.topic_configs import checked
from tidings.coordination.quotas.limits import QuotaLimits
from tidings.security.acl import AccessControl
from tidings.security.rules import Rule
from tidings.security.scram import Credential, Credentials
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.message import Message
from tidings.wire.messages.metadata_records import (
    AccessControlEntryRecord,
    ClientQuotaRecord,
    ConfigRecord,
    PartitionRecord,
    ProducerIdsRecord,
    RemoveAccessControlEntryRecord,
    RemoveTopicRecord,
    RemoveUserScramCredentialRecord,
    TopicRecord,
    UserScramCredentialRecord,
)

PARTITIONS_MAX = 100_000
"""Of all topics together: what one node can be asked to look after."""

_COORDINATOR_LOG = {
    "cleanup.policy": "compact",
    "compression.type": "producer",
    "max.message.bytes": "104857600",  # all that is known of one group or transaction is one record
    "segment.bytes": "1048576",  # rewritten when long (see coordinator_log), it lets go of whole segments
}
INTERNAL_CONFIGS = {
    GROUP_OFFSETS: _COORDINATOR_LOG,
    TRANSACTIONS: _COORDINATOR_LOG,
    SHARE_STATE: {**_COORDINATOR_LOG, "cleanup.policy": "delete", "retention.ms": "-1"},
}


class ResourceType(IntEnum):
    """What settings belong to."""

    TOPIC = 2
    BROKER = 4
    CLIENT_METRICS = 16
    GROUP = 32


class CatalogState:
    """Topics, the settings of each layer and of groups, quotas, rules, passwords. Only `replay` changes anything."""

    def __init__(self, node_id: int, settings: Settings, access: AccessControl) -> None:
        self.topics: dict[str, Topic] = {}
        self.settings = settings
        self.access = access
        self.scram = Credentials()
        self.groups: dict[str, dict[str, str]] = {}
        self.client_metrics: dict[str, dict[str, str]] = {}
        self._named: dict[int, dict[str, dict[str, str]]] = {
            ResourceType.GROUP: self.groups,
            ResourceType.CLIENT_METRICS: self.client_metrics,
        }
        self.quotas = QuotaLimits()
        self.partition_count = 0
        self.revision = 0
        """Rises with every topic that is created, grows or is deleted."""
        self.removed_ids: set[bytes] = set()
        self.producer_ids: ProducerIdsRecord | None = None
        self._node_id = node_id
        self._by_id: dict[bytes, Topic] = {}
        self._by_folded_name: dict[str, set[str]] = {}
        self._last_epoch: dict[str, int] = {}  # of names that were removed
        self._replayers: dict[type[Message], Callable[..., None]] = {
            TopicRecord: self._replay_topic,
            PartitionRecord: self._replay_partition,
            RemoveTopicRecord: self._replay_removal,
            ConfigRecord: self._replay_config,
            ProducerIdsRecord: self._replay_producer_ids,
            ClientQuotaRecord: self.quotas.replay,
            AccessControlEntryRecord: self._replay_rule,
            RemoveAccessControlEntryRecord: self._replay_rule_removal,
            UserScramCredentialRecord: self._replay_scram,
            RemoveUserScramCredentialRecord: self._replay_scram_removal,
        }

    def topic(self, name: str) -> Topic:
        """Raises ApiError UNKNOWN_TOPIC_OR_PARTITION."""
        found = self.topics.get(name)
        if found is None:
            raise ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"The topic '{name}' does not exist.")
        return found

    def topic_by_id(self, topic_id: bytes) -> Topic | None:
        return self._by_id.get(topic_id)

    def check_topic(self, new: NewTopic, partitions_ahead: int = 0) -> dict[str, str]:
        """Whether a topic can be had once `partitions_ahead` others are made; its settings. Raises ApiError."""
        check_name(new.name)
        check_collision(new.name, self._by_folded_name.get(folded(new.name), ()))
        if new.partition_count < 1:
            raise ApiError(
                ErrorCode.INVALID_PARTITIONS, "Number of partitions was set to an invalid non-positive value."
            )
        if new.name in INTERNAL and new.partition_count != 1:
            raise ApiError(ErrorCode.INVALID_PARTITIONS, f"{new.name} has one partition on this broker.")
        self._check_room(partitions_ahead + new.partition_count)
        return checked({**INTERNAL_CONFIGS.get(new.name, {}), **new.configs})

    def plan_topic(self, new: NewTopic, topic_id: bytes, partitions_ahead: int = 0) -> list[Message]:
        """The records that create a topic."""
        configs = self.check_topic(new, partitions_ahead)
        epoch = self._last_epoch.get(new.name, -1) + 1
        return [
            TopicRecord(name=new.name, topic_id=topic_id),
            *_config_records(ResourceType.TOPIC, new.name, {}, configs),
            *self._partition_records(topic_id, range(new.partition_count), epoch),
        ]

    def plan_partitions(self, topic: Topic, count: int) -> list[Message]:
        """The records that let `topic` have `count` partitions."""
        current = len(topic.partitions)
        if count == current:
            raise ApiError(ErrorCode.INVALID_PARTITIONS, f"Topic already has {current} partition(s).")
        if count < current:
            raise ApiError(
                ErrorCode.INVALID_PARTITIONS,
                f"The topic {topic.name} currently has {current} partition(s); {count} would not be an increase.",
            )
        if topic.is_internal:
            raise ApiError(ErrorCode.INVALID_PARTITIONS, f"{topic.name} has one partition on this broker.")
        self._check_room(count - current)
        return list(self._partition_records(topic.id, range(current, count), topic.partitions[0].leader_epoch))

    def plan_removal(self, topic: Topic) -> list[Message]:
        if self._by_id.get(topic.id) is not topic:
            raise ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"The topic '{topic.name}' does not exist.")
        if topic.is_internal:
            raise ApiError(ErrorCode.INVALID_REQUEST, f"{topic.name} belongs to the broker.")
        return [RemoveTopicRecord(topic_id=topic.id)]

    def plan_configs(
        self, kind: ResourceType, name: str, current: Mapping[str, str], wanted: Mapping[str, str]
    ) -> list[Message]:
        """The records that make `current` into `wanted`, both already found valid."""
        return list(_config_records(kind, name, current, wanted))

    def replay(self, record: Message) -> None:
        self._replayers[type(record)](record)

    def _check_room(self, more: int) -> None:
        if self.partition_count + more > PARTITIONS_MAX:
            raise ApiError(
                ErrorCode.INVALID_PARTITIONS,
                f"There are {self.partition_count} partitions, and this broker takes no more than {PARTITIONS_MAX}.",
            )

    def _partition_records(self, topic_id: bytes, indexes: range, leader_epoch: int) -> Iterator[Message]:
        for index in indexes:
            yield PartitionRecord(
                partition_id=index,
                topic_id=topic_id,
                replicas=[self._node_id],
                isr=[self._node_id],
                leader=self._node_id,
                leader_epoch=leader_epoch,
                partition_epoch=0,
            )

    def _replay_topic(self, record: TopicRecord) -> None:
        self.revision += 1
        topic = Topic(record.name, record.topic_id)
        self.topics[record.name] = self._by_id[record.topic_id] = topic
        self._by_folded_name.setdefault(folded(record.name), set()).add(record.name)

    def _replay_partition(self, record: PartitionRecord) -> None:
        self.revision += 1
        self._by_id[record.topic_id].partitions.append(Replica(record.partition_id, record.leader_epoch))
        self.partition_count += 1

    def _replay_removal(self, record: RemoveTopicRecord) -> None:
        self.revision += 1
        topic = self._by_id.pop(record.topic_id)
        del self.topics[topic.name]
        alike = self._by_folded_name[folded(topic.name)]
        alike.discard(topic.name)
        if not alike:
            del self._by_folded_name[folded(topic.name)]
        self.partition_count -= len(topic.partitions)
        self.removed_ids.add(topic.id)
        self._last_epoch[topic.name] = max((replica.leader_epoch for replica in topic.partitions), default=0)

    def _replay_config(self, record: ConfigRecord) -> None:
        if record.resource_type == ResourceType.TOPIC:
            configs = self.topics[record.resource_name].configs
        elif record.resource_type in self._named:
            configs = self._named[record.resource_type].setdefault(record.resource_name, {})
        else:
            configs = self.settings.dynamic.setdefault(record.resource_name, {})
        if record.value is None:
            configs.pop(record.name, None)
        else:
            configs[record.name] = record.value
        if not configs and record.resource_type in self._named:
            del self._named[record.resource_type][record.resource_name]

    def _replay_producer_ids(self, record: ProducerIdsRecord) -> None:
        self.producer_ids = record

    def _replay_rule(self, record: AccessControlEntryRecord) -> None:
        rule = Rule(
            record.resource_type,
            record.resource_name,
            record.pattern_type,
            record.principal,
            record.host,
            record.operation,
            record.permission_type,
        )
        self.access.add(record.id, rule)

    def _replay_scram(self, record: UserScramCredentialRecord) -> None:
        kept = Credential(record.salt, record.stored_key, record.server_key, record.iterations)
        self.scram.put(record.name, record.mechanism, kept)

    def _replay_scram_removal(self, record: RemoveUserScramCredentialRecord) -> None:
        self.scram.remove(record.name, record.mechanism)

    def _replay_rule_removal(self, record: RemoveAccessControlEntryRecord) -> None:
        self.access.remove(record.id)


def _config_records(
    kind: ResourceType, resource: str, current: Mapping[str, str], wanted: Mapping[str, str]
) -> Iterator[Message]:
    for name in sorted(current.keys() | wanted.keys()):
        if current.get(name) != wanted.get(name):
            yield ConfigRecord(resource_type=kind, resource_name=resource, name=name, value=wanted.get(name))
