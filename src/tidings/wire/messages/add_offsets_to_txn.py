"""AddOffsetsToTxn (API key 25)."""

from __future__ import annotations

from tidings.wire.message import INT16, INT32, INT64, STRING, Message, field


class AddOffsetsToTxnResponse(Message, versions=(0, 4), flexible_since=3):
    throttle_time_ms: int = field(INT32)
    error_code: int = field(INT16)


class AddOffsetsToTxnRequest(Message, api_key=25, versions=(0, 4), flexible_since=3, response=AddOffsetsToTxnResponse):
    transactional_id: str = field(STRING)
    producer_id: int = field(INT64)
    producer_epoch: int = field(INT16)
    group_id: str = field(STRING)
