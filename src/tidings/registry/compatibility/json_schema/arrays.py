"""What differs between two schemas of an array. Its items are open or closed as the properties of an object are."""

from __future__ import annotations

from tidings.registry.compatibility.change import Change, below
from tidings.registry.compatibility.json_schema.nodes import Anything, ArrayNode, Node, Nothing, resolved
from tidings.registry.compatibility.json_schema.optional import Steps, optional
from tidings.registry.compatibility.json_schema.rest import is_open, rest, rest_schema
from tidings.registry.compatibility.json_schema.values import limit
from tidings.registry.compatibility.json_schema.verdicts import VERDICTS


def arrays(old: ArrayNode, new: ArrayNode) -> Steps:
    changes = below("items", (yield from optional(old.all_items, new.all_items)))
    changes += yield from _items(old, new)
    changes += yield from rest(old, new, "additionalItems", "unevaluatedItems")
    changes += limit("maxItems", "MAX_ITEMS", old.size_max, new.size_max)
    changes += limit("minItems", "MIN_ITEMS", old.size_min, new.size_min)
    if old.is_unique != new.is_unique:
        changes.append(Change(f"UNIQUE_ITEMS_{'REMOVED' if old.is_unique else 'ADDED'}", "uniqueItems"))
    changes += below("contains", (yield from optional(old.contains, new.contains, "CONTAINS")))
    changes += limit("maxContains", "MAX_CONTAINS", old.contains_max, new.contains_max)
    return changes + limit("minContains", "MIN_CONTAINS", old.contains_min, new.contains_min)


def _items(old: ArrayNode, new: ArrayNode) -> Steps:
    """Items that are told one by one."""
    changes: list[Change] = []
    for index in range(max(len(old.items), len(new.items))):
        if index >= len(new.items):
            found = yield from _removed(old.items[index], new)
        elif index >= len(old.items):
            found = yield from _added(old, new.items[index])
        else:
            found = yield old.items[index], new.items[index]
        changes += below(f"items/{index}", found)
    return changes


def _removed(was: Node, new: ArrayNode) -> Steps:
    if is_open(new):
        return [Change("ITEM_REMOVED_FROM_OPEN_CONTENT_MODEL", "")]
    covered_by = rest_schema(new)
    if covered_by is not None:
        found = yield was, covered_by
        return [*found, _covered("ITEM_REMOVED", found)]
    if isinstance(resolved(was), Nothing):
        return [Change("ITEM_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL", "")]
    return [Change("ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL", "")]


def _added(old: ArrayNode, now: Node) -> Steps:
    if is_open(old):
        kind = "ITEM_WITH_EMPTY_SCHEMA_ADDED_TO" if isinstance(resolved(now), Anything) else "ITEM_ADDED_TO"
        return [Change(f"{kind}_OPEN_CONTENT_MODEL", "")]
    covered_by = rest_schema(old)
    if covered_by is None:
        return [Change("ITEM_ADDED_TO_CLOSED_CONTENT_MODEL", "")]
    found = yield covered_by, now
    return [*found, _covered("ITEM_ADDED", found)]


def _covered(kind: str, found: list[Change]) -> Change:
    return Change(f"{kind}_{'IS' if VERDICTS.fits(found) else 'NOT'}_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", "")
