"""The tables that a service declares: copies of what others say, and its own state. One of each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, TypeVar

from tidings.errors import DeclarationError
from tidings.events.declaration import EventType, event_type
from tidings.service.tables.state import State
from tidings.service.tables.table import Table

T = TypeVar("T")


class Declared:
    """Iterated over, they come in the order of their declaration, copies first."""

    def __init__(self, service: str, folder: Callable[[], Path]) -> None:
        self._service = service
        self._folder = folder
        self._tables: dict[EventType[Any], Table[Any]] = {}
        self._states: dict[str, State[Any]] = {}

    def __iter__(self) -> Iterator[Table[Any]]:
        yield from self._tables.values()
        yield from self._states.values()

    def table(self, cls: type[T], indexes: Collection[str], history: int, *, partitioned: bool) -> Table[T]:
        """See `Service.table`."""
        declared = event_type(cls)
        table = Table(declared, self._folder, indexes, history, partitioned=partitioned)
        known = self._tables.setdefault(declared, table)
        if (indexes or history > 1 or partitioned) and not known.is_declared_as(table):
            raise DeclarationError(
                f"{self._service} has a table of {declared.name} with other indexes, or another history, or kept "
                "otherwise"
            )
        return known

    def state(self, cls: type[T], name: str | None, indexes: Collection[str], *, standby: bool) -> State[T]:
        """See `Service.state`."""
        state = State(self._service, name or cls.__name__, cls, self._folder, indexes, standby=standby)
        known = self._states.setdefault(state.name, state)
        if known.declared.cls is not cls or ((indexes or standby) and not known.is_declared_as(state)):
            raise DeclarationError(f"{self._service} has declared its state {state.name} otherwise")
        return known

    def state_of(self, cls: type[Any]) -> State[Any]:
        """The only one of a class; a new one if there is none. Raises DeclarationError if there are several."""
        found = [state for state in self._states.values() if state.declared.cls is cls]
        if len(found) > 1:
            names = ", ".join(state.name for state in found)
            raise DeclarationError(
                f"{self._service} has several states of {cls.__name__}, and nothing says which: {names}"
            )
        return found[0] if found else self.state(cls, None, (), standby=False)
