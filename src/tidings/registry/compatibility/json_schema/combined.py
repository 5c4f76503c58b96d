"""What differs between combinations of schemas (allOf, anyOf, oneOf), and between one and a schema that is none."""

from __future__ import annotations

from collections.abc import Generator

from tidings.registry.compatibility.change import Change, below
from tidings.registry.compatibility.json_schema.matching import largest_matching
from tidings.registry.compatibility.json_schema.nodes import CombinedNode, Criterion, Node
from tidings.registry.compatibility.json_schema.optional import Steps
from tidings.registry.compatibility.json_schema.verdicts import VERDICTS

Maybe = Generator[tuple[Node, Node], list[Change], list[Change] | None]
"""None: this way of looking at it leads to nothing."""

_Found = dict[tuple[int, int], list[Change]]
"""How those differ that fit, by their places on both sides."""


def into_combination(old: Node, new: CombinedNode) -> Maybe:
    """One schema becomes one of several that are allowed."""
    if len(new.parts) == 1:
        found = yield old, new.parts[0]
        return found if VERDICTS.fits(found) else None
    if new.criterion.is_sum:
        best = yield from _first_that_fits([(old, part) for part in new.parts])
        return None if best is None else [*best, Change("SUM_TYPE_EXTENDED", "")]
    return None


def out_of_combination(old: CombinedNode, new: Node) -> Maybe:
    """Of several schemas that all hold, one is left."""
    if len(old.parts) == 1:
        found = yield old.parts[0], new
        return found if VERDICTS.fits(found) else None
    if old.criterion is Criterion.ALL:
        best = yield from _first_that_fits([(part, new) for part in old.parts])
        return None if best is None else [*best, Change("PRODUCT_TYPE_NARROWED", "")]
    return None


def _first_that_fits(pairs: list[tuple[Node, Node]]) -> Maybe:
    for pair in pairs:
        found = yield pair
        if VERDICTS.fits(found):
            return found
    return None


def combinations(old: CombinedNode, new: CombinedNode) -> Steps:
    """Two combinations fit if each schema of the smaller one can be put beside one of the other that it fits."""
    changes = _criteria(old, new)
    if any(change.kind == "COMBINED_TYPE_CHANGED" for change in changes):
        return changes
    was, now = _distinct(old), _distinct(new)
    if len(was) < len(now):
        changes.append(Change("SUM_TYPE_EXTENDED" if new.criterion.is_sum else "PRODUCT_TYPE_EXTENDED", ""))
    elif len(was) > len(now):
        changes.append(Change("SUM_TYPE_NARROWED" if old.criterion.is_sum else "PRODUCT_TYPE_NARROWED", ""))
    found = yield from _same_texts(was, now)
    lefts, rights = {left for left, _ in found}, {right for _, right in found}
    for left in (left for left in range(len(was)) if left not in lefts):
        for right in (right for right in range(len(now)) if right not in rights):
            differences = yield was[left], now[right]
            if VERDICTS.fits(differences):
                found[left, right] = differences
    matching = _matching(found, len(was))
    for left, right in sorted(matching.items()):
        changes += below(f"{old.criterion}/{left}", found[left, right])
    if len(matching) < min(len(was), len(now)):
        changes.append(Change("COMBINED_TYPE_SUBSCHEMAS_CHANGED", ""))
    return changes


def _same_texts(was: list[Node], now: list[Node]) -> Generator[tuple[Node, Node], list[Change], _Found]:
    """Schemas that say the same are put beside each other, if what they refer to fits as well.

    No matching could be larger: whatever fits one of them fits whatever the other fits. It spares comparing each with
    each, of which a choice of a hundred events has ten thousand.
    """
    found: _Found = {}
    rights = {part.text: right for right, part in enumerate(now)}
    for left, part in enumerate(was):
        right = rights.get(part.text)
        if right is not None:
            differences = yield part, now[right]
            if VERDICTS.fits(differences):
                found[left, right] = differences
    return found


def _matching(found: _Found, count: int) -> dict[int, int]:
    """Those that differ least are put beside each other first."""
    edges: dict[int, list[int]] = {left: [] for left in range(count)}
    for left, right in sorted(found, key=lambda pair: len(found[pair])):
        edges[left].append(right)
    return largest_matching(edges)


def _criteria(old: CombinedNode, new: CombinedNode) -> list[Change]:
    if old.criterion is new.criterion:
        return []
    is_one, becomes_one = len(old.parts) == 1, len(new.parts) == 1
    is_wider = (
        new.criterion is Criterion.ANY
        or (is_one and becomes_one)
        or (is_one and new.criterion is Criterion.ONE)
        or (becomes_one and old.criterion is Criterion.ALL)
    )
    kind = "COMBINED_TYPE_EXTENDED" if is_wider else "COMBINED_TYPE_CHANGED"
    return [Change(kind, "", f"{old.criterion} to {new.criterion}")]


def _distinct(node: CombinedNode) -> list[Node]:
    return list({part.text: part for part in reversed(node.parts)}.values())[::-1]
