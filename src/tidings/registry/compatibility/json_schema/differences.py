"""What differs between two JSON Schemas: two nodes of the same kind are compared, others only by what they allow.

The kinds of changes and their verdicts are those of Confluent's registry, but for what it does not look at: required
names that no property is given for, the names and the contents that an object or array must have, patterns, conditions.
"""

from __future__ import annotations

from tidings.registry.compatibility.change import Change, below
from tidings.registry.compatibility.json_schema.arrays import arrays
from tidings.registry.compatibility.json_schema.combined import combinations, into_combination, out_of_combination
from tidings.registry.compatibility.json_schema.nodes import (
    Anything,
    ArrayNode,
    CombinedNode,
    ConditionNode,
    ConstNode,
    EnumNode,
    JsonSchema,
    Node,
    Nothing,
    NotNode,
    NumberNode,
    ObjectNode,
    StringNode,
    resolved,
)
from tidings.registry.compatibility.json_schema.objects import objects
from tidings.registry.compatibility.json_schema.optional import Steps, optional
from tidings.registry.compatibility.json_schema.patterns import Patterns
from tidings.registry.compatibility.json_schema.values import constants, enums, numbers, strings
from tidings.registry.compatibility.json_schema.verdicts import VERDICTS
from tidings.registry.compatibility.json_text import write
from tidings.registry.compatibility.pairs import Pairs


def diff(old: JsonSchema, new: JsonSchema) -> list[Change]:
    """What changed from `old` to `new`. Raises TooCostlyError."""
    changes = Pairs(_Differences().of, VERDICTS, resolved).changes(old.root, new.root)
    return [change._replace(path=f"#/{change.path}") for change in changes]


class _Differences:
    """For one comparison of two whole schemas."""

    def __init__(self) -> None:
        self._patterns = Patterns()

    def of(self, old: Node, new: Node) -> Steps:
        if isinstance(new, CombinedNode) and not isinstance(old, CombinedNode):
            found = yield from into_combination(old, new)
        elif isinstance(old, CombinedNode) and not isinstance(new, CombinedNode):
            found = yield from out_of_combination(old, new)
        else:
            found = None
        if found is not None:
            return found
        if type(old) is not type(new):
            return [] if _is_wider(old, new) else [_type_changed(old, new)]
        return _said(old, new) + (yield from self._same_kind(old, new))

    def _same_kind(self, old: Node, new: Node) -> Steps:
        match old, new:
            case (StringNode(), StringNode()):
                return strings(old, new)
            case (NumberNode(), NumberNode()):
                return numbers(old, new)
            case (EnumNode(), EnumNode()):
                return enums(old, new)
            case (ConstNode(), ConstNode()):
                return constants(old, new)
            case (CombinedNode(), CombinedNode()):
                return (yield from combinations(old, new))
            case (ObjectNode(), ObjectNode()):
                return (yield from objects(old, new, self._patterns))
            case (ArrayNode(), ArrayNode()):
                return (yield from arrays(old, new))
            case (NotNode(), NotNode()):
                return (yield from _opposites(old, new))
            case (ConditionNode(), ConditionNode()):
                return (yield from _conditions(old, new))
        return []


def _opposites(old: NotNode, new: NotNode) -> Steps:
    """What must not be is wider where what may be is narrower: the question is turned around."""
    found = yield new.schema, old.schema
    if not found:
        return []
    return [Change("NOT_TYPE_NARROWED" if VERDICTS.fits(found) else "NOT_TYPE_EXTENDED", "not")]


def _conditions(old: ConditionNode, new: ConditionNode) -> Steps:
    """Two conditions are the same or they are not; nothing can be said of what follows from different ones."""
    if (old.condition and old.condition.text) != (new.condition and new.condition.text):
        return [Change("CONDITION_CHANGED", "if")]
    changes = below("then", (yield from optional(old.then, new.then)))
    return changes + below("else", (yield from optional(old.otherwise, new.otherwise)))


def _is_wider(old: Node, new: Node) -> bool:
    """Of nodes of different kinds. Connect writes decimals, which are bytes to it, in two ways."""
    if isinstance(old, Nothing) or isinstance(new, Anything):
        return True
    return old.connect_type == new.connect_type == "bytes"


def _type_changed(old: Node, new: Node) -> Change:
    return Change("TYPE_CHANGED", "", f"{_label(old)} to {_label(new)}")


def _label(node: Node) -> str:
    """What people call it."""
    if isinstance(node, CombinedNode):
        return node.criterion.value
    if isinstance(node, NumberNode) and node.is_integer:
        return "integer"
    return type(node).__name__.removesuffix("Node").lower()


def _said(old: Node, new: Node) -> list[Change]:
    """What a schema says about itself. It never breaks anybody."""
    changes = []
    if old.id != new.id:
        changes.append(Change("ID_CHANGED", ""))
    if old.title != new.title:
        changes.append(Change("TITLE_CHANGED", ""))
    if old.description != new.description:
        changes.append(Change("DESCRIPTION_CHANGED", ""))
    if _default(old) != _default(new):
        changes.append(Change("DEFAULT_CHANGED", ""))
    return changes


def _default(node: Node) -> str:
    return write(node.default, is_sorted=True) if node.has_default else ""
