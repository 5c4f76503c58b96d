"""The customers of the demo: several at a time, they place orders at the shop's web front, at a pace."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import msgspec

HANDS = 8
"""How many order at the same time."""

TIMEOUT_S = 15
AGAIN_S = 0.5
CREATED = 201


class Crowd:
    """Places `orders` at HOST:PORT: `count` of them, or without end; `rate` a second, or as fast as they are accepted.

    A customer who gets no answer, or is told that the shop is busy, tries again with the same order.
    """

    def __init__(
        self, port: int, orders: Iterator[Any], *, count: int | None = None, rate: float | None = None
    ) -> None:
        self._port = port
        self._orders = orders
        self._count = count
        self._rate = rate
        self._taken = 0
        self._began_at = 0.0
        self._taking = threading.Lock()
        self._stop = threading.Event()
        self._hands = [threading.Thread(target=self._work, name=f"customer-{n}", daemon=True) for n in range(HANDS)]
        self.accepted: list[str] = []
        """The ids of the orders that the front said it has accepted."""
        self.refused = 0
        """How often an order was not accepted at once."""

    def __enter__(self) -> Self:
        self._began_at = time.monotonic()
        for hand in self._hands:
            hand.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for hand in self._hands:
            hand.join(TIMEOUT_S)

    @property
    def finished(self) -> bool:
        """Whether all were accepted."""
        return len(self.accepted) == self._count

    def _work(self) -> None:
        front = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_S)
        try:
            while (order := self._next()) is not None:
                while not self._stop.is_set():
                    if self._place(front, order):
                        self.accepted.append(order.order_id)
                        break
                    self.refused += 1
                    self._stop.wait(AGAIN_S)
        finally:
            front.close()

    def _next(self) -> Any:
        """The next order, when it is due; None when there are no more."""
        with self._taking:
            if self._stop.is_set() or self._taken == self._count:
                return None
            self._taken += 1
            if self._rate is not None:
                due_at = self._began_at + self._taken / self._rate
                if self._stop.wait(max(0.0, due_at - time.monotonic())):
                    return None
            return next(self._orders)

    @staticmethod
    def _place(front: http.client.HTTPConnection, order: Any) -> bool:
        try:
            front.request("POST", "/orders", msgspec.json.encode(order), {"content-type": "application/json"})
            answer = front.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            front.close()  # the next request connects again
            return False
        return answer.status == CREATED
