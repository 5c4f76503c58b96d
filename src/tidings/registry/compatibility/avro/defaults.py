"""Whether a value is one that a field of some type may have as its default."""

from __future__ import annotations

from decimal import Decimal

from tidings.registry.compatibility.avro.types import Array, Enum, Fixed, Map, Primitive, Record, Type, Union
from tidings.registry.compatibility.json_text import Json

_INT_MAX = (1 << 31) - 1
_LONG_MAX = (1 << 63) - 1


def is_valid_default(kind: Type, value: Json) -> bool:
    """As Apache Avro has it: the default of a union may be of any branch."""
    return _Validity().holds(kind, value)


class _Validity:
    """Remembers its answers: unions in unions' branches would ask the same question again and again."""

    def __init__(self) -> None:
        self._answers: dict[tuple[int, int], bool] = {}

    def holds(self, kind: Type, value: Json) -> bool:
        key = (id(kind), id(value))
        answer = self._answers.get(key)
        if answer is None:
            answer = self._answers[key] = self._holds(kind, value)
        return answer

    def _holds(self, kind: Type, value: Json) -> bool:
        match kind:
            case Primitive(name):
                return _is_primitive(name, value)
            case Enum() | Fixed():
                return isinstance(value, str)
            case Array(items):
                return isinstance(value, list) and all(self.holds(items, item) for item in value)
            case Map(values):
                return isinstance(value, dict) and all(self.holds(values, item) for item in value.values())
            case Union(branches):
                return any(self.holds(branch, value) for branch in branches)
            case Record(fields=fields):
                return isinstance(value, dict) and all(
                    self.holds(field.type, value[field.name]) if field.name in value else field.has_default
                    for field in fields
                )
        return False


def _is_primitive(name: str, value: Json) -> bool:
    match name:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "int":
            return _is_integer(value) and -_INT_MAX - 1 <= value <= _INT_MAX
        case "long":
            return _is_integer(value) and -_LONG_MAX - 1 <= value <= _LONG_MAX
        case "float" | "double":
            return _is_integer(value) or isinstance(value, Decimal)
    return isinstance(value, str)


def _is_integer(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
