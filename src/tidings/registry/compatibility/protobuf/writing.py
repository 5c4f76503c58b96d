"""A Protobuf schema as text: as it stands, and normalized, laid out as Confluent's registry does.

The order of messages is kept in both: records tell a message by its number in the file. Normalized, everything else is
in the order of names and numbers, types are named in full, and what is written in two ways is written in one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tidings.registry.compatibility.protobuf.elements import (
    NUMBER_MAX,
    SCALARS,
    Constant,
    Enum,
    Extension,
    Field,
    MapType,
    Message,
    Method,
    OneOf,
    Option,
    Range,
    Service,
    Value,
)
from tidings.registry.compatibility.protobuf.options import in_one_spelling
from tidings.registry.compatibility.protobuf.schema import ProtobufSchema
from tidings.registry.compatibility.protobuf.tokens import quoted
from tidings.registry.compatibility.schema import SchemaError

_INDENT: Final = "  "

Lines = list[str]


def canonical(schema: ProtobufSchema) -> str:
    return "\n".join(_Writer(schema, is_normalized=False).file()) + "\n"


def normalized(schema: ProtobufSchema) -> str:
    """Raises SchemaError if a type is not known: then it cannot be named in full."""
    return "\n".join(_Writer(schema, is_normalized=True).file()) + "\n"


class _Writer:
    def __init__(self, schema: ProtobufSchema, *, is_normalized: bool) -> None:
        self._schema = schema
        self._is_normalized = is_normalized

    def file(self) -> Lines:
        file = self._schema.file
        lines = []
        if file.edition is not None:
            lines.append(f"edition = {quoted(file.edition)};")
        elif file.syntax is not None and not (self._is_normalized and file.syntax == "proto2"):
            lines.append(f'syntax = "{file.syntax}";')
        if file.package:
            lines.append(f"package {file.package};")
        imports = [f"import {quoted(name)};" for name in self._names(file.imports)]
        imports += [f"import public {quoted(name)};" for name in self._names(file.public_imports)]
        types = [line for message in file.types if isinstance(message, Message) for line in self._message(message, "")]
        types += [line for enum in file.types if isinstance(enum, Enum) for line in self._enum(enum)]
        extensions = self._extensions(file.extensions, "")
        services = [line for service in file.services for line in self._service(service)]
        for block in (imports, self._option_lines(file.options), types, extensions, services):
            lines += ["", *block] if block else []
        return lines

    def _names(self, names: list[str]) -> list[str]:
        return sorted(set(names)) if self._is_normalized else names

    # --- what is declared ---

    def _message(self, message: Message, outer: str) -> Lines:
        scope = f"{outer}.{message.name}" if outer else message.name
        body = [
            self._reserved(message.reserved),
            self._option_lines(message.options),
            [line for field in self._by_number(message.fields) for line in self._field(field, scope)],
            [line for oneof in self._oneofs(message) for line in self._oneof(oneof, scope)],
            [f"extensions {', '.join(map(_range, ranges))};" for ranges in message.extension_ranges],
            self._extensions(message.extensions, scope),
            [
                *(
                    line
                    for inner in message.types
                    if isinstance(inner, Message)
                    for line in self._message(inner, scope)
                ),
                *(line for inner in message.types if isinstance(inner, Enum) for line in self._enum(inner)),
            ],
        ]
        return _block(f"message {message.name}", body)

    def _oneofs(self, message: Message) -> list[OneOf]:
        if not self._is_normalized:
            return message.oneofs
        return sorted(
            (oneof for oneof in message.oneofs if oneof.fields),
            key=lambda oneof: min(field.number for field in oneof.fields),
        )

    def _oneof(self, oneof: OneOf, scope: str) -> Lines:
        fields = [line for field in self._by_number(oneof.fields) for line in self._field(field, scope)]
        return _block(f"oneof {oneof.name}", [self._option_lines(oneof.options), fields])

    def _extensions(self, extensions: list[Extension], scope: str) -> Lines:
        """Normalized, what extends the same message stands together."""
        fields: list[tuple[str, list[Field]]] = [(self._type(one.of, scope), one.fields) for one in extensions]
        if self._is_normalized:
            together: dict[str, list[Field]] = {}
            for name, more in fields:
                together.setdefault(name, []).extend(more)
            fields = list(together.items())
        return [line for name, extended in fields for line in self._extension(name, extended, scope)]

    def _extension(self, name: str, extended: list[Field], scope: str) -> Lines:
        fields = [line for field in self._by_number(extended) for line in self._field(field, scope)]
        return _block(f"extend {name}", [fields])

    def _by_number(self, fields: list[Field]) -> list[Field]:
        return sorted(fields, key=lambda field: field.number) if self._is_normalized else fields

    def _field(self, field: Field, scope: str) -> Lines:
        label = f"{field.label} " if field.label else ""
        declared = f"{label}{self._type(field.type, scope)} {field.name} = {field.number}"
        return self._with_options(declared, field.options)

    def _enum(self, enum: Enum) -> Lines:
        constants = enum.constants
        if self._is_normalized:
            constants = sorted(constants, key=lambda constant: (constant.number, constant.name))
        body = self._reserved(enum.reserved) + self._option_lines(enum.options)
        body += [line for constant in constants for line in self._constant(constant)]
        return _block(f"enum {enum.name}", [body])

    def _constant(self, constant: Constant) -> Lines:
        return self._with_options(f"{constant.name} = {constant.number}", constant.options)

    def _service(self, service: Service) -> Lines:
        methods = [line for method in service.methods for line in self._method(method)]
        return _block(f"service {service.name}", [self._option_lines(service.options), methods])

    def _method(self, method: Method) -> Lines:
        request = f"{'stream ' if method.streams_requests else ''}{self._type(method.request, '')}"
        response = f"{'stream ' if method.streams_responses else ''}{self._type(method.response, '')}"
        head = f"rpc {method.name} ({request}) returns ({response})"
        options = self._option_lines(method.options)
        return _block(head, [options], end="};") if options else [f"{head};"]

    def _reserved(self, reserved: list[list[str | Range]]) -> Lines:
        if self._is_normalized:
            items = {item for listed in reserved for item in listed}
            ranges = sorted(item for item in items if isinstance(item, Range))
            names = sorted(item for item in items if isinstance(item, str))
            reserved = []
            reserved += [[item] for item in ranges]
            reserved += [[item] for item in names]
        return [f"reserved {', '.join(map(_reserved, listed))};" for listed in reserved]

    # --- types ---

    def _type(self, name: str | MapType, scope: str) -> str:
        if isinstance(name, MapType):
            return f"map<{name.key}, {self._type(name.value, scope)}>"
        if not self._is_normalized or name in SCALARS:
            return name
        package = self._schema.file.package
        declared = self._schema.resolve(name, ".".join(part for part in (package, scope) if part))
        if declared is None:
            raise SchemaError(f"there is no type {name}", scope)
        return f".{declared.full_name}"

    # --- options ---

    def _option_lines(self, options: list[Option]) -> Lines:
        lines: Lines = []
        for option in self._spelled(options):
            first, *rest = self._option(option)
            lines += _ended([f"option {first}", *rest], ";")
        return lines

    def _with_options(self, declared: str, options: list[Option]) -> Lines:
        if not options:
            return [f"{declared};"]
        parts = [self._option(option) for option in self._spelled(options)]
        if len(parts) == 1:
            first, *rest = parts[0]
            return _ended([f"{declared} [{first}", *rest], "];")
        return [f"{declared} [", *_indented(_separated(parts)), "];"]

    def _spelled(self, options: list[Option]) -> list[Option]:
        return in_one_spelling(options, self._schema.extension_named) if self._is_normalized else options

    def _option(self, option: Option) -> Lines:
        value = option.value
        if isinstance(value, list) and len(value) == 1:
            first, *rest = _ended(self._value(value[0]), "]")
            return [f"{option.name} = [{first}", *rest]
        first, *rest = self._value(value)
        return [f"{option.name} = {first}", *rest]

    def _value(self, value: Value) -> Lines:
        if isinstance(value, str):
            return [quoted(value)]
        if isinstance(value, dict):
            names = sorted(value) if self._is_normalized else list(value)
            members = []
            for name in names:
                first, *rest = self._value(value[name])
                members.append([f"{name}: {first}", *rest])
            return ["{", *_indented(_separated(members)), "}"]
        if isinstance(value, list):
            return ["[", *_indented(_separated([self._value(item) for item in value])), "]"]
        return [value.text]


def _block(head: str, body: Iterable[Lines], end: str = "}") -> Lines:
    lines: Lines = []
    for part in body:
        lines += ["", *_indented(part)] if part and lines else _indented(part)
    return [f"{head} {{", *lines, end] if lines else [f"{head} {{{end}"]


def _indented(lines: Lines) -> Lines:
    """Empty ones as well: that is the layout."""
    return [f"{_INDENT}{line}" for line in lines]


def _separated(parts: list[Lines]) -> Lines:
    return [line for part in parts[:-1] for line in _ended(part, ",")] + (parts[-1] if parts else [])


def _ended(lines: Lines, end: str) -> Lines:
    return [*lines[:-1], lines[-1] + end]


def _reserved(item: str | Range) -> str:
    return _range(item) if isinstance(item, Range) else quoted(item)


def _range(numbers: Range) -> str:
    first, last = numbers
    if first == last:
        return str(first)
    return f"{first} to {'max' if last in (NUMBER_MAX, (1 << 31) - 1) else last}"
