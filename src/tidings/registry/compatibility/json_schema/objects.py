"""What differs between two schemas of an object.

What a change of properties means depends on what is said of the properties that are not named: an *open* content model
allows any, a *closed* one none, and a *partially open* one those that fit a schema. A property that is added to an open
model was allowed to be anything before, so whatever is asked of it now, somebody may have written something else.
"""

from __future__ import annotations

from typing import Final

from tidings.registry.compatibility.change import Change, below
from tidings.registry.compatibility.json_schema.nodes import Anything, Node, Nothing, ObjectNode, resolved
from tidings.registry.compatibility.json_schema.optional import Steps, optional
from tidings.registry.compatibility.json_schema.patterns import Patterns
from tidings.registry.compatibility.json_schema.rest import is_open, rest, rest_schema
from tidings.registry.compatibility.json_schema.values import limit
from tidings.registry.compatibility.json_schema.verdicts import VERDICTS

_ANYTHING: Final = Anything(True)
_NOTHING: Final = Nothing(False)


def objects(old: ObjectNode, new: ObjectNode, patterns: Patterns) -> Steps:
    changes = _required(old, new)
    changes += yield from _properties(old, new, patterns)
    changes += yield from _patterns(old, new, patterns)
    changes += _dependent_names(old, new)
    changes += yield from _dependent_schemas(old, new)
    changes += yield from rest(old, new, "additionalProperties", "unevaluatedProperties")
    changes += below("propertyNames", (yield from optional(old.names, new.names, "PROPERTY_NAMES")))
    changes += limit("maxProperties", "MAX_PROPERTIES", old.size_max, new.size_max)
    return changes + limit("minProperties", "MIN_PROPERTIES", old.size_min, new.size_min)


def _required(old: ObjectNode, new: ObjectNode) -> list[Change]:
    """Of properties that both name. As in Confluent's registry, a name that no property is given for does not count."""
    changes = []
    was, now = set(old.required), set(new.required)
    for name in old.properties:
        if name in new.properties and (name in was) != (name in now):
            kind = "REMOVED" if name in was else "WITH_DEFAULT_ADDED" if new.properties[name].has_default else "ADDED"
            changes.append(_required_change(kind, name))
    return changes


def _required_change(kind: str, name: str) -> Change:
    return Change(f"REQUIRED_ATTRIBUTE_{kind}", _path("required", name), name)


def _properties(old: ObjectNode, new: ObjectNode, patterns: Patterns) -> Steps:
    changes: list[Change] = []
    removed = [name for name in old.properties if name not in new.properties]
    added = [name for name in new.properties if name not in old.properties]
    covering_removed = patterns.covering(new.patterns, removed, unclear=_NOTHING)
    covering_added = patterns.covering(old.patterns, added, unclear=_ANYTHING)
    for name in sorted({*old.properties, *new.properties}):
        if name not in new.properties:
            found = yield from _removed(old.properties[name], new, covering_removed.get(name))
        elif name not in old.properties:
            found = yield from _added(name, old, new, covering_added.get(name))
        else:
            found = yield old.properties[name], new.properties[name]
        named = (change if change.detail else change._replace(detail=name) for change in found)
        changes += below(_path("properties", name), named)
    return changes


def _removed(was: Node, new: ObjectNode, pattern: Node | None) -> Steps:
    """Nothing is lost where the new schema allows what it does not name. `pattern` is what one says of the name."""
    if pattern is None and is_open(new):
        return [Change("PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL", "")]
    covered_by = pattern or rest_schema(new)
    if covered_by is not None:
        found = yield was, covered_by
        return [*found, _covered("PROPERTY_REMOVED", found)]
    if isinstance(resolved(was), Nothing):
        return [Change("PROPERTY_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL", "")]
    return [Change("PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL", "")]


def _added(name: str, old: ObjectNode, new: ObjectNode, pattern: Node | None) -> Steps:
    """Nothing that was written is refused where the old schema did not allow what it did not name."""
    if pattern is None and is_open(old):
        return [Change(f"{_kind_of_added(name, new)}_TO_OPEN_CONTENT_MODEL", "")]
    changes: list[Change] = []
    covered_by = pattern or rest_schema(old)
    if covered_by is not None:
        found = yield covered_by, new.properties[name]
        changes += [*found, _covered("PROPERTY_ADDED", found)]
    return [*changes, Change(f"{_kind_of_demand(name, new)}_TO_UNOPEN_CONTENT_MODEL", "")]


