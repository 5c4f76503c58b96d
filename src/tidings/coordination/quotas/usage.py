"""How much of its quota a client has used, and how long it has to wait.

What a client uses is a debt that is paid off at the rate of its quota. A debt of up to BURST_S seconds' worth is
free: Apache Kafka takes the average over a window of that length (`quota.window.num` samples of a second, less the
one that has just begun), and comes to the same times for a burst.
"""

from __future__ import annotations

import math

from tidings.coordination.quotas.limits import Limit, QuotaLimits

BURST_S = 10
DEBTORS_MAX = 10_000
"""With more than this remembered, those who owe nothing any more are forgotten."""


class _Debt:
    __slots__ = ("amount", "rate", "since_ms")

    def __init__(self, now_ms: int) -> None:
        self.amount = 0.0
        self.rate = 1.0
        self.since_ms = now_ms

    def pay_off(self, rate: float, now_ms: int) -> None:
        self.amount = max(0.0, self.amount - rate * (now_ms - self.since_ms) / 1000)
        self.rate, self.since_ms = rate, now_ms


class QuotaUsage:
    """`now_ms` is always of a clock that does not jump."""

    def __init__(self, limits: QuotaLimits) -> None:
        self.limits = limits
        self._debts: dict[tuple[str, object], _Debt] = {}

    def spend(self, key: str, user: str, client_id: str, amount: float, now_ms: int) -> int:
        """Count `amount` of bytes; the milliseconds the client has to wait until it asks for more."""
        limit = self.limits.limit(key, user, client_id)
        if limit is None:
            return 0
        debt = self._debt(key, limit, now_ms)
        debt.amount += amount
        return math.ceil(max(0.0, debt.amount / limit.rate - BURST_S) * 1000)

    def amount_max(self, key: str, user: str, client_id: str) -> float:
        """The most that may be asked for at once: more would only be waited for afterwards."""
        limit = self.limits.limit(key, user, client_id)
        return math.inf if limit is None else limit.rate * BURST_S

    def _debt(self, key: str, limit: Limit, now_ms: int) -> _Debt:
        of = (key, limit.shared_by)
        debt = self._debts.get(of)
        if debt is None:
            if len(self._debts) >= DEBTORS_MAX:
                self._forget(now_ms)
            debt = self._debts[of] = _Debt(now_ms)
        debt.pay_off(limit.rate, now_ms)
        return debt

    def _forget(self, now_ms: int) -> None:
        for of, debt in list(self._debts.items()):
            debt.pay_off(debt.rate, now_ms)
            if not debt.amount:
                del self._debts[of]
