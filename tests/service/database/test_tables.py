"""What stands in the tables, and how they come to be there."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import MetaData, create_engine, inspect

from tidings.service.clock import SystemClock
from tidings.service.database.database import Database
from tidings.service.database.outbox import headers_as_text, headers_of_text
from tidings.service.database.tables import add_tables


@given(st.lists(st.tuples(st.text(max_size=20), st.none() | st.binary(max_size=50) | st.text().map(str.encode))))
def test_headers_come_back_as_they_were(headers: list[tuple[str, bytes | None]]) -> None:
    assert headers_of_text(headers_as_text(headers)) == headers


def test_headers_that_are_text_can_be_read() -> None:
    assert headers_as_text([("ce_id", b"7"), ("none", None)]) == '[["ce_id","7"],["none",null]]'


async def test_several_that_start_at_once_create_the_tables_together(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(4)]
    await asyncio.gather(*(database.open(SystemClock()) for database in databases))
    await asyncio.gather(*(database.close() for database in databases))


async def test_tables_are_left_to_migrations_if_that_is_wanted(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'service.db'}"
    database = Database(url, create_tables=False)
    await database.open(SystemClock())
    await database.close()
    engine = create_engine(url)
    assert inspect(engine).get_table_names() == []
    metadata = MetaData()
    add_tables(metadata)
    metadata.create_all(engine)
    assert sorted(inspect(engine).get_table_names()) == ["tidings_inbox", "tidings_outbox"]
    engine.dispose()


def test_tables_are_declared_once_in_the_metadata_of_the_program() -> None:
    metadata = MetaData()
    assert add_tables(metadata) == add_tables(metadata)
    assert add_tables(metadata, schema="billing").inbox.fullname == "billing.tidings_inbox"


def test_url_shows_no_password() -> None:
    assert "secret" not in repr(Database("postgresql+asyncpg://ada:secret@localhost/shop"))
