"""One request on its way: from its frame to the handler, and from the reply to the bytes of a frame.

Here is the border where exceptions become error codes, or the end of the connection.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from tidings.broker.requests.dispatch import Api, CloseConnection, Context, Reply, error_reply
from tidings.wire.codec import decode, encode
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.frames import frame_response, read_request
from tidings.wire.message import Message
from tidings.wire.primitives import Buffer, MalformedError, skip_tagged_fields

if TYPE_CHECKING:
    from tidings.broker.server import Broker

log = logging.getLogger(__name__)


class Call:
    """A request in the hands of its handler. While `future` is there and not done, its reply has to be waited for."""

    __slots__ = (
        "_api",
        "_began",
        "_broker",
        "_client_id",
        "_correlation_id",
        "_frame_bytes",
        "_reply",
        "future",
        "mute_ms",
        "reply_bytes",
        "request",
        "version",
    )

    def __init__(
        self, broker: Broker, frame: memoryview, client_host: str, local_host: str, lost: asyncio.Future[None]
    ) -> None:
        """Read `frame` and start its handler. `lost` is done when the connection is gone.

        Raises MalformedError for a frame that is no request of ours, CloseConnection if it cannot be answered.
        """
        key, version, self._correlation_id, client_id, pos = read_request(frame)
        api = broker.apis.get(key)
        if api is None:
            raise MalformedError(f"there is no API {key} here (version {version} of it was asked for)")
        self._api: Api = api
        self._client_id = client_id
        self._frame_bytes = len(frame)
        self._broker = broker
        self._began = 0.0 if broker.traffic is None else broker.traffic.now()
        self.reply_bytes = 0  # with its frame; known with the reply, as is the next
        self.mute_ms = 0  # how long nothing further may be read from this client
        self.version = version
        self._reply: Reply = None
        self.request: Message | None = None
        self.future: asyncio.Future[Reply] | None = None
        context = Context(broker, version, client_id, client_host, local_host, lost=lost)
        if not api.version_min <= version <= api.version_max:
            self._answer_other_version(context)
            return
        if version >= api.request.flexible_since:
            pos = _skip_header_tags(frame, pos)
        request, _ = decode(api.request, version, frame if api.pipelined else bytes(frame), pos)
        self.request = request
        try:
            reply = api.handle(request, context) if broker.access.is_open else api.guarded(request, context)
        except Exception as error:
            self._reply = self._answer_to(error)
            return
        if reply is None or isinstance(reply, Message):
            self._reply = reply
        else:
            self.future = asyncio.ensure_future(reply)

    @property
    def key(self) -> int:
        return self._api.key

    @property
    def is_pipelined(self) -> bool:
        return self._api.pipelined

    def encoded_reply(self) -> list[Buffer]:
        """The frame to send, in pieces; none if there is no reply. The future, if any, must be done.

        Raises CloseConnection if there is a failure that this API cannot report.
        """
        if self.future is not None:
            try:
                self._reply = self.future.result()
            except asyncio.CancelledError:
                raise CloseConnection(f"{self._api.name} was given up") from None
            except Exception as error:
                self._reply = self._answer_to(error)
        pieces = self._framed()
        broker, key = self._broker, self._api.key
        self.mute_ms = broker.throttle.wait_ms(key, self._client_id, self._frame_bytes, self.reply_bytes)
        if self.mute_ms and self._reply is not None:
            self._reply.throttle_time_ms = self.mute_ms  # type: ignore[attr-defined]
            pieces = self._framed()
        if broker.traffic is not None:
            broker.traffic.answered(key, self._began, self._frame_bytes, self.reply_bytes, self._reply)
        return pieces

    def _framed(self) -> list[Buffer]:
        if self._reply is None:
            return []
        parts = encode(self._reply, self.version)
        pieces = frame_response(self._correlation_id, parts, self._api.has_flexible_reply_header(self.version))
        self.reply_bytes = sum(map(len, pieces))
        return pieces

    def _answer_other_version(self, context: Context) -> None:
        """ApiVersions is answered in version 0, so that the two sides may agree; for all others it is too late."""
        if self._api.on_other_version is None:
            raise MalformedError(f"{self._api.name} has no version {self.version} here")
        self.version = 0
        self._reply = self._api.on_other_version(context)

    def _answer_to(self, error: Exception) -> Message:
        if isinstance(error, CloseConnection):
            raise error
        if not isinstance(error, ApiError):
            log.error("%s version %d failed", self._api.name, self.version, exc_info=error)
            error = ApiError(ErrorCode.UNKNOWN_SERVER_ERROR, "the broker failed; its log says why")
        reply = error_reply(self._api.request, error)
        if reply is None:
            raise CloseConnection(f"{self._api.name} cannot report {error.code.name}: {error}") from error
        return reply


def _skip_header_tags(frame: memoryview, pos: int) -> int:
    """Nobody has defined a tag for the header of requests yet."""
    try:
        return skip_tagged_fields(frame, pos) if frame[pos] else pos + 1
    except IndexError:
        raise MalformedError(f"the header of a request is cut short at {len(frame)} bytes") from None
