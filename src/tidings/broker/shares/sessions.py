"""Share sessions (KIP-932): a member of a share group names its partitions once, then only changes.

As fetch sessions, but known by group and member, and bound to the connection that opened them: what the member was
given is given to others when its session ends, by its wish or because the connection is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.messages.share_fetch import ShareFetchRequest

OPENS = 0
"""The epoch of a request that opens a session."""
ENDS = -1
"""The epoch of one that ends it."""

EPOCH_MAX = 0x7FFFFFFF

Key = tuple[str, str]
"""Group and member."""
Wanted = tuple[bytes, int]
"""Topic id and partition."""


class ShareSession:
    def __init__(self, group_id: str, member_id: str, connection: asyncio.Future[None]) -> None:
        """`connection` is done when the connection is gone."""
        self.group_id = group_id
        self.member_id = member_id
        self.connection = connection
        self.epoch = _epoch_after(OPENS)  # of the next request
        self._wanted: dict[Wanted, None] = {}

    @property
    def key(self) -> Key:
        return self.group_id, self.member_id

    def __len__(self) -> int:
        return len(self._wanted)

    def update(self, request: ShareFetchRequest) -> None:
        """Add the partitions the request names, and drop those it forgets."""
        for topic in request.topics:
            for partition in topic.partitions:
                self._wanted[topic.topic_id, partition.partition_index] = None
        for forgotten in request.forgotten_topics_data:
            for index in forgotten.partitions:
                self._wanted.pop((forgotten.topic_id, index), None)

    def wanted(self) -> Sequence[Wanted]:
        """Its partitions, each time another one first."""
        wanted = list(self._wanted)
        turn = self.epoch % len(wanted) if wanted else 0
        return wanted[turn:] + wanted[:turn]


class ShareSessions:
    """The sessions of all members; a bounded number of them."""

    def __init__(self, sessions_max: int, ended: Callable[[ShareSession], None]) -> None:
        """`ended` is told of each session that is over."""
        self._sessions_max = sessions_max
        self._ended = ended
        self._sessions: dict[Key, ShareSession] = {}
        self._connections: set[asyncio.Future[None]] = set()

    def __len__(self) -> int:
        return len(self._sessions)

    def members(self, group_id: str) -> int:
        """How many of a group have a session."""
        return sum(of == group_id for of, _ in self._sessions)

    def of_fetch(self, request: ShareFetchRequest, connection: asyncio.Future[None]) -> ShareSession:
        """The session a ShareFetch belongs to, brought up to date with it; opened, if it says so.

        Raises ApiError SHARE_SESSION_NOT_FOUND, INVALID_SHARE_SESSION_EPOCH, SHARE_SESSION_LIMIT_REACHED, and
        INVALID_REQUEST for a request that opens a session and acknowledges something.
        """
        if request.share_session_epoch != OPENS:
            session = self.of_epoch(request.group_id or "", request.member_id or "", request.share_session_epoch)
            if request.share_session_epoch != ENDS:
                session.update(request)
            return session
        if any(partition.acknowledgement_batches for topic in request.topics for partition in topic.partitions):
            raise ApiError(ErrorCode.INVALID_REQUEST, "a request that opens a session has nothing to acknowledge")
        session = ShareSession(request.group_id or "", request.member_id or "", connection)
        if session.key not in self._sessions and len(self._sessions) >= self._sessions_max:
            raise ApiError(ErrorCode.SHARE_SESSION_LIMIT_REACHED, f"there are {len(self._sessions)} sessions already")
        session.update(request)
        self._sessions[session.key] = session
        if connection not in self._connections:
            self._connections.add(connection)
            connection.add_done_callback(self._connection_lost)
        return session

    def of_epoch(self, group_id: str, member_id: str, epoch: int) -> ShareSession:
        """The session of a request in `epoch`, which is ENDS or the one that follows the last.

        Raises ApiError SHARE_SESSION_NOT_FOUND, INVALID_SHARE_SESSION_EPOCH.
        """
        session = self._sessions.get((group_id, member_id))
        if epoch == OPENS:
            raise ApiError(ErrorCode.INVALID_SHARE_SESSION_EPOCH, "a session is opened by a fetch")
        if session is None:
            raise ApiError(ErrorCode.SHARE_SESSION_NOT_FOUND, f"{member_id} has no share session")
        if epoch != ENDS:
            if epoch != session.epoch:
                raise ApiError(
                    ErrorCode.INVALID_SHARE_SESSION_EPOCH, f"the session is at epoch {session.epoch}, not {epoch}"
                )
            session.epoch = _epoch_after(epoch)
        return session

    def end(self, session: ShareSession) -> None:
        """It is over, unless the member has opened another one since."""
        if self._sessions.get(session.key) is session:
            del self._sessions[session.key]
            self._ended(session)

    def _connection_lost(self, connection: asyncio.Future[None]) -> None:
        self._connections.discard(connection)
        for session in list(self._sessions.values()):
            if session.connection is connection:
                self.end(session)


def _epoch_after(epoch: int) -> int:
    return 1 if epoch == EPOCH_MAX else epoch + 1
