"""AlterClientQuotas (API key 49)."""

from __future__ import annotations

from tidings.wire.message import BOOLEAN, FLOAT64, INT16, INT32, STRING, Array, Message, Struct, field


class EntityData(Struct):
    entity_type: str = field(STRING)
    entity_name: str | None = field(STRING, nullable_since=0)


class EntryData(Struct):
    error_code: int = field(INT16)
    error_message: str | None = field(STRING, nullable_since=0)
    entity: list[EntityData] = field(Array(EntityData))


class AlterClientQuotasResponse(Message, versions=(0, 1), flexible_since=1):
    throttle_time_ms: int = field(INT32)
    entries: list[EntryData] = field(Array(EntryData))


class OpData(Struct):
    key: str = field(STRING)
    value: float = field(FLOAT64)
    remove: bool = field(BOOLEAN)


class EntryRequest(Struct):
    entity: list[EntityData] = field(Array(EntityData))
    ops: list[OpData] = field(Array(OpData))


class AlterClientQuotasRequest(
    Message, api_key=49, versions=(0, 1), flexible_since=1, response=AlterClientQuotasResponse
):
    entries: list[EntryRequest] = field(Array(EntryRequest))
    validate_only: bool = field(BOOLEAN)
