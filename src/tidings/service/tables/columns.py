"""The fields of a table's events as SQL sees them: in conditions, in indexes, and as the columns of a view. Pure."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from tidings.errors import DeclarationError

Stored = str | int | float | None
"""What a field's value is in SQLite."""

TAKEN = ("rows", "positions", "shown", "origin", "history")
"""Names in a table's file that no view can have."""


class Columns:
    """The fields of one event type: attribute names, and the names they have in JSON."""

    def __init__(self, type_name: str, fields: Mapping[str, str], indexes: Collection[str] = ()) -> None:
        self._type = type_name
        self._fields = fields
        for name in indexes:
            self.expression(name)
        self.indexes = tuple(indexes)

    def expression(self, field: str) -> str:
        """The SQL of a field. An index serves a condition only if both are written alike: so this is the one place.

        Raises DeclarationError if there is no such field.
        """
        if field not in self._fields:
            raise DeclarationError(f"{self._type} has no field {field!r}; it has: {', '.join(self._fields)}")
        path = self._fields[field].replace('"', '\\"').replace("'", "''")
        return f"json_extract(value, '$.\"{path}\"')"

    def condition(self, wanted: Mapping[str, Any]) -> tuple[str, list[Stored]]:
        """The SQL for "every field has its value", and the values in it.

        A list, tuple or set means one of several. Raises DeclarationError for a field or a value that cannot be asked.
        """
        terms, values = [], []
        for field, value in wanted.items():
            expression = self.expression(field)
            if value is None:
                terms.append(f"{expression} IS NULL")
            elif isinstance(value, list | tuple | set | frozenset):
                terms.append(f"{expression} IN ({', '.join('?' * len(value))})")
                values += [as_stored(one) for one in value]
            else:
                terms.append(f"{expression} = ?")
                values.append(as_stored(value))
        return " AND ".join(terms) or "1", values

    def view(self, shown: str = "1") -> str:
        """A view that has the type's name and a column for each field; and what is known of each row, with `_`.

        `shown` is the condition under which a row is in it.
        """
        name = f"{self._type}_" if self._type.lower() in TAKEN else self._type
        columns = [f"{self.expression(field)} AS {_quoted(field)}" for field in self._fields]
        known = [f"{column} AS _{column}" for column in ("key", "partition", "offset", "id", "time_ms")]
        return f"CREATE VIEW {_quoted(name)} AS SELECT {', '.join(columns + known)} FROM rows WHERE {shown}"

    def index_statements(self) -> dict[str, str]:
        """By name, the indexes that there are to be. The key goes last: what is found comes in its order."""
        return {
            f"by_{field}": f"CREATE INDEX {_quoted(f'by_{field}')} ON rows ({self.expression(field)}, key)"
            for field in self.indexes
        }


def as_stored(value: Any) -> Stored:
    """A field's value as it stands in JSON, and so in SQLite."""
    plain = msgspec.to_builtins(value.value if isinstance(value, enum.Enum) else value)
    if isinstance(plain, str | int | float) or plain is None:
        return plain
    raise DeclarationError(
        f"a {type(value).__name__} is no single value: ask with table.sql and SQLite's JSON functions"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
