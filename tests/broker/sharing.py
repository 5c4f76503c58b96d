"""A member of a share group in few words: it fetches and acknowledges, and keeps to its session's epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.broker.client import Client, Pending

from tidings.broker.catalog.topic import Topic
from tidings.broker.server import Broker
from tidings.coordination.share_state.state import NO_OFFSET, Place
from tidings.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from tidings.wire.messages.share_acknowledge import AcknowledgementBatch as Acknowledged
from tidings.wire.messages.share_acknowledge import (
    AcknowledgePartition,
    AcknowledgeTopic,
    ShareAcknowledgeRequest,
)
from tidings.wire.messages.share_fetch import (
    AcknowledgementBatch,
    FetchPartition,
    FetchTopic,
    PartitionData,
    ShareFetchRequest,
    ShareFetchResponse,
)
from tidings.wire.records import batches, records

VERSION = 2
GROUP_RESOURCE = 32
ACCEPT, RELEASE, REJECT, RENEW = 1, 2, 3, 4

Told = tuple[int, int, int]
"""First offset, last offset, and what became of them."""


async def begin_group(broker: Broker, client: Client, topic: Topic, group: str = "g", **configs: str) -> None:
    """Let the group's state be there, as if a member had subscribed; with settings of its own."""
    configs = {"share_auto_offset_reset": "earliest", **configs}
    resource = AlterConfigsResource(
        resource_type=GROUP_RESOURCE,
        resource_name=group,
        configs=[
            AlterableConfig(name=name.replace("_", "."), config_operation=0, value=value)
            for name, value in configs.items()
        ],
    )
    (altered,) = (await client.ask(IncrementalAlterConfigsRequest(resources=[resource]), 1)).responses
    assert altered.error_code == 0, altered
    places = {Place(group, topic.id, index): NO_OFFSET for index in range(len(topic.partitions))}
    await broker.share_state.initialize(places, 0)


class Member:
    def __init__(self, client: Client, topic: Topic, name: str = "a", group: str = "g") -> None:
        self.client = client
        self.topic = topic
        self.name = name
        self.group = group
        self.epoch = 0

    def request(
        self,
        *told: Told,
        index: int = 0,
        max_records: int = 500,
        max_wait_ms: int = 0,
        min_bytes: int = 1,
        max_bytes: int = 1 << 20,
        **more: Any,
    ) -> ShareFetchRequest:
        """Its next fetch, of one partition."""
        acknowledged = [AcknowledgementBatch(first_offset=a, last_offset=b, acknowledge_types=[c]) for a, b, c in told]
        partition = FetchPartition(partition_index=index, acknowledgement_batches=acknowledged)
        request = ShareFetchRequest(
            group_id=self.group,
            member_id=self.name,
            share_session_epoch=self.epoch,
            max_wait_ms=max_wait_ms,
            min_bytes=min_bytes,
            max_bytes=max_bytes,
            max_records=max_records,
            batch_size=max_records,
            topics=[FetchTopic(topic_id=self.topic.id, partitions=[partition])],
            **more,
        )
        self.epoch += 1
        return request

    def send(self, *told: Told, **options: Any) -> Pending:
        return self.client.send(self.request(*told, **options), VERSION)

    async def ask(self, *told: Told, **options: Any) -> ShareFetchResponse:
        response = await self.client.receive(self.send(*told, **options))
        assert isinstance(response, ShareFetchResponse)
        return response

    async def fetch(self, *told: Told, **options: Any) -> list[tuple[int, bytes, int]]:
        """Offset, value and delivery count of each record it is given."""
        return given(await self.ask(*told, **options))

    async def acknowledge(self, *told: Told, index: int = 0, **more: Any) -> Any:
        """The reply for the partition, or for all if it is refused."""
        acknowledged = [Acknowledged(first_offset=a, last_offset=b, acknowledge_types=[c]) for a, b, c in told]
        partition = AcknowledgePartition(partition_index=index, acknowledgement_batches=acknowledged)
        request = ShareAcknowledgeRequest(
            group_id=self.group,
            member_id=self.name,
            share_session_epoch=self.epoch,
            topics=[AcknowledgeTopic(topic_id=self.topic.id, partitions=[partition])],
            **more,
        )
        self.epoch += 1
        reply = await self.client.ask(request, VERSION)
        return reply if reply.error_code else reply.responses[0].partitions[0]

    async def leave(self) -> Any:
        request = ShareAcknowledgeRequest(group_id=self.group, member_id=self.name, share_session_epoch=-1)
        return await self.client.ask(request, VERSION)


def partitions_of(response: ShareFetchResponse) -> Sequence[PartitionData]:
    assert response.error_code == 0, response
    return [partition for topic in response.responses for partition in topic.partitions]


def given(response: ShareFetchResponse) -> list[tuple[int, bytes, int]]:
    """Of the records that came, those that are the member's."""
    found = []
    for partition in partitions_of(response):
        assert partition.error_code == partition.acknowledge_error_code == 0, partition
        values = {
            record.offset: record.value or b""
            for position, header in batches(partition.records)
            if not header.is_control
            for record in records(partition.records, position)
        }
        for run in partition.acquired_records:
            offsets = range(run.first_offset, run.last_offset + 1)
            found += [(offset, values[offset], run.delivery_count) for offset in offsets]
    return found
