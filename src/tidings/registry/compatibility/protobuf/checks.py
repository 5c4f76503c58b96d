"""What must hold in a .proto file beyond its grammar: numbers and names are used once, and may be used at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from tidings.registry.compatibility.protobuf.elements import (
    NUMBER_MAX,
    SCALARS,
    Enum,
    Field,
    File,
    Label,
    MapType,
    Message,
    Range,
    Word,
)
from tidings.registry.compatibility.schema import SchemaError

_OF_THE_IMPLEMENTATION = Range(19_000, 19_999)
_NO_MAP_KEYS = frozenset(("double", "float", "bytes"))


def check_file(file: File) -> None:
    """Raises SchemaError."""
    names = [*_names(file.types), *(service.name for service in file.services)]
    _refuse_twice(names, "the name", file.package or "the file")
    for element in file.types:
        _check(element, element.name, file)


def _check(element: Message | Enum, path: str, file: File) -> None:
    if isinstance(element, Enum):
        _check_enum(element, path, file)
        return
    for field in element.all_fields():
        _check_field(field, path, file)
    fields = element.all_fields()
    names = [*(field.name for field in fields), *(oneof.name for oneof in element.oneofs), *_names(element.types)]
    _refuse_twice(names, "the name", path)
    _refuse_twice((str(field.number) for field in fields), "the number", path)
    _refuse_reserved(((field.name, field.number) for field in fields), element.reserved, path)
    for oneof in element.oneofs:
        if not oneof.fields:
            raise SchemaError(f"there is nothing in the oneof {oneof.name}", path)
        if any(field.label or isinstance(field.type, MapType) for field in oneof.fields):
            raise SchemaError(f"fields in the oneof {oneof.name} have no label, and are no maps", path)
    for inner in element.types:
        _check(inner, f"{path}.{inner.name}", file)


def _names(types: Iterable[Message | Enum]) -> Iterator[str]:
    """What they are called, and the constants of enums, which are names of the place that the enum is in."""
    for element in types:
        yield element.name
        if isinstance(element, Enum):
            yield from (constant.name for constant in element.constants)


def _check_field(field: Field, path: str, file: File) -> None:
    if not 0 < field.number <= NUMBER_MAX or _is_in(field.number, _OF_THE_IMPLEMENTATION):
        raise SchemaError(f"the number {field.number} is not for fields ({field.name})", path)
    if isinstance(field.type, MapType):
        if field.type.key not in SCALARS or field.type.key in _NO_MAP_KEYS:
            raise SchemaError(f"{field.type.key} is no type for the keys of a map ({field.name})", path)
        if field.label is not None:
            raise SchemaError(f"a map has no label ({field.name})", path)
    if file.is_proto3 and field.label is Label.REQUIRED:
        raise SchemaError(f"there are no required fields in proto3 ({field.name})", path)
    if file.is_proto3 and any(option.name == "default" for option in field.options):
        raise SchemaError(f"there are no defaults in proto3 ({field.name})", path)


def _check_enum(enum: Enum, path: str, file: File) -> None:
    if not enum.constants:
        raise SchemaError("an enum has a constant", path)
    if file.is_proto3 and enum.constants[0].number != 0:
        raise SchemaError("the first constant of an enum is 0 in proto3", path)
    if not any(option.name == "allow_alias" and option.value == Word("true") for option in enum.options):
        _refuse_twice((str(constant.number) for constant in enum.constants), "the number", path)
    _refuse_reserved(((constant.name, constant.number) for constant in enum.constants), enum.reserved, path)


def _refuse_twice(names: Iterable[str], what: str, path: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise SchemaError(f"{what} {name} is there twice", path)
        seen.add(name)


def _refuse_reserved(used: Iterable[tuple[str, int]], reserved: Iterable[list[str | Range]], path: str) -> None:
    kept = [item for items in reserved for item in items]
    names = {item for item in kept if isinstance(item, str)}
    ranges = sorted({item for item in kept if isinstance(item, Range)})
    for before, after in pairwise(ranges):
        if after.first <= before.last:
            raise SchemaError(f"the number {after.first} is reserved twice", path)
    for name, number in used:
        if name in names:
            raise SchemaError(f"the name {name} is reserved", path)
        if _is_in_one(number, ranges):
            raise SchemaError(f"the number {number} is reserved ({name})", path)


def _is_in_one(number: int, ranges: list[Range]) -> bool:
    """`ranges` follow one another."""
    low, high = 0, len(ranges)
    while low < high:
        middle = (low + high) // 2
        if ranges[middle].last < number:
            low = middle + 1
        else:
            high = middle
    return low < len(ranges) and ranges[low].first <= number


def _is_in(number: int, numbers: Range) -> bool:
    return numbers.first <= number <= numbers.last
