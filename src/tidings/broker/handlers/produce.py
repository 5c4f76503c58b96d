"""Produce: append record batches, and say so once they are as safe as the operator asked for.

- Versions 0 to 2 are announced but refused: librdkafka takes their absence for "no compression" (KAFKA-18659).
- Version 8 explains refused records (KIP-467); version 13 names topics by id (KIP-516).
- acks=0 gets no reply at all; its connection is closed if the records cannot be taken, for want of another sign.
- acks=1 and acks=all are the same here: one broker is all of its replicas.
- A batch of a transaction is taken if its producer has the partition in an open one. Version 11 knows
  TRANSACTION_ABORTABLE; from version 12 on the partition is added here (KIP-890), and the batch waits for that.
- A batch is checked and stamped as bytes (`Partition.append`); its records are looked at only where a topic is
  compacted, since there each must have a key.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial

from tidings.broker.access.guards import each, refused_all, topic_named, whole
from tidings.broker.catalog.topic import Topic
from tidings.broker.coordinators.transactions import Claim
from tidings.broker.requests.dispatch import CloseConnection, Context, Reply, handles
from tidings.broker.requests.lookup import find_topic
from tidings.coordination.outcome import Producer, TopicPartition
from tidings.errors import DiskError
from tidings.security.rights import WRITE_TOPIC, WRITE_TRANSACTION
from tidings.wire.compression import Compression
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.message import Message
from tidings.wire.messages.produce import (
    BatchIndexAndErrorMessage,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from tidings.wire.primitives import Buffer, MalformedError
from tidings.wire.records import has_transaction, is_one_batch, read_header, records

TOPIC_IDS_SINCE = 13
ZSTD_SINCE = 7
ABORTABLE_SINCE = 11
VERSION_2_SINCE = 12
"""Of transactions, that is."""
ACKS_NONE = 0
ACKS = (-1, 0, 1)
ONE_BATCH = "there must be exactly one whole record batch for a partition"


_ALL_REFUSED = refused_all("topic_data", "responses")


def _refused_all(request: ProduceRequest, code: ErrorCode, version: int) -> Message:
    if request.acks == ACKS_NONE:
        raise CloseConnection(f"Produce with acks=0 failed: {code.name}")
    return _ALL_REFUSED(request, code, version)


@handles(
    ProduceRequest,
    announced_since=0,
    pipelined=True,
    access=[
        whole(WRITE_TRANSACTION, "transactional_id"),
        each(WRITE_TOPIC, "topic_data", "responses", name=topic_named),
    ],
    refused=_refused_all,
)
def produce(request: ProduceRequest, context: Context) -> Reply | asyncio.Future[Reply]:
    under_way = _Produce(request, context)
    return under_way.reply() if request.transactional_id is None else under_way.transactional_reply()


class _InvalidRecords(ApiError):
    """Which records of a batch are refused, by their index in it."""

    def __init__(self, indexes: list[int], message: str) -> None:
        super().__init__(ErrorCode.INVALID_RECORD, message)
        self.indexes = indexes


class _Produce:
    """One request under way: some partitions settled, others not yet."""

    __slots__ = ("_broker", "_future", "_now_ms", "_request", "_response", "_unsettled", "_version")

    def __init__(self, request: ProduceRequest, context: Context) -> None:
        self._request = request
        self._version = context.api_version
        self._broker = context.broker
        self._now_ms = context.broker.clock.now_ms()
        self._response = ProduceResponse()
        self._unsettled = 0
        self._future: asyncio.Future[Reply] | None = None

    def transactional_reply(self) -> Reply | asyncio.Future[Reply]:
        """As `reply`, once it is on record which partitions the transaction writes to."""
        claim = self._claim()
        if claim is None:
            return self.reply()
        future: asyncio.Future[Reply] = self._broker.loop.create_future()
        self._broker.transactions.admit(claim, partial(self._reply_to, future))
        return future

    def _reply_to(self, future: asyncio.Future[Reply]) -> None:
        try:
            reply = self.reply()
        except Exception as error:
            future.set_exception(error)
            return
        if not isinstance(reply, asyncio.Future):
            future.set_result(reply)
        elif reply.done():
            future.set_result(reply.result())
        else:
            self._future = future

    def _claim(self) -> Claim | None:
        """What is written to in a transaction; None if nothing is."""
        producer: Producer | None = None
        partitions: set[TopicPartition] = set()
        for topic in self._request.topic_data:
            for data in topic.partition_data:
                batch = data.records
                if batch is None or not is_one_batch(batch) or not has_transaction(batch):
                    continue
                with suppress(ApiError, MalformedError):  # it is refused below, when it is to be appended
                    producer = producer or _producer_of(batch)
                    name = self._topic(topic).name
                    self._broker.catalog.partition(name, data.index)
                    partitions.add((name, data.index))
        if producer is None:
            return None
        adds = self._version >= VERSION_2_SINCE
        return Claim(self._request.transactional_id or "", producer, frozenset(partitions), adds)

    def reply(self) -> Reply | asyncio.Future[Reply]:
        self._response.responses = [self._append_topic(topic) for topic in self._request.topic_data]
        if self._request.acks == ACKS_NONE:
            self._close_on_error()
            return None
        if self._unsettled:
            self._future = self._broker.loop.create_future()
            return self._future
        return self._response

    def _append_topic(self, data: TopicProduceData) -> TopicProduceResponse:
        response = TopicProduceResponse(name=data.name, topic_id=data.topic_id)
        try:
            topic = self._topic(data)
        except ApiError as error:
            response.partition_responses = [_refused(partition.index, error) for partition in data.partition_data]
        else:
            response.partition_responses = [self._append(topic, partition) for partition in data.partition_data]
        return response

    def _topic(self, data: TopicProduceData) -> Topic:
        if self._request.acks not in ACKS:
            raise ApiError(ErrorCode.INVALID_REQUIRED_ACKS, f"acks is 0, 1 or -1, not {self._request.acks}")
        topic = find_topic(self._broker.catalog, data.name if self._version < TOPIC_IDS_SINCE else data.topic_id)
        if topic.is_internal:
            raise ApiError(ErrorCode.INVALID_TOPIC_EXCEPTION, f"{topic.name} is written by the broker alone")
        return topic

    def _append(self, topic: Topic, data: PartitionProduceData) -> PartitionProduceResponse:
        try:
            partition = self._broker.catalog.log_of(topic, data.index)
            batch = _writable(data.records)
            if self._version < ZSTD_SINCE and read_header(batch).compression == Compression.ZSTD:
                raise ApiError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, "zstd needs Produce version 7")
            if partition.config.compacts:
                _check_keys(batch)
            if has_transaction(batch):
                self._check_transaction((topic.name, data.index), _producer_of(batch))
            appended = partition.append(batch, now_ms=self._now_ms)
        except (ApiError, MalformedError, DiskError) as error:
            return _refused(data.index, error)
        reply = PartitionProduceResponse(
            index=data.index,
            base_offset=appended.base_offset,
            log_append_time_ms=appended.append_time_ms,
            log_start_offset=partition.log_start_offset,
        )
        self._unsettled += 1
        new_bytes = 0 if appended.duplicate else len(batch)
        self._broker.durability.settle(partition, new_bytes, partial(self._on_settled, reply))
        return reply

    def _check_transaction(self, partition: TopicPartition, producer: Producer) -> None:
        transactional_id = self._request.transactional_id
        if transactional_id is None:
            message = "a batch of a transaction, and no transactional id"
            raise ApiError(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, message)
        code = self._broker.transactions.refusal_of(transactional_id, producer, partition)
        if code:
            message = f"no open transaction of {transactional_id} writes to {partition[0]}-{partition[1]}"
            raise ApiError(_known_as(code, self._version), message)

    def _on_settled(self, reply: PartitionProduceResponse, error: Exception | None) -> None:
        self._unsettled -= 1
        if error is not None:
            _refuse(reply, error)
        if not self._unsettled and self._future is not None and not self._future.done():
            self._future.set_result(self._response)

    def _close_on_error(self) -> None:
        for topic in self._response.responses:
            for reply in topic.partition_responses:
                if reply.error_code:
                    raise CloseConnection(
                        f"Produce with acks=0 to {topic.name}-{reply.index} failed: {ErrorCode(reply.error_code).name}"
                    )


def _producer_of(batch: Buffer) -> Producer:
    header = read_header(batch)
    return Producer(header.producer_id, header.producer_epoch)


def _known_as(code: ErrorCode, api_version: int) -> ErrorCode:
    """What producers of this version make the right thing of."""
    if code is ErrorCode.PRODUCER_FENCED:
        return ErrorCode.INVALID_PRODUCER_EPOCH
    if code is ErrorCode.TRANSACTION_ABORTABLE and api_version < ABORTABLE_SINCE:
        return ErrorCode.INVALID_TXN_STATE
    if code is ErrorCode.COORDINATOR_NOT_AVAILABLE or (
        code is ErrorCode.CONCURRENT_TRANSACTIONS and api_version < VERSION_2_SINCE
    ):
        return ErrorCode.NOT_ENOUGH_REPLICAS  # which is retried, without asking who is the leader
    return code


def _writable(data: Buffer | None) -> memoryview | bytearray:
    """The one batch there must be, where its offsets can be stamped: in the frame itself."""
    if data is None or not is_one_batch(data):
        raise ApiError(ErrorCode.INVALID_RECORD, ONE_BATCH)
    return bytearray(data) if isinstance(data, bytes) else data


def _check_keys(batch: Buffer) -> None:
    indexes = [index for index, record in enumerate(records(batch)) if record.key is None]
    if indexes:
        raise _InvalidRecords(indexes, "a record of a compacted topic must have a key")


def _refused(index: int, error: Exception) -> PartitionProduceResponse:
    reply = PartitionProduceResponse(index=index)
    _refuse(reply, error)
    return reply


def _refuse(reply: PartitionProduceResponse, error: Exception) -> None:
    reply.base_offset = reply.log_append_time_ms = -1
    reply.error_message = str(error)
    if isinstance(error, ApiError):
        reply.error_code = error.code
    elif isinstance(error, MalformedError):
        reply.error_code = ErrorCode.INVALID_RECORD
    else:
        reply.error_code = ErrorCode.KAFKA_STORAGE_ERROR
    if isinstance(error, _InvalidRecords):
        reply.record_errors = [
            BatchIndexAndErrorMessage(batch_index=index, batch_index_error_message=str(error))
            for index in error.indexes
        ]
