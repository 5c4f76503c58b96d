"""Many events at once: what a handler is given whose parameter is a `Batch`.

@warehouse.on(batch=1000, linger="500ms")
async def load(orders: Batch[OrderReceived]) -> None:
    await database.insert(orders)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar, overload

from tidings.events import context
from tidings.events.context import EventContext
from tidings.events.record import EventRecord

T = TypeVar("T", covariant=True)


class Part(Protocol):
    """One event of a batch, and what is known about it."""

    event: Any

    def as_record(self) -> EventRecord[Any]: ...

    def as_context(self) -> EventContext: ...


class Batch(Sequence[T], Generic[T]):
    """Events of one partition, each key's in their order: a sequence like any other.

    What is emitted, or yielded, while a loop over it is at one of its events answers that event; what is emitted
    elsewhere, or returned, answers the first. All of it is committed together, with the positions of all its events.
    """

    __slots__ = ("_parts",)

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return len(self._parts)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [part.event for part in self._parts[index]]
        return self._parts[index].event

    def __iter__(self) -> Iterator[T]:
        for part in self._parts:
            context.source.set(part)
            yield part.event
        context.source.set(self._parts[0])

    @property
    def records(self) -> list[EventRecord[Any]]:
        """The same with all that is known about them, in the same order."""
        return [part.as_record() for part in self._parts]

    def __reduce__(self) -> Any:
        return _of_records, (self.records,)

    def __repr__(self) -> str:
        return f"<batch of {len(self)}>"


class _Carried:
    """A part that was sent to another process."""

    def __init__(self, record: EventRecord[Any]) -> None:
        self.event = record.event
        self._record = record

    def as_record(self) -> EventRecord[Any]:
        return self._record

    def as_context(self) -> EventContext:
        return self._record.as_context()


def _of_records(records: Sequence[EventRecord[Any]]) -> Batch[Any]:
    return Batch([_Carried(record) for record in records])
