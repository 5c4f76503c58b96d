"""What monitoring is told: true, in Prometheus' format, and never at the expense of clients."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from pathlib import Path

import pytest
from tests.broker.client import Client
from tests.broker.conftest import OpenBroker, create
from tests.broker.data import FETCH, batch, fetch_request, produce

from tidings.broker.metrics import endpoint
from tidings.broker.metrics.catalogue import METRICS
from tidings.broker.metrics.traffic import LATENCY_S, Traffic, error_codes
from tidings.broker.server import Broker
from tidings.coordination.share_state.state import Place, StateBatch
from tidings.errors import OperatorError
from tidings.monitoring.exposition import Kind, Metric, Sample, head, histogram, line
from tidings.monitoring.http import HEAD_BYTES_MAX
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from tidings.wire.messages.list_offsets import ListOffsetsRequest, ListOffsetsResponse
from tidings.wire.messages.metadata import MetadataRequest
from tidings.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from tidings.wire.messages.produce import PartitionProduceResponse, ProduceResponse, TopicProduceResponse

LINE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)*)\})? (-?[0-9.e+-]+|\+Inf)')
"""A sample in Prometheus' text format."""
DOCS = Path(__file__).parents[2] / "docs/operations.md"


async def get(broker: Broker, request: bytes = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n") -> tuple[str, str]:
    """Status line and body."""
    assert broker.metrics is not None
    reader, writer = await asyncio.open_connection(*broker.metrics.address)
    writer.write(request)
    response = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    head, _, body = response.partition("\r\n\r\n")
    return head.partition("\r\n")[0], body


async def scrape(broker: Broker) -> dict[str, float]:
    """Value by name and labels as they are written."""
    status, body = await get(broker)
    assert status == "HTTP/1.1 200 OK"
    found = {}
    for text in body.splitlines():
        if not text.startswith("#"):
            assert LINE.fullmatch(text), text
            name, _, value = text.rpartition(" ")
            assert name not in found
            found[name] = float(value)
    return found


async def commit(client: Client, group: str, topic: str, offset: int) -> None:
    partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=offset)
    request = OffsetCommitRequest(group_id=group, topics=[OffsetCommitRequestTopic(name=topic, partitions=[partition])])
    await client.ask(request, 8)


async def test_requests_bytes_and_errors_are_counted_by_api(open_broker: OpenBroker) -> None:
    broker = await open_broker(metrics="127.0.0.1:0")
    await create(broker, "orders")
    async with await Client.connect(broker.address) as client:
        await produce(client, batch(b"x" * 1000))
        await produce(client, batch(b"y"), topic="nowhere")
        await client.ask(HeartbeatRequest(group_id="g", member_id="m"), 0)
        found = await scrape(broker)
    assert found['tidings_requests_total{api="Produce"}'] == 2
    assert found['tidings_request_errors_total{api="Produce",error="UNKNOWN_TOPIC_OR_PARTITION"}'] == 1
    assert found['tidings_request_errors_total{api="Heartbeat",error="UNKNOWN_MEMBER_ID"}'] == 1
    assert 1000 < found['tidings_request_bytes_total{api="Produce"}'] < 1500
    assert found['tidings_reply_bytes_total{api="Produce"}'] > 0
    assert found['tidings_request_seconds_count{api="Produce"}'] == 2
    assert found['tidings_request_seconds_bucket{api="Produce",le="+Inf"}'] == 2
    assert found["tidings_connections"] == found["tidings_connections_opened_total"] == 1


async def test_partitions_groups_and_lag_are_told(open_broker: OpenBroker) -> None:
    broker = await open_broker(metrics="127.0.0.1:0")
    await create(broker, "orders", 2)
    async with await Client.connect(broker.address) as client:
        await produce(client, batch(b"a", b"b", b"c"))
        await commit(client, "billing", "orders", 1)
    found = await scrape(broker)
    of = 'topic="orders",partition="0"'
    assert found[f"tidings_partition_end_offset{{{of}}}"] == 3
    assert found[f"tidings_partition_bytes{{{of}}}"] > 61
    assert found[f'tidings_group_committed_offset{{group="billing",{of}}}'] == 1
    assert found[f'tidings_group_lag{{group="billing",{of}}}'] == 2
    assert found['tidings_group_members{group="billing"}'] == 0
    assert found["tidings_syncs_total"] >= 2
    assert found["tidings_sync_seconds_total"] > 0
    assert found["process_resident_memory_bytes"] > 1 << 20


async def test_where_share_groups_stand_is_told_once_they_have_begun(open_broker: OpenBroker) -> None:
    broker = await open_broker(metrics="127.0.0.1:0")
    topic = await create(broker, "orders", 2)
    async with await Client.connect(broker.address) as client:
        await produce(client, batch(b"a", b"b", b"c"))
    await broker.share_state.initialize({Place("queue", topic.id, 0): 0, Place("queue", topic.id, 1): -1}, 0)
    await broker.share_state.write(
        "queue", topic.id, 0, state_epoch=0, leader_epoch=0, start_offset=1, delivery_complete_count=1,
        batches=[StateBatch(2, 2, 2, 1)],
    )  # fmt: skip
    found = {name: value for name, value in (await scrape(broker)).items() if name.startswith("tidings_share_group")}
    of = '{group="queue",topic="orders",partition="0"}'
    assert found == {f"tidings_share_group_start_offset{of}": 1, f"tidings_share_group_lag{of}": 1}


