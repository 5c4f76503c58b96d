"""The assignor of share groups, Kafka's `simple`: every partition has somebody who reads it, and everybody something.

With more members than partitions several share one; with fewer, each has several. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from tidings.coordination.groups.share.group import Assigned, ShareMember
from tidings.coordination.topics import TopicDirectory

SIMPLE = "simple"


def assign(members: Mapping[str, ShareMember], topics: TopicDirectory) -> dict[str, Assigned]:
    """What each of `members` is to have. Members that read the same topics are dealt with together, in their order."""
    alike: defaultdict[frozenset[str], list[str]] = defaultdict(list)
    for member_id in sorted(members):
        alike[members[member_id].topic_names].append(member_id)
    targets: dict[str, dict[bytes, set[int]]] = {member_id: {} for member_id in members}
    for names, member_ids in alike.items():
        partitions = [
            (topics.topic_id(name), partition)
            for name in sorted(names)
            for partition in range(topics.partition_count(name))
        ]
        for turn in range(max(len(partitions), len(member_ids)) if partitions else 0):
            topic_id, partition = partitions[turn % len(partitions)]
            targets[member_ids[turn % len(member_ids)]].setdefault(topic_id, set()).add(partition)
    return {
        member_id: {topic_id: frozenset(partitions) for topic_id, partitions in target.items()}
        for member_id, target in targets.items()
    }
