"""Receipts: one for each event and handler, with the handling's outputs, and only where they are wanted."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.service.operations.conftest import Passing

from tidings import Retry, Service, event
from tidings.service.clock import ManualClock
from tidings.service.operations.receipts import HEADER, VERSION, Receipt, read_receipt, receipts_of
from tidings.service.transports.memory import MemoryBroker


@event("rc-orders", key="id")
class Order(msgspec.Struct, frozen=True):
    id: str
    n: int = 0


@event("rc-shipments", key="id")
class Shipped(msgspec.Struct, frozen=True):
    id: str


def receipts(memory: MemoryBroker, service: str) -> list[Receipt]:
    records = memory.records(receipts_of(service))
    found = [read_receipt(list(record.headers or ()), record.key, record.value) for record in records]
    return [receipt for receipt in found if receipt is not None]


def ids(memory: MemoryBroker, stream: str) -> list[str]:
    return [(dict(record.headers or ())["ce_id"] or b"").decode() for record in memory.records(stream)]


@pytest.mark.parametrize("delivery", ["exactly_once", "at_least_once"])
async def test_a_receipt_says_who_handled_an_event_when_and_what_came_of_it(
    memory: MemoryBroker, clock: ManualClock, passing: Passing, delivery: str
) -> None:
    shipping = Service("shipping", transport=memory.transport, clock=clock, receipts=True, delivery=delivery)

    @shipping.on
    async def dispatch(order: Order) -> Shipped:
        clock.advance(0.025)
        return Shipped(order.id)

    async with shipping:
        began_ms = clock.now_ms()
        await shipping.emit(Order("o-1"))
        await passing(0.1, lambda: receipts(memory, "shipping"))
    (order,) = ids(memory, "rc-orders")
    (receipt,) = receipts(memory, "shipping")
    assert receipt.event == receipt.workflow == order
    assert (receipt.service, receipt.handler) == ("shipping", shipping.handlers[0].name)
    assert (receipt.outcome, receipt.attempts) == ("handled", 1)
    assert receipt.outputs == tuple(ids(memory, "rc-shipments"))
    assert receipt.began_ms >= began_ms
    assert receipt.handling_ms == receipt.ended_ms - receipt.began_ms == 25


async def test_a_receipt_counts_attempts_from_the_first_beginning(
    memory: MemoryBroker, clock: ManualClock, passing: Passing
) -> None:
    shipping = Service("shipping", transport=memory.transport, clock=clock, receipts=True)
    attempts: list[int] = []

    @shipping.on(retry=Retry(3, backoff="2s"))
    async def dispatch(order: Order) -> None:
        attempts.append(order.n)
        if order.n or len(attempts) == 1:
            raise ValueError(order.n)

    async with shipping:
        await shipping.emit(Order("o-1"))
        await passing(0.5, lambda: receipts(memory, "shipping"))
        await shipping.emit(Order("o-2", 1))
        await passing(0.5, lambda: len(receipts(memory, "shipping")) == 2)
    first, second = receipts(memory, "shipping")
    assert (first.outcome, first.attempts) == ("handled", 2)
    assert first.last_began_ms - first.began_ms > 500
    assert first.handling_ms < 500
    assert (second.outcome, second.attempts) == ("failed", 3)


async def test_without_being_asked_for_there_are_none(
    memory: MemoryBroker, clock: ManualClock, passing: Passing
) -> None:
    shipping = Service("shipping", transport=memory.transport, clock=clock)

    @shipping.on
    async def dispatch(order: Order) -> Shipped:
        return Shipped(order.id)

    async with shipping:
        await shipping.emit(Order("o-1"))
        await passing(0.1, lambda: memory.records("rc-shipments"))
    assert receipts_of("shipping") not in memory.streams


@given(st.lists(st.tuples(st.text(), st.binary() | st.none())), st.binary() | st.none(), st.binary() | st.none())
def test_whatever_a_record_is_it_is_read_as_a_receipt_or_as_none(
    headers: list[tuple[str, bytes | None]], key: bytes | None, value: bytes | None
) -> None:
    assert read_receipt(headers, key, value) is None
    read_receipt([(HEADER, VERSION), *headers], key, value)


@given(
    st.builds(
        Receipt,
        event=st.text(),
        service=st.text(),
        handler=st.text(),
        began_ms=st.integers(0, 1 << 50),
        ended_ms=st.integers(0, 1 << 50),
        outcome=st.sampled_from(["handled", "failed"]),
        attempts=st.integers(1, 100),
        outputs=st.lists(st.text()).map(tuple),
        workflow=st.text(min_size=1),
    )
)
def test_a_receipt_is_read_as_it_was_written(receipt: Receipt) -> None:
    value = msgspec.json.encode(msgspec.structs.replace(receipt, workflow=""))
    assert read_receipt([(HEADER, VERSION)], receipt.workflow.encode(), value) == receipt
