"""Reads Avro schemas, as strictly as Apache Avro does.

Not by fastavro, which keeps neither what a schema says beside its meaning nor its order, both of which are part of
what makes two schemas the same to a registry. Tests hold the two against each other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tidings.registry.compatibility import json_text
from tidings.registry.compatibility.avro.defaults import is_valid_default
from tidings.registry.compatibility.avro.types import (
    NO_DEFAULT,
    PRIMITIVES,
    Array,
    AvroSchema,
    Enum,
    Field,
    Fixed,
    Map,
    Named,
    Primitive,
    Props,
    Record,
    Type,
    Union,
)
from tidings.registry.compatibility.json_text import Json
from tidings.registry.compatibility.schema import REFERENCES_MAX, SchemaError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_ORDERS = ("ascending", "descending", "ignore")
_RESERVED = frozenset(("doc", "fields", "items", "name", "namespace", "size", "symbols", "values", "type", "aliases"))
_RESERVED_IN_ENUM = _RESERVED | {"default"}
_RESERVED_IN_FIELD = frozenset(("default", "doc", "name", "order", "type", "aliases"))


def parse(text: str, references: Mapping[str, str] | None = None, *, is_new: bool = True) -> AvroSchema:
    """The schema that `text` is. Raises SchemaError. The defaults of fields are looked at if it `is_new`."""
    references = references or {}
    if len(references) > REFERENCES_MAX:
        raise SchemaError(f"the schema has more than {REFERENCES_MAX} references")
    names: dict[str, Named] = {}
    origins: dict[str, str] = {}
    for reference, referenced in references.items():
        _Reader(names, is_new=False).read(json_text.read(referenced, f"the referenced schema {reference}"))
        for name in names:
            origins.setdefault(name, reference)
    known = dict(names)
    reader = _Reader(names, is_new)
    root = reader.read(json_text.read(text))
    return AvroSchema(root, known, sorted({origins[name] for name in reader.used if name in origins}))


class _Reader:
    """Reads one text. `names` are the types that can be named, and grow by those it defines."""

    def __init__(self, names: dict[str, Named], is_new: bool) -> None:
        self._names = names
        self._is_new = is_new
        self._defaults: list[tuple[Field, str]] = []
        self.used: set[str] = set()

    def read(self, json: Json) -> Type:
        root = self._type(json, "", "")
        if self._is_new:
            for field, path in self._defaults:
                if not is_valid_default(field.type, field.default):
                    shown = json_text.write(field.default)[:100]
                    raise SchemaError(f"{shown} is no default for {field.type.label}", path)
        return root

    def _type(self, json: Json, space: str, path: str) -> Type:
        if isinstance(json, str):
            return Primitive(json) if json in PRIMITIVES else self._named(json, space, path)
        if isinstance(json, list):
            return self._union(json, space, path)
        if isinstance(json, dict):
            return self._complex(json, space, path)
        raise SchemaError(f"{json_text.write(json)} is no schema", path)

    def _named(self, name: str, space: str, path: str) -> Named:
        full = f"{space}.{name}" if space and "." not in name else name
        found = self._names.get(full) or self._names.get(name)
        if found is None:
            raise SchemaError(f"there is no type {full!r}", path)
        self.used.add(found.name)
        return found

    def _union(self, json: list[Json], space: str, path: str) -> Union:
        branches: list[Type] = []
        seen: set[str] = set()
        for index, item in enumerate(json):
            branch = self._type(item, space, f"{path}/{index}")
            if isinstance(branch, Union):
                raise SchemaError("a union directly in a union", f"{path}/{index}")
            if branch.label in seen:
                raise SchemaError(f"{branch.label} is in the union twice", f"{path}/{index}")
            seen.add(branch.label)
            branches.append(branch)
        return Union(branches)

    def _complex(self, json: dict[str, Json], space: str, path: str) -> Type:
        kind = json.get("type")
        if not isinstance(kind, str):
            raise SchemaError("there is no type", path)
        match kind:
            case "record" | "error":
                return self._record(json, space, path)
            case "enum":
                return self._enum(json, space, path)
            case "fixed":
                return self._fixed(json, space, path)
            case "array":
                items = self._type(_member(json, "items", path), space, f"{path}/items")
                return Array(items, props=_props(json, _RESERVED))
            case "map":
                values = self._type(_member(json, "values", path), space, f"{path}/values")
                return Map(values, props=_props(json, _RESERVED))
            case _ if kind in PRIMITIVES:
                return Primitive(kind, props=_props(json, _RESERVED))
        return self._named(kind, space, path)

    # --- types that have a name ---

    def _record(self, json: dict[str, Json], space: str, path: str) -> Record:
        name = self._name(json, space, path)
        record = Record(name, is_error=json["type"] == "error", doc=_doc(json))
        record.aliases = _aliases(json, record.namespace, path)
        record.props = _props(json, _RESERVED)
        self._define(record, path)
        fields = json.get("fields")
        if not isinstance(fields, list):
            raise SchemaError("a record has a list of fields", path)
        seen: set[str] = set()
        for index, item in enumerate(fields):
            field = self._field(item, record.namespace, f"{path}/fields/{index}")
            if field.name in seen:
                raise SchemaError(f"there are two fields {field.name!r} in {name}", path)
            seen.add(field.name)
            record.fields.append(field)
        return record

    def _field(self, json: Json, space: str, path: str) -> Field:
        if not isinstance(json, dict):
            raise SchemaError("a field is an object", path)
        name = _valid_name(_text(json, "name", path), path)
        kind = self._type(_member(json, "type", path), space, f"{path}/type")
        order = json.get("order", "ascending")
        if order not in _ORDERS:
            raise SchemaError(f"order is one of {', '.join(_ORDERS)}", path)
        field = Field(name, kind, json.get("default", NO_DEFAULT), _alias_list(json, path), _doc(json), order)
        field.props = _props(json, _RESERVED_IN_FIELD)
        if field.has_default:
            self._defaults.append((field, path))
        return field

    def _enum(self, json: dict[str, Json], space: str, path: str) -> Enum:
        name = self._name(json, space, path)
        symbols = json.get("symbols")
        if not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
            raise SchemaError("an enum has a list of symbols", path)
        for symbol in symbols:
            _valid_name(symbol, path)
        if len(set(symbols)) < len(symbols):
            raise SchemaError("an enum has each symbol once", path)
        default = json.get("default")
        if default is not None and default not in symbols:
            raise SchemaError(f"the default {json_text.write(default)[:100]} is none of the symbols", path)
        enum = Enum(name, symbols, default, doc=_doc(json), props=_props(json, _RESERVED_IN_ENUM))
        enum.aliases = _aliases(json, enum.namespace, path)
        self._define(enum, path)
        return enum

    def _fixed(self, json: dict[str, Json], space: str, path: str) -> Fixed:
        size = json.get("size")
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise SchemaError("a fixed has a size", path)
        fixed = Fixed(self._name(json, space, path), size, doc=_doc(json), props=_props(json, _RESERVED))
        fixed.aliases = _aliases(json, fixed.namespace, path)
        self._define(fixed, path)
        return fixed

    def _name(self, json: dict[str, Json], space: str, path: str) -> str:
        name = _text(json, "name", path)
        if "." in name:
            space, _, name = name.rpartition(".")
        elif isinstance(json.get("namespace"), str):
            space = json["namespace"]
        _valid_name(name, path)
        if name in PRIMITIVES and not space:
            raise SchemaError(f"{name} is the name of a type of Avro's own", path)
        return f"{space}.{name}" if space else name

    def _define(self, named: Named, path: str) -> None:
        if named.name in self._names:
            raise SchemaError(f"{named.name} is defined twice", path)
        self._names[named.name] = named


def _member(json: dict[str, Json], key: str, path: str) -> Json:
    if key not in json:
        raise SchemaError(f"there is no {key!r}", path)
    return json[key]


def _text(json: dict[str, Json], key: str, path: str) -> str:
    value = json.get(key)
    if not isinstance(value, str):
        raise SchemaError(f"there is no {key!r}", path)
    return value


def _valid_name(name: str, path: str) -> str:
    if not _NAME.match(name):
        raise SchemaError(f"{name[:100]!r} is no name: letters, digits and _ are, and no digit comes first", path)
    return name


def _doc(json: dict[str, Json]) -> str | None:
    doc = json.get("doc")
    return doc if isinstance(doc, str) else None


def _alias_list(json: dict[str, Json], path: str) -> list[str]:
    aliases = json.get("aliases", [])
    if not isinstance(aliases, list) or not all(isinstance(alias, str) for alias in aliases):
        raise SchemaError("aliases are a list of names", path)
    return aliases


def _aliases(json: dict[str, Json], space: str, path: str) -> list[str]:
    return [alias if "." in alias or not space else f"{space}.{alias}" for alias in _alias_list(json, path)]


def _props(json: dict[str, Json], reserved: frozenset[str]) -> Props:
    return {key: value for key, value in json.items() if key not in reserved}
