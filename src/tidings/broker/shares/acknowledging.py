"""Acknowledgements as requests bring them: alone, or along with a fetch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tidings.broker.requests.lookup import find_topic
from tidings.broker.shares.partition import told_as
from tidings.broker.shares.sessions import ShareSession, Wanted
from tidings.coordination.share_partition.acknowledgements import Acknowledgement, Kind, check
from tidings.security.rights import READ_TOPIC
from tidings.wire.error_codes import ApiError, ErrorCode

if TYPE_CHECKING:
    from tidings.broker.requests.dispatch import Context

MEMBER_ID_CHARS_MAX = 36


def check_asker(group_id: str | None, member_id: str | None) -> None:
    """Raises ApiError INVALID_REQUEST."""
    if group_id is None:
        raise ApiError(ErrorCode.INVALID_REQUEST, "Invalid group id in the request.")
    if not member_id or len(member_id) > MEMBER_ID_CHARS_MAX:
        raise ApiError(ErrorCode.INVALID_REQUEST, "Invalid member id in the request.")


class Acknowledging:
    """All that one request acknowledges. It begins at once; `errors` waits until all of it is safe."""

    def __init__(self, context: Context, session: ShareSession, *, renews: bool) -> None:
        self._context = context
        self._session = session
        self._renews = renews
        self._under_way: dict[Wanted, asyncio.Future[None] | None] = {}
        self._errors: dict[Wanted, ApiError | None] = {}

    def begin(self, topic_id: bytes, index: int, acknowledgements: Sequence[Acknowledgement]) -> None:
        """Do what is said of the records of one partition; nothing, if nothing is said."""
        try:
            self._under_way[topic_id, index] = self._begun(topic_id, index, acknowledgements)
        except ApiError as error:
            self._errors[topic_id, index] = error

    def _begun(
        self, topic_id: bytes, index: int, acknowledgements: Sequence[Acknowledgement]
    ) -> asyncio.Future[None] | None:
        broker, session = self._context.broker, self._session
        topic = find_topic(broker.catalog, topic_id)
        check(acknowledgements, renews=self._renews)
        if not self._context.may(READ_TOPIC, topic.name):
            raise ApiError(ErrorCode.TOPIC_AUTHORIZATION_FAILED)
        if not 0 <= index < len(topic.partitions):
            raise ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"There is no partition {topic.name}-{index}.")
        if not acknowledgements:
            return None
        live = broker.share_partitions.get(session.group_id, topic_id, index)
        if live is None:
            raise ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "nothing of this partition is handed out")
        written = live.acknowledge(session.member_id, acknowledgements)
        _count(broker.share_partitions.acknowledged, acknowledgements)
        return written

    async def errors(self) -> dict[Wanted, ApiError | None]:
        """For each partition, when all is safe: what went wrong, or None."""
        for key, written in self._under_way.items():
            self._errors[key] = None
            if written is not None:
                try:
                    await asyncio.shield(written)  # what is begun goes on, should this client not wait for it
                except Exception as error:
                    self._errors[key] = told_as(error)
        return self._errors


def _count(counts: dict[Kind, int], acknowledgements: Sequence[Acknowledgement]) -> None:
    for first, last, kinds in acknowledgements:
        if len(kinds) == 1:
            counts[Kind(kinds[0])] += last - first + 1
        else:
            for kind in kinds:
                counts[Kind(kind)] += 1
