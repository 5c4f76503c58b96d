"""A service's tables over HTTP, to be read: for people, dashboards, and programs in other languages.

    GET /tables                                      what there is
    GET /tables/Customer?where=country:CH&limit=50   rows, by key; `next` is what to ask for with `after=`
    GET /tables/Customer/c-1                         one row

`app.mount("/", shipping.tables_app())` in a web application, or an application of its own. Nothing can be changed here.
Every answer is bounded, in rows, bytes and time; who may ask is for whoever mounts it to say. A row is answered as it
stands in the file, byte for byte. What this process does not have because another one owns its partition is 421.
"""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tidings.errors import DeclarationError
from tidings.service.tables.replica import StoredKey
from tidings.service.tables.table import NotHereError, Table

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

ROWS = 100
ROWS_MAX = 1_000
ANSWER_BYTES_MAX = 4 * 1_048_576
"""Where a page ends though it might have more rows; one row it always has."""
WITHIN_S = 2.0
"""What looks at every row of a large table may take longer, and is refused."""

Tables = Callable[[], Collection[Table[Any]]]


def tables_app(tables: Tables) -> Starlette:
    """The application. `tables` is asked for each request."""
    from starlette.applications import Starlette
    from starlette.routing import Route

    desk = Desk(tables)
    return Starlette(
        routes=[
            Route("/tables", _answering(desk.all), methods=["GET"]),
            Route("/tables/{name}", _answering(desk.rows), methods=["GET"]),
            Route("/tables/{name}/{key:path}", _answering(desk.row), methods=["GET"]),
        ]
    )


class BadQuestionError(Exception):
    """Something that is not answered: `status` is HTTP's, the message is for whoever asks."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _answering(answer: Callable[[Request], bytes]) -> Callable[[Request], Response]:
    """An endpoint. It is no coroutine, and so runs in a thread: SQLite may take its time."""
    from starlette.responses import Response

    def endpoint(request: Request) -> Response:
        try:
            status, body = 200, answer(request)
        except BadQuestionError as error:
            status, body = error.status, json.dumps({"error": str(error)}).encode()
        return Response(body, status, {"cache-control": "no-store"}, "application/json")

    return endpoint


class Desk:
    """Answers questions about tables."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def all(self, request: Request) -> bytes:
        return msgspec.json.encode({"tables": [_described(table) for table in self._tables()]})

    def row(self, request: Request) -> bytes:
        table = self._table(request)
        try:
            found = table.raw(request.path_params["key"])
        except NotHereError as error:
            raise BadQuestionError(421, str(error)) from None
        if found is None:
            raise BadQuestionError(404, f"{table.name} has no row of this key")
        return found

    def rows(self, request: Request) -> bytes:
        table, asked = self._table(request), request.query_params
        rows_max = _limit(asked.get("limit"))
        terms = [_term(text) for text in asked.getlist("where")]
        wanted = dict(terms)
        if len(wanted) < len(terms):
            raise BadQuestionError(400, "one condition a field")
        try:
            rows = table.some(wanted, asked.get("after"), rows_max + 1, WITHIN_S)
        except DeclarationError as error:
            raise BadQuestionError(400, str(error)) from None
        except sqlite3.OperationalError:
            message = f"this takes longer than {WITHIN_S:g} s; an index on one of the fields would help"
            raise BadQuestionError(503, message) from None
        return _page(rows, rows_max)

    def _table(self, request: Request) -> Table[Any]:
        name = request.path_params["name"]
        for table in self._tables():
            if table.name == name:
                return table
        raise BadQuestionError(404, f"there is no table {name}; there are: {', '.join(t.name for t in self._tables())}")


def _described(table: Table[Any]) -> dict[str, Any]:
    return {
        "name": table.name,
        "stream": table.declared.stream,
        "rows": _count(table),
        "fields": list(table.declared.fields),
        "indexes": table.indexes,
        "partitions": sorted(table.complete) if table.partitioned else "all",
        "positions": {str(partition): offset for partition, offset in sorted(table.positions.items())},
    }


def _count(table: Table[Any]) -> int | None:
    """None where counting takes too long."""
    try:
        return table.count(WITHIN_S)
    except sqlite3.OperationalError:
        return None


def _limit(text: str | None) -> int:
    if text is None:
        return ROWS
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= ROWS_MAX or len(text) > 9:
        raise BadQuestionError(400, f"limit is a number from 1 to {ROWS_MAX}")
    return int(text)


def _term(text: str) -> tuple[str, Any]:
    """`field:value`. A number may be meant as one or as text, as the field has it; `null`: that there is none."""
    field, colon, value = text.partition(":")
    if not colon:
        raise BadQuestionError(400, "write where=field:value")
    if value == "null":
        return field, None
    try:
        meant = json.loads(value)
    except ValueError:
        return field, value
    if isinstance(meant, float) or (isinstance(meant, int) and abs(meant) < 1 << 63):  # what SQLite takes for numbers
        return field, [value, meant]
    return field, value


def _page(rows: Sequence[tuple[StoredKey, bytes]], rows_max: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    for key, value in rows[:rows_max]:
        part = b'{"key":' + _as_json(key) + b',"value":' + value + b"}"
        size += len(part)
        if parts and size > ANSWER_BYTES_MAX:
            break
        parts.append(part)
    more = _as_json(rows[len(parts) - 1][0]) if len(parts) < len(rows) else b"null"
    return b'{"rows":[' + b",".join(parts) + b'],"next":' + more + b"}"


def _as_json(key: StoredKey) -> bytes:
    """A key that is no text is shown in base64; to ask for its row takes a program that reads the file."""
    return msgspec.json.encode(key if isinstance(key, str) else base64.b64encode(key).decode())
