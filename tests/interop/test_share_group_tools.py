"""What we keep of share groups, as Apache Kafka's own tool reads it: who is in them, and how far they have come."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.broker.client import Client
from tests.broker.conftest import create
from tests.peers.apache_kafka import run_java

from tidings.broker.config import BrokerConfig
from tidings.broker.server import Broker
from tidings.coordination.share_state.state import Place, StateBatch
from tidings.wire.messages.share_group_heartbeat import ShareGroupHeartbeatRequest

pytestmark = pytest.mark.external


def stored(folder: Path, decoder: str) -> list[tuple[dict[str, Any], Any]]:
    """Keys and values of a coordinator's log; None for the value of what was taken back."""
    (segment,) = folder.glob("*.log")
    tool = "org.apache.kafka.tools.DumpLogSegments"
    printed = run_java(tool, "--deep-iteration", decoder, "--files", str(segment))
    found = re.findall(r"key: (\{.*?\}) payload: (.*)$", printed, re.MULTILINE)
    return [(json.loads(key), json.loads(value) if value.startswith("{") else None) for key, value in found]


async def test_share_groups_and_their_states_are_read_by_kafkas_tool(tmp_path: Path) -> None:
    broker = await Broker.open(BrokerConfig(data=tmp_path / "data", port=0))
    topic = await create(broker, "orders", 1)
    async with await Client.connect(broker.address) as client:
        for epoch in (0, -1):
            names = ["orders"] if epoch == 0 else None
            request = ShareGroupHeartbeatRequest(
                group_id="workers", member_id="w-1", member_epoch=epoch, subscribed_topic_names=names
            )
            assert (await client.ask(request, 1)).error_code == 0
    place = Place("workers", topic.id, 0)
    await broker.share_state.write(
        *place, state_epoch=0, leader_epoch=0, start_offset=4, delivery_complete_count=2,
        batches=[StateBatch(6, 7, 2, 1)],
    )  # fmt: skip
    await broker.share_state.delete([place])
    await broker.close()

    (begun, snapshot), (written, update), (deleted, nothing) = stored(
        tmp_path / "data/__share_group_state-0", "--share-group-state-decoder"
    )
    assert begun == deleted
    assert begun["data"] == written["data"]
    assert (begun["data"]["groupId"], begun["data"]["partition"]) == ("workers", 0)
    assert snapshot["data"]["startOffset"] == -1
    assert (update["data"]["startOffset"], update["data"]["deliveryCompleteCount"]) == (4, 2)
    assert update["data"]["stateBatches"] == [
        {"firstOffset": 6, "lastOffset": 7, "deliveryState": 2, "deliveryCount": 1}
    ]
    assert nothing is None

    records = stored(tmp_path / "data/__consumer_offsets-0", "--offsets-decoder")
    assert [(int(key["type"]), value is None) for key, value in records] == [
        (10, False), (11, False), (13, False), (12, False), (14, False), (14, True), (13, True), (10, True), (11, False)
    ]  # fmt: skip
    assert records[0][1]["data"]["subscribedTopicNames"] == ["orders"]
    assert records[-1][1]["data"]["epoch"] == 2
