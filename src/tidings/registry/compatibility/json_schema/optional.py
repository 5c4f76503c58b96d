"""Schemas that may not be there."""

from __future__ import annotations

from tidings.registry.compatibility.change import Change
from tidings.registry.compatibility.json_schema.nodes import Node
from tidings.registry.compatibility.pairs import Steps as _Steps

Steps = _Steps[Node]


def optional(old: Node | None, new: Node | None, about: str = "SCHEMA") -> Steps:
    """Compares two schemas of which either may be missing: then anything is allowed."""
    if old is None or new is None:
        return [] if old is new else [Change(f"{about}_{'ADDED' if old is None else 'REMOVED'}", "")]
    return (yield old, new)
