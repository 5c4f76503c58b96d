"""How far a topic is delivered: to every group that reads it. Store-backed streams are purged up to there.

A group reads a topic if a member subscribes to it, and as long as offsets are committed for it: so one whose members
are all away is waited for, until it is deleted or its offsets expire. Of a group that subscribes, a partition without
an offset is not delivered at all; a group that picks its partitions itself has those for which it committed one.
"""

from __future__ import annotations

from tidings.coordination.groups.group import Group
from tidings.coordination.groups.registry import Registry


def delivered_to(registry: Registry, topic: str) -> list[int | None]:
    """For each partition the offset that every group has come to; None if no group reads it."""
    reached: list[int | None] = [None] * registry.topics.partition_count(topic)
    for group_id in {*registry.groups, *registry.consumer_groups, *registry.offsets.groups()}:
        committed = registry.offsets.topics(group_id).get(topic, {})
        if not committed and not _is_subscribed(registry, group_id, topic):
            continue
        is_picking = not _subscribes(registry, group_id)
        for partition, known in enumerate(reached):
            if partition in committed:
                offset = committed[partition].offset
            elif is_picking:
                continue
            else:
                offset = 0
            reached[partition] = offset if known is None else min(known, offset)
    return reached


def _is_subscribed(registry: Registry, group_id: str, topic: str) -> bool:
    group = registry.groups.get(group_id) or registry.consumer_groups.get(group_id)
    return group is not None and group.is_subscribed_to(topic)


def _subscribes(registry: Registry, group_id: str) -> bool:
    """Whether its members are given partitions, rather than pick them."""
    group: Group | None = registry.groups.get(group_id)
    return group_id in registry.consumer_groups or (group is not None and group.protocol_type is not None)
