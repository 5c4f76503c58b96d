"""A JSON Schema, read: each node says one kind of thing, and a schema that says several is a combination of nodes.

That is the model of the library that Confluent's registry is built on, and so its idea of what a change is.
Nodes are told apart by identity: a schema may hold itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Final, Generic, TypeVar

from tidings.registry.compatibility.json_text import Json, write

Number = int | Decimal
T = TypeVar("T")


class NoDefault:
    """A schema without a default: `null` is one."""


NO_DEFAULT: Final = NoDefault()


@dataclass(eq=False)
class Node:
    """`source` is the JSON it stands for; the rest is what a schema of any kind may say about itself."""

    source: Json = None
    id: str | None = field(default=None, kw_only=True)
    title: str | None = field(default=None, kw_only=True)
    description: str | None = field(default=None, kw_only=True)
    default: Json | NoDefault = field(default=NO_DEFAULT, kw_only=True)
    connect_type: str | None = field(default=None, kw_only=True)
    """Of what Kafka Connect's converter makes of its own types."""

    @property
    def has_default(self) -> bool:
        return self.default is not NO_DEFAULT

    @cached_property
    def text(self) -> str:
        """Equal for schemas that say the same."""
        return f"{type(self).__name__} {write(self.source, is_sorted=True)}"


class Anything(Node):
    """`true`, or a schema that asks for nothing."""


class Nothing(Node):
    """`false`."""


class BooleanNode(Node):
    pass


class NullNode(Node):
    pass


@dataclass(eq=False)
class StringNode(Node):
    length_min: Number | None = None
    length_max: Number | None = None
    pattern: str | None = None


@dataclass(eq=False)
class NumberNode(Node):
    is_integer: bool = False
    minimum: Number | None = None
    maximum: Number | None = None
    exclusive_minimum: Number | None = None
    exclusive_maximum: Number | None = None
    multiple_of: Number | None = None


@dataclass(eq=False)
class EnumNode(Node):
    values: dict[str, Json] = field(default_factory=dict)
    """By their texts."""


@dataclass(eq=False)
class ConstNode(Node):
    value: Json = None


@dataclass(eq=False)
class Rest(Generic[T]):
    """What is said of the members or items that are not named one by one: a schema, or whether there may be any."""

    is_allowed: bool = True
    schema: T | None = None


@dataclass(eq=False)
class ObjectNode(Node):
    properties: dict[str, Node] = field(default_factory=dict)
    patterns: dict[str, Node] = field(default_factory=dict)
    additional: Rest[Node] = field(default_factory=Rest)
    unevaluated: Node | None = None
    required: list[str] = field(default_factory=list)
    size_min: Number | None = None
    size_max: Number | None = None
    dependent_names: dict[str, list[str]] = field(default_factory=dict)
    dependent_schemas: dict[str, Node] = field(default_factory=dict)
    names: Node | None = None


@dataclass(eq=False)
class ArrayNode(Node):
    all_items: Node | None = None
    items: list[Node] = field(default_factory=list)
    additional: Rest[Node] = field(default_factory=Rest)
    unevaluated: Node | None = None
    size_min: Number | None = None
    size_max: Number | None = None
    is_unique: bool = False
    contains: Node | None = None
    contains_min: Number | None = None
    contains_max: Number | None = None


class Criterion(StrEnum):
    ALL = "allOf"
    ANY = "anyOf"
    ONE = "oneOf"

    @property
    def is_sum(self) -> bool:
        """Whether more schemas allow more."""
        return self is not Criterion.ALL


@dataclass(eq=False)
class CombinedNode(Node):
    criterion: Criterion = Criterion.ALL
    parts: list[Node] = field(default_factory=list)


@dataclass(eq=False)
class NotNode(Node):
    schema: Node = field(default_factory=Anything)


@dataclass(eq=False)
class ConditionNode(Node):
    condition: Node | None = None
    then: Node | None = None
    otherwise: Node | None = None


@dataclass(eq=False)
class ReferenceNode(Node):
    target: Node | None = None


def resolved(node: Node) -> Node:
    """What is meant. Parsing has seen to it that no reference leads to another."""
    if not isinstance(node, ReferenceNode):
        return node
    assert node.target is not None
    return node.target


@dataclass(eq=False)
class JsonSchema:
    root: Node
    json: Json
    references: list[str]
    """Those of the schemas given that are used."""
