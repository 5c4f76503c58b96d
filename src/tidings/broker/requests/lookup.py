"""From what a client names to the partition it means, with the errors Kafka has for what is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidings.log.partition import Partition
from tidings.wire.error_codes import ApiError, ErrorCode

if TYPE_CHECKING:
    from tidings.broker.catalog.catalog import Catalog
    from tidings.broker.catalog.topic import Topic

TopicKey = str | bytes
"""A topic's name, or its id."""


def find_topic(catalog: Catalog, key: TopicKey) -> Topic:
    """Raises ApiError UNKNOWN_TOPIC_OR_PARTITION or UNKNOWN_TOPIC_ID."""
    if isinstance(key, str):
        return catalog.topic(key)
    topic = catalog.topic_by_id(key)
    if topic is None:
        raise ApiError(ErrorCode.UNKNOWN_TOPIC_ID, f"there is no topic with id {key.hex()}")
    return topic


def find_partition(catalog: Catalog, key: TopicKey, index: int) -> Partition:
    """Raises ApiError as `find_topic`, and KAFKA_STORAGE_ERROR for a partition that is offline."""
    return catalog.log_of(find_topic(catalog, key), index)


def check_leader_epoch(partition: Partition, epoch: int) -> None:
    """Refuse a client whose metadata is older or newer than ours (KIP-320). It gives -1 if it does not care."""
    if epoch < 0 or epoch == partition.leader_epoch:
        return
    if epoch < partition.leader_epoch:
        raise ApiError(ErrorCode.FENCED_LEADER_EPOCH, f"leader epoch {epoch} is over; it is {partition.leader_epoch}")
    raise ApiError(ErrorCode.UNKNOWN_LEADER_EPOCH, f"leader epoch {epoch} is not here yet; {partition.leader_epoch} is")
