"""One partition as one share group sees it, alive: with its log, the state that is kept of it, and the clock."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tidings.broker.requests.long_polls import LongPoll
from tidings.broker.requests.lookup import find_partition
from tidings.broker.shares.start import first_offset
from tidings.coordination.share_partition.acknowledgements import Acknowledgement
from tidings.coordination.share_partition.limits import Limits
from tidings.coordination.share_partition.partition import (
    NO_TICKET,
    Acquired,
    LogBatch,
    SharePartition,
    Wanted,
    Write,
)
from tidings.coordination.share_state.state import NO_OFFSET, ShareState
from tidings.errors import DiskError
from tidings.log.aborted import AbortedTxn
from tidings.log.partition import Partition
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.primitives import Buffer
from tidings.wire.records import BatchHeader, batches

if TYPE_CHECKING:
    from tidings.broker.server import Broker

log = logging.getLogger(__name__)

READ_COMMITTED = "read_committed"
RECORD_BYTES_GUESSED = 1024
"""How large records are taken to be until some were read."""
ROOM = 2
"""How many times more is read than the records asked for should take."""

_FENCED = frozenset({ErrorCode.FENCED_LEADER_EPOCH, ErrorCode.FENCED_STATE_EPOCH})
_OVER = _FENCED | {ErrorCode.GROUP_ID_NOT_FOUND, ErrorCode.INVALID_REQUEST, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}
"""Errors that say: the state we know is not the one that is kept."""


class Found(NamedTuple):
    """What was read for a member, before it is decided who gets it."""

    offset: int
    data: bytes
    headers: list[tuple[int, BatchHeader]]
    """With their positions."""
    batches: list[LogBatch]


class Given(NamedTuple):
    data: Buffer
    acquired: list[Acquired]


class LivePartition:
    """Whoever waits for records of it is in `polls`. Once it `is_over`, nothing is given any more: ask for it anew."""

    def __init__(self, broker: Broker, group_id: str, topic_id: bytes, index: int, state: ShareState) -> None:
        """`state.start_offset` must be an offset."""
        self.group_id = group_id
        self.topic_id = topic_id
        self.index = index
        self.is_over = False
        self.polls: set[LongPoll] = set()
        self._broker = broker
        self._state_epoch = state.state_epoch
        self._shared = SharePartition(state)
        self._timer: asyncio.TimerHandle | None = None
        self._record_bytes = float(RECORD_BYTES_GUESSED)

    @classmethod
    async def load(cls, broker: Broker, group_id: str, topic_id: bytes, index: int) -> LivePartition:
        """With the state that was kept. Where the group has come nowhere yet, what it begins with is kept first:
        records that are handed out must not be passed over after a crash.

        Raises ApiError, DiskError.
        """
        partition = find_partition(broker.catalog, topic_id, index)
        state = await broker.share_state.read(group_id, topic_id, index, leader_epoch=partition.leader_epoch)
        if state.start_offset == NO_OFFSET:
            reset = broker.catalog.group_value("share.auto.offset.reset", group_id)
            start_offset = first_offset(partition, reset, broker.clock.now_ms())
            state = state._replace(start_offset=start_offset)
            await broker.share_state.write(
                group_id, topic_id, index,
                state_epoch=state.state_epoch, leader_epoch=partition.leader_epoch,
                start_offset=start_offset, delivery_complete_count=0, batches=(),
            )  # fmt: skip
        return cls(broker, group_id, topic_id, index, state)

    @property
    def limits(self) -> Limits:
        return limits_of(self._broker, self.group_id)

    @property
    def is_committed(self) -> bool:
        """Whether records of transactions that are undecided or aborted are kept from members."""
        return self._broker.catalog.group_value("share.isolation.level", self.group_id) == READ_COMMITTED

    @property
    def log(self) -> Partition:
        """Raises ApiError."""
        return find_partition(self._broker.catalog, self.topic_id, self.index)

    @property
    def acquired_count(self) -> int:
        """Records that members have."""
        return self._shared.acquired_count

    # --- records are handed out ---

    def look(self, bytes_max: int, records_max: int, *, at_least_one: bool) -> Found | None:
        """Read what could be handed out; it is not yet. Raises ApiError, DiskError."""
        partition = self.log
        if self.is_over:
            return None
        self._shared.start_at(partition.log_start_offset)
        self._take_back(self._shared.expire(self._broker.clock.monotonic_ms(), self.limits))
        offset = self._shared.next_offset(self.limits)
        is_committed = self.is_committed
        up_to = partition.last_stable_offset if is_committed else partition.high_watermark
        if offset is None or offset >= up_to:
            return None
        likely_bytes = int(self._record_bytes * records_max * ROOM)
        try:
            data = partition.read(offset, min(bytes_max, likely_bytes), up_to=up_to, at_least_one=at_least_one)
        except ApiError as error:
            if error.code != ErrorCode.OFFSET_OUT_OF_RANGE:
                raise
            return None  # it was deleted meanwhile: the next look begins behind it
        if not data:
            return None
        headers = list(batches(data))
        records = sum(header.last_offset_delta + 1 for _, header in headers)
        self._record_bytes = len(data) / records
        aborted = partition.aborted(offset, up_to) if is_committed else []
        read = [LogBatch(header.base_offset, header.last_offset, _is_hidden(header, aborted)) for _, header in headers]
        return Found(offset, data, headers, read)

    def give(self, found: Found, wanted: Wanted) -> Given:
        """Hand out of `found`, which was just looked up, what the member may have."""
        acquired, write = self._shared.acquire(
            wanted, found.offset, found.batches, self.limits, self._broker.clock.monotonic_ms()
        )
        if write is not None:
            self._keep(write)
        self._schedule()
        return Given(_part(found, acquired), acquired)

    def has_moved(self, found: Found) -> bool:
        """Whether another look would begin elsewhere than `found` did."""
        return self._shared.next_offset(self.limits) != found.offset

    # --- members say what became of them ---

    def acknowledge(self, member_id: str, acknowledgements: Sequence[Acknowledgement]) -> asyncio.Future[None] | None:
        """Done when it is safe, or failed with an ApiError or DiskError; None if there was nothing to keep.

        Raises ApiError for what the member may not say.
        """
        write = self._shared.acknowledge(member_id, acknowledgements, self.limits, self._broker.clock.monotonic_ms())
        return None if write is None else self._keep(write)

    def release(self, member_id: str) -> None:
        """The member is gone: others may have what it had."""
        self._take_back(self._shared.release(member_id, self.limits))

    def end(self) -> None:
        """What is known here no longer holds."""
        self.is_over = True
        if self._timer is not None:
            self._timer.cancel()
        self._wake()

    # --- within ---

    def _keep(self, write: Write) -> asyncio.Future[None]:
        written = self._broker.share_state.write(
            self.group_id, self.topic_id, self.index,
            state_epoch=self._state_epoch, leader_epoch=self._leader_epoch, start_offset=write.start_offset,
            delivery_complete_count=write.delivery_complete_count, batches=write.batches,
        )  # fmt: skip
        written.add_done_callback(partial(self._written, write.ticket))
        return written

    @property
    def _leader_epoch(self) -> int:
        try:
            return self.log.leader_epoch
        except ApiError:
            return 0  # the topic is gone, or offline: the write will be refused, or need not be

    def _written(self, ticket: int, written: asyncio.Future[None]) -> None:
        error = asyncio.CancelledError() if written.cancelled() else written.exception()
        if error is not None:
            log.warning("what %s did with %s-%d is not kept: %s", self.group_id, self.topic_id.hex(), self.index, error)
            if isinstance(error, ApiError) and error.code in _OVER:
                self._broker.share_partitions.forget(self.group_id, self.topic_id, self.index)
        if ticket != NO_TICKET:
            (self._shared.commit if error is None else self._shared.roll_back)(ticket)
            if error is not None:
                self._schedule()
        self._wake()

    def _take_back(self, write: Write | None) -> None:
        if write is not None:
            self._keep(write)
            self._wake()

    def _schedule(self) -> None:
        """Come back when the first member's time is over."""
        deadline_ms = self._shared.next_deadline_ms()
        if deadline_ms is None or self.is_over:
            return
        loop = self._broker.loop
        due = loop.time() + max(0, deadline_ms - self._broker.clock.monotonic_ms()) / 1000
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = loop.call_at(due, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self._take_back(self._shared.expire(self._broker.clock.monotonic_ms(), self.limits))
        self._schedule()

    def _wake(self) -> None:
        for poll in list(self.polls):
            self._broker.long_polls.end(poll)


def limits_of(broker: Broker, group_id: str) -> Limits:
    """What the group's settings say."""
    own, others = broker.catalog.groups.get(group_id), broker.config.shares
    if own is None:
        return others
    return Limits(
        deliveries_max=int(own.get("share.delivery.count.limit", others.deliveries_max)),
        lock_ms=int(own.get("share.record.lock.duration.ms", others.lock_ms)),
        locks_max=int(own.get("share.partition.max.record.locks", others.locks_max)),
        renewable=own.get("share.renew.acknowledge.enable", "true") == "true",
    )


def told_as(error: Exception) -> ApiError:
    """An error of the kept state or of the log, as Apache Kafka tells it to members."""
    if isinstance(error, DiskError):
        return ApiError(ErrorCode.KAFKA_STORAGE_ERROR, str(error))
    if not isinstance(error, ApiError):
        raise error
    if error.code in _FENCED:
        return ApiError(ErrorCode.NOT_LEADER_OR_FOLLOWER, str(error))
    if error.code == ErrorCode.INVALID_REQUEST:  # there is no state; it is not the member who asked for it
        return ApiError(ErrorCode.UNKNOWN_SERVER_ERROR, str(error))
    return error


def _is_hidden(header: BatchHeader, aborted: Sequence[AbortedTxn]) -> bool:
    """Whether the batch is for no consumer: marks of the broker, or of one of the `aborted` transactions."""
    return header.is_control or (
        header.is_transactional
        and any(
            txn.producer_id == header.producer_id and txn.first_offset <= header.base_offset <= txn.last_offset
            for txn in aborted
        )
    )


def _part(found: Found, acquired: list[Acquired]) -> Buffer:
    """The batches from the first to the last of which something was given."""
    if not acquired:
        return b""
    first, last = acquired[0].first_offset, acquired[-1].last_offset
    given = [
        (position, header)
        for position, header in found.headers
        if header.last_offset >= first and header.base_offset <= last
    ]
    begin, end = given[0][0], given[-1][0] + given[-1][1].size_bytes
    return found.data if end - begin == len(found.data) else memoryview(found.data)[begin:end]
