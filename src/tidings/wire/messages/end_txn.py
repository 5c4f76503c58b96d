"""EndTxn (API key 26)."""

from __future__ import annotations

from tidings.wire.message import BOOLEAN, INT16, INT32, INT64, STRING, Message, field


class EndTxnResponse(Message, versions=(0, 5), flexible_since=3):
    throttle_time_ms: int = field(INT32)
    error_code: int = field(INT16)
    producer_id: int = field(INT64, since=5, default=-1)
    producer_epoch: int = field(INT16, since=5, default=-1)


class EndTxnRequest(Message, api_key=26, versions=(0, 5), flexible_since=3, response=EndTxnResponse):
    transactional_id: str = field(STRING)
    producer_id: int = field(INT64)
    producer_epoch: int = field(INT16)
    committed: bool = field(BOOLEAN)