def _kind_of_added(name: str, new: ObjectNode) -> str:
    """A property that may be anything asks for nothing, unless it has to be there."""
    schema = new.properties[name]
    is_free = isinstance(resolved(schema), Anything) and (name not in new.required or schema.has_default)
    return "PROPERTY_WITH_EMPTY_SCHEMA_ADDED" if is_free else _kind_of_demand(name, new)


def _kind_of_demand(name: str, new: ObjectNode) -> str:
    if name not in new.required:
        return "OPTIONAL_PROPERTY_ADDED"
    return "REQUIRED_PROPERTY_WITH_DEFAULT_ADDED" if new.properties[name].has_default else "REQUIRED_PROPERTY_ADDED"


def _covered(kind: str, found: list[Change]) -> Change:
    return Change(f"{kind}_{'IS' if VERDICTS.fits(found) else 'NOT'}_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", "")


def _patterns(old: ObjectNode, new: ObjectNode, patterns: Patterns) -> Steps:
    """A pattern that only one has says something of names that the other speaks of as of all others."""
    changes: list[Change] = []
    for pattern in sorted({*old.patterns, *new.patterns}):
        was, now = old.patterns.get(pattern), new.patterns.get(pattern)
        if was is not None and now is not None:
            found = yield was, now
        elif now is not None:
            named = patterns.covering({pattern: now}, old.properties, unclear=now)
            found = yield from _pattern_added(old, now, list(named))
        else:
            assert was is not None
            found = yield from _pattern_removed(was, new)
        told = (change if change.detail else change._replace(detail=pattern[:100]) for change in found)
        changes += below(_path("patternProperties", pattern), told)
    return changes


def _pattern_added(old: ObjectNode, now: Node, named: list[str]) -> Steps:
    """It holds for the properties that are `named` as well."""
    if is_open(old):
        fits = isinstance(resolved(now), Anything)
    elif (schema := rest_schema(old)) is not None:
        fits = VERDICTS.fits((yield schema, now))
    else:
        fits = True
    for name in named if fits else ():
        fits = fits and VERDICTS.fits((yield old.properties[name], now))
    return [Change("PATTERN_PROPERTY_ADDED_WITHIN" if fits else "PATTERN_PROPERTY_ADDED", "")]


def _pattern_removed(was: Node, new: ObjectNode) -> Steps:
    if is_open(new):
        fits = True
    elif (schema := rest_schema(new)) is not None:
        fits = VERDICTS.fits((yield was, schema))
    else:
        fits = isinstance(resolved(was), Nothing)
    return [Change("PATTERN_PROPERTY_REMOVED" if fits else "PATTERN_PROPERTY_REMOVED_WITHOUT", "")]


def _dependent_names(old: ObjectNode, new: ObjectNode) -> list[Change]:
    changes = []
    for name in sorted({*old.dependent_names, *new.dependent_names}):
        was, now = old.dependent_names.get(name), new.dependent_names.get(name)
        if now is None:
            kind = "REMOVED"
        elif was is None:
            kind = "ADDED"
        elif set(was) == set(now):
            continue
        else:
            kind = "EXTENDED" if set(was) < set(now) else "NARROWED" if set(now) < set(was) else "CHANGED"
        changes.append(Change(f"DEPENDENCY_ARRAY_{kind}", _path("dependencies", name), name))
    return changes


def _dependent_schemas(old: ObjectNode, new: ObjectNode) -> Steps:
    changes: list[Change] = []
    for name in sorted({*old.dependent_schemas, *new.dependent_schemas}):
        was, now = old.dependent_schemas.get(name), new.dependent_schemas.get(name)
        changes += below(_path("dependencies", name), (yield from optional(was, now, "DEPENDENCY_SCHEMA")))
    return changes


def _path(keyword: str, name: str) -> str:
    return f"{keyword}/{name[:100]}"
