"""Where a record stands."""

from __future__ import annotations

from typing import NamedTuple


class Position(NamedTuple):
    """The place of one record: its stream, the partition of it, and the offset there."""

    stream: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.stream}/{self.partition}/{self.offset}"
