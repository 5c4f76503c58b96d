"""Fetch sessions (KIP-227), without a network or a log."""

from __future__ import annotations

from itertools import count

import pytest

from tidings.broker.requests.fetch_sessions import (
    EPOCH_MAX,
    EVICTION_AGE_MS_MIN,
    NO_SESSION,
    SESSIONLESS,
    FetchSession,
    FetchSessions,
)
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic, ForgottenTopic, PartitionData


def request(
    *partitions: tuple[str, int, int], session_id: int = 0, epoch: int = 0, forget: tuple[str, list[int]] | None = None
) -> FetchRequest:
    """Each partition as topic, index, offset."""
    return FetchRequest(
        session_id=session_id,
        session_epoch=epoch,
        topics=[
            FetchTopic(topic=topic, partitions=[FetchPartition(partition=index, fetch_offset=offset)])
            for topic, index, offset in partitions
        ],
        forgotten_topics_data=[ForgottenTopic(topic=forget[0], partitions=forget[1])] if forget else [],
    )


def sessions(sessions_max: int = 10) -> FetchSessions:
    ids = count(100)
    return FetchSessions(sessions_max, lambda: next(ids))


def asked(session: FetchSession) -> list[tuple[object, int, int]]:
    return [(one.topic, one.index, one.data.fetch_offset) for one in session]


def reply(high_watermark: int, records: bytes = b"", error: int = 0) -> PartitionData:
    return PartitionData(
        partition_index=0, error_code=error, high_watermark=high_watermark, log_start_offset=0, records=records
    )


def refusal(cache: FetchSessions, wanted: FetchRequest, uses_ids: bool = False) -> ErrorCode:
    with pytest.raises(ApiError) as caught:
        cache.session_for(wanted, uses_ids, 0)
    return caught.value.code


def test_a_full_fetch_opens_a_session_and_the_next_names_only_what_changes() -> None:
    cache = sessions()
    first = cache.session_for(request(("a", 0, 5), ("b", 0, 7)), False, 0)
    assert first.session_id == 100
    second = cache.session_for(request(("b", 0, 8), ("c", 1, 0), session_id=100, epoch=1, forget=("a", [0])), False, 0)
    assert second is first
    assert asked(second) == [("b", 0, 8), ("c", 1, 0)]


def test_a_session_must_be_there_and_at_the_right_epoch() -> None:
    cache = sessions()
    session_id = cache.session_for(request(("a", 0, 0)), False, 0).session_id
    assert refusal(cache, request(session_id=7, epoch=1)) == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert refusal(cache, request(session_id=session_id, epoch=2)) == ErrorCode.INVALID_FETCH_SESSION_EPOCH
    assert refusal(cache, request(session_id=session_id, epoch=1), True) == ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR
    cache.session_for(request(session_id=session_id, epoch=1), False, 0)
    assert refusal(cache, request(session_id=session_id, epoch=1)) == ErrorCode.INVALID_FETCH_SESSION_EPOCH


def test_the_epoch_after_the_last_is_one() -> None:
    cache = sessions()
    session = cache.session_for(request(("a", 0, 0)), False, 0)
    session.epoch = EPOCH_MAX
    assert cache.session_for(request(session_id=session.session_id, epoch=1), False, 0).epoch == 1


def test_a_request_that_wants_no_session_ends_the_one_it_names() -> None:
    cache = sessions()
    session_id = cache.session_for(request(("a", 0, 0)), False, 0).session_id
    last = cache.session_for(request(("a", 0, 0), session_id=session_id, epoch=SESSIONLESS), False, 0)
    assert last.session_id == NO_SESSION
    assert len(cache) == 0


def test_a_session_without_partitions_ends() -> None:
    cache = sessions()
    session_id = cache.session_for(request(("a", 0, 0)), False, 0).session_id
    last = cache.session_for(request(session_id=session_id, epoch=1, forget=("a", [0])), False, 0)
    assert last.session_id == NO_SESSION
    assert len(cache) == 0


def test_with_all_places_taken_a_newcomer_goes_without_until_one_is_long_unused() -> None:
    cache = sessions(2)
    busy = cache.session_for(request(("a", 0, 0)), False, 0)
    idle = cache.session_for(request(("a", 0, 0)), False, 1)
    cache.session_for(request(session_id=busy.session_id, epoch=1), False, 2)
    assert cache.session_for(request(("b", 0, 0)), False, EVICTION_AGE_MS_MIN).session_id == NO_SESSION
    newcomer = cache.session_for(request(("b", 0, 0)), False, EVICTION_AGE_MS_MIN + 1)
    assert newcomer.session_id != NO_SESSION
    assert refusal(cache, request(session_id=idle.session_id, epoch=1)) == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    cache.session_for(request(session_id=busy.session_id, epoch=2), False, 0)
    assert len(cache) == 2


def test_news_is_records_or_a_moved_watermark_or_an_error_and_its_end() -> None:
    (one,) = sessions().session_for(request(("a", 0, 0)), False, 0)
    assert one.is_news(reply(5))
    assert not one.is_news(reply(5))
    assert one.is_news(reply(6))
    assert one.is_news(reply(6, b"records"))
    assert not one.is_news(reply(6))
    assert one.is_news(reply(-1, error=3))
    assert one.is_news(reply(-1, error=3))
    assert one.is_news(reply(6))
    assert not one.is_news(reply(6))


def test_who_was_served_is_read_last_next_time() -> None:
    session = sessions().session_for(request(("a", 0, 0), ("b", 0, 0), ("c", 0, 0)), False, 0)
    first = next(iter(session))
    session.serve_last([first])
    assert [topic for topic, _, _ in asked(session)] == ["b", "c", "a"]
