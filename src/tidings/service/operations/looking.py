"""Seeing how a service is: from the running parts to the plain values that health and metrics are made of.

`look` may be called from any thread; what asks the broker runs on the service's own event loop.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tidings.errors import TidingsError
from tidings.service.operations.state import ConsumerState, OutboxState, ServiceState, TableState
from tidings.service.transports.base import Place

if TYPE_CHECKING:
    from tidings.service.intake import Intake
    from tidings.service.running import Running
    from tidings.service.service import Service
    from tidings.service.tables.table import Table


def look(service: Service, now_s: float) -> ServiceState:
    """How it is. `now_s` is of `time.monotonic`."""
    running = service.running
    if running is None:
        return ServiceState(service.name, running=False)
    failure = running.failure
    return ServiceState(
        service.name,
        running=True,
        begun=running.begun,
        failure="" if failure is None else f"{type(failure).__name__}: {failure}",
        consumers=tuple(_consumer(intake, now_s) for intake in running.intakes),
        tables=tuple(
            TableState(table.declared.name, table.declared.stream, _has_caught_up(running, table), table.positions)
            for table in service.tables
        ),
        in_hand=service.in_hand,
        parked=sum(intake.parked for intake in running.intakes),
        at_work=service.at_work,
    )


def _has_caught_up(running: Running, table: Table[Any]) -> bool:
    """Those that go with the service's own partitions are not waited for: what needs their rows waits by itself."""
    caught_up = running.caught_up.get(table)
    return caught_up is None or caught_up.is_set()


def _consumer(intake: Intake, now_s: float) -> ConsumerState:
    polled_s = intake.polled_s
    return ConsumerState(intake.joined, intake.done(), None if polled_s is None else max(0.0, now_s - polled_s))


async def ask_broker(service: Service) -> None:
    """Returns when the service's broker has answered. Raises TidingsError."""
    running = service.running
    if running is not None:
        await running.transport.ensure_streams([])


async def ends_of(service: Service) -> dict[Place, int]:
    """Where the streams that it reads or keeps end. Those that nobody tells of are missing."""
    running = service.running
    if running is None:
        return {}
    streams = {declared.stream for handler in service.handlers for declared in handler.reads}
    streams |= {table.declared.stream for table in service.tables}
    ordered = sorted(streams)
    states = await asyncio.gather(
        *(running.transport.stream_state(stream) for stream in ordered), return_exceptions=True
    )
    found: dict[Place, int] = {}
    for stream, state in zip(ordered, states, strict=True):
        if isinstance(state, TidingsError):
            continue
        if isinstance(state, BaseException):
            raise state
        found.update(((stream, partition), end) for partition, end in state.ends.items())
    return found


async def outbox_of(service: Service) -> OutboxState | None:
    """What waits in its outbox; None if it has none, or its database does not tell."""
    if service.running is None or service.share is None:
        return None
    try:
        rows, oldest_ms = await service.share.waiting()
    except Exception:  # whatever a database's driver raises
        return None
    return OutboxState(rows, 0.0 if oldest_ms is None else max(0.0, time.time() - oldest_ms / 1000))


def rows_of(service: Service) -> dict[str, int]:
    """How many rows its tables have. Goes through files: for a thread."""
    found: dict[str, int] = {}
    for table in service.tables if service.running is not None else ():
        with suppress(TidingsError, sqlite3.Error):  # being closed, or made anew
            found[table.declared.name] = len(table)
    return found
