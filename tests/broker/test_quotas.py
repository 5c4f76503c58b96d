"""Quotas over the wire: set, shown, kept over a restart, and held to."""

from __future__ import annotations

import pytest
from tests.broker.client import Client
from tests.broker.conftest import OpenBroker
from tests.broker.data import FETCH, PRODUCE, batch, fetch_request, produce, produce_request

from tidings.broker.server import Broker
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.alter_client_quotas import (
    AlterClientQuotasRequest,
    EntityData,
    EntryRequest,
    OpData,
)
from tidings.wire.messages.describe_client_quotas import ComponentData, DescribeClientQuotasRequest
from tidings.wire.messages.heartbeat import HeartbeatRequest
from tidings.wire.messages.metadata import MetadataRequest


def of_client(name: str | None, **values: float | None) -> EntryRequest:
    """None for a value removes it."""
    ops = [OpData(key=key, value=value or 0.0, remove=value is None) for key, value in values.items()]
    return EntryRequest(entity=[EntityData(entity_type="client-id", entity_name=name)], ops=ops)


async def alter(client: Client, *entries: EntryRequest, version: int = 1, validate_only: bool = False) -> list[int]:
    request = AlterClientQuotasRequest(entries=list(entries), validate_only=validate_only)
    response = await client.ask(request, version)
    return [entry.error_code for entry in response.entries]


async def described(client: Client, version: int = 1) -> dict[str | None, dict[str, float]]:
    components = [ComponentData(entity_type="client-id", match_type=2, match=None)]
    response = await client.ask(DescribeClientQuotasRequest(components=components, strict=True), version)
    assert response.error_code == ErrorCode.NONE
    return {
        entry.entity[0].entity_name: {value.key: value.value for value in entry.values} for entry in response.entries
    }


@pytest.mark.parametrize("version", [0, 1])
async def test_quotas_are_set_shown_and_removed(live: Broker, client: Client, version: int) -> None:
    assert await described(client, version) == {}
    app = of_client("app", producer_byte_rate=1000, request_percentage=12.5)
    assert await alter(client, app, of_client(None, consumer_byte_rate=5), version=version) == [0, 0]
    assert await described(client, version) == {
        "app": {"producer_byte_rate": 1000, "request_percentage": 12.5},
        None: {"consumer_byte_rate": 5},
    }
    await alter(client, of_client("app", producer_byte_rate=None, request_percentage=2), version=version)
    assert (await described(client, version))["app"] == {"request_percentage": 2}


async def test_quotas_survive_a_restart(open_broker: OpenBroker) -> None:
    broker = await open_broker()
    async with await Client.connect(broker.address) as client:
        await alter(client, of_client("app", producer_byte_rate=1000))
    await broker.close()
    async with await Client.connect((await open_broker()).address) as client:
        assert await described(client) == {"app": {"producer_byte_rate": 1000}}


async def test_what_is_wrong_with_one_entity_does_not_touch_the_others(client: Client) -> None:
    invalid = ErrorCode.INVALID_REQUEST
    bad = of_client("bad", producer_byte_rate=1000, nonsense=1)
    assert await alter(client, bad, of_client("good", producer_byte_rate=1)) == [invalid, 0]
    assert await alter(client, of_client("x", producer_byte_rate=1), of_client("x")) == [invalid, invalid]
    assert await alter(client, of_client("y", producer_byte_rate=1), validate_only=True) == [0]
    assert await described(client) == {"good": {"producer_byte_rate": 1}}


async def test_a_filter_that_makes_no_sense_is_answered_with_an_error(client: Client) -> None:
    components = [ComponentData(entity_type="team", match_type=2, match=None)]
    response = await client.ask(DescribeClientQuotasRequest(components=components), 1)
    assert (response.error_code, response.entries) == (ErrorCode.UNSUPPORTED_VERSION, None)


async def test_a_producer_beyond_its_quota_is_told_to_wait_and_made_to(live: Broker, client: Client) -> None:
    data = batch(bytes(20_000))
    await alter(client, of_client("test", producer_byte_rate=2000))
    response = await client.ask(produce_request(data), PRODUCE)
    assert 0 < response.throttle_time_ms <= 200  # 20 kB and a little more: 10 s of the quota, and a little more
    began = live.loop.time()
    await client.ask(MetadataRequest(topics=[]), 9)
    assert live.loop.time() - began >= response.throttle_time_ms / 1000 - 0.005
    assert response.responses[0].partition_responses[0].error_code == ErrorCode.NONE


async def test_a_muted_client_does_not_hold_up_another(live: Broker, client: Client) -> None:
    await alter(client, of_client("test", producer_byte_rate=1))
    response = await client.ask(produce_request(batch(b"x" * 1000)), PRODUCE)
    assert response.throttle_time_ms > 500_000
    client.send(HeartbeatRequest(group_id="g"), 0)  # is not read
    async with await Client.connect(live.address) as other:
        assert (await other.ask(MetadataRequest(topics=[]), 9)).cluster_id == live.cluster_id


async def test_a_consumer_gets_no_more_at_once_than_its_quota_gives_in_ten_seconds(
    live: Broker, client: Client
) -> None:
    for _ in range(10):
        await produce(client, batch(bytes(1000)))
    await alter(client, of_client("test", consumer_byte_rate=300))
    response = await client.ask(fetch_request(("orders", 0, 0)), FETCH)
    (partition,) = response.responses[0].partitions
    assert 2000 < len(partition.records) <= 3000
    assert response.throttle_time_ms < 1000


async def test_a_consumer_that_wants_more_at_once_than_it_may_have_does_not_wait_for_it(
    live: Broker, client: Client
) -> None:
    await produce(client, batch(bytes(10_000)))
    await alter(client, of_client("test", consumer_byte_rate=1000))
    began = live.loop.time()
    await client.ask(fetch_request(("orders", 0, 0), min_bytes=50_000, max_wait_ms=8000), FETCH)
    assert live.loop.time() - began < 4


async def test_who_has_no_quota_is_not_throttled(client: Client) -> None:
    await alter(client, of_client("somebody-else", producer_byte_rate=1, consumer_byte_rate=1))
    assert (await client.ask(produce_request(batch(bytes(100_000))), PRODUCE)).throttle_time_ms == 0
    assert (await client.ask(fetch_request(("orders", 0, 0)), FETCH)).throttle_time_ms == 0
