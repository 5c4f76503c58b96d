"""A .proto file, read: what is in it, as it stands there."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

_NUMBERS = ("int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32", "sfixed64")
SCALARS: Final = frozenset((*_NUMBERS, "double", "float", "bool", "string", "bytes"))
NUMBER_MAX: Final = (1 << 29) - 1


class Label(StrEnum):
    OPTIONAL = "optional"
    REQUIRED = "required"
    REPEATED = "repeated"


class Word(NamedTuple):
    """A value that is not a string: a number, true, the name of a constant."""

    text: str


Value: TypeAlias = "str | Word | list[Value] | dict[str, Value]"


class Option(NamedTuple):
    """`name` as it is written: parentheses and dots are part of it."""

    name: str
    value: Value


class MapType(NamedTuple):
    key: str
    value: str

    def __str__(self) -> str:
        return f"map<{self.key}, {self.value}>"


class Range(NamedTuple):
    """Numbers, both ends among them."""

    first: int
    last: int


@dataclass(slots=True)
class Field:
    name: str
    number: int
    type: str | MapType
    label: Label | None = None
    options: list[Option] = field(default_factory=list)


@dataclass(slots=True)
class OneOf:
    name: str
    fields: list[Field] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)


@dataclass(slots=True)
class Constant:
    name: str
    number: int
    options: list[Option] = field(default_factory=list)


@dataclass(slots=True)
class Enum:
    name: str
    constants: list[Constant] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)
    reserved: list[list[str | Range]] = field(default_factory=list)


@dataclass(slots=True)
class Extension:
    """`extend`: fields for a message that is declared elsewhere."""

    of: str
    fields: list[Field] = field(default_factory=list)


@dataclass(slots=True)
class Message:
    name: str
    fields: list[Field] = field(default_factory=list)
    oneofs: list[OneOf] = field(default_factory=list)
    types: list[Message | Enum] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)
    reserved: list[list[str | Range]] = field(default_factory=list)
    extension_ranges: list[list[Range]] = field(default_factory=list)
    extensions: list[Extension] = field(default_factory=list)

    def all_fields(self) -> list[Field]:
        """Those in oneofs as well."""
        return [*self.fields, *(member for oneof in self.oneofs for member in oneof.fields)]


@dataclass(slots=True)
class Method:
    name: str
    request: str
    response: str
    streams_requests: bool = False
    streams_responses: bool = False
    options: list[Option] = field(default_factory=list)


@dataclass(slots=True)
class Service:
    name: str
    methods: list[Method] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)


@dataclass(slots=True)
class File:
    syntax: str | None = None
    edition: str | None = None
    package: str = ""
    imports: list[str] = field(default_factory=list)
    public_imports: list[str] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)
    types: list[Message | Enum] = field(default_factory=list)
    extensions: list[Extension] = field(default_factory=list)
    services: list[Service] = field(default_factory=list)

    @property
    def is_proto3(self) -> bool:
        return self.syntax == "proto3"
