"""Fetch sessions (KIP-227): a consumer names its partitions once, then only changes, and is told only changes.

Pure bookkeeping: the fetch handler reads the log, this remembers who asked for what and what they were last told.
A session lasts over connections and has an epoch, a request counter: a client that missed a reply finds out by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from tidings.broker.requests.lookup import TopicKey
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.fetch import FetchPartition, FetchRequest, PartitionData

NO_SESSION = 0
FULL_FETCH = 0
"""The epoch of a request that names all its partitions and would like a session."""
SESSIONLESS = -1
"""The epoch of a request that wants no session; it also ends the one it names."""

EPOCH_MAX = 0x7FFFFFFF
EVICTION_AGE_MS_MIN = 120_000
"""A session this long unused makes room for a new one (Kafka: min.incremental.fetch.session.eviction.ms)."""


class Asked:
    """A partition somebody fetches: how it is asked for, and what they were told of it last."""

    __slots__ = ("data", "high_watermark", "index", "log_start_offset", "topic")

    def __init__(self, topic: TopicKey, data: FetchPartition) -> None:
        self.topic = topic
        self.index = data.partition
        self.data = data
        self.high_watermark = -1
        self.log_start_offset = -1

    def is_news(self, reply: PartitionData) -> bool:
        """Whether `reply` says anything that was not said before; remembers that it is said now."""
        if reply.error_code != ErrorCode.NONE:
            self.high_watermark = -1  # so that the end of the error is news
            return True
        is_news = bool(
            reply.records
            or reply.high_watermark != self.high_watermark
            or reply.log_start_offset != self.log_start_offset
            or reply.diverging_epoch.epoch >= 0
        )
        self.high_watermark = reply.high_watermark
        self.log_start_offset = reply.log_start_offset
        return is_news


class FetchSession:
    """What one consumer fetches, in the order in which it is read: who was served goes to the end."""

    def __init__(self, session_id: int, uses_ids: bool) -> None:
        self.session_id = session_id
        self.uses_ids = uses_ids
        self.epoch = FULL_FETCH  # of the last request answered, or being answered
        self.used_ms = 0
        self._asked: dict[tuple[TopicKey, int], Asked] = {}

    def __iter__(self) -> Iterator[Asked]:
        return iter(self._asked.values())

    def __len__(self) -> int:
        return len(self._asked)

    def update(self, request: FetchRequest) -> None:
        """Add or change the partitions `request` names, and drop those it forgets."""
        for topic in request.topics:
            key = topic.topic_id if self.uses_ids else topic.topic
            for data in topic.partitions:
                known = self._asked.get((key, data.partition))
                if known is None:
                    self._asked[key, data.partition] = Asked(key, data)
                else:
                    known.data = data
        for forgotten in request.forgotten_topics_data:
            key = forgotten.topic_id if self.uses_ids else forgotten.topic
            for index in forgotten.partitions:
                self._asked.pop((key, index), None)

    def serve_last(self, served: Iterable[Asked]) -> None:
        """Next time read `served` after the others, so that a busy partition cannot starve a quiet one."""
        for asked in served:
            key = asked.topic, asked.index
            if self._asked.pop(key, None) is not None:
                self._asked[key] = asked


class FetchSessions:
    """The sessions of all consumers, the least recently used first; a bounded number of them."""

    def __init__(self, sessions_max: int, new_id: Callable[[], int]) -> None:
        """`new_id` gives random positive int32 numbers."""
        self._sessions_max = sessions_max
        self._new_id = new_id
        self._sessions: dict[int, FetchSession] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def session_for(self, request: FetchRequest, uses_ids: bool, now_ms: int) -> FetchSession:
        """The session `request` belongs to, brought up to date with it.

        One without a place here has id NO_SESSION. `now_ms` is monotonic. Raises ApiError for a session that is not
        there (any more), or is at another epoch.
        """
        if request.session_epoch in (FULL_FETCH, SESSIONLESS):
            self._sessions.pop(request.session_id, None)
            return self._new_session(request, uses_ids, now_ms)
        return self._next_of_session(request, uses_ids, now_ms)

    def _new_session(self, request: FetchRequest, uses_ids: bool, now_ms: int) -> FetchSession:
        session = FetchSession(NO_SESSION, uses_ids)
        session.update(request)
        session.used_ms = now_ms
        if request.session_epoch == FULL_FETCH and len(session) and self._has_room(now_ms):
            session.session_id = self._free_id()
            self._sessions[session.session_id] = session
        return session

    def _next_of_session(self, request: FetchRequest, uses_ids: bool, now_ms: int) -> FetchSession:
        session = self._sessions.get(request.session_id)
        if session is None:
            raise ApiError(ErrorCode.FETCH_SESSION_ID_NOT_FOUND, f"there is no fetch session {request.session_id}")
        if request.session_epoch != _epoch_after(session.epoch):
            raise ApiError(
                ErrorCode.INVALID_FETCH_SESSION_EPOCH,
                f"fetch session {request.session_id} is at epoch {session.epoch}, not {request.session_epoch}",
            )
        if uses_ids != session.uses_ids:
            raise ApiError(ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR, "a fetch session keeps to topic names or to ids")
        del self._sessions[session.session_id]
        session.update(request)
        session.epoch = request.session_epoch
        session.used_ms = now_ms
        if len(session):
            self._sessions[session.session_id] = session  # now the most recently used
        else:
            session.session_id = NO_SESSION
        return session

    def _has_room(self, now_ms: int) -> bool:
        if len(self._sessions) >= self._sessions_max:
            oldest = next(iter(self._sessions.values()), None)
            if oldest is None or now_ms - oldest.used_ms < EVICTION_AGE_MS_MIN:
                return False
            del self._sessions[oldest.session_id]
        return True

    def _free_id(self) -> int:
        while (session_id := self._new_id()) in self._sessions:
            pass
        return session_id


def _epoch_after(epoch: int) -> int:
    return 1 if epoch == EPOCH_MAX else epoch + 1
