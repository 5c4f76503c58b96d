"""The share coordinator (KIP-932): keeps share groups' states, and knows who may change them.

A state has to be there before it is read or written: the group coordinator begins it when a group first reads a topic.
As with every coordinator, decisions give records, and only `replay` changes what is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tidings.coordination.outcome import Now, Outcome, Producer
from tidings.coordination.share_state.batches import combined
from tidings.coordination.share_state.records import (
    Kept,
    Update,
    read_record,
    snapshot_record,
    tombstone,
    update_record,
)
from tidings.coordination.share_state.state import NO_COUNT, NO_EPOCH, NO_OFFSET, Place, ShareState, StateBatch
from tidings.coordination.topics import TopicDirectory
from tidings.wire.error_codes import ApiError, ErrorCode

FIRST_LEADER_EPOCH = 0
NOTHING = ShareState(state_epoch=0, leader_epoch=0)
"""What is told of a state that is not there, to who does not insist."""


class ShareStateCoordinator:
    def __init__(self, topics: TopicDirectory) -> None:
        self._topics = topics
        self._kept: dict[Place, Kept] = {}

    # --- what there is ---

    def read(self, place: Place, leader_epoch: int = NO_EPOCH) -> tuple[ShareState, Outcome]:
        """The state, for who is to lead the partition from now on: in a later epoch than before, that is recorded.

        Raises ApiError INVALID_REQUEST if there is none, FENCED_LEADER_EPOCH, UNKNOWN_TOPIC_OR_PARTITION.
        """
        kept = self._existing(place, "Read")
        _check_leader_epoch(kept.state, leader_epoch)
        self._check_partition(place)
        state = kept.state
        if leader_epoch in (NO_EPOCH, state.leader_epoch):
            return state, Outcome()
        update = Update(
            kept.snapshot_epoch, leader_epoch, state.start_offset, state.delivery_complete_count, batches=()
        )
        return state._replace(leader_epoch=leader_epoch), Outcome([update_record(place, update)])

    def summary(self, place: Place) -> ShareState:
        """What is known, or NOTHING. Raises ApiError UNKNOWN_TOPIC_OR_PARTITION."""
        self._check_partition(place)
        kept = self._kept.get(place)
        return NOTHING if kept is None else kept.state

    def has(self, place: Place) -> bool:
        return place in self._kept

    def places(self, group_id: str) -> list[Place]:
        """Those of one group."""
        return [place for place in self._kept if place.group_id == group_id]

    def all_places(self) -> list[Place]:
        """Those of every group."""
        return list(self._kept)

    # --- what changes it ---

    def initialize(self, place: Place, state_epoch: int, start_offset: int, now: Now) -> Outcome:
        """Begin a state, or begin it anew. Raises ApiError FENCED_STATE_EPOCH, UNKNOWN_TOPIC_OR_PARTITION."""
        before = self._kept.get(place)
        if before is not None and NO_EPOCH != state_epoch < before.state.state_epoch:
            raise ApiError(ErrorCode.FENCED_STATE_EPOCH)
        self._check_partition(place)
        count = NO_COUNT if start_offset == NO_OFFSET else 0
        kept = Kept(
            ShareState(state_epoch, FIRST_LEADER_EPOCH, start_offset, count),
            snapshot_epoch=0 if before is None else before.snapshot_epoch + 1,
            created_wall_ms=now.wall_ms,
            written_wall_ms=now.wall_ms,
        )
        return Outcome([snapshot_record(place, kept)])

    def write(self, place: Place, written: ShareState) -> Outcome:
        """Lay `written` over what is known. An epoch or a start offset of -1 says nothing.

        Raises ApiError INVALID_REQUEST if there is no state, FENCED_LEADER_EPOCH, FENCED_STATE_EPOCH,
        UNKNOWN_TOPIC_OR_PARTITION.
        """
        kept = self._existing(place, "Write")
        _check_leader_epoch(kept.state, written.leader_epoch)
        if NO_EPOCH != written.state_epoch < kept.state.state_epoch:
            raise ApiError(ErrorCode.FENCED_STATE_EPOCH)
        self._check_partition(place)
        update = Update(
            kept.snapshot_epoch,
            kept.state.leader_epoch,
            written.start_offset,
            written.delivery_complete_count,
            combined(written.batches, written.start_offset),
        )
        return Outcome([update_record(place, update)])

    def delete(self, places: Iterable[Place]) -> Outcome:
        """What is not there needs no deleting."""
        return Outcome([tombstone(place) for place in places if place in self._kept])

    def topics_deleted(self, topic_ids: Iterable[bytes]) -> Outcome:
        gone = frozenset(topic_ids)
        return self.delete([place for place in self._kept if place.topic_id in gone])

    # --- checks ---

    def _existing(self, place: Place, operation: str) -> Kept:
        kept = self._kept.get(place)
        if kept is None:
            message = f"{operation} operation on uninitialized share partition not allowed."
            raise ApiError(ErrorCode.INVALID_REQUEST, message)
        return kept

    def _check_partition(self, place: Place) -> None:
        name = self._topics.topic_name(place.topic_id)
        if name is None or not 0 <= place.partition < self._topics.partition_count(name):
            raise ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)

    # --- time and the log ---

    def start(self, now: Now) -> Outcome:
        """Drops what a crash between the deletion of a topic and that of its states left behind."""
        return self.delete([place for place in self._kept if self._topics.topic_name(place.topic_id) is None])

    def next_deadline_ms(self) -> int | None:
        return None

    def tick(self, now: Now) -> Iterator[Outcome]:
        return iter(())

    def replay(self, key: bytes, value: bytes | None, producer: Producer | None = None) -> None:
        """Do what the record says. Raises DiskError if it says nothing we know."""
        place, said = read_record(key, value)
        if said is None:
            self._kept.pop(place, None)
        elif isinstance(said, Kept):
            self._kept[place] = said
        elif place in self._kept:
            self._kept[place] = _updated(self._kept[place], said)

    def snapshot(self) -> Iterator[tuple[bytes, bytes]]:
        """What lasts, as records: replayed into a fresh coordinator they give the same state.

        It may be taken in pieces while requests go on, as the group coordinator's may.
        """
        for place in list(self._kept):
            kept = self._kept.get(place)
            if kept is not None:
                yield snapshot_record(place, kept)


def _check_leader_epoch(state: ShareState, leader_epoch: int) -> None:
    if NO_EPOCH != leader_epoch < state.leader_epoch:
        raise ApiError(ErrorCode.FENCED_LEADER_EPOCH)


def _updated(kept: Kept, update: Update) -> Kept:
    state = kept.state
    start_offset = state.start_offset if update.start_offset == NO_OFFSET else update.start_offset
    batches: tuple[StateBatch, ...] = combined((*state.batches, *update.batches), start_offset)
    leader_epoch = state.leader_epoch if update.leader_epoch == NO_EPOCH else update.leader_epoch
    state = ShareState(state.state_epoch, leader_epoch, start_offset, update.delivery_complete_count, batches)
    return Kept(state, kept.snapshot_epoch, kept.created_wall_ms, kept.written_wall_ms)
