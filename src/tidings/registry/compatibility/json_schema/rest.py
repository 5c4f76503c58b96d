"""What is said of the members of an object and the items of an array that are not named one by one."""

from __future__ import annotations

from tidings.registry.compatibility.change import Change, below
from tidings.registry.compatibility.json_schema.nodes import Anything, ArrayNode, Node, Nothing, ObjectNode, resolved
from tidings.registry.compatibility.json_schema.optional import Steps

_KINDS = {
    "additionalProperties": "ADDITIONAL_PROPERTIES",
    "unevaluatedProperties": "UNEVALUATED_PROPERTIES",
    "additionalItems": "ADDITIONAL_ITEMS",
    "unevaluatedItems": "UNEVALUATED_ITEMS",
}


def is_open(node: ObjectNode | ArrayNode) -> bool:
    """Whether there may be others, and they may be anything."""
    if not node.additional.is_allowed or node.additional.schema is not None:
        return False
    return node.unevaluated is None or isinstance(resolved(node.unevaluated), Anything)


def rest_schema(node: ObjectNode | ArrayNode) -> Node | None:
    """What others have to fit; None if there may be none, or anything goes."""
    if node.additional.schema is not None or not node.additional.is_allowed:
        return node.additional.schema
    if node.unevaluated is None or isinstance(resolved(node.unevaluated), Anything | Nothing):
        return None
    return node.unevaluated


def rest(old: ObjectNode | ArrayNode, new: ObjectNode | ArrayNode, additional: str, unevaluated: str) -> Steps:
    """What became of both ways of saying it."""
    was, now = old.additional, new.additional
    if was.is_allowed != now.is_allowed:
        kind = "ADDED" if now.is_allowed else "REMOVED"
        changes = [Change(f"{_KINDS[additional]}_{kind}", additional)]
    else:
        changes = yield from _schemas(was.schema, now.schema, additional)
    return changes + (yield from _unevaluated(old.unevaluated, new.unevaluated, unevaluated))


def _unevaluated(old: Node | None, new: Node | None, keyword: str) -> Steps:
    was_allowed, is_allowed = (node is None or not isinstance(resolved(node), Nothing) for node in (old, new))
    if was_allowed != is_allowed:
        return [Change(f"{_KINDS[keyword]}_{'ADDED' if is_allowed else 'REMOVED'}", keyword)]
    return (yield from _schemas(_if_asking(old), _if_asking(new), keyword))


def _schemas(old: Node | None, new: Node | None, keyword: str) -> Steps:
    if old is None and new is None:
        return []
    if old is None or new is None:
        return [Change(f"{_KINDS[keyword]}_{'NARROWED' if old is None else 'EXTENDED'}", keyword)]
    return below(keyword, (yield old, new))


def _if_asking(node: Node | None) -> Node | None:
    """None for a schema that allows anything."""
    return None if node is None or isinstance(resolved(node), Anything) else node
