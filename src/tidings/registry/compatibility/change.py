"""What changed between two schemas, and the table that says which changes break a reader.

A change is always told from a writer's schema to a reader's: what is *added* is there for the reader and was not there
for the writer. Whether it breaks is asked of that one direction; the other is the same question with the two swapped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple


class Change(NamedTuple):
    """`kind` is a row of the format's table. `path` is where in the schema, as Confluent's registry writes it."""

    kind: str
    path: str
    detail: str = ""
    """The names it is about, for people: a field, the symbols."""


class Verdict(NamedTuple):
    """A row of the table. `meaning` tells of `{reader}` and `{writer}`, and may name the `{detail}`."""

    kind: str
    breaks: bool
    meaning: str


class Verdicts(Mapping[str, Verdict]):
    """A format's table."""

    def __init__(self, rows: Iterable[Verdict]) -> None:
        self._rows = {row.kind: row for row in rows}

    def __getitem__(self, kind: str) -> Verdict:
        return self._rows[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def breaks(self, change: Change) -> bool:
        return self._rows[change.kind].breaks

    def fits(self, changes: Iterable[Change]) -> bool:
        """Whether none of `changes` breaks the reader."""
        return not any(map(self.breaks, changes))

    def drawn(self) -> str:
        """The table as the docs show it."""
        lines = ["| change, from the writer's schema to the reader's | the reader | what it means |", "|---|---|---|"]
        lines += [
            f"| `{row.kind}` | {'**breaks**' if row.breaks else 'goes on'} | {_as_sentence(row)} |"
            for row in self._rows.values()
        ]
        return "\n".join(lines)


def fine(kind: str, meaning: str) -> Verdict:
    return Verdict(kind, False, meaning)


def breaking(kind: str, meaning: str) -> Verdict:
    return Verdict(kind, True, meaning)


PATH_CHARS_MAX = 2000


def below(path: str, changes: Iterable[Change]) -> list[Change]:
    """`changes` of a part, told from the whole: the part is at `path`. Of a long way, only the beginning is told."""
    return [
        change._replace(path=f"{path}/{change.path}"[:PATH_CHARS_MAX] if change.path else path[:PATH_CHARS_MAX])
        for change in changes
    ]


def _as_sentence(row: Verdict) -> str:
    return row.meaning.format(reader="the reader", writer="the writer", detail="…").replace("|", "\\|")
