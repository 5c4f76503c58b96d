"""JSON Schema behind the one interface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tidings.registry.compatibility.engine import Engine
from tidings.registry.compatibility.json_schema.differences import diff
from tidings.registry.compatibility.json_schema.nodes import JsonSchema
from tidings.registry.compatibility.json_schema.parsing import parse
from tidings.registry.compatibility.json_schema.verdicts import VERDICTS
from tidings.registry.compatibility.json_text import write


def _canonical(schema: JsonSchema) -> str:
    """Without spaces; members stay in their order, which a registry tells apart unless asked to normalize."""
    return write(schema.json)


def _normalized(schema: JsonSchema) -> str:
    return write(schema.json, is_sorted=True)


def _references(schema: JsonSchema) -> Sequence[str]:
    return schema.references


ENGINE: Final = Engine("JSON", parse, _canonical, _normalized, _references, diff, VERDICTS)
