"""The table of APIs: which function answers which request. A handler registers once; all else is derived.

    @handles(HeartbeatRequest)
    def heartbeat(request: HeartbeatRequest, context: Context) -> HeartbeatResponse | Awaitable[HeartbeatResponse]:
        ...

The key and the versions come from the request's class; what ApiVersions announces comes from this table. Handlers are
found by `handlers.load`: a new file in that folder is all it takes.

A handler runs on the event loop and changes state before its first `await`. It may return the response, an awaitable of
it (a Future is cheapest), or be `async def`. `None` means: no reply at all (Produce with acks=0).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tidings.errors import ClientError
from tidings.wire.error_codes import ApiError
from tidings.wire.message import Message

if TYPE_CHECKING:
    from tidings.broker.server import Broker

R = TypeVar("R", bound=Message)
Reply = Message | None
Handler = Callable[[R, "Context"], Reply | Awaitable[Reply]]


class CloseConnection(ClientError):
    """Raised by a handler whose only possible answer is to hang up; the message goes to the log."""


@dataclass(slots=True)
class Context:
    """What a handler may know beside the request itself. One per request."""

    broker: Broker
    api_version: int
    client_id: str | None
    client_host: str  # as Kafka shows it: "/127.0.0.1"
    local_host: str  # our end of the connection: an address at which this client can reach us


@dataclass(frozen=True, slots=True)
class Api:
    """One row of the table."""

    key: int
    request: type[Message]
    handle: Handler[Any]
    version_min: int
    version_max: int
    version_min_announced: int
    pipelined: bool
    on_other_version: Callable[[Context], Message] | None

    @property
    def name(self) -> str:
        return self.request.__name__.removesuffix("Request")

    def has_flexible_reply_header(self, version: int) -> bool:
        # Who reads a reply to ApiVersions does not know yet which versions we speak: its header stays as it ever was.
        return version >= self.request.response.flexible_since and self.on_other_version is None


TABLE: dict[int, Api] = {}


def handles(
    request: type[R],
    *,
    announced_since: int | None = None,
    pipelined: bool = False,
    on_other_version: Callable[[Context], Message] | None = None,
) -> Callable[[Handler[R]], Handler[R]]:
    """Register the decorated function as the one that answers `request`.

    `announced_since`: ApiVersions names this lowest version, though those before the class's first one are refused.
    `pipelined`: may be handled while replies to earlier requests of the same kind are still waiting; its byte fields
    are views of the frame. All others are handled one at a time per connection, as Apache Kafka does, and their byte
    fields are `bytes`.
    `on_other_version`: answers a version we do not have, in version 0; without it the connection is closed.
    """

    def register(handle: Handler[R]) -> Handler[R]:
        first, last = request.versions
        key = request.api_key
        if key in TABLE:
            raise TypeError(f"{request.__name__} has two handlers")
        announced = first if announced_since is None else announced_since
        TABLE[key] = Api(key, request, handle, first, last, announced, pipelined, on_other_version)
        return handle

    return register


def error_reply(request: type[Message], error: ApiError) -> Message | None:
    """The response that says `error`, for an API whose response has one error code at the top; else None."""
    names = {field.name for field in request.response.FIELDS}
    if "error_code" not in names:
        return None
    values: dict[str, Any] = {"error_code": error.code}
    if "error_message" in names:
        values["error_message"] = str(error)
    return request.response(**values)
