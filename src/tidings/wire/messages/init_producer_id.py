"""InitProducerId (API key 22)."""

from __future__ import annotations

from tidings.wire.message import INT16, INT32, INT64, STRING, Message, field


class InitProducerIdResponse(Message, versions=(0, 5), flexible_since=2):
    throttle_time_ms: int = field(INT32)
    error_code: int = field(INT16)
    producer_id: int = field(INT64, default=-1)
    producer_epoch: int = field(INT16)


class InitProducerIdRequest(Message, api_key=22, versions=(0, 5), flexible_since=2, response=InitProducerIdResponse):
    transactional_id: str | None = field(STRING, nullable_since=0)
    transaction_timeout_ms: int = field(INT32)
    producer_id: int = field(INT64, since=3, default=-1)
    producer_epoch: int = field(INT16, since=3, default=-1)
