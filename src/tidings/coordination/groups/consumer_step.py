"""What comes of a member's being heard of, whichever protocol it speaks. Three things, each only if there is cause:

1. the group's epoch rises if what is read, or by whom, has changed;
2. a target assignment is computed if the group's epoch is beyond the last one's;
3. the member takes a step towards its target.
"""

from __future__ import annotations

from tidings.coordination.groups.consumer.group import ConsumerGroup
from tidings.coordination.groups.consumer.member import ConsumerMember, Target
from tidings.coordination.groups.consumer.reconcile import Reported, reconciled
from tidings.coordination.groups.consumer.records import (
    assignment_record,
    epoch_record,
    member_record,
    regex_record,
    regex_tombstone,
    target_epoch_record,
)
from tidings.coordination.groups.consumer.target import changed_targets, compute_targets
from tidings.coordination.groups.consumer.topics import Regexes, metadata_hash, resolve, resolve_all, subscribed_names
from tidings.coordination.groups.consumer_join import Joined
from tidings.coordination.groups.registry import Registry
from tidings.coordination.outcome import ClientInfo, Now, Record


class Step:
    """Decides on copies; `records` gets what becomes of the group. Good for one member, once."""

    def __init__(
        self, registry: Registry, group: ConsumerGroup, client: ClientInfo, now: Now, records: list[Record]
    ) -> None:
        self.registry = registry
        self.group = group
        self.may_describe = client.may_describe
        self.now = now
        self.records = records
        self.epoch = group.epoch
        self.regexes: Regexes = group.regexes
        self.replaced_id: str | None = None

    def taken(self, joined: Joined, member: ConsumerMember, reported: Reported | None) -> ConsumerMember:
        """The member after it: `member` is what it says it is, `reported` what it says it has, if it does.

        Raises ApiError INVALID_REGULAR_EXPRESSION.
        """
        before = joined.member
        self.records += joined.records
        if member != before or joined.is_new or joined.replaced_id is not None:
            self.records.append(member_record(self.group.group_id, member))
        self.replaced_id = joined.replaced_id
        self._raise_epoch(before, member, joined.is_new)
        return self._reconciled(member, *self._target(member), reported)

    def _members(self, member: ConsumerMember) -> dict[str, ConsumerMember]:
        """All of them, with `member` as it is now."""
        members = {k: m for k, m in self.group.members.items() if k != self.replaced_id}
        members[member.member_id] = member
        return members

    # --- 1: the group's epoch ---

    def _raise_epoch(self, before: ConsumerMember, member: ConsumerMember, is_new: bool) -> None:
        group, topics = self.group, self.registry.topics
        changes = is_new or (before.topic_names, before.topic_regex) != (member.topic_names, member.topic_regex)
        revision = topics.revision
        if not changes and group.checked_revision == revision:
            return
        members = self._members(member).values()
        self._resolve({m.topic_regex for m in members if m.topic_regex} - self._new_regex(before, member, is_new))
        names = frozenset[str]().union(*(subscribed_names(m, self.regexes) for m in members))
        digest = metadata_hash(names, topics)
        if changes or digest != group.metadata_hash or self.regexes != group.regexes:
            self.epoch += 1
            self.records.append(epoch_record(group.group_id, self.epoch, digest))
            group.checked_revision = None
        else:
            # Only now: had something changed, it might fail to be recorded, and would have to be found again.
            group.checked_revision = revision

    def _new_regex(self, before: ConsumerMember, member: ConsumerMember, is_new: bool) -> set[str]:
        """The expression that nobody has subscribed to before: it counts from the next heartbeat on, as in Kafka.

        Raises ApiError INVALID_REGULAR_EXPRESSION.
        """
        regex = member.topic_regex
        if not regex or not (is_new or regex != before.topic_regex) or regex in self.group.regexes:
            return set()
        resolve(regex, self.registry.topics, self.now.wall_ms, self.may_describe)
        return {regex} - {other.topic_regex for other in self.group.members.values() if other is not before}

    def _resolve(self, wanted: set[str]) -> None:
        group = self.group
        topics = self.registry.topics
        self.regexes = resolve_all(sorted(wanted), group.regexes, topics, self.now.wall_ms, self.may_describe)
        for regex, resolved in self.regexes.items():
            if group.regexes.get(regex) is not resolved:
                self.records.append(regex_record(group.group_id, regex, resolved))
        gone = group.regexes.keys() - self.regexes.keys()
        self.records += [regex_tombstone(group.group_id, regex) for regex in sorted(gone)]

    # --- 2: the target assignment ---

    def _target(self, member: ConsumerMember) -> tuple[Target, int]:
        group = self.group
        targets = group.targets
        if self.replaced_id is not None and self.replaced_id in targets:
            targets = {member.member_id if k == self.replaced_id else k: t for k, t in targets.items()}
        if self.epoch <= group.target_epoch:
            return targets.get(member.member_id, {}), group.target_epoch
        computed = compute_targets(self._members(member), targets, self.regexes, self.registry.topics)
        self.records += changed_targets(group.group_id, targets, computed)
        self.records.append(target_epoch_record(group.group_id, self.epoch, self.now.wall_ms))
        return computed[member.member_id], self.epoch

    # --- 3: the member's step ---

    def _reconciled(
        self, member: ConsumerMember, target: Target, target_epoch: int, reported: Reported | None
    ) -> ConsumerMember:
        owners = self.group.owners
        not_others = (None, member.member_id, self.replaced_id)
        after = reconciled(
            member, target, target_epoch, lambda partition: owners.get(partition) in not_others, reported
        )
        if after is not member:
            self.records.append(assignment_record(self.group.group_id, after))
        return after
