"""An Avro schema as text: its canonical form, and the normalized one.

The canonical form is what Apache Avro writes of a schema that it read: what is said once is said at its place, in one
order of members. The normalized one is the parsing canonical form of Avro's specification, with full names, but keeps
what that drops: defaults, aliases, docs and whatever else a schema says, in the order of the names.
"""

from __future__ import annotations

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
from tidings.registry.compatibility.json_text import Json, write


def canonical(schema: AvroSchema) -> str:
    return write(_Canonical(set(schema.known)).type(schema.root, ""))


def normalized(schema: AvroSchema) -> str:
    return write(_Normalized(set(schema.known)).type(schema.root))


class _Canonical:
    """`named` are the types that need not be written out again."""

    def __init__(self, named: set[str]) -> None:
        self._named = named

    def type(self, kind: Type, space: str) -> Json:
        match kind:
            case Primitive(name):
                return {"type": name, **kind.props} if kind.props else name
            case Array(items):
                return {"type": "array", "items": self.type(items, space), **kind.props}
            case Map(values):
                return {"type": "map", "values": self.type(values, space), **kind.props}
            case Union(branches):
                return [self.type(branch, space) for branch in branches]
            case Named():
                return self._by_name(kind, space)
        raise AssertionError(kind)

    def _by_name(self, kind: Named, space: str) -> Json:
        if kind.name in self._named:
            return _short(kind.name, space)
        self._named.add(kind.name)
        json: dict[str, Json] = {"type": _type_name(kind), "name": kind.simple_name}
        if kind.namespace != space:
            json["namespace"] = kind.namespace
        if kind.doc is not None:
            json["doc"] = kind.doc
        match kind:
            case Record():
                json["fields"] = [self._field(field, kind.namespace) for field in kind.fields]
            case Enum():
                json["symbols"] = kind.symbols
                if kind.default is not None:
                    json["default"] = kind.default
            case Fixed():
                json["size"] = kind.size
        json |= kind.props
        if kind.aliases:
            json["aliases"] = [_short(alias, kind.namespace) for alias in kind.aliases]
        return json

    def _field(self, field: Field, space: str) -> Json:
        json: dict[str, Json] = {"name": field.name, "type": self.type(field.type, space)}
        if field.doc is not None:
            json["doc"] = field.doc
        if field.has_default:
            json["default"] = field.default
        if field.order != "ascending":
            json["order"] = field.order
        if field.aliases:
            json["aliases"] = field.aliases
        return json | field.props


class _Normalized:
    def __init__(self, named: set[str]) -> None:
        self._named = named

    def type(self, kind: Type) -> Json:
        match kind:
            case Primitive(name):
                return {"type": name, **_in_order(kind.props)} if kind.props else name
            case Array(items):
                return {"type": "array", "items": self.type(items), **_in_order(kind.props)}
            case Map(values):
                return {"type": "map", "values": self.type(values), **_in_order(kind.props)}
            case Union(branches):
                return [self.type(branch) for branch in branches]
            case Named():
                return self._by_name(kind)
        raise AssertionError(kind)

    def _by_name(self, kind: Named) -> Json:
        if kind.name in self._named:
            return kind.name
        self._named.add(kind.name)
        json: dict[str, Json] = {"name": kind.name, "type": _type_name(kind)}
        match kind:
            case Record():
                json["fields"] = [self._field(field) for field in kind.fields]
            case Enum():
                json["symbols"] = kind.symbols
                if kind.default is not None:
                    json["default"] = kind.default
            case Fixed():
                json["size"] = kind.size
        return json | _said(kind.aliases, kind.doc) | _in_order(kind.props)

    def _field(self, field: Field) -> Json:
        json: dict[str, Json] = {"name": field.name, "type": self.type(field.type)}
        if field.has_default:
            json["default"] = _sorted(field.default)
        if field.order != "ascending":
            json["order"] = field.order
        return json | _said(field.aliases, field.doc) | _in_order(field.props)


def _said(aliases: list[str], doc: str | None) -> dict[str, Json]:
    json: dict[str, Json] = {}
    if aliases:
        json["aliases"] = sorted(aliases)
    if doc is not None:
        json["doc"] = doc
    return json


def _in_order(props: dict[str, Json]) -> dict[str, Json]:
    return {key: _sorted(props[key]) for key in sorted(props)}


def _sorted(value: Json) -> Json:
    if isinstance(value, dict):
        return _in_order(value)
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _type_name(kind: Named) -> str:
    match kind:
        case Record(is_error=is_error):
            return "error" if is_error else "record"
        case Enum():
            return "enum"
    return "fixed"


def _short(name: str, space: str) -> str:
    """As it can be written where `space` is meant by default. A name of Avro's own would be taken for that."""
    namespace, _, simple = name.rpartition(".")
    return simple if namespace == space else name
