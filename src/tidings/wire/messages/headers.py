"""The header before every request and every response."""

from __future__ import annotations

from tidings.wire.message import INT16, INT32, STRING, Message, field


class RequestHeader(Message, versions=(1, 2), flexible_since=2):
    request_api_key: int = field(INT16)
    request_api_version: int = field(INT16)
    correlation_id: int = field(INT32)
    client_id: str | None = field(STRING, nullable_since=1, compact=False)


class ResponseHeader(Message, versions=(0, 1), flexible_since=1):
    correlation_id: int = field(INT32)
