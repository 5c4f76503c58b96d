"""ShareFetch: a member of a share group is given records that no other member has (KIP-932).

- The broker chooses the offsets. `acquired_records` says which records, of the batches that come along as they were
  produced, are the member's: for `acquisition_lock_timeout_ms`, or until it says what became of them.
- It may say that of earlier records in the same request: that is answered when it is on the disk.
- It waits as Fetch does: until `min_bytes` could be given, something is wrong, or `max_wait_ms` have passed.
- Version 2 has a strict limit of records (KIP-1206), and can renew (KIP-1222): such a request fetches nothing.
- Whether the member belongs to the group is not asked, as in Apache Kafka: sessions are by group and member.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from tidings.broker.access.guards import inside, whole
from tidings.broker.requests.dispatch import Context, handles
from tidings.broker.requests.long_polls import LongPoll
from tidings.broker.requests.lookup import find_topic
from tidings.broker.shares.acknowledging import Acknowledging, check_asker
from tidings.broker.shares.partition import Found, Given, LivePartition, limits_of, told_as
from tidings.broker.shares.sessions import ENDS, ShareSession, Wanted
from tidings.coordination.share_partition import partition as share_partition
from tidings.coordination.share_partition.acknowledgements import Acknowledgement
from tidings.errors import DiskError
from tidings.log.partition import Partition
from tidings.security.rights import READ_GROUP, READ_TOPIC
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.share_fetch import (
    AcquiredRecords,
    LeaderIdAndEpoch,
    PartitionData,
    ShareFetchableTopicResponse,
    ShareFetchRequest,
    ShareFetchResponse,
)

RECORD_LIMIT = 1
"""The acquire mode in which not one record more is given than was asked for."""


@handles(ShareFetchRequest, access=[whole(READ_GROUP, "group_id"), inside(READ_TOPIC)])
async def share_fetch(request: ShareFetchRequest, context: Context) -> ShareFetchResponse:
    broker = context.broker
    check_asker(request.group_id, request.member_id)
    if request.is_renew_ack and (request.max_bytes or request.min_bytes or request.max_records or request.max_wait_ms):
        raise ApiError(ErrorCode.INVALID_REQUEST, "a request that renews fetches nothing, and does not wait")
    assert context.lost is not None
    try:
        session = broker.share_sessions.of_fetch(request, context.lost)
    except ApiError as error:
        if error.code == ErrorCode.SHARE_SESSION_LIMIT_REACHED:
            await asyncio.sleep(request.max_wait_ms / 1000)  # the client would ask again at once
        raise
    is_last = request.share_session_epoch == ENDS
    acknowledging = _acknowledge(request, context, session)
    replies: dict[Wanted, PartitionData] = {}
    if not is_last and len(session) and request.max_records > 0 and request.max_bytes > 0:  # nor while renewing
        replies = await _Fetch(request, context, session).replies()
    for key, failed in (await acknowledging.errors()).items():
        reply = replies.setdefault(key, PartitionData(partition_index=key[1]))
        if failed is not None:
            reply.acknowledge_error_code, reply.acknowledge_error_message = failed.code, str(failed)
    if is_last:
        broker.share_sessions.end(session)
    lock_ms = limits_of(broker, session.group_id).lock_ms
    return ShareFetchResponse(acquisition_lock_timeout_ms=lock_ms, responses=_by_topic(replies))


def _acknowledge(request: ShareFetchRequest, context: Context, session: ShareSession) -> Acknowledging:
    acknowledging = Acknowledging(context, session, renews=request.is_renew_ack)
    for topic in request.topics:
        for partition in topic.partitions:
            if partition.acknowledgement_batches:
                told = [
                    Acknowledgement(batch.first_offset, batch.last_offset, batch.acknowledge_types)
                    for batch in partition.acknowledgement_batches
                ]
                acknowledging.begin(topic.topic_id, partition.partition_index, told)
    return acknowledging


class _Look(NamedTuple):
    key: Wanted
    live: LivePartition
    found: Found


class _Fetch:
    """The fetching part of one request: look, perhaps wait and look again, then take."""

    def __init__(self, request: ShareFetchRequest, context: Context, session: ShareSession) -> None:
        self._request = request
        self._context = context
        self._broker = broker = context.broker
        self._session = session
        quota_bytes = broker.throttle.fetch_bytes_max(context.client_id)
        self._bytes_max = int(min(request.max_bytes, broker.config.fetch_bytes_max, quota_bytes))
        self._bytes_min = min(request.min_bytes, self._bytes_max)
        self._live: dict[Wanted, LivePartition] = {}
        self._replies: dict[Wanted, PartitionData] = {}

    async def replies(self) -> dict[Wanted, PartitionData]:
        """For each partition of which there is something to say."""
        deadline_ms = self._broker.clock.monotonic_ms() + self._request.max_wait_ms
        await self._load_all()
        while True:
            looks = self._look()
            found_bytes = sum(len(look.found.data) for look in looks)
            rest_ms = deadline_ms - self._broker.clock.monotonic_ms()
            is_over = rest_ms <= 0 or self._broker.is_closing or bool(self._replies)
            if is_over or self._is_enough(looks):
                has_progress = self._take(looks)
                if is_over or self._replies:
                    return self._replies
                if has_progress:
                    continue  # what was there was for nobody
            await self._wait(max(1, self._bytes_min - found_bytes), rest_ms)

    async def _load_all(self) -> None:
        """Of partitions that nobody of the group has fetched yet, one will do if it has enough.

        As in Apache Kafka, where the first one to be loaded is answered for: workers that start together find something
        each, and the first records do not wait for every partition's state.
        """
        wanted = self._session.wanted()
        known = [key for key in wanted if self._broker.share_partitions.get(self._session.group_id, *key)]
        await asyncio.gather(*map(self._load, known))
        new = [key for key in wanted if key not in self._live and key not in self._replies]
        if new:
            await self._load(new[0])
            if not self._is_enough(self._look()):
                await asyncio.gather(*map(self._load, new[1:]))

    def _is_enough(self, looks: list[_Look]) -> bool:
        return bool(looks) and sum(len(look.found.data) for look in looks) >= self._bytes_min

    async def _load(self, key: Wanted) -> None:
        topic_id, index = key
        try:
            topic = find_topic(self._broker.catalog, topic_id)
            if not self._context.may(READ_TOPIC, topic.name):
                raise ApiError(ErrorCode.TOPIC_AUTHORIZATION_FAILED)
            self._live[key] = await self._broker.share_partitions.load(self._session.group_id, topic_id, index)
        except (ApiError, DiskError) as error:
            self._fail(key, error)

    def _look(self) -> list[_Look]:
        """What could be given, of each partition in turn, until the bytes are used up."""
        looks: list[_Look] = []
        bytes_left = self._bytes_max
        share_bytes = max(1, self._bytes_max // max(1, len(self._live)))
        for key, live in self._live.items():
            if bytes_left <= 0 and looks:
                break
            try:
                found = live.look(min(share_bytes, bytes_left), self._request.max_records, at_least_one=not looks)
            except (ApiError, DiskError) as error:
                self._fail(key, error)
                continue
            if found is not None:
                looks.append(_Look(key, live, found))
                bytes_left -= len(found.data)
        return looks

    def _take(self, looks: list[_Look]) -> bool:
        """Give the member what it may have of it; says whether less is there to be looked at than before."""
        request, taken = self._request, 0
        for look in looks:
            records_max = request.max_records - taken
            if records_max <= 0:
                break
            given = look.live.give(look.found, self._wanted(records_max))
            if given.acquired:
                self._replies[look.key] = _reply(look.key[1], given)
                taken += sum(run.last_offset - run.first_offset + 1 for run in given.acquired)
        return any(look.live.has_moved(look.found) for look in looks)

    def _wanted(self, records_max: int) -> share_partition.Wanted:
        request = self._request
        is_strict = request.share_acquire_mode == RECORD_LIMIT
        return share_partition.Wanted(self._session.member_id, records_max, max(1, request.batch_size), is_strict)

    async def _wait(self, missing_bytes: int, wait_ms: int) -> None:
        """Until a partition has grown, or given back what somebody had."""
        woken = asyncio.Event()
        if any(live.is_committed for live in self._live.values()):
            missing_bytes = 1  # what is committed may become readable all at once, with a marker of a few bytes
        poll = LongPoll(self._logs(), missing_bytes, woken.set)
        self._broker.long_polls.wait(poll, wait_ms)
        for live in self._live.values():
            live.polls.add(poll)
        try:
            await woken.wait()
        finally:
            self._broker.long_polls.forget(poll)
            for live in self._live.values():
                live.polls.discard(poll)

    def _logs(self) -> list[Partition]:
        logs = []
        for key, live in self._live.items():
            try:
                logs.append(live.log)
            except ApiError as error:
                self._fail(key, error)
        return logs

    def _fail(self, key: Wanted, error: Exception) -> None:
        told = told_as(error)
        reply = self._replies[key] = PartitionData(partition_index=key[1], error_code=told.code)
        reply.error_message = str(told)
        reply.current_leader = LeaderIdAndEpoch(leader_id=-1, leader_epoch=-1)


def _reply(index: int, given: Given) -> PartitionData:
    acquired = [
        AcquiredRecords(first_offset=run.first_offset, last_offset=run.last_offset, delivery_count=run.delivery_count)
        for run in given.acquired
    ]
    return PartitionData(partition_index=index, records=given.data, acquired_records=acquired)


def _by_topic(replies: dict[Wanted, PartitionData]) -> list[ShareFetchableTopicResponse]:
    topics: dict[bytes, ShareFetchableTopicResponse] = {}
    for (topic_id, _), reply in replies.items():
        topics.setdefault(topic_id, ShareFetchableTopicResponse(topic_id=topic_id)).partitions.append(reply)
    return list(topics.values())
