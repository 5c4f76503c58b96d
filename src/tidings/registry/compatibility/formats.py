"""Where the engines are. A format is imported when it is first asked for."""

from __future__ import annotations

from typing import Any

from tidings.registry.compatibility.engine import Engine
from tidings.registry.compatibility.schema import SchemaError

FORMATS = ("AVRO", "JSON", "PROTOBUF")
"""Named as in the registry's API. Avro is what is meant where none is named."""


def engine_for(name: str) -> Engine[Any]:
    """The engine of one of the `FORMATS`. Raises SchemaError for any other."""
    match name:
        case "AVRO":
            from tidings.registry.compatibility.avro.engine import ENGINE as AVRO

            return AVRO
        case "JSON":
            from tidings.registry.compatibility.json_schema.engine import ENGINE as JSON

            return JSON
        case "PROTOBUF":
            from tidings.registry.compatibility.protobuf.engine import ENGINE as PROTOBUF

            return PROTOBUF
    raise SchemaError(f"there is no schema type {name!r}; there are {', '.join(FORMATS)}")
