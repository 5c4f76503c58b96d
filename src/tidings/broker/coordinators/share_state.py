"""Puts the share coordinator together with what this broker has, for those who keep states of share groups.

In Apache Kafka they ask it over the network; here they are in the same process, and await it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from tidings.broker.catalog.catalog import Catalog
from tidings.broker.catalog.topic import Topic
from tidings.broker.catalog.topic_names import SHARE_STATE
from tidings.broker.clock import Clock
from tidings.broker.coordinators.groups import CatalogTopics
from tidings.broker.coordinators.on_demand import OnDemandRuntime
from tidings.broker.durability import Durability
from tidings.coordination.outcome import Outcome
from tidings.coordination.share_state.coordinator import ShareStateCoordinator
from tidings.coordination.share_state.state import NO_EPOCH, Place, ShareState, StateBatch
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.message import Message


class ShareStateRuntime(OnDemandRuntime[ShareStateCoordinator]):
    """Its log is made for the first group that shares a topic.

    Whatever is awaited here raises ApiError COORDINATOR_NOT_AVAILABLE when the log cannot be used, and else what the
    coordinator's method of the same name raises.
    """

    what = "states of share groups"
    topic = SHARE_STATE

    async def read(self, group_id: str, topic_id: bytes, partition: int, *, leader_epoch: int = NO_EPOCH) -> ShareState:
        """The state as it is on the disk; with a `leader_epoch`, earlier leaders are fenced from now on."""
        self._check_available()
        state, outcome = self.coordinator.read(Place(group_id, topic_id, partition), leader_epoch)
        await self.keep(outcome)
        return state

    def write(
        self,
        group_id: str,
        topic_id: bytes,
        partition: int,
        *,
        state_epoch: int,
        leader_epoch: int,
        start_offset: int,
        delivery_complete_count: int,
        batches: Iterable[StateBatch],
    ) -> asyncio.Future[None]:
        """Lay this over what is known; done when it is safe. Later reads and writes see it at once."""
        written = ShareState(state_epoch, leader_epoch, start_offset, delivery_complete_count, tuple(batches))
        try:
            self._check_available()
            return self.keep(self.coordinator.write(Place(group_id, topic_id, partition), written))
        except ApiError as error:
            refused: asyncio.Future[None] = self._loop.create_future()
            refused.set_exception(error)
            return refused

    def summary(self, group_id: str, topic_id: bytes, partition: int) -> ShareState:
        """What is known without insisting that there is something. Raises ApiError."""
        self._check_available()
        return self.coordinator.summary(Place(group_id, topic_id, partition))

    def has(self, place: Place) -> bool:
        return self.coordinator.has(place)

    def places(self, group_id: str) -> list[Place]:
        """Those that a group has states of."""
        return self.coordinator.places(group_id)

    def all_places(self) -> list[Place]:
        """Those that any group has states of."""
        return self.coordinator.all_places()

    async def initialize(self, start_offsets: Mapping[Place, int], state_epoch: int) -> None:
        """Begin these states, all or none; each at its start offset, or NO_OFFSET."""
        await self.begin()
        self._check_available()
        outcome = Outcome()
        for place, start_offset in start_offsets.items():
            outcome.records += self.coordinator.initialize(place, state_epoch, start_offset, self._now()).records
        await self.keep(outcome)

    async def delete(self, places: Iterable[Place]) -> None:
        self._check_available()
        await self.keep(self.coordinator.delete(places))

    def topics_deleted(self, topic_ids: Iterable[bytes]) -> None:
        """What was known of these topics is forgotten."""
        self._run(self.coordinator.topics_deleted(topic_ids))

    def _check_available(self) -> None:
        if not self.is_available:
            raise ApiError(ErrorCode.COORDINATOR_NOT_AVAILABLE)


def _refusal(request: Message, code: ErrorCode, api_version: int) -> Message:
    return request.response(error_code=code)


def open_share_state(catalog: Catalog, durability: Durability, clock: Clock) -> ShareStateRuntime:
    """The coordinator, with all that is in its log."""
    coordinator = ShareStateCoordinator(CatalogTopics(catalog))
    states = ShareStateRuntime(coordinator, _refusal, catalog, durability, clock)
    states.open()

    def forget(topic: Topic) -> None:
        states.topics_deleted([topic.id])

    catalog.deleted.append(forget)
    return states
