"""What the keywords of JSON Schema must look like: the metaschemas of all drafts as one table.

The drafts differ in which keywords they have more than in what those look like. A keyword that a draft does not have is
allowed in it, and says nothing; it is held to its form all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final, NamedTuple

from tidings.registry.compatibility.json_text import Json
from tidings.registry.compatibility.schema import SchemaError

TYPES: Final = ("string", "number", "integer", "boolean", "null", "object", "array")

STRING_KEYWORDS: Final = ("minLength", "maxLength", "pattern", "format")
NUMBER_KEYWORDS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
ARRAY_KEYWORDS: Final = (
    "items",
    "prefixItems",
    "additionalItems",
    "unevaluatedItems",
    "minItems",
    "maxItems",
    "uniqueItems",
    "contains",
    "minContains",
    "maxContains",
)
OBJECT_KEYWORDS: Final = (
    "properties",
    "patternProperties",
    "additionalProperties",
    "unevaluatedProperties",
    "required",
    "minProperties",
    "maxProperties",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "propertyNames",
)
CONDITION_KEYWORDS: Final = ("if", "then", "else")


class _Form(NamedTuple):
    is_met: Callable[[Json], bool]
    meaning: str


def _is_number(value: Json) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _is_count(value: Json) -> bool:
    return _is_number(value) and value >= 0 and (isinstance(value, int) or value == value.to_integral_value())


def _is_schema(value: Json) -> bool:
    return isinstance(value, dict | bool)


def _is_schemas(value: Json) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_schema, value))


def _is_schema_map(value: Json) -> bool:
    return isinstance(value, dict) and all(map(_is_schema, value.values()))


def _is_names(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value) and len(set(value)) == len(value)


def _is_type(value: Json) -> bool:
    names = value if isinstance(value, list) else [value]
    return bool(names) and _is_names(names) and set(names) <= set(TYPES)


def _is_string(value: Json) -> bool:
    return isinstance(value, str)


def _is_bool(value: Json) -> bool:
    return isinstance(value, bool)


_COUNT = _Form(_is_count, "a whole number, at least 0")
_NUMBER = _Form(_is_number, "a number")
_LIMIT = _Form(lambda value: _is_number(value) or _is_bool(value), "a number (in draft 4: true or false)")
_STRING = _Form(_is_string, "a string")
_SCHEMA = _Form(_is_schema, "a schema: an object, true or false")
_SCHEMAS = _Form(_is_schemas, "a list of schemas, and not empty")
_SCHEMA_MAP = _Form(_is_schema_map, "an object whose values are schemas")
_NAMES = _Form(_is_names, "a list of names, each of them once")

FORMS: Final[dict[str, _Form]] = {
    "$id": _STRING,
    "$schema": _STRING,
    "$ref": _STRING,
    "$anchor": _STRING,
    "title": _STRING,
    "description": _STRING,
    "type": _Form(_is_type, f"one of {', '.join(TYPES)}, or a list of them"),
    "enum": _Form(lambda value: isinstance(value, list), "a list"),
    "minLength": _COUNT,
    "maxLength": _COUNT,
    "pattern": _STRING,
    "format": _STRING,
    "minimum": _NUMBER,
    "maximum": _NUMBER,
    "exclusiveMinimum": _LIMIT,
    "exclusiveMaximum": _LIMIT,
    "multipleOf": _Form(lambda value: _is_number(value) and value > 0, "a number above 0"),
    "items": _Form(
        lambda value: _is_schema(value) or _is_schemas(value), "a schema, or a list of schemas that is not empty"
    ),
    "prefixItems": _SCHEMAS,
    "additionalItems": _SCHEMA,
    "unevaluatedItems": _SCHEMA,
    "minItems": _COUNT,
    "maxItems": _COUNT,
    "uniqueItems": _Form(_is_bool, "true or false"),
    "contains": _SCHEMA,
    "minContains": _COUNT,
    "maxContains": _COUNT,
    "properties": _SCHEMA_MAP,
    "patternProperties": _SCHEMA_MAP,
    "additionalProperties": _SCHEMA,
    "unevaluatedProperties": _SCHEMA,
    "required": _NAMES,
    "minProperties": _COUNT,
    "maxProperties": _COUNT,
    "dependencies": _Form(
        lambda value: isinstance(value, dict) and all(_is_schema(item) or _is_names(item) for item in value.values()),
        "an object whose values are schemas or lists of names",
    ),
    "dependentRequired": _Form(
        lambda value: isinstance(value, dict) and all(map(_is_names, value.values())),
        "an object whose values are lists of names",
    ),
    "dependentSchemas": _SCHEMA_MAP,
    "propertyNames": _SCHEMA,
    "allOf": _SCHEMAS,
    "anyOf": _SCHEMAS,
    "oneOf": _SCHEMAS,
    "not": _SCHEMA,
    "if": _SCHEMA,
    "then": _SCHEMA,
    "else": _SCHEMA,
    "definitions": _SCHEMA_MAP,
    "$defs": _SCHEMA_MAP,
}


def check(json: dict[str, Json], path: str) -> None:
    """Raises SchemaError if a keyword of the schema `json` does not look like itself."""
    for key, value in json.items():
        form = FORMS.get(key)
        if form is not None and not form.is_met(value):
            raise SchemaError(f"{key} is {form.meaning}", path)
