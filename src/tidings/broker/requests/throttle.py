"""What quotas mean for a request: how long its client has to wait after it (KIP-219).

The reply leaves at once and says how long, in `throttle_time_ms`; for that time nothing more is read from the
connection. So a client that knows waits by itself, and one that does not is made to.
"""

from __future__ import annotations

import math

from tidings.broker.clock import Clock
from tidings.coordination.quotas.limits import QuotaLimits
from tidings.coordination.quotas.rules import QuotaKey
from tidings.coordination.quotas.usage import QuotaUsage
from tidings.wire.messages.fetch import FetchRequest
from tidings.wire.messages.produce import ProduceRequest
from tidings.wire.messages.share_fetch import ShareFetchRequest

ANYBODY = "ANONYMOUS"
"""The user of a connection that did not say who it is."""


class Throttle:
    def __init__(self, limits: QuotaLimits, clock: Clock) -> None:
        self._limits = limits
        self._usage = QuotaUsage(limits)
        self._clock = clock

    def wait_ms(self, api_key: int, client_id: str | None, request_bytes: int, reply_bytes: int) -> int:
        """Count a request that was answered. Only Produce, Fetch and ShareFetch are held to a quota."""
        if not self._limits:
            return 0
        if api_key == ProduceRequest.api_key:
            return self._spend(QuotaKey.PRODUCER_BYTE_RATE, client_id, request_bytes)
        if api_key in (FetchRequest.api_key, ShareFetchRequest.api_key):
            return self._spend(QuotaKey.CONSUMER_BYTE_RATE, client_id, reply_bytes)
        return 0

    def fetch_bytes_max(self, client_id: str | None) -> float:
        """More in one reply would only be waited for after it. Infinite without a quota."""
        if not self._limits:
            return math.inf
        return self._usage.amount_max(QuotaKey.CONSUMER_BYTE_RATE, ANYBODY, client_id or "")

    def _spend(self, key: QuotaKey, client_id: str | None, amount: int) -> int:
        return self._usage.spend(key, ANYBODY, client_id or "", amount, self._clock.monotonic_ms())
