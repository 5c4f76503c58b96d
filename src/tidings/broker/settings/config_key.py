"""One setting: its name, type, default, and what values it takes. Tables: `topic_configs`, `broker_configs`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from tidings.wire.error_codes import ApiError, ErrorCode


class ConfigType(IntEnum):
    """Numbered as in DescribeConfigs' `config_type`."""

    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7


class ConfigSource(IntEnum):
    """Where a value in force was set. Numbered as in DescribeConfigs' `config_source`; the nearer one wins."""

    DYNAMIC_TOPIC_CONFIG = 1
    DYNAMIC_BROKER_CONFIG = 2
    DYNAMIC_DEFAULT_BROKER_CONFIG = 3
    STATIC_BROKER_CONFIG = 4
    DEFAULT_CONFIG = 5
    DYNAMIC_CLIENT_METRICS_CONFIG = 7
    DYNAMIC_GROUP_CONFIG = 8


_RANGES = {
    ConfigType.INT: (-(2**31), 2**31 - 1),
    ConfigType.SHORT: (-(2**15), 2**15 - 1),
    ConfigType.LONG: (-(2**63), 2**63 - 1),
}
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,20}")

LONG_MAX = 2**63 - 1
N = TypeVar("N", int, float)
Check = Callable[[str], str | None]
"""Given one value (of a list: one element), says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigKey:
    """`synonyms` are the broker's settings that give a topic's its default, the nearest first."""

    name: str
    type: ConfigType
    default: str | None
    documentation: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    check: Check | None = None
    synonyms: tuple[str, ...] = ()
    dynamic: bool = True
    """False: set where the broker is started, and shown as read-only."""

    def canonical(self, value: str) -> str:
        """The value as it is kept and shown. Raises ApiError INVALID_CONFIG, worded as Apache Kafka does."""
        value = value.strip()
        if self.type is ConfigType.LIST:
            return ",".join(dict.fromkeys(self._elements(value)))
        if self.type is ConfigType.BOOLEAN:
            if value.lower() not in ("true", "false"):
                raise self._invalid(value, "Expected value to be either true or false")
            return value.lower()
        if self.type in _RANGES:
            return str(self._in_range(value, self._whole(value)))
        if self.type is ConfigType.DOUBLE:
            return repr(self._in_range(value, self._real(value)))
        self._check_text(value)
        return value

    def split(self, value: str | None) -> list[str]:
        """The elements of a list's value."""
        return [element.strip() for element in value.split(",")] if value else []

    def _elements(self, value: str) -> list[str]:
        elements = self.split(value)
        for element in elements:
            self._check_text(element)
        return elements

    def _check_text(self, value: str) -> None:
        if self.choices and value not in self.choices:
            raise self._invalid(value, f"String must be one of: {', '.join(self.choices)}")
        problem = self.check(value) if self.check else None
        if problem:
            raise self._invalid(value, problem)

    def _whole(self, value: str) -> int:
        low, high = _RANGES[self.type]
        if _WHOLE_NUMBER.fullmatch(value) and low <= (number := int(value)) <= high:
            return number
        raise self._invalid(value, f"Not a number of type {self.type.name}")

    def _real(self, value: str) -> float:
        try:
            return float(value)
        except ValueError:
            raise self._invalid(value, f"Not a number of type {self.type.name}") from None

    def _in_range(self, value: str, number: N) -> N:
        if self.low is not None and not number >= self.low:
            raise self._invalid(value, f"Value must be at least {self.low}")
        if self.high is not None and not number <= self.high:
            raise self._invalid(value, f"Value must be no more than {self.high}")
        self._check_text(value)
        return number

    def _invalid(self, value: str, problem: str) -> ApiError:
        return ApiError(ErrorCode.INVALID_CONFIG, f"Invalid value {value} for configuration {self.name}: {problem}")


def table(keys: Iterable[ConfigKey]) -> dict[str, ConfigKey]:
    return {key.name: key for key in keys}
