"""Reserved properties: names kept free by the metadata of a schema, which is beside its text.

The metadata's property `confluent:reserved` lists them, as Confluent's data contracts have it.
"""

from __future__ import annotations

from collections.abc import Collection

from tidings.registry.compatibility.change import Change
from tidings.registry.compatibility.json_schema.nodes import JsonSchema, ObjectNode


def reserved_names(listed: str) -> frozenset[str]:
    """From the list as it is written in the metadata."""
    return frozenset(name.strip() for name in listed.split(",") if name.strip())


def diff_reserved(old: Collection[str], new: Collection[str], schema: JsonSchema) -> list[Change]:
    """What speaks against `schema`, whose metadata reserve `new`, as the successor of one whose reserve `old`."""
    changes = [Change("RESERVED_PROPERTY_REMOVED", name, name) for name in sorted(set(old) - set(new))]
    if isinstance(schema.root, ObjectNode):
        kind = "RESERVED_PROPERTY_CONFLICTS_WITH_PROPERTY"
        taken = sorted(set(schema.root.properties) & set(new))
        changes += [Change(kind, f"#/properties/{name}", name) for name in taken]
    return changes
