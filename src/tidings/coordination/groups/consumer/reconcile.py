"""How a member comes from what it has to what it is to have: it gives up first, is given afterwards.

| state                 | it has said                     | next                                                       |
|-----------------------|---------------------------------|------------------------------------------------------------|
| STABLE                | anything                        | stays, unless there is a target of another epoch           |
| UNREVOKED_PARTITIONS  | not yet that it gave them up    | stays, at its epoch; the rebalance timeout runs            |
| UNREVOKED_PARTITIONS  | that it gave them up            | walks on to the newest target                              |
| UNRELEASED_PARTITIONS | anything                        | is given what was given up by others since                 |

So a partition has one owner at any time: it is given only when nobody has it, and nobody's while it may still be read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tidings.coordination.groups.consumer.member import ConsumerMember, MemberState, Owned, Target

IsFree = Callable[[tuple[bytes, int]], bool]
Reported = Mapping[bytes, set[int]]
"""What a member says it has."""


def reconciled(
    member: ConsumerMember, target: Target, target_epoch: int, is_free: IsFree, reported: Reported | None
) -> ConsumerMember:
    """The member after one more step; the same object if there is none to take.

    `is_free` tells whether no other member has a partition. `reported` is None if the member did not say what it has.
    """
    if member.is_settled(target_epoch):
        return member
    if member.state is MemberState.UNREVOKED_PARTITIONS and _may_still_read(member.revoking, reported):
        return member
    kept: dict[bytes, dict[int, int]] = {}
    revoked: dict[bytes, dict[int, int]] = {}
    for topic_id, partitions in member.assigned.items():
        wanted = target.get(topic_id, frozenset())
        for partition, epoch in partitions.items():
            (kept if partition in wanted else revoked).setdefault(topic_id, {})[partition] = epoch
    if revoked and _may_still_read(revoked, reported):
        return member.at_epoch(member.epoch, MemberState.UNREVOKED_PARTITIONS, kept, revoked)
    state = MemberState.STABLE
    for topic_id, partitions_wanted in target.items():
        for partition in sorted(partitions_wanted):
            if partition in kept.get(topic_id, ()):
                continue
            if is_free((topic_id, partition)):
                kept.setdefault(topic_id, {})[partition] = target_epoch
            else:
                state = MemberState.UNRELEASED_PARTITIONS
    return _or_same(member, member.at_epoch(target_epoch, state, kept))


def _may_still_read(revoking: Owned, reported: Reported | None) -> bool:
    """It does not until it says so."""
    if reported is None:
        return True
    return any(not partitions.keys().isdisjoint(reported.get(topic, ())) for topic, partitions in revoking.items())


def _or_same(before: ConsumerMember, after: ConsumerMember) -> ConsumerMember:
    """Nothing needs to be recorded if only the previous epoch differs because the epoch did not change."""
    unchanged = (after.epoch, after.state, after.assigned, after.revoking) == (
        before.epoch,
        before.state,
        before.assigned,
        before.revoking,
    )
    return before if unchanged else after
