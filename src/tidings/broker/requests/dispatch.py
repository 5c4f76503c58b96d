"""The table of APIs: which function answers which request. A handler registers once; all else is derived.

    @handles(HeartbeatRequest)
    def heartbeat(request: HeartbeatRequest, context: Context) -> HeartbeatResponse | Awaitable[HeartbeatResponse]:
        ...

The key and the versions come from the request's class; what ApiVersions announces comes from this table. Handlers are
found by `handlers.load`: a new file in that folder is all it takes.

Beside it a handler says who may ask: `access=` takes guards (`broker.access.guards`), which stand before the handler
once there are access rules. One that says nothing is closed to everybody but while there are no rules.

A handler runs on the event loop and changes state before its first `await`. It may return the response, an awaitable of
it (a Future is cheapest), or be `async def`. `None` means: no reply at all (Produce with acks=0).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from tidings.errors import ClientError
from tidings.security.acl import Who
from tidings.security.rights import Right
from tidings.security.rules import ANONYMOUS, ResourceType
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.message import Message

if TYPE_CHECKING:
    from tidings.broker.server import Broker

R = TypeVar("R", bound=Message)
Reply = Message | None
Handler = Callable[[R, "Context"], Reply | Awaitable[Reply]]
Proceed = Callable[[Any], Reply | Awaitable[Reply]]
"""Answers a request that has passed."""
Refusal = Callable[[Any, ErrorCode, int], Message]
"""The reply to a request, in a version, that says nothing but a code."""


class CloseConnection(ClientError):
    """Raised by a handler whose only possible answer is to hang up; the message goes to the log."""


class NotAuthorized(ApiError):
    """Raised by a guard that lets nothing of a request pass."""


@dataclass(slots=True)
class Context:
    """What a handler may know beside the request itself. One per request."""

    broker: Broker
    api_version: int
    client_id: str | None
    client_host: str  # as Kafka shows it: "/127.0.0.1"
    local_host: str  # our end of the connection: an address at which this client can reach us
    principal: str = ANONYMOUS  # who it is that asks
    lost: asyncio.Future[None] | None = None  # done when the connection is gone

    @property
    def who(self) -> Who:
        """Who asks, and from where, as access rules name them."""
        return Who(self.principal, self.client_host.removeprefix("/"))

    def may(self, right: Right, name: str) -> bool:
        """Whether access rules give this client the right to the resource of that name."""
        access = self.broker.access
        return access.is_open or access.allows(self.who, *right, name)

    def operations(self, resource_type: ResourceType, name: str) -> int:
        """What this client may do to a resource, as bits: 1 << operation (KIP-430)."""
        return self.broker.access.operations(self.who, resource_type, name)


class Guard(Protocol):
    """Stands before a handler once there are access rules: lets a request pass, a part of it, or nothing.

    It decides before its first `await`, and raises NotAuthorized if nothing may pass. What it asks for is in `needs`:
    all of them, and of each any one right. They are what the documentation and the tests of the table are made from.
    """

    @property
    def needs(self) -> Sequence[Sequence[Right]]: ...

    def __call__(self, request: Any, context: Context, proceed: Proceed) -> Reply | Awaitable[Reply]: ...


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
    access: Sequence[Guard] | None = None
    refused: Refusal | None = None

    @property
    def name(self) -> str:
        return self.request.__name__.removesuffix("Request")

    def guarded(self, request: Message, context: Context) -> Reply | Awaitable[Reply]:
        """As `handle`, of what may pass."""
        proceed: Proceed = partial(_handle, self.handle, context)
        try:
            if self.access is None:
                raise NotAuthorized(ErrorCode.CLUSTER_AUTHORIZATION_FAILED, f"nobody has said who may ask {self.name}")
            for guard in reversed(self.access):
                proceed = partial(_pass, guard, context, proceed)
            return proceed(request)
        except NotAuthorized as error:
            if self.refused is None:
                raise
            return self.refused(request, error.code, context.api_version)

    def has_flexible_reply_header(self, version: int) -> bool:
        # Who reads a reply to ApiVersions does not know yet which versions we speak: its header stays as it ever was.
        return version >= self.request.response.flexible_since and self.on_other_version is None


def _handle(handle: Handler[Any], context: Context, request: Message) -> Reply | Awaitable[Reply]:
    return handle(request, context)


def _pass(guard: Guard, context: Context, proceed: Proceed, request: Message) -> Reply | Awaitable[Reply]:
    return guard(request, context, proceed)


TABLE: dict[int, Api] = {}


def handles(
    request: type[R],
    *,
    announced_since: int | None = None,
    pipelined: bool = False,
    on_other_version: Callable[[Context], Message] | None = None,
    access: Sequence[Guard] | None = None,
    refused: Refusal | None = None,
) -> Callable[[Handler[R]], Handler[R]]:
    """Register the decorated function as the one that answers `request`.

    `announced_since`: ApiVersions names this lowest version, though those before the class's first one are refused.
    `pipelined`: may be handled while replies to earlier requests of the same kind are still waiting; its byte fields
    are views of the frame. All others are handled one at a time per connection, as Apache Kafka does, and their byte
    fields are `bytes`.
    `on_other_version`: answers a version we do not have, in version 0; without it the connection is closed.
    `access`: the guards before it, the first one asked first; an empty list lets everybody pass.
    `refused`: the reply to whom no guard lets pass, where it is not one error code at the top.
    """

    def register(handle: Handler[R]) -> Handler[R]:
        first, last = request.versions
        key = request.api_key
        if key in TABLE:
            raise TypeError(f"{request.__name__} has two handlers")
        announced = first if announced_since is None else announced_since
        TABLE[key] = Api(key, request, handle, first, last, announced, pipelined, on_other_version, access, refused)
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
