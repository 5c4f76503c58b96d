"""JSON as schemas have it: read within bounds, and written so that numbers stay what they were (1.0 is not 1)."""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

from tidings.registry.compatibility.schema import DEPTH_MAX, SchemaError, refuse_large

Json = Any
"""None, bool, int, Decimal, str, list or dict."""

# A string is skipped as a whole, also one that has no end: each character is looked at once.
_BRACKETS = re.compile(r'[\[\]{}]|"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


def read(text: str, name: str = "the schema") -> Json:
    """What `text` says. Raises SchemaError if it is no JSON, too long or nested too deeply."""
    refuse_large(text, name)
    _refuse_deep(text, name)
    try:
        value = json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
        if "\\ud" in text.lower():
            write(value).encode()  # half a character cannot be written
    except (ValueError, RecursionError, InvalidOperation) as error:
        raise SchemaError(f"{name} is not JSON: {error}") from None
    return value


def write(value: Json, *, is_sorted: bool = False) -> str:
    """`value` as JSON without spaces; with `is_sorted`, the members of objects come in the order of their names."""
    parts: list[str] = []
    _write(value, is_sorted, parts)
    return "".join(parts)


def _write(value: Json, is_sorted: bool, parts: list[str]) -> None:
    if isinstance(value, dict):
        opening = "{"
        for key in sorted(value) if is_sorted else value:
            parts.append(f"{opening}{quoted(key)}:")
            _write(value[key], is_sorted, parts)
            opening = ","
        parts.append("}" if value else "{}")
    elif isinstance(value, list):
        opening = "["
        for item in value:
            parts.append(opening)
            _write(item, is_sorted, parts)
            opening = ","
        parts.append("]" if value else "[]")
    elif isinstance(value, str):
        parts.append(quoted(value))
    elif isinstance(value, Decimal):
        parts.append(str(value))
    else:
        parts.append(json.dumps(value))


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _refuse_deep(text: str, name: str) -> None:
    depth = 0
    for found in _BRACKETS.finditer(text):
        char = found[0][0]
        if char in "[{":
            depth += 1
            if depth > DEPTH_MAX:
                raise SchemaError(f"{name} is nested more than {DEPTH_MAX} levels deep")
        elif char in "]}":
            depth -= 1


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")
