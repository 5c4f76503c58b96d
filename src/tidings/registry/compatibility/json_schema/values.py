"""What differs between two schemas of a value without parts: strings, numbers, and values given one by one."""

from __future__ import annotations

from typing import Final

from tidings.registry.compatibility.change import Change
from tidings.registry.compatibility.json_schema.nodes import ConstNode, EnumNode, Number, NumberNode, StringNode
from tidings.registry.compatibility.json_text import write

_DIGITS_MAX: Final = 1000


def strings(old: StringNode, new: StringNode) -> list[Change]:
    changes = limit("maxLength", "MAX_LENGTH", old.length_max, new.length_max)
    changes += limit("minLength", "MIN_LENGTH", old.length_min, new.length_min)
    if old.pattern != new.pattern:
        kind = "ADDED" if old.pattern is None else "REMOVED" if new.pattern is None else "CHANGED"
        changes.append(Change(f"PATTERN_{kind}", "pattern"))
    return changes


def numbers(old: NumberNode, new: NumberNode) -> list[Change]:
    changes = limit("maximum", "MAXIMUM", old.maximum, new.maximum)
    changes += limit("minimum", "MINIMUM", old.minimum, new.minimum)
    changes += limit("exclusiveMaximum", "EXCLUSIVE_MAXIMUM", old.exclusive_maximum, new.exclusive_maximum)
    changes += limit("exclusiveMinimum", "EXCLUSIVE_MINIMUM", old.exclusive_minimum, new.exclusive_minimum)
    changes += _multiples(old.multiple_of, new.multiple_of)
    if old.is_integer != new.is_integer:
        changes.append(Change("TYPE_EXTENDED" if old.is_integer else "TYPE_NARROWED", ""))
    return changes


def enums(old: EnumNode, new: EnumNode) -> list[Change]:
    was, now = old.values.keys(), new.values.keys()
    if was == now:
        return []
    kind = "EXTENDED" if was <= now else "NARROWED" if now <= was else "CHANGED"
    return [Change(f"ENUM_ARRAY_{kind}", "enum", ", ".join(sorted(was ^ now))[:200])]


def constants(old: ConstNode, new: ConstNode) -> list[Change]:
    is_same = write(old.value, is_sorted=True) == write(new.value, is_sorted=True)
    return [] if is_same else [Change("ENUM_ARRAY_CHANGED", "const")]


def limit(keyword: str, kind: str, old: Number | None, new: Number | None) -> list[Change]:
    """What became of a limit: added, removed, increased or decreased."""
    if old == new:
        return []
    if old is None:
        return [Change(f"{kind}_ADDED", keyword, _shown(new))]
    if new is None:
        return [Change(f"{kind}_REMOVED", keyword, _shown(old))]
    return [Change(f"{kind}_{'INCREASED' if old < new else 'DECREASED'}", keyword, f"{_shown(old)} to {_shown(new)}")]


def _multiples(old: Number | None, new: Number | None) -> list[Change]:
    if old == new:
        return []
    if old is None:
        return [Change("MULTIPLE_OF_ADDED", "multipleOf", _shown(new))]
    if new is None:
        return [Change("MULTIPLE_OF_REMOVED", "multipleOf", _shown(old))]
    kind = "EXPANDED" if _divides(old, new) else "REDUCED" if _divides(new, old) else "CHANGED"
    return [Change(f"MULTIPLE_OF_{kind}", "multipleOf", f"{_shown(old)} to {_shown(new)}")]


def _divides(divisor: Number, number: Number) -> bool:
    """Whether every multiple of `number` is one of `divisor`. Not of numbers that nobody could mean."""
    parts = [_parts(divisor), _parts(number)]
    if any(abs(exponent) > _DIGITS_MAX or len(digits) > _DIGITS_MAX for digits, exponent in parts):
        return False
    least = min(exponent for _, exponent in parts)
    small, large = (int(digits) * 10 ** (exponent - least) for digits, exponent in parts)
    return bool(large % small == 0)


def _parts(value: Number) -> tuple[str, int]:
    """Digits and exponent, exactly."""
    if isinstance(value, int):
        return str(value), 0
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    return "".join(map(str, digits)), exponent


def _shown(value: Number | None) -> str:
    return str(value)[:50]
