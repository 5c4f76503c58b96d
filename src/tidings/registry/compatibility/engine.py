"""The one interface that all formats have: what is to be known of a schema, and of two."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from tidings.registry.compatibility.change import Change, Verdicts

S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)


class Parse(Protocol[S_co]):
    def __call__(self, text: str, references: Mapping[str, str] = ..., *, is_new: bool = ...) -> S_co:
        """The schema that `text` is. Raises SchemaError.

        `references` are the texts of all schemas it may refer to, by the names it uses for them, each after those it
        refers to itself; nothing else is looked at, and nothing is fetched. A schema that is kept already (not
        `is_new`) is held to less: what was once accepted must remain readable.
        """


@dataclass(frozen=True, slots=True)
class Engine(Generic[S]):
    """What one format can do."""

    name: str
    parse: Parse[S]
    canonical: Callable[[S], str]
    """The schema's text without what makes no difference. Two schemas with the same one are the same schema."""
    normalized: Callable[[S], str]
    """The same, and without differences of order and spelling: for those who ask for `normalize`."""
    references: Callable[[S], Sequence[str]]
    """The names of the schemas it refers to, sorted."""
    diff: Callable[[S, S], list[Change]]
    """`diff(old, new)`: what changed. Raises TooCostlyError."""
    verdicts: Verdicts
    """Which changes break a reader that has the new schema and reads what was written with the old."""
