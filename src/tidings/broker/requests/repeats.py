"""Produce requests that are like one before: what was found out about that one need not be found out again.

A producer sends to a partition the same bytes again and again, but for the correlation id and the records. When a
request has gone the whole way (see `call`), what it begins with is remembered, and with it the partition it meant and
the bytes of its reply. One that begins alike goes straight to the log, and its reply is filled in: half the work.

Whatever is not that plain goes the whole way: several partitions, transactions, a topic whose records have to be looked
at, a batch that is refused. So does everything while there are access rules or quotas.
"""

from __future__ import annotations

import asyncio
from struct import Struct, error
from typing import TYPE_CHECKING, Any

from tidings.broker.requests.call import Call
from tidings.broker.requests.dispatch import Reply
from tidings.broker.requests.lookup import find_topic
from tidings.errors import DiskError
from tidings.log.partition import Partition
from tidings.wire.codec import encode
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.frames import frame_response
from tidings.wire.messages.produce import (
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from tidings.wire.primitives import Buffer, MalformedError, bytes_prefix, compact_bytes_prefix, read_uvarint
from tidings.wire.records import HEADER_BYTES, has_transaction

if TYPE_CHECKING:
    from tidings.broker.server import Broker

VERSION_MIN = 7
"""Since then a reply has its three offsets and times in a row, and a request may bring any compression."""
TOPIC_IDS_SINCE = 13
PATTERNS_MAX = 20_000
"""With as many remembered, all are forgotten."""

_HEAD = Struct(">ii")  # API key and version, correlation id
_SIZE = Struct(">i")
_NO_TAGS = b"\0\0\0"  # of the partition, the topic, the request
_OFFSETS = Struct(">qqq")  # of a reply: base offset, append time, log start offset
_SAMPLE = (-0x0123456789ABCDEF, -0x123456789ABCDEF0, -0x23456789ABCDEF01)  # bytes that nothing else in a reply is


class Pattern:
    """What requests have in common that begin with the same bytes, but for the correlation id."""

    __slots__ = (
        "_index",
        "_name",
        "_topic_id",
        "before",
        "behind",
        "behind_records",
        "pack",
        "partition",
        "size",
        "version",
    )

    def __init__(self, version: int, topic: TopicProduceData, partition: Partition) -> None:
        self.version = version
        self.partition = partition
        self.behind_records = _behind_records(version)
        self._name = topic.name
        self._topic_id = topic.topic_id
        self._index = topic.partition_data[0].index
        base_offset, append_time_ms, log_start_offset = _SAMPLE
        sample = self.reply(
            base_offset=base_offset, log_append_time_ms=append_time_ms, log_start_offset=log_start_offset
        )
        (frame,) = map(bytes, self.frame(0, sample))
        at = frame.index(_OFFSETS.pack(*_SAMPLE))
        self.size, self.before, self.behind = frame[:4], frame[8:at], frame[at + _OFFSETS.size :]
        self.pack = Struct(f">4si{len(self.before)}sqqq{len(self.behind)}s").pack

    def reply(self, **values: Any) -> ProduceResponse:
        of_partition = PartitionProduceResponse(index=self._index, **values)
        of_topic = TopicProduceResponse(name=self._name, topic_id=self._topic_id, partition_responses=[of_partition])
        return ProduceResponse(responses=[of_topic])

    def refusal(self, error: Exception) -> ProduceResponse:
        """What is answered if the disk has failed."""
        code = error.code if isinstance(error, ApiError) else ErrorCode.KAFKA_STORAGE_ERROR
        return self.reply(error_code=code, error_message=str(error), base_offset=-1)

    def frame(self, correlation_id: int, reply: ProduceResponse) -> list[Buffer]:
        return frame_response(
            correlation_id, encode(reply, self.version), self.version >= ProduceResponse.flexible_since
        )


class Repetition:
    """A request like one before. To its connection it is what a Call is."""

    __slots__ = (
        "_append_time_ms", "_base_offset", "_began", "_broker", "_correlation_id", "_error", "_is_settled", "_pattern",
        "_request_bytes", "future", "reply_bytes",
    )  # fmt: skip

    key = ProduceRequest.api_key
    is_pipelined = True
    mute_ms = 0

    def __init__(
        self, broker: Broker, pattern: Pattern, correlation_id: int, frame: memoryview, batch: memoryview
    ) -> None:
        """Append `batch`. Raises ApiError, with nothing done, if it is to be refused."""
        self._broker = broker
        self._pattern = pattern
        self._correlation_id = correlation_id
        if broker.traffic is not None:
            self._began, self._request_bytes = broker.traffic.now(), len(frame)
        self._error: Exception | None = None
        self._is_settled = False
        self.future: asyncio.Future[Reply] | None = None
        try:
            appended = pattern.partition.append(batch, now_ms=broker.clock.now_ms())
        except DiskError as failure:
            self._settle(failure)
            return
        self._base_offset, _, self._append_time_ms, is_known = appended
        broker.durability.settle(pattern.partition, 0 if is_known else len(batch), self._settle)
        if not self._is_settled:
            self.future = broker.loop.create_future()

    def _settle(self, error: Exception | None) -> None:
        self._error = error
        self._is_settled = True
        if self.future is not None and not self.future.done():
            self.future.set_result(None)

    def encoded_reply(self) -> list[Buffer]:
        """The frame to send. The future, if any, must be done."""
        pattern = self._pattern
        refusal = None if self._error is None else pattern.refusal(self._error)
        if refusal is not None:
            pieces = pattern.frame(self._correlation_id, refusal)
        else:
            pieces = [
                pattern.pack(
                    pattern.size, self._correlation_id, pattern.before,
                    self._base_offset, self._append_time_ms, pattern.partition.log_start_offset, pattern.behind,
                )
            ]  # fmt: skip
        self.reply_bytes = len(pieces[0])
        traffic = self._broker.traffic
        if traffic is not None:
            traffic.answered(self.key, self._began, self._request_bytes, self.reply_bytes, refusal)
        return pieces


class Repeats:
    """What one connection asks again."""

    __slots__ = ("_beginning_end", "_broker")

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._beginning_end = 0  # in the request that was remembered last

    def call(self, frame: memoryview) -> Repetition | None:
        """Handle a request that is like one before; None, with nothing done, if it is not."""
        end = self._beginning_end
        if not end:
            return None
        broker = self._broker
        pattern = broker.patterns.get(_beginning(frame, end))
        if pattern is None or pattern.partition.config.compacts or not broker.access.is_open or broker.catalog.quotas:
            return None
        head, correlation_id = _HEAD.unpack_from(frame)
        batch = _records(frame, end, pattern.behind_records)
        if head != pattern.version or batch is None or has_transaction(batch):
            return None
        try:
            return Repetition(broker, pattern, correlation_id, frame, batch)
        except ApiError:
            return None  # it will be refused with all there is to say

    def learn(self, frame: memoryview, call: Call) -> None:
        """Remember a request that has gone the whole way, if others may be like it."""
        request, version = call.request, call.version
        if not isinstance(request, ProduceRequest) or version < VERSION_MIN:
            return
        if request.transactional_id is not None or request.acks not in (-1, 1) or len(request.topic_data) != 1:
            return
        topic = request.topic_data[0]
        records = topic.partition_data[0].records if len(topic.partition_data) == 1 else None
        if not records:
            return
        behind = _behind_records(version)
        prefix = compact_bytes_prefix(records) if behind else bytes_prefix(records)
        end = len(frame) - len(behind) - len(records) - len(prefix)
        found = _records(frame, end, behind)
        if found is None or len(found) != len(records):
            return  # there are tagged fields, say
        patterns = self._broker.patterns
        beginning = _beginning(frame, end)
        known = patterns.get(beginning)
        if known is None or known.version != version:
            catalog = self._broker.catalog
            try:
                of = find_topic(catalog, topic.name if version < TOPIC_IDS_SINCE else topic.topic_id)
                partition = catalog.log_of(of, topic.partition_data[0].index)
            except ApiError:
                return
            if of.is_internal:
                return
            if len(patterns) >= PATTERNS_MAX:
                patterns.clear()
            patterns[beginning] = Pattern(version, topic, partition)
        self._beginning_end = end


def _beginning(frame: memoryview, end: int) -> bytes:
    return frame[_HEAD.size : end].tobytes()


def _behind_records(version: int) -> bytes:
    return _NO_TAGS if version >= ProduceRequest.flexible_since else b""


def _records(frame: memoryview, at: int, behind: bytes) -> memoryview | None:
    """The bytes whose length is at `at`, if they may be a batch, and nothing follows them but `behind`."""
    try:
        if behind:
            size, at = read_uvarint(frame, at)
            size -= 1
        else:
            (size,) = _SIZE.unpack_from(frame, at)
            at += _SIZE.size
    except (IndexError, error, MalformedError):
        return None
    end = at + size
    if size < HEADER_BYTES or end + len(behind) != len(frame) or frame[end:] != behind:
        return None
    return frame[at:end]
