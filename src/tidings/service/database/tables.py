"""The two tables that a service keeps beside its own: what it has handled, and what is still to be published.

They are created when a service starts, unless `Database(create_tables=False)` leaves that to migrations. Alembic
finds them where it finds the program's own:

    from tidings.service.database.tables import add_tables

    add_tables(Base.metadata)      # beside the models; or target_metadata = [Base.metadata, other_metadata]
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text


class Tables(NamedTuple):
    inbox: Table
    outbox: Table


def add_tables(metadata: MetaData, *, schema: str | None = None) -> Tables:
    """Declare the tables in `metadata`; those that are there already are given back. They do not change under it."""
    prefix = f"{schema}." if schema else ""
    inbox, outbox = (metadata.tables.get(f"{prefix}{name}") for name in ("tidings_inbox", "tidings_outbox"))
    return Tables(
        _inbox(metadata, schema) if inbox is None else inbox, _outbox(metadata, schema) if outbox is None else outbox
    )


def _inbox(metadata: MetaData, schema: str | None) -> Table:
    """One row for each event that a handler has handled. CloudEvents: `source` and `event` (its id) name an event."""
    table = Table(
        "tidings_inbox",
        metadata,
        Column("service", Text, primary_key=True),
        Column("handler", Text, primary_key=True),
        Column("source", Text, primary_key=True),
        Column("event", Text, primary_key=True),
        Column("handled_ms", BigInteger, nullable=False, comment="milliseconds since the epoch"),
        schema=schema,
        sqlite_with_rowid=False,
    )
    # Rows come in the order of this column, near enough: a block-range index costs next to nothing to keep.
    Index("tidings_inbox_handled", table.c.handled_ms, postgresql_using="brin")
    return table


def _outbox(metadata: MetaData, schema: str | None) -> Table:
    """One row for each record that is to be published; it goes when the broker has acknowledged the record."""
    table = Table(
        "tidings_outbox",
        metadata,
        Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
        Column("service", Text, nullable=False),
        Column("stream", Text, nullable=False),
        Column("key", LargeBinary),
        Column("value", LargeBinary),
        Column("headers", Text, nullable=False, comment="a JSON array of [name, value]"),
        Column("written_ms", BigInteger, nullable=False, comment="milliseconds since the epoch"),
        schema=schema,
        sqlite_autoincrement=True,  # an id that came back could be deleted by whoever published its predecessor
    )
    Index("tidings_outbox_order", table.c.service, table.c.id)
    return table