async def test_a_scrape_knows_partitions_that_nobody_has_opened_since_the_start(open_broker: OpenBroker) -> None:
    broker = await open_broker()
    await create(broker, "orders")
    async with await Client.connect(broker.address) as client:
        await produce(client, batch(b"a"))
    await broker.close()
    broker = await open_broker(metrics="127.0.0.1:0")
    assert (await scrape(broker))['tidings_partition_end_offset{topic="orders",partition="0"}'] == 1


async def test_clients_are_served_while_a_page_is_made(
    open_broker: OpenBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = await open_broker(metrics="127.0.0.1:0")
    monkeypatch.setattr(endpoint, "PIECE_S", 0.0)
    async with await Client.connect(broker.address) as client:
        scraping = asyncio.create_task(get(broker))
        while not (broker.metrics and broker.metrics._page):
            await asyncio.sleep(0)
        await client.ask(MetadataRequest(topics=[]), 9)
        assert (await scraping)[0] == "HTTP/1.1 200 OK"


async def test_who_asks_while_a_page_is_made_gets_the_same(open_broker: OpenBroker) -> None:
    broker = await open_broker(metrics="127.0.0.1:0")
    pages = await asyncio.gather(*(get(broker) for _ in range(5)))
    assert len({body for _, body in pages}) < 5


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET / HTTP/1.1", "404"),
        (b"POST /metrics HTTP/1.1", "405"),
        (b"HEAD /metrics HTTP/1.1", "200"),
        (b"GET /metrics?name=x HTTP/1.1", "200"),
        (b"\x00\x01", "405"),
    ],
)
async def test_whatever_else_is_asked_is_refused(open_broker: OpenBroker, request_line: bytes, status: str) -> None:
    broker = await open_broker(metrics="127.0.0.1:0")
    answer, body = await get(broker, request_line + b"\r\n\r\n")
    assert answer.split()[1] == status
    assert request_line[:4] != b"HEAD" or not body


async def test_a_request_without_end_is_cut_off(open_broker: OpenBroker) -> None:
    broker = await open_broker(metrics="127.0.0.1:0")
    assert broker.metrics is not None
    reader, writer = await asyncio.open_connection(*broker.metrics.address)
    writer.write(b"x" * (4 * HEAD_BYTES_MAX))
    with suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()


async def test_stopping_does_not_wait_for_those_who_watch(open_broker: OpenBroker) -> None:
    broker = await open_broker(metrics="127.0.0.1:0")
    assert broker.metrics is not None
    reader, writer = await asyncio.open_connection(*broker.metrics.address)
    async with asyncio.timeout(5):
        await broker.close()
        assert await reader.read() == b""
    writer.close()


async def test_without_the_option_nothing_is_counted(live: Broker, client: Client) -> None:
    await client.ask(fetch_request(("orders", 0, 0)), FETCH)
    assert live.metrics is None
    assert live.traffic is None


async def test_an_address_that_is_taken_is_refused_before_the_folder_is_touched(
    live: Broker, open_broker: OpenBroker, tmp_path: Path
) -> None:
    host, port = live.address
    with pytest.raises(OperatorError, match="in use"):
        await open_broker(data=tmp_path / "other", metrics=f"{host}:{port}")
    assert not (tmp_path / "other").exists()


def test_error_codes_are_found_wherever_they_stand() -> None:
    partitions = [PartitionProduceResponse(error_code=code) for code in (3, 0, 56)]
    reply = ProduceResponse(responses=[TopicProduceResponse(partition_responses=partitions)])
    assert error_codes(reply) == [3, 56]
    assert error_codes(HeartbeatResponse(error_code=ErrorCode.ILLEGAL_GENERATION)) == [22]
    assert error_codes(ListOffsetsResponse()) == []


def test_latencies_are_put_into_their_buckets() -> None:
    times = iter([0.0001, LATENCY_S[0], 0.3, 100.0])
    traffic = Traffic(lambda: next(times))
    for _ in range(4):
        traffic.answered(ListOffsetsRequest.api_key, 0.0, 1, 1, None)
    of = traffic.apis[ListOffsetsRequest.api_key]
    assert [count for count in of.buckets if count] == [2, 1, 1]
    metric = Metric("m", Kind.HISTOGRAM, "h", ("api",))
    lines = [line(metric, sample) for sample in histogram(("a",), LATENCY_S, of.buckets, of.seconds)]
    assert lines[0] == 'm_bucket{api="a",le="0.0005"} 2\n'
    assert lines[len(LATENCY_S)] == 'm_bucket{api="a",le="+Inf"} 4\n'
    assert lines[-1] == 'm_count{api="a"} 4\n'


def test_names_with_anything_in_them_are_written_safely() -> None:
    metric = Metric("m", Kind.GAUGE, "a\nb", ("group",))
    assert head(metric) == "# HELP m a\\nb\n# TYPE m gauge\n"
    assert line(metric, Sample(('a"b\\c\nd',), 1)) == 'm{group="a\\"b\\\\c\\nd"} 1\n'


def test_the_documentation_has_every_metric_as_it_is() -> None:
    broker = DOCS.read_text().partition("\n# Services")[0]
    rows = [row for row in broker.splitlines() if row.startswith(("| `tidings_", "| `process_"))]
    assert rows == [
        f"| `{metric.name}` | {metric.kind} | {', '.join(metric.labels)} | {metric.help} |" for metric in METRICS
    ]


def test_names_follow_prometheus_conventions() -> None:
    for metric in METRICS:
        assert re.fullmatch(r"(tidings|process)_[a-z_]+", metric.name)
        assert (metric.kind is Kind.COUNTER) == metric.name.endswith("_total")
        assert metric.help.endswith(".")
    assert len({metric.name for metric in METRICS}) == len(METRICS)
