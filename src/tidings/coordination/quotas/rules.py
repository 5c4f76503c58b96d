"""Which entities and which quotas there may be. The rules, and their words, are Apache Kafka's."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from enum import StrEnum

from tidings.wire.error_codes import ApiError, ErrorCode


class EntityType(StrEnum):
    USER = "user"
    CLIENT_ID = "client-id"
    IP = "ip"


class QuotaKey(StrEnum):
    PRODUCER_BYTE_RATE = "producer_byte_rate"
    CONSUMER_BYTE_RATE = "consumer_byte_rate"
    REQUEST_PERCENTAGE = "request_percentage"
    CONTROLLER_MUTATION_RATE = "controller_mutation_rate"
    CONNECTION_CREATION_RATE = "connection_creation_rate"


Entity = tuple[tuple[str, str | None], ...]
"""Type and name, once for each type, by type. None for a name: all that have no entity of their own."""

_WHOLE = {QuotaKey.PRODUCER_BYTE_RATE, QuotaKey.CONSUMER_BYTE_RATE, QuotaKey.CONNECTION_CREATION_RATE}
_OF_IPS = {QuotaKey.CONNECTION_CREATION_RATE}


def entity(parts: Iterable[tuple[str, str | None]]) -> Entity:
    """Raises ApiError INVALID_REQUEST for what is no entity."""
    found: dict[str, str | None] = {}
    for kind, name in parts:
        if kind not in EntityType.__members__.values():
            raise _invalid(f"Unhandled client quota entity type: {kind}")
        if kind in found:
            raise _invalid(f"Invalid client quota entity, contains duplicate entity type: {kind}")
        if name == "":
            raise _invalid(f"Empty {kind} not supported")
        found[kind] = name
    if not found:
        raise _invalid("Invalid empty client quota entity")
    if EntityType.IP in found:
        if len(found) > 1:
            raise _invalid("Invalid quota entity combination, IP entity should not be combined with User or ClientId")
        _check_ip(found[EntityType.IP])
    return tuple(sorted(found.items()))


def check_key(of: Entity, key: str) -> None:
    """Whether such an entity may have this quota. Raises ApiError INVALID_REQUEST."""
    is_known = key in QuotaKey.__members__.values()
    if not is_known or (key in _OF_IPS) != (of[0][0] == EntityType.IP):
        raise _invalid(f"Invalid configuration key {key}")


def check_value(key: str, value: float) -> None:
    """Raises ApiError INVALID_REQUEST."""
    if not 0 < value < float("inf"):
        raise _invalid(f"Quota {key} must be greater than 0")
    if key in _WHOLE and value != int(value):
        raise _invalid(f"Configuration {key} must be a Long value")


def _check_ip(name: str | None) -> None:
    if name is None:
        return
    try:
        ipaddress.ip_address(name)
    except ValueError:
        raise _invalid(f"{name} is not a valid IP or resolvable host.") from None


def _invalid(message: str) -> ApiError:
    return ApiError(ErrorCode.INVALID_REQUEST, message)
