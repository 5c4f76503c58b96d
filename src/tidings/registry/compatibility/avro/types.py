"""An Avro schema, read. Types are told apart by identity: a record may hold itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tidings.registry.compatibility.json_text import Json

PRIMITIVES: Final = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")

Props = dict[str, Json]


class NoDefault:
    """A field without a default: `null` is one."""


NO_DEFAULT: Final = NoDefault()


@dataclass(eq=False, slots=True)
class Type:
    """`props` are the members of its JSON that Avro gives no meaning to itself; logical types are among them."""

    props: Props = field(default_factory=dict, kw_only=True)

    @property
    def label(self) -> str:
        """What people call it."""
        raise NotImplementedError


@dataclass(eq=False, slots=True)
class Primitive(Type):
    name: str

    @property
    def label(self) -> str:
        return self.name


@dataclass(eq=False, slots=True)
class Array(Type):
    items: Type

    @property
    def label(self) -> str:
        return "array"


@dataclass(eq=False, slots=True)
class Map(Type):
    values: Type

    @property
    def label(self) -> str:
        return "map"


@dataclass(eq=False, slots=True)
class Union(Type):
    """No two branches have the same label."""

    branches: list[Type]
    by_label: dict[str, Type] = field(init=False)

    def __post_init__(self) -> None:
        self.by_label = {branch.label: branch for branch in self.branches}

    @property
    def label(self) -> str:
        return "union"


@dataclass(eq=False, slots=True)
class Named(Type):
    """`name` and `aliases` are full names."""

    name: str
    aliases: list[str] = field(default_factory=list, kw_only=True)
    doc: str | None = field(default=None, kw_only=True)

    @property
    def namespace(self) -> str:
        return self.name.rpartition(".")[0]

    @property
    def simple_name(self) -> str:
        return self.name.rpartition(".")[2]

    @property
    def label(self) -> str:
        return self.name


@dataclass(eq=False, slots=True)
class Field:
    name: str
    type: Type
    default: Json | NoDefault = NO_DEFAULT
    aliases: list[str] = field(default_factory=list)
    doc: str | None = None
    order: str = "ascending"
    props: Props = field(default_factory=dict)

    @property
    def has_default(self) -> bool:
        return self.default is not NO_DEFAULT


@dataclass(eq=False, slots=True)
class Record(Named):
    fields: list[Field] = field(default_factory=list)
    is_error: bool = False


@dataclass(eq=False, slots=True)
class Enum(Named):
    symbols: list[str] = field(default_factory=list)
    default: str | None = None


@dataclass(eq=False, slots=True)
class Fixed(Named):
    size: int = 0


@dataclass(eq=False, slots=True)
class AvroSchema:
    root: Type
    known: dict[str, Named]
    """What the schemas referred to define: written as a name only."""
    references: list[str]
    """Those of them that are used."""
