"""Which handlers a record is for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tidings.events.declaration import EventType
from tidings.events.envelope import TYPE
from tidings.events.record import type_name_of
from tidings.events.serdes import DecodeError
from tidings.service.commit.delivery import Delivery
from tidings.service.subscription import Handler
from tidings.service.transports.base import Received


class Route(NamedTuple):
    """What a record is, and who handles it."""

    declared: EventType[Any] | None
    """None when it cannot be made out."""
    handlers: tuple[Handler, ...]
    problem: str = ""
    """Why it cannot."""
    atomic: bool = True
    """What it leads to is written exactly once: one of its handlers wants it."""
    ordered: bool = True
    """Records of its key one after the other: one of its handlers wants it."""


_NO_ROUTES: dict[bytes, Route] = {}


class Routes:
    """Which handlers a record is for."""

    def __init__(self, handlers: Sequence[Handler]) -> None:
        self._by_type: dict[str, dict[bytes, Route]] = {}
        for handler in handlers:
            for declared in handler.reads:
                routes = self._by_type.setdefault(declared.stream, {})
                name = declared.name.encode()
                others = routes[name].handlers if name in routes else ()
                routes[name] = _route(declared, (*others, handler))
        self.streams = sorted(self._by_type)

    def find(self, received: Received) -> Route | None:
        """Where a record goes; None when nobody here wants it. One without a value is a deletion: for tables."""
        if received.value is None:
            return None
        stream, _, _, _, _, _, headers = received
        routes = self._by_type.get(stream, _NO_ROUTES)
        for name, value in headers or ():
            if name == TYPE and value is not None:
                return routes.get(value)
        try:
            return routes.get(type_name_of(stream, None).encode())
        except DecodeError as error:
            return Route(None, (), str(error))


def _route(declared: EventType[Any], handlers: Sequence[Handler]) -> Route:
    """Handlers of batches come last: what they are given leaves its lane."""
    return Route(
        declared,
        tuple(sorted(handlers, key=lambda handler: handler.batch_max > 0)),
        atomic=any(handler.delivery == Delivery.EXACTLY_ONCE for handler in handlers),
        ordered=any(handler.ordered for handler in handlers),
    )
