"""The states of share groups' partitions, as the group coordinator's APIs need them: begun, told, altered, deleted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from tidings.coordination.share_state.state import NO_COUNT, NO_OFFSET, Place
from tidings.wire.error_codes import ApiError, ErrorCode

if TYPE_CHECKING:
    from tidings.broker.catalog.topic import Topic
    from tidings.broker.server import Broker

FIRST_STATE_EPOCH = 0
UNKNOWN_LAG = -1


async def begin(broker: Broker, group_id: str, names: Iterable[str]) -> None:
    """Begin the states that are missing of these topics' partitions. Raises ApiError.

    Where a group begins in a topic is for `share.auto.offset.reset` to say. Partitions that a topic gets later are read
    from their first record: else what came before the group noticed would be lost to it, as it may be in Apache Kafka.
    So are a topic's last partitions if only the first ones were given offsets before the group had members.
    """
    missing: dict[Place, int] = {}
    for name in names:
        topic = broker.catalog.topics.get(name)
        if topic is None:
            continue
        places = [Place(group_id, topic.id, replica.index) for replica in topic.partitions]
        new = [place for place in places if not broker.share_state.has(place)]
        has_grown = 0 < len(new) < len(places) and new == places[-len(new) :]
        missing |= dict.fromkeys(new, 0 if has_grown else NO_OFFSET)
    if missing:
        await broker.share_state.initialize(missing, FIRST_STATE_EPOCH)


def check_empty(broker: Broker, group_id: str) -> None:
    """Raises ApiError GROUP_ID_NOT_FOUND; NON_EMPTY_GROUP while somebody is in it, who would not notice a change."""
    if not group_id:
        raise ApiError(ErrorCode.INVALID_GROUP_ID)
    if not broker.groups.coordinator.may_be_shared(group_id):
        raise ApiError(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} is not a share group.")
    group = broker.groups.coordinator.share_group(group_id)
    if group is None:
        raise ApiError(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} not found.")
    if group.members:
        raise ApiError(ErrorCode.NON_EMPTY_GROUP, "The group is not empty.")


async def check_empty_or_make(broker: Broker, group_id: str) -> None:
    """`check_empty`, but a group that is not there yet is made, so that it begins where it is told to."""
    coordinator = broker.groups.coordinator
    if group_id and coordinator.may_be_shared(group_id) and coordinator.share_group(group_id) is None:
        await broker.groups.keep(coordinator.new_share_group(group_id))
    check_empty(broker, group_id)


def of_group(broker: Broker, group_id: str) -> dict[Topic, list[Place]]:
    """The places that a group has states of, by topic; those of topics that are gone are left out."""
    found: dict[Topic, list[Place]] = {}
    for place in broker.share_state.places(group_id):
        topic = broker.catalog.topic_by_id(place.topic_id)
        if topic is not None:
            found.setdefault(topic, []).append(place)
    return found


def lag(broker: Broker, place: Place) -> int:
    """How many records the group has yet to finish there (KIP-1226); UNKNOWN_LAG if it has not begun to count.

    Raises ApiError.
    """
    state = broker.share_state.summary(*place)
    topic = broker.catalog.topic_by_id(place.topic_id)
    if topic is None or state.start_offset == NO_OFFSET or state.delivery_complete_count == NO_COUNT:
        return UNKNOWN_LAG
    log = broker.catalog.partition(topic.name, place.partition)
    start_offset = max(state.start_offset, log.log_start_offset)
    return max(0, log.high_watermark - start_offset - state.delivery_complete_count)


async def begin_at(broker: Broker, start_offsets: Mapping[Place, int]) -> None:
    """Begin states anew, at these offsets: whoever holds records of before is fenced. Raises ApiError."""
    for place, start_offset in start_offsets.items():
        epoch = broker.share_state.summary(*place).state_epoch + 1
        await broker.share_state.initialize({place: start_offset}, epoch)
        broker.share_partitions.forget(*place)


async def delete(broker: Broker, places: Iterable[Place]) -> None:
    """Raises ApiError."""
    places = list(places)
    if places:
        await broker.share_state.delete(places)
    for place in places:
        broker.share_partitions.forget(*place)
