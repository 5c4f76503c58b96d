"""A .proto file with those it imports, and what the names in them mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from tidings.registry.compatibility.protobuf.checks import check_file
from tidings.registry.compatibility.protobuf.elements import SCALARS, Enum, Extension, File, MapType, Message
from tidings.registry.compatibility.protobuf.parsing import parse_file
from tidings.registry.compatibility.protobuf.well_known import FILES
from tidings.registry.compatibility.schema import REFERENCES_MAX, SchemaError


@dataclass(eq=False, slots=True)
class Declared:
    """A message or an enum, by its place. `element` is None where only the name is known."""

    package: str
    local_name: str
    """Without the package, but with the messages that it is in."""
    element: Message | Enum | None
    is_enum: bool
    origin: str
    """The text of the file that it is in: types of the same file need not be compared where they are referred to."""
    inner: list[Declared] = field(default_factory=list)

    @property
    def full_name(self) -> str:
        return f"{self.package}.{self.local_name}" if self.package else self.local_name

    @property
    def name(self) -> str:
        return self.local_name.rpartition(".")[2]


@dataclass(eq=False, slots=True)
class ProtobufSchema:
    file: File
    types: list[Declared]
    """Of the file itself, in its order, without those in other messages."""
    known: dict[str, Declared]
    """By full name, also those of imported files."""
    references: list[str]
    extensions: set[str] = field(default_factory=set)
    """The full names of fields that extend the messages of others: what options can be named."""

    def extension_named(self, name: str) -> str:
        """The full name of an extension, as seen from the file; what is not known is named as it is written."""
        if name.startswith("."):
            return name[1:]
        scope = self.file.package
        while scope:
            if f"{scope}.{name}" in self.extensions:
                return f"{scope}.{name}"
            scope = scope.rpartition(".")[0]
        return name

    def resolve(self, name: str, scope: str) -> Declared | None:
        """What `name` means in the message or package `scope`, looked for from the inside out."""
        if name.startswith("."):
            return self.known.get(name[1:])
        while scope:
            if (found := self.known.get(f"{scope}.{name}")) is not None:
                return found
            scope = scope.rpartition(".")[0]
        return self.known.get(name)


def parse(text: str, references: Mapping[str, str] | None = None, *, is_new: bool = True) -> ProtobufSchema:
    """The schema that `text` is. Raises SchemaError. Its names and numbers are looked at if it `is_new`."""
    references = references or {}
    if len(references) > REFERENCES_MAX:
        raise SchemaError(f"the schema has more than {REFERENCES_MAX} references")
    file = parse_file(text)
    schema = ProtobufSchema(file, [], {}, sorted({*file.imports, *file.public_imports} & references.keys()))
    _know_well_known(schema)
    files = {name: parse_file(referenced, f"the referenced schema {name}") for name, referenced in references.items()}
    for name, imported in files.items():
        _know(schema, _declared(imported.types, imported.package, "", references[name]))
        schema.extensions |= set(_extensions(imported))
    schema.types = _declared(file.types, file.package, "", "")
    _know(schema, schema.types)
    schema.extensions |= set(_extensions(file))
    if is_new:
        for name in (*file.imports, *file.public_imports):
            if name not in references and name not in FILES:
                raise SchemaError(f"{name} is imported, and is none of the references given")
        check_file(file)
        for message in file.types:
            _refuse_unknown(schema, message, file.package)
        _refuse_unknown_extended(schema, file.extensions, file.package)
        for service in file.services:
            for method in service.methods:
                _resolved(schema, method.request, file.package)
                _resolved(schema, method.response, file.package)
    return schema


def _declared(types: Iterable[Message | Enum], package: str, prefix: str, origin: str) -> list[Declared]:
    found = []
    for element in types:
        local_name = f"{prefix}{element.name}"
        declared = Declared(package, local_name, element, isinstance(element, Enum), origin)
        if isinstance(element, Message):
            declared.inner = _declared(element.types, package, f"{local_name}.", origin)
        found.append(declared)
    return found


def _know(schema: ProtobufSchema, types: Iterable[Declared]) -> None:
    waiting = list(types)
    while waiting:
        declared = waiting.pop()
        schema.known[declared.full_name] = declared
        waiting += declared.inner


def _extensions(file: File) -> Iterator[str]:
    waiting: list[tuple[str, list[Extension], list[Message | Enum]]] = [(file.package, file.extensions, file.types)]
    while waiting:
        scope, extensions, types = waiting.pop()
        prefix = f"{scope}." if scope else ""
        yield from (f"{prefix}{declared.name}" for extension in extensions for declared in extension.fields)
        waiting += [(f"{prefix}{m.name}", m.extensions, m.types) for m in types if isinstance(m, Message)]


def _know_well_known(schema: ProtobufSchema) -> None:
    for name, known in FILES.items():
        for names, is_enum in ((known.messages, False), (known.enums, True)):
            _know(schema, (Declared(known.package, local, None, is_enum, name) for local in names.split()))


def _refuse_unknown(schema: ProtobufSchema, element: Message | Enum, scope: str) -> None:
    if isinstance(element, Enum):
        return
    scope = f"{scope}.{element.name}" if scope else element.name
    for declared in element.all_fields():
        _resolved(schema, declared.type.value if isinstance(declared.type, MapType) else declared.type, scope)
    for inner in element.types:
        _refuse_unknown(schema, inner, scope)
    _refuse_unknown_extended(schema, element.extensions, scope)


def _refuse_unknown_extended(schema: ProtobufSchema, extensions: Iterable[Extension], scope: str) -> None:
    for extension in extensions:
        _resolved(schema, extension.of, scope)
        for declared in extension.fields:
            assert isinstance(declared.type, str)
            _resolved(schema, declared.type, scope)


def _resolved(schema: ProtobufSchema, name: str, scope: str) -> None:
    if name not in SCALARS and schema.resolve(name, scope) is None:
        raise SchemaError(f"there is no type {name}", scope)
