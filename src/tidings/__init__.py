"""Event-driven architecture, complete, in one `pip install`.

The names below are the public ones. Each is loaded when it is first used: the broker imports this package too, and
should not wait for what only services need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidings.events.context import RequestContext as RequestContext
    from tidings.events.declaration import event as event
    from tidings.events.position import Position as Position
    from tidings.events.record import EventRecord as EventRecord
    from tidings.service.batch import Batch as Batch
    from tidings.service.database.database import Database as Database
    from tidings.service.retry import Retry as Retry
    from tidings.service.service import Service as Service
    from tidings.service.tables.state import State as State
    from tidings.service.tables.table import Table as Table
    from tidings.testing.world import World as World
    from tidings.testing.world_faults import Faults as Faults

_HOMES = {
    "Batch": "tidings.service.batch",
    "Database": "tidings.service.database.database",
    "event": "tidings.events.declaration",
    "EventRecord": "tidings.events.record",
    "Faults": "tidings.testing.world_faults",
    "Position": "tidings.events.position",
    "RequestContext": "tidings.events.context",
    "Retry": "tidings.service.retry",
    "Service": "tidings.service.service",
    "State": "tidings.service.tables.state",
    "Table": "tidings.service.tables.table",
    "World": "tidings.testing.world",
}

__all__ = [
    "Batch",
    "EventRecord",
    "Faults",
    "Position",
    "RequestContext",
    "Retry",
    "Service",
    "State",
    "Table",
    "World",
    "event",
]
"""`Database` is there as well. It needs SQLAlchemy, which `import *` must not."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tidings' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
