"""The target assignment: computed for all members at once, recorded where it differs from the one before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tidings.coordination.groups.consumer.assignors import ASSIGNORS, UNIFORM, Subscriber
from tidings.coordination.groups.consumer.group import preferred_assignor
from tidings.coordination.groups.consumer.member import ConsumerMember, Target
from tidings.coordination.groups.consumer.records import target_record
from tidings.coordination.groups.consumer.topics import Regexes, subscribed_names
from tidings.coordination.outcome import Record
from tidings.coordination.topics import TopicDirectory

Targets = Mapping[str, Target]


def compute_targets(
    members: Mapping[str, ConsumerMember], before: Targets, regexes: Regexes, topics: TopicDirectory
) -> dict[str, Target]:
    """What each of `members` is to have, `before` being what it was to have so far."""
    counts: dict[bytes, int] = {}
    ids: dict[frozenset[str], frozenset[bytes]] = {}
    subscribers = {}
    for member_id, member in members.items():
        names = subscribed_names(member, regexes)
        if names not in ids:  # most members subscribe to the same
            found = {topics.topic_id(name): topics.partition_count(name) for name in names}
            counts |= {topic_id: count for topic_id, count in found.items() if count}
            ids[names] = frozenset(counts.keys() & found.keys())
        subscribers[member_id] = Subscriber(ids[names], before.get(member_id, {}), member.instance_id)
    assign = ASSIGNORS[preferred_assignor(members.values(), UNIFORM)]
    assigned = assign(subscribers, dict(sorted(counts.items())))
    return {
        member_id: {topic_id: frozenset(partitions) for topic_id, partitions in topics.items()}
        for member_id, topics in assigned.items()
    }


def changed_targets(group_id: str, before: Targets, after: Targets) -> Iterator[Record]:
    for member_id, target in after.items():
        if member_id not in before or before[member_id] != target:
            yield target_record(group_id, member_id, target)
