"""Fetch: records from many partitions, as the bytes they were produced as; if there are too few, wait for more.

- The reply is given at once when `min_bytes` are there, something is wrong with a partition, or `max_wait_ms` is 0;
  otherwise when enough has come or the time is over.
- The first batch is given whole even where it is larger than the limits, so that a consumer gets on (KIP-74).
- Version 7 has sessions (KIP-227, see `sessions`), 9 checks the leader epoch (KIP-320), 12 the last fetched epoch
  (KIP-595), 13 names topics by id (KIP-516), 15 moves the replica id: nobody is our replica, so it gains nothing.
- read_committed (KIP-98) gets nothing from the last stable offset on, where a transaction is undecided, and is told
  which transactions before it were aborted: consumers drop their records, and the markers, which come along.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from tidings.broker.access.guards import inside
from tidings.broker.requests.dispatch import Context, Reply, handles
from tidings.broker.requests.fetch_sessions import FULL_FETCH, Asked, FetchSession
from tidings.broker.requests.long_polls import LongPoll
from tidings.broker.requests.lookup import TopicKey, check_leader_epoch, find_partition, find_topic
from tidings.errors import DiskError
from tidings.log.partition import Partition
from tidings.security.rights import CLUSTER_ACTION_CLUSTER, READ_TOPIC
from tidings.security.rules import CLUSTER_NAME
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.fetch import (
    AbortedTransaction,
    EpochEndOffset,
    FetchableTopicResponse,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    PartitionData,
)
from tidings.wire.primitives import Buffer
from tidings.wire.records import batches

TOPIC_IDS_SINCE = 13
READ_COMMITTED = 1


@handles(FetchRequest, access=[inside(READ_TOPIC, CLUSTER_ACTION_CLUSTER)])
def fetch(request: FetchRequest, context: Context) -> Reply | asyncio.Future[Reply]:
    broker = context.broker
    uses_ids = context.api_version >= TOPIC_IDS_SINCE
    try:
        session = broker.fetch_sessions.session_for(request, uses_ids, broker.clock.monotonic_ms())
    except ApiError as error:
        return FetchResponse(error_code=error.code)
    return _Fetch(request, context, session).reply()


class _Fetch:
    """One request: read, perhaps wait and read again, reply."""

    def __init__(self, request: FetchRequest, context: Context, session: FetchSession) -> None:
        self._request = request
        self._broker = context.broker
        self._context = context
        self._session = session
        broker, quota_bytes = context.broker, context.broker.throttle.fetch_bytes_max(context.client_id)
        self._bytes_max = int(min(request.max_bytes, broker.config.fetch_bytes_max, quota_bytes))
        self._bytes_min = min(
            request.min_bytes, self._bytes_max
        )  # who wants more than may be given need not wait for it
        self._is_committed = request.isolation_level == READ_COMMITTED
        self._future: asyncio.Future[Reply] | None = None
        self._poll: LongPoll | None = None
        self._deadline_ms = 0
        # What the last look found:
        self._found: list[tuple[Asked, PartitionData]] = []
        self._found_bytes = 0
        self._has_error = False
        self._partitions: list[Partition] = []

    def reply(self) -> Reply | asyncio.Future[Reply]:
        self._read()
        request = self._request
        if self._is_enough or request.max_wait_ms <= 0:
            return self._response()
        self._deadline_ms = self._broker.clock.monotonic_ms() + request.max_wait_ms
        future = self._future = self._broker.loop.create_future()
        future.add_done_callback(lambda _: self._forget_poll())
        self._wait(request.max_wait_ms)
        return future

    def _wait(self, wait_ms: int) -> None:
        # What is committed may become readable all at once, with a marker of a few bytes.
        missing_bytes = 1 if self._is_committed else self._bytes_min - self._found_bytes
        self._poll = LongPoll(self._partitions, missing_bytes, self._on_wake)
        self._found.clear()  # what was read is read again: it need not lie around meanwhile
        self._broker.long_polls.wait(self._poll, wait_ms)

    def _forget_poll(self) -> None:
        if self._poll is not None:
            self._broker.long_polls.forget(self._poll)

    def _on_wake(self) -> None:
        future = self._future
        if future is None or future.done():
            return
        try:
            self._read()
            rest_ms = self._deadline_ms - self._broker.clock.monotonic_ms()
            if self._is_committed and not self._is_enough and rest_ms > 0 and not self._broker.is_closing:
                self._wait(rest_ms)  # it grew by what is not decided
            else:
                future.set_result(self._response())
        except Exception as error:
            future.set_exception(error)

    @property
    def _is_enough(self) -> bool:
        return self._found_bytes >= self._bytes_min or self._has_error or not self._session

    def _read(self) -> None:
        """Look at every partition once, in the session's order, until the bytes are used up."""
        self._found = []
        self._found_bytes = 0
        self._partitions = []
        tells_all = self._session.epoch == FULL_FETCH or not self._broker.access.is_open
        for asked in self._session:
            if not tells_all and self._is_quiet(asked):
                continue
            data = asked.data
            reply = PartitionData(partition_index=data.partition, error_code=0, high_watermark=-1, records=b"")
            reply.aborted_transactions = [] if self._is_committed else None
            try:
                self._read_partition(asked, data, reply)
            except ApiError as error:
                reply.error_code = error.code
            except DiskError:
                reply.error_code = ErrorCode.KAFKA_STORAGE_ERROR
            self._has_error |= reply.error_code != 0 or reply.diverging_epoch.epoch >= 0
            self._found.append((asked, reply))

    def _is_quiet(self, asked: Asked) -> bool:
        """Whether there is nothing to read, and nothing to tell that was not told before: so are most, of many."""
        data = asked.data
        try:
            partition = find_partition(self._broker.catalog, asked.topic, data.partition)
        except ApiError:
            return False
        if (
            data.fetch_offset == partition.high_watermark == asked.high_watermark
            and partition.log_start_offset == asked.log_start_offset
            and data.current_leader_epoch in (-1, partition.leader_epoch)
            and data.last_fetched_epoch in (-1, partition.latest_epoch)
        ):
            self._partitions.append(partition)
            return True
        return False

    def _read_partition(self, asked: Asked, data: FetchPartition, reply: PartitionData) -> None:
        if not self._broker.access.is_open:
            self._must_be_readable(asked.topic)
        partition = find_partition(self._broker.catalog, asked.topic, data.partition)
        check_leader_epoch(partition, data.current_leader_epoch)
        self._partitions.append(partition)
        if data.last_fetched_epoch >= 0 and _diverges(partition, data, reply):
            return
        offset, high_watermark = data.fetch_offset, partition.high_watermark
        if not partition.log_start_offset <= offset <= partition.end_offset:
            raise ApiError(ErrorCode.OFFSET_OUT_OF_RANGE, f"offset {offset} is not there")
        reply.high_watermark = high_watermark
        reply.last_stable_offset = partition.last_stable_offset
        up_to = reply.last_stable_offset if self._is_committed else high_watermark
        reply.log_start_offset = partition.log_start_offset
        bytes_max = min(data.partition_max_bytes, self._bytes_max - self._found_bytes)
        is_first = self._found_bytes == 0
        if offset < up_to and (bytes_max > 0 or is_first):
            reply.records = partition.read(offset, max(bytes_max, 0), up_to=up_to, at_least_one=is_first)
            self._found_bytes += len(reply.records)
            if self._is_committed and reply.records:
                reply.aborted_transactions = _aborted(partition, offset, up_to, reply.records)

    def _must_be_readable(self, asked: TopicKey) -> None:
        """A topic that must not be read is not told of, whether it is there or not. Raises ApiError.

        Who calls itself a replica needs a broker's right instead, as in Apache Kafka.
        """
        name = asked if isinstance(asked, str) else find_topic(self._broker.catalog, asked).name
        is_replica = max(self._request.replica_id, self._request.replica_state.replica_id) >= 0
        needed = (CLUSTER_ACTION_CLUSTER, CLUSTER_NAME) if is_replica else (READ_TOPIC, name)
        if not self._context.may(*needed):
            raise ApiError(ErrorCode.TOPIC_AUTHORIZATION_FAILED)

    def _response(self) -> FetchResponse:
        session, found = self._session, self._found
        if session.epoch > 0:
            found = [(asked, reply) for asked, reply in found if asked.is_news(reply)]
        elif session.session_id:
            for asked, reply in found:
                asked.is_news(reply)
        session.serve_last([asked for asked, reply in found if reply.records])
        return FetchResponse(session_id=session.session_id, responses=_by_topic(found, session.uses_ids))


