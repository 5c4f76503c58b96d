"""States of share groups in a broker: they survive it, and go with their topics."""

from __future__ import annotations

import pytest
from tests.broker.conftest import OpenBroker, create

from tidings.broker.coordinators import coordinator_log
from tidings.broker.server import Broker
from tidings.coordination.share_state.state import Place, ShareState, StateBatch
from tidings.wire.error_codes import ApiError, ErrorCode

BATCHES = (StateBatch(5, 9, 2, 1), StateBatch(12, 12, 0, 2))


async def written(broker: Broker) -> Place:
    """The place of a state that was begun and written to."""
    topic = await create(broker, "orders", 2)
    place = Place("queue", topic.id, 1)
    await broker.share_state.initialize({place: 3}, state_epoch=1)
    await broker.share_state.write(
        *place, state_epoch=1, leader_epoch=0, start_offset=5, delivery_complete_count=5, batches=BATCHES
    )
    return place


async def test_the_log_is_made_for_the_first_state(open_broker: OpenBroker) -> None:
    broker = await open_broker()
    topic = await create(broker, "orders")
    with pytest.raises(ApiError, match="uninitialized"):
        await broker.share_state.read("queue", topic.id, 0)
    assert "__share_group_state" not in broker.catalog.topics
    await broker.share_state.initialize({Place("queue", topic.id, 0): -1}, state_epoch=1)
    assert broker.catalog.topics["__share_group_state"].is_internal
    assert await broker.share_state.read("queue", topic.id, 0) == ShareState(1, 0)


async def test_a_state_survives_the_broker(open_broker: OpenBroker) -> None:
    broker = await open_broker()
    place = await written(broker)
    await broker.close()
    broker = await open_broker()
    assert await broker.share_state.read(*place) == ShareState(1, 0, 5, 5, BATCHES)


async def test_the_log_is_kept_short_and_tells_the_same(
    open_broker: OpenBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinator_log, "REWRITTEN_BYTES_MIN", 4096)
    broker = await open_broker(durability="os")
    place = await written(broker)
    for offset in range(5, 205):
        await broker.share_state.write(
            *place, state_epoch=1, leader_epoch=0, start_offset=offset, delivery_complete_count=0, batches=()
        )
    while broker.share_state._rewriting is not None:
        await broker.share_state._rewriting
    assert broker.catalog.partition("__share_group_state", 0).log_start_offset > 100
    before = await broker.share_state.read(*place)
    await broker.close()
    broker = await open_broker()
    assert await broker.share_state.read(*place) == before == ShareState(1, 0, 204, 0)


async def test_a_refused_write_changes_nothing(open_broker: OpenBroker) -> None:
    broker = await open_broker()
    place = await written(broker)
    refused = broker.share_state.write(
        *place, state_epoch=0, leader_epoch=0, start_offset=50, delivery_complete_count=0, batches=()
    )
    with pytest.raises(ApiError) as caught:
        await refused
    assert caught.value.code is ErrorCode.FENCED_STATE_EPOCH
    assert (await broker.share_state.read(*place)).start_offset == 5


async def test_states_go_with_their_topic(open_broker: OpenBroker) -> None:
    broker = await open_broker()
    place = await written(broker)
    await broker.catalog.delete([broker.catalog.topic("orders")])
    assert broker.share_state.coordinator.places("g") == []
    with pytest.raises(ApiError):
        await broker.share_state.read(*place)


async def test_states_are_unavailable_once_the_broker_closes(open_broker: OpenBroker) -> None:
    broker = await open_broker()
    place = await written(broker)
    await broker.close()
    with pytest.raises(ApiError) as caught:
        await broker.share_state.read(*place)
    assert caught.value.code is ErrorCode.COORDINATOR_NOT_AVAILABLE
