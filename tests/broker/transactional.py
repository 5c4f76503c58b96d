"""A transactional producer in few words, one request at a time."""

from __future__ import annotations

from typing import Any

from tests.broker.client import Client
from tests.broker.data import batch

from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.add_partitions_to_txn import AddPartitionsToTxnRequest, AddPartitionsToTxnTopic
from tidings.wire.messages.describe_transactions import DescribeTransactionsRequest
from tidings.wire.messages.end_txn import EndTxnRequest
from tidings.wire.messages.init_producer_id import InitProducerIdRequest
from tidings.wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics
from tidings.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from tidings.wire.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)

READ_COMMITTED = 1
V1_PRODUCE = 11
"""The last version of Produce in which a transaction is told of its partitions before; V2 adds them by itself."""
V2_PRODUCE = 12
V1_END, V2_END = 4, 5


class Mover:
    """A producer with a transactional id. Its epoch and sequence numbers go on as a real one's do."""

    def __init__(self, client: Client, name: str = "mover") -> None:
        self.client = client
        self.name = name
        self.producer_id = self.epoch = -1
        self.sequences: dict[tuple[str, int], int] = {}

    async def init(self, *, timeout_ms: int = 60_000) -> ErrorCode:
        request = InitProducerIdRequest(transactional_id=self.name, transaction_timeout_ms=timeout_ms)
        reply = await self.client.ask(request, 5)
        if not reply.error_code:
            self.producer_id, self.epoch = reply.producer_id, reply.producer_epoch
            self.sequences.clear()
        return ErrorCode(reply.error_code)

    async def take_over(self, **options: Any) -> Mover:
        """`init`, with what a predecessor left open brought to its end."""
        while (code := await self.init(**options)) == ErrorCode.CONCURRENT_TRANSACTIONS:
            pass
        assert code == ErrorCode.NONE
        return self

    def produce_request(
        self, *values: bytes, topic: str = "orders", index: int = 0, name: str | None = ""
    ) -> ProduceRequest:
        sequence = self.sequences.get((topic, index), 0)
        self.sequences[topic, index] = sequence + len(values)
        data = batch(
            *values,
            producer_id=self.producer_id,
            producer_epoch=self.epoch,
            base_sequence=sequence,
            is_transactional=True,
        )
        return ProduceRequest(
            transactional_id=self.name if name == "" else name,
            acks=-1,
            timeout_ms=1000,
            topic_data=[TopicProduceData(name=topic, partition_data=[PartitionProduceData(index=index, records=data)])],
        )

    async def produce(self, *values: bytes, version: int = V2_PRODUCE, **where: Any) -> ErrorCode:
        return code_of(await self.client.ask(self.produce_request(*values, **where), version))

    def end_request(self, *, commit: bool) -> EndTxnRequest:
        return EndTxnRequest(
            transactional_id=self.name,
            producer_id=self.producer_id,
            producer_epoch=self.epoch,
            committed=commit,
        )

    async def end(self, *, commit: bool, version: int = V2_END) -> ErrorCode:
        reply = await self.client.ask(self.end_request(commit=commit), version)
        if not reply.error_code and version >= V2_END:
            self.producer_id, self.epoch = reply.producer_id, reply.producer_epoch
            self.sequences.clear()
        return ErrorCode(reply.error_code)

    async def add_partitions(self, *indexes: int, topic: str = "orders") -> list[int]:
        request = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=self.name,
            v3_and_below_producer_id=self.producer_id,
            v3_and_below_producer_epoch=self.epoch,
            v3_and_below_topics=[AddPartitionsToTxnTopic(name=topic, partitions=list(indexes))],
        )
        reply = await self.client.ask(request, 3)
        (result,) = reply.results_by_topic_v3_and_below
        return [one.partition_error_code for one in result.results_by_partition]

    async def commit_offset(self, offset: int, *, group_id: str = "readers", version: int = 5) -> ErrorCode:
        partition = TxnOffsetCommitRequestPartition(partition_index=0, committed_offset=offset, committed_metadata="")
        request = TxnOffsetCommitRequest(
            transactional_id=self.name,
            group_id=group_id,
            producer_id=self.producer_id,
            producer_epoch=self.epoch,
            topics=[TxnOffsetCommitRequestTopic(name="orders", partitions=[partition])],
        )
        reply = await self.client.ask(request, version)
        return ErrorCode(reply.topics[0].partitions[0].error_code)

    async def state(self) -> str:
        reply = await self.client.ask(DescribeTransactionsRequest(transactional_ids=[self.name]), 0)
        return str(reply.transaction_states[0].transaction_state)


def code_of(response: Any) -> ErrorCode:
    """Of the one partition that a ProduceResponse speaks of."""
    return ErrorCode(response.responses[0].partition_responses[0].error_code)


async def committed(client: Client, *, stable: bool = True) -> int | ErrorCode:
    """The offset of `readers` in orders-0, or the error code in its place."""
    wanted = OffsetFetchRequestTopics(name="orders", partition_indexes=[0])
    group = OffsetFetchRequestGroup(group_id="readers", topics=[wanted])
    reply = await client.ask(OffsetFetchRequest(groups=[group], require_stable=stable), 9)
    found = reply.groups[0].topics[0].partitions[0]
    return ErrorCode(found.error_code) if found.error_code else int(found.committed_offset)
