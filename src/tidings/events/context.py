"""What is known about now: the request or the event that the running code is answering.

`emit` reads it, so that what one event leads to can be told from the log alone. It follows the code through `await`
and into tasks, as context variables do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import msgspec


class EventContext(msgspec.Struct, frozen=True):
    """What the next event inherits. Each may be unknown."""

    correlation_id: str | None = None
    """The id of the whole workflow: that of the event which began it, if nobody gave one."""
    causation_id: str | None = None
    """The id of the event that is being handled."""
    traceparent: str | None = None
    """The span that is running (W3C Trace Context)."""
    request_id: str | None = None
    client_address: str | None = None
    in_span: bool = False
    """`traceparent` names a span that somebody records, and so is what an event names as its parent."""

    def as_context(self) -> EventContext:
        return self


class ContextSource(Protocol):
    """Something to be answered, which can say what its answers inherit when there are any."""

    def as_context(self) -> EventContext: ...


NOTHING = EventContext()

source: ContextVar[ContextSource] = ContextVar("tidings_event_source", default=NOTHING)


running_span: Callable[[], str | None] | None = None
"""Gives the `traceparent` of the span that the running code is in; None where nobody records spans."""


def current() -> EventContext:
    """What an event emitted here and now inherits."""
    found = source.get().as_context()
    if running_span is None or (span := running_span()) is None:
        return found
    return msgspec.structs.replace(found, traceparent=span, in_span=True)


@contextmanager
def using(context: EventContext) -> Iterator[None]:
    """Events emitted inside inherit `context`."""
    token = source.set(context)
    try:
        yield
    finally:
        source.reset(token)


Scope = MutableMapping[str, Any]
AsgiApp = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


class RequestContext:
    """ASGI middleware: what is emitted while a request is answered carries its id, the client's address and its trace.

    The ids come from the headers `x-request-id`, `x-correlation-id` and `traceparent`; a request that brings no id is
    given one, and the reply carries it. The address is the one the server reports: a proxy's word about its client
    belongs to the server's settings (`--proxy-headers` in uvicorn).
    """

    def __init__(self, app: AsgiApp, *, new_request_id: Callable[[], str] | None = None) -> None:
        self._app = app
        self._new_request_id = new_request_id or _new_request_id

    async def __call__(
        self, scope: Scope, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name: value for name, value in scope["headers"] if name in _READ}
        request_id = _text(headers, b"x-request-id") or self._new_request_id()
        client = scope.get("client")
        context = EventContext(
            correlation_id=_text(headers, b"x-correlation-id"),
            traceparent=_text(headers, b"traceparent"),
            request_id=request_id,
            client_address=client[0] if client else None,
        )

        async def send_with_id(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"x-request-id", request_id.encode())]}
            await send(message)

        with using(context):
            await self._app(scope, receive, send_with_id)


_READ = frozenset((b"x-request-id", b"x-correlation-id", b"traceparent"))
_ID_CHARS_MAX = 200


def _text(headers: dict[bytes, bytes], name: bytes) -> str | None:
    """A header as text, if it is fit to be handed on: it comes from outside and ends in every event's headers."""
    value = headers.get(name, b"").decode("latin-1").strip()
    return value if value and len(value) <= _ID_CHARS_MAX and value.isascii() and value.isprintable() else None


def _new_request_id() -> str:
    import uuid

    return str(uuid.uuid4())
