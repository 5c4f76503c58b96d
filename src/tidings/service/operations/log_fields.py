"""What a line of the log says of the event it is about, for logs that are read by machines.

Our own lines say it themselves (`extra=fields_of(…)`). What a handler logs, in its own words and by its own logger, is
about the event in its hands: `fields_of_now` knows which that is.
"""

from __future__ import annotations

from typing import Any

from tidings.events.envelope import ID, text_of
from tidings.service.handled import handled
from tidings.service.transports.base import Received


def fields_of(service: str, received: Received, handler: str = "") -> dict[str, Any]:
    """`handler` is left out where none had begun."""
    fields = {
        "service": service,
        "event_id": text_of(dict(received.headers or ()), ID),
        "stream": received.stream,
        "partition": received.partition,
        "offset": received.offset,
    }
    return {**fields, "handler": handler} if handler else fields


def fields_of_now() -> dict[str, Any]:
    """Of the event that the running code handles; nothing where it handles none."""
    current = handled()
    return {} if current is None else fields_of(current.service, current.item.received, current.handler.name)
