"""The inbox: what a service's handlers have handled, so that what comes again is known.

Its row is the first thing written in a transaction. Whoever handles the same event at the same time, in a process that
was thought dead, say, waits there until the other has committed or rolled back, and then finds the row or writes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from tidings.service.database.tables import Tables

if TYPE_CHECKING:
    from tidings.events.record import EventRecord

ROWS_AT_ONCE = 5_000
"""Forgotten in one transaction: a large one would hold back others, and vacuum."""


class Inbox:
    def __init__(self, tables: Tables, dialect: str) -> None:
        insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
        self._table = tables.inbox
        self._insert: Any = insert(tables.inbox).on_conflict_do_nothing().returning(tables.inbox.c.handled_ms)

    def enter(self, connection: Connection, service: str, handler: str, record: EventRecord[Any], now_ms: int) -> bool:
        """Note that `handler` handles an event; False when it has been handled before."""
        row = {
            "service": service,
            "handler": handler,
            "source": record.source or "",
            "event": record.id,
            "handled_ms": now_ms,
        }
        return connection.execute(self._insert, row).first() is not None  # not every driver counts what it inserts

    def forget(self, connection: Connection, service: str, before_ms: int) -> int:
        """Delete some of the rows that are older; returns how many, ROWS_AT_ONCE if there may be more.

        Rows in somebody else's hands are left out (SKIP LOCKED): several processes may do this side by side.
        """
        inbox = self._table
        key = [inbox.c[name] for name in ("service", "handler", "source", "event")]
        old = select(*key).where(inbox.c.service == service, inbox.c.handled_ms < before_ms).limit(ROWS_AT_ONCE)
        forget = delete(inbox).where(tuple_(*key).in_(old.with_for_update(skip_locked=True)))
        return connection.execute(forget).rowcount
