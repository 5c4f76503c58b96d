"""The outbox: records that were committed with a service's rows, in the order in which they are to be published.

A row's id is taken when it is inserted, and seen when its transaction commits, so ids do not become visible in their
order. That does no harm, as long as nobody keeps a mark "published up to here": rows are read from the lowest id that
is there, and deleted by their ids. If one transaction began its outbox after another had committed, its ids are higher
and it is not seen without the other. If two have changed the same row of the service, they did so one after the other,
and as the outbox is written after all else (handlers do it last; `emit(db=)` flushes the session first), so are their
ids. Two that ran side by side and touched nothing in common have no order that could be broken.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, delete, func, insert, literal_column, select
from sqlalchemy.orm import Session

from tidings.events.envelope import Headers
from tidings.service.database.locks import Locks
from tidings.service.database.tables import Tables
from tidings.service.transports.base import Outgoing


class Row(NamedTuple):
    """A record that waits in the outbox."""

    id: int
    record: Outgoing
    written_ms: int


class Waiting(NamedTuple):
    """How much waits to be published."""

    rows: int
    oldest_ms: int | None
    """When the oldest was written, in milliseconds since the epoch."""


class Outbox:
    """The rows of one service."""

    def __init__(self, service: str, tables: Tables, dialect: str, locks: Locks) -> None:
        self.service = service
        self._table = tables.outbox
        self._insert: Any = insert(tables.outbox)
        if dialect == "postgresql":
            self._insert = self._insert.returning(literal_column(_waking(locks)))

    def put(self, connection: Connection | Session, records: Sequence[Outgoing], now_ms: int) -> None:
        """Write records, in their order, into the transaction of `connection`."""
        rows = [
            {
                "service": self.service,
                "stream": record.stream,
                "key": record.key,
                "value": record.value,
                "headers": headers_as_text(record.headers),
                "written_ms": now_ms,
            }
            for record in records
        ]
        connection.execute(self._insert, rows)

    def read(self, connection: Connection, rows_max: int, but: Collection[int] = ()) -> list[Row]:
        """The first rows that are there, without those of the ids `but`."""
        box = self._table.c
        query = select(box.id, box.stream, box.key, box.value, box.headers, box.written_ms)
        query = query.where(box.service == self.service).order_by(box.id).limit(rows_max)
        if but:
            query = query.where(box.id.not_in(but))
        return [
            Row(row.id, Outgoing(row.stream, row.key, row.value, headers_of_text(row.headers)), row.written_ms)
            for row in connection.execute(query)
        ]

    def remove(self, connection: Connection, ids: Collection[int]) -> None:
        """Delete what was published. Ids are never given twice, so this may be done twice, and by anybody."""
        connection.execute(delete(self._table).where(self._table.c.id.in_(ids)))

    def waiting(self, connection: Connection) -> Waiting:
        box = self._table.c
        query = select(func.count(), func.min(box.written_ms)).where(box.service == self.service)
        return Waiting(*connection.execute(query).one())


def _waking(locks: Locks) -> str:
    """What the insert returns on PostgreSQL, for its effect: tells the relay, if that sleeps.

    NOTIFY takes a lock of the whole server over each commit, so that transactions flush to disk one by one; it is done
    only when it is needed. A relay that is awake looks again anyway, and cannot go to sleep before the transactions
    that found it so are over: they share the lock which it must have for itself.
    """
    return (
        f"CASE WHEN pg_try_advisory_xact_lock_shared({locks.asleep}) THEN '' "
        f"ELSE CAST(pg_notify('{locks.channel}', '') AS text) END"
    )


def headers_as_text(headers: Headers) -> str:
    """Headers as JSON, to be read by people: [name, text], or [name, base64, "base64"] of what is no text."""
    return msgspec.json.encode([_as_text(name, value) for name, value in headers]).decode()


def _as_text(name: str, value: bytes | None) -> tuple[str | None, ...]:
    if value is None:
        return name, None
    try:
        return name, value.decode()
    except UnicodeDecodeError:
        return name, b64encode(value).decode(), "base64"


def headers_of_text(text: str) -> Headers:
    return [
        (name, value if value is None else b64decode(value) if encoding else value.encode())
        for name, value, *encoding in msgspec.json.decode(text)
    ]
