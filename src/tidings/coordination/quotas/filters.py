"""Which quotas are asked for: entities by type and name (KIP-546)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from typing import NamedTuple

from tidings.coordination.quotas.rules import Entity, EntityType
from tidings.wire.error_codes import ApiError, ErrorCode


class Match(IntEnum):
    EXACT = 0
    DEFAULT = 1
    ANY = 2


class Component(NamedTuple):
    kind: str
    match: int
    name: str | None

    def fits(self, parts: Mapping[str, str | None]) -> bool:
        if self.kind not in parts:
            return False
        return self.match == Match.ANY or parts[self.kind] == (self.name if self.match == Match.EXACT else None)


def chosen(entities: Iterable[Entity], components: Iterable[Component], *, strict: bool) -> Iterator[Entity]:
    """The entities that every component fits; if `strict`, those that have no other part. Raises ApiError."""
    wanted = list(components)
    _check(wanted)
    for of in entities:
        parts = dict(of)
        if all(component.fits(parts) for component in wanted) and not (strict and len(parts) > len(wanted)):
            yield of


def _check(components: list[Component]) -> None:
    seen: set[str] = set()
    for kind, match, name in components:
        if not kind:
            raise _invalid("Unexpected empty filter component entity type")
        if kind in seen:
            raise _invalid(f"Duplicate filter component entity type: {kind}")
        if kind not in EntityType.__members__.values():
            raise ApiError(ErrorCode.UNSUPPORTED_VERSION, f"Custom entity type {kind} not supported")
        if match not in Match.__members__.values():
            raise _invalid(f"Unexpected match type: {match}")
        if match == Match.EXACT and name is None:
            raise _invalid(f"Request specified {match} match type, but no name")
        if match != Match.EXACT and name is not None:
            raise _invalid(f"Request specified a name for match type {match}")
        seen.add(kind)
    if EntityType.IP in seen and len(seen) > 1:
        raise _invalid(
            "Invalid entity filter component combination, IP filter component should not be used with others"
        )


def _invalid(message: str) -> ApiError:
    return ApiError(ErrorCode.INVALID_REQUEST, message)
