"""What differs between two Avro schemas, by the rules of schema resolution.

The verdict is that of Apache Avro's SchemaCompatibility: numbers may become wider, strings and bytes become each other,
names count without their namespace, a reader's aliases stand for the writer's names, and an enum's default for symbols
that the reader does not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from itertools import islice
from typing import Final

from tidings.registry.compatibility.avro.types import (
    Array,
    AvroSchema,
    Enum,
    Field,
    Fixed,
    Map,
    Named,
    Primitive,
    Record,
    Type,
    Union,
)
from tidings.registry.compatibility.avro.verdicts import VERDICTS
from tidings.registry.compatibility.change import Change, below
from tidings.registry.compatibility.json_text import write
from tidings.registry.compatibility.pairs import Pairs
from tidings.registry.compatibility.pairs import Steps as _Steps

Steps = _Steps[Type]

_NAMED_MAX: Final = 10
_PROMOTIONS: Final = {
    "int": ("long", "float", "double"),
    "long": ("float", "double"),
    "float": ("double",),
    "string": ("bytes",),
    "bytes": ("string",),
}


def diff(old: AvroSchema, new: AvroSchema) -> list[Change]:
    """What changed from `old` to `new`. Raises TooCostlyError."""
    changes = Pairs(_differences, VERDICTS).changes(old.root, new.root)
    return [change._replace(path=f"/{change.path}") for change in changes]


def _differences(old: Type, new: Type) -> Steps:
    match old, new:
        case (Union(), Union()):
            return (yield from _unions(old, new))
        case (Union(), _):
            return (yield from _from_union(old, new))
        case (_, Union()):
            return (yield from _into_union(old, new))
        case (Primitive(), Primitive()):
            return _primitives(old, new)
        case (Array(), Array()):
            return _logical(old, new) + below("items", (yield old.items, new.items))
        case (Map(), Map()):
            return _logical(old, new) + below("values", (yield old.values, new.values))
        case (Record(), Record()):
            return _names(old, new) + (yield from _fields(old, new))
        case (Enum(), Enum()):
            return _names(old, new) + _symbols(old, new)
        case (Fixed(), Fixed()):
            return _names(old, new) + _logical(old, new) + _sizes(old, new)
    return [_mismatch(old, new)]


# --- types without parts ---


def _primitives(old: Primitive, new: Primitive) -> list[Change]:
    if old.name == new.name:
        return _logical(old, new)
    if new.name in _PROMOTIONS.get(old.name, ()):
        return [Change("TYPE_PROMOTED", "", f"{old.name} to {new.name}"), *_logical(old, new)]
    return [_mismatch(old, new)]


def _mismatch(old: Type, new: Type) -> Change:
    return Change("TYPE_MISMATCH", "", f"{old.label} to {new.label}")


def _logical(old: Type, new: Type) -> list[Change]:
    keys = ("logicalType", "precision", "scale")
    was, now = ({key: kind.props[key] for key in keys if key in kind.props} for kind in (old, new))
    if write(was, is_sorted=True) == write(now, is_sorted=True):
        return []
    return [Change("LOGICAL_TYPE_CHANGED", "", f"{was.get('logicalType', 'none')} to {now.get('logicalType', 'none')}")]


def _names(old: Named, new: Named) -> list[Change]:
    detail = f"{old.name} to {new.name}"
    if old.simple_name != new.simple_name:
        kind = "RENAMED" if old.name in new.aliases else "NAME_MISMATCH"
        return [Change(kind, "name", detail)]
    changes = [] if old.name == new.name else [Change("NAMESPACE_CHANGED", "name", detail)]
    return changes if old.doc == new.doc else [*changes, Change("DOC_CHANGED", "doc")]


def _symbols(old: Enum, new: Enum) -> list[Change]:
    changes = []
    if missing := [symbol for symbol in old.symbols if symbol not in set(new.symbols)]:
        kind = "MISSING_ENUM_SYMBOLS" if new.default is None else "ENUM_SYMBOLS_DEFAULTED"
        changes.append(Change(kind, "symbols", ", ".join(missing)))
    if added := [symbol for symbol in new.symbols if symbol not in set(old.symbols)]:
        changes.append(Change("ENUM_SYMBOLS_ADDED", "symbols", ", ".join(added)))
    if old.default != new.default:
        changes.append(Change("DEFAULT_CHANGED", "default"))
    return changes


def _sizes(old: Fixed, new: Fixed) -> list[Change]:
    return [] if old.size == new.size else [Change("FIXED_SIZE_MISMATCH", "size", f"{old.size} to {new.size}")]


# --- records ---


def _fields(old: Record, new: Record) -> Steps:
    changes: list[Change] = []
    by_name = {field.name: field for field in old.fields}
    read: set[str] = set()
    for index, field in enumerate(new.fields):
        path = f"fields/{index}"
        sources = [by_name[name] for name in dict.fromkeys((field.name, *field.aliases)) if name in by_name]
        read.update(source.name for source in sources)
        if len(sources) > 1:
            changes.append(Change("FIELD_MATCHES_SEVERAL", path, field.name))
        elif sources:
            changes += below(path, _said_of(sources[0], field))
            changes += below(f"{path}/type", (yield sources[0].type, field.type))
        else:
            kind = "FIELD_ADDED" if field.has_default else "READER_FIELD_MISSING_DEFAULT_VALUE"
            changes.append(Change(kind, path, field.name))
    for index, field in enumerate(old.fields):
        if field.name not in read:
            changes.append(Change("FIELD_REMOVED", f"fields/{index}", field.name))
    return changes


def _said_of(old: Field, new: Field) -> list[Change]:
    changes = []
    if old.name != new.name:
        changes.append(Change("FIELD_RENAMED", "name", f"{old.name} to {new.name}"))
    if _default(old) != _default(new):
        changes.append(Change("DEFAULT_CHANGED", "default"))
    if old.doc != new.doc:
        changes.append(Change("DOC_CHANGED", "doc"))
    return changes


def _default(field: Field) -> str:
    return write(field.default, is_sorted=True) if field.has_default else ""


# --- unions ---


def _unions(old: Union, new: Union) -> Steps:
    """Whatever the writer may have written must have a branch to be read into."""
    changes: list[Change] = []
    for index, branch in enumerate(old.branches):
        found = yield branch, new
        if VERDICTS.fits(found):
            changes += below(str(index), (change for change in found if change.kind != "UNION_EXTENDED"))
        else:
            changes.append(Change("MISSING_UNION_BRANCH", str(index), branch.label))
    labels = {branch.label for branch in old.branches}
    return changes + _extended(new, labels)


def _from_union(old: Union, new: Type) -> Steps:
    changes: list[Change] = []
    for index, branch in enumerate(old.branches):
        changes += below(str(index), (yield branch, new))
    return [*changes, Change("UNION_NARROWED", "")] if VERDICTS.fits(changes) else changes


def _into_union(old: Type, new: Union) -> Steps:
    """Into the first branch that fits, and into the same type rather than into a wider one."""
    best: list[Change] | None = None
    for branch in _same_first(new, old.label):
        found = yield old, branch
        if VERDICTS.fits(found) and (best is None or len(found) < len(best)):
            best = found
            if not found:
                break
    if best is None:
        return [Change("MISSING_UNION_BRANCH", "", old.label)]
    return best + _extended(new, {old.label})


def _same_first(union: Union, label: str) -> Iterator[Type]:
    same = union.by_label.get(label)
    if same is not None:
        yield same
    yield from (branch for branch in union.branches if branch is not same)


def _extended(new: Union, labels: Set[str]) -> list[Change]:
    """That there are branches besides those with `labels`; some of them are named."""
    added = list(islice((branch.label for branch in new.branches if branch.label not in labels), _NAMED_MAX))
    return [Change("UNION_EXTENDED", "", ", ".join(added))] if added else []
