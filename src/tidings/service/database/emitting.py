"""Emitting into a transaction of the program's own: `await orders.emit(event, db=session)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import Session

from tidings.errors import DeclarationError
from tidings.service.database.outbox import Outbox
from tidings.service.transports.base import Outgoing

Wake = Callable[[], None]


async def put(db: Any, outbox: Outbox, record: Outgoing, now_ms: int, wake: Wake) -> None:
    """Write a record into the transaction of `db`: a session or a connection. Raises DeclarationError for others."""
    db = _itself(db)
    if isinstance(db, AsyncSession | AsyncConnection):
        await db.run_sync(_put, outbox, record, now_ms, wake)
    else:
        put_sync(db, outbox, record, now_ms, wake)


def put_sync(db: Any, outbox: Outbox, record: Outgoing, now_ms: int, wake: Wake) -> None:
    """The same in code that is not async."""
    db = _itself(db)
    if not isinstance(db, Session | Connection):
        raise DeclarationError(f"db= is a session or a connection of SQLAlchemy's, not a {type(db).__name__}")
    _put(db, outbox, record, now_ms, wake)


def _itself(db: Any) -> Any:
    """What a `scoped_session` stands for; anything else as it is."""
    return db.registry() if callable(getattr(db, "registry", None)) else db


def _put(db: Session | Connection, outbox: Outbox, record: Outgoing, now_ms: int, wake: Wake) -> None:
    if isinstance(db, Session):
        db.flush()  # the outbox comes after all that the session has changed: see `outbox`
        _wake_after_commit(db, outbox, wake)
    outbox.put(db, [record], now_ms)


def _wake_after_commit(session: Session, outbox: Outbox, wake: Wake) -> None:
    """A relay in this process then need not find the row by itself."""
    known = session.info.setdefault("tidings_outboxes", set())
    if outbox.service not in known:
        known.add(outbox.service)
        event.listen(session, "after_commit", lambda session: wake())
