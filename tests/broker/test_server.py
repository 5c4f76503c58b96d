"""The broker as a whole: what stops it from starting, how it stops, what a restart finds."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest
from tests.broker.client import Client
from tests.broker.conftest import OpenBroker, create
from tests.broker.data import PRODUCE, batch, fetch, produce, produce_request, values

from tidings.broker.config import BrokerConfig, split_address
from tidings.broker.server import Broker
from tidings.errors import OperatorError
from tidings.wire.messages.api_versions import ApiVersionsRequest


async def test_a_port_in_use_is_an_operators_error_and_nothing_is_written(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OperatorError, match=f"127.0.0.1:{port} is in use") as caught:
            await Broker.open(BrokerConfig(data=tmp_path / "data", port=port))
    assert caught.value.way_out
    assert not (tmp_path / "data").exists()


async def test_an_address_of_another_machine_is_an_operators_error(tmp_path: Path) -> None:
    for host in ("192.0.2.1", "no such host"):
        with pytest.raises(OperatorError):
            await Broker.open(BrokerConfig(data=tmp_path / "data", host=host, port=0))
    assert not (tmp_path / "data").exists()


async def test_a_folder_in_use_by_another_broker_is_an_operators_error_and_left_alone(
    open_broker: OpenBroker, tmp_path: Path
) -> None:
    broker = await open_broker()
    before = sorted(os.walk(tmp_path))
    with pytest.raises(OperatorError):
        await open_broker()
    assert sorted(os.walk(tmp_path)) == before
    async with await Client.connect(broker.address) as client:
        await client.ask(ApiVersionsRequest(), 0)


async def test_a_folder_that_cannot_be_made_is_an_operators_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OperatorError):
        await Broker.open(BrokerConfig(data=tmp_path / "file" / "data", port=0))


async def test_after_a_failed_start_the_port_is_free(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    with pytest.raises(OperatorError):
        await Broker.open(BrokerConfig(data=tmp_path / "file", port=port))
    broker = await Broker.open(BrokerConfig(data=tmp_path / "data", port=port))
    await broker.close()


@pytest.mark.parametrize(
    "settings",
    [
        {"port": 70_000},
        {"port": -1},
        {"durability": "maybe"},
        {"num_partitions": 0},
        {"node_id": -1},
        {"advertised": "nowhere"},
        {"advertised": "host:99999"},
    ],
)
def test_settings_that_make_no_sense_are_refused_with_a_way_out(settings: dict[str, object]) -> None:
    with pytest.raises(OperatorError) as caught:
        BrokerConfig(data=Path("data"), **settings)  # type: ignore[arg-type]
    assert caught.value.way_out


def test_addresses_may_be_ipv6() -> None:
    assert split_address("[::1]:9092") == ("::1", 9092)
    assert split_address("broker.example:9092") == ("broker.example", 9092)


async def test_clients_are_told_the_advertised_address(open_broker: OpenBroker) -> None:
    broker = await open_broker(advertised="events.example:19092")
    assert broker.address == ("events.example", 19092)


async def test_a_stop_acknowledges_what_is_being_synced_and_the_next_start_has_it(open_broker: OpenBroker) -> None:
    broker = await open_broker()
    await create(broker, "orders")
    async with await Client.connect(broker.address) as client:
        sent = [client.send(produce_request(batch(b"%d" % n)), PRODUCE) for n in range(20)]
        first = await client.receive(sent[0])
        await broker.close()
        acknowledged = [first] + [await client.receive(one) for one in sent[1:]]
        assert [one.responses[0].partition_responses[0].error_code for one in acknowledged] == [0] * 20
        assert await client.is_closed_by_broker()
    again = await open_broker()
    assert again.folder.was_clean
    async with await Client.connect(again.address) as client:
        assert len(values((await fetch(client, ("orders", 0, 0)))["orders", 0])) == 20


async def test_a_stopped_broker_takes_no_connections(open_broker: OpenBroker) -> None:
    broker = await open_broker()
    await broker.close()
    with pytest.raises(ConnectionError):
        await Client.connect(broker.address)


async def test_a_silent_connection_is_closed_and_a_busy_one_is_not(open_broker: OpenBroker) -> None:
    broker = await open_broker(connection_idle_ms_max=20)
    async with await Client.connect(broker.address) as silent, await Client.connect(broker.address) as busy:
        closed = asyncio.create_task(silent.is_closed_by_broker())
        while not closed.done():
            await busy.ask(ApiVersionsRequest(), 0)
        assert await closed


async def test_old_records_go_after_a_while(open_broker: OpenBroker) -> None:
    broker = await open_broker(retention_check_interval_ms=1)
    await create(broker, "short", retention_ms="1")
    async with await Client.connect(broker.address) as client:
        await produce(client, batch(b"old", timestamp_ms=1000), topic="short")
        partition = broker.catalog.partition("short", 0)
        async with asyncio.timeout(10):
            while partition.log_start_offset == 0:
                await client.ask(ApiVersionsRequest(), 0)
        assert values((await fetch(client, ("short", 0, 1)))["short", 0]) == []
