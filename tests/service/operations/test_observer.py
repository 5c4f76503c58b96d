"""What is counted of handlings, as they are watched."""

from __future__ import annotations

import msgspec
from tests.service.operations.conftest import Passing

from tidings import Retry, Service, event
from tidings.service.clock import ManualClock
from tidings.service.operations.observer import observer_of
from tidings.service.operations.tally import Tally
from tidings.service.transports.base import Outgoing
from tidings.service.transports.memory import MemoryBroker


@event("ob-orders", key="id")
class Order(msgspec.Struct, frozen=True):
    id: str
    n: int = 0


async def test_ends_of_all_kinds_are_counted(memory: MemoryBroker, clock: ManualClock, passing: Passing) -> None:
    shipping = Service("shipping", transport=memory.transport, clock=clock, retry=Retry(2, backoff="1s"))
    tally = shipping.tally = Tally()

    @shipping.on
    async def dispatch(order: Order) -> None:
        if order.id == "bad":
            raise ValueError(order.n)

    async with shipping:
        for order_id in ("good", "bad", "bad", "good"):
            await shipping.emit(Order(order_id))
        memory.append(Outgoing("ob-orders", b"odd", b"{oops", []))
        await passing(0.5, lambda: len(memory.records("shipping.dead-letters")) == 3)
    (counted,) = tally.handlers.values()
    assert counted.endings == {"handled": 2, "retried": 1, "failed": 1}
    assert counted.seconds.count == 4
    assert tally.dead_letters == {"failed": 1, "behind": 1, "undecodable": 1}
    assert tally.records_committed == 3
    assert tally.commits.count >= 1


def test_a_service_that_nobody_watches_has_no_observer(clock: ManualClock) -> None:
    assert observer_of(clock, None, None, None) is None