def _diverges(partition: Partition, data: FetchPartition, reply: PartitionData) -> bool:
    """Whether the client has read records of an epoch that ended earlier than it believes: it should go back."""
    epoch, end_offset = partition.epoch_end(data.last_fetched_epoch)
    if epoch < 0:
        raise ApiError(ErrorCode.OFFSET_OUT_OF_RANGE, f"epoch {data.last_fetched_epoch} is not known")
    if epoch >= data.last_fetched_epoch and end_offset >= data.fetch_offset:
        return False
    reply.diverging_epoch = EpochEndOffset(epoch=epoch, end_offset=end_offset)
    return True


def _aborted(partition: Partition, offset: int, up_to: int, data: Buffer) -> list[AbortedTransaction]:
    """Those that have records in `data`, which was read from `offset` on."""
    found = partition.aborted(offset, up_to)
    if not found:
        return []
    last_offset = max(header.last_offset for _, header in batches(data))
    return [
        AbortedTransaction(producer_id=aborted.producer_id, first_offset=aborted.first_offset)
        for aborted in found
        if aborted.first_offset <= last_offset
    ]


def _by_topic(found: Iterable[tuple[Asked, PartitionData]], uses_ids: bool) -> list[FetchableTopicResponse]:
    topics: dict[str | bytes, FetchableTopicResponse] = {}
    for asked, reply in found:
        topic = topics.get(asked.topic)
        if topic is None:
            topic = topics[asked.topic] = FetchableTopicResponse()
            if uses_ids:
                topic.topic_id = asked.topic  # type: ignore[assignment]
            else:
                topic.topic = asked.topic  # type: ignore[assignment]
        topic.partitions.append(reply)
    return list(topics.values())
