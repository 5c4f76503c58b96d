"""A world runs services as they are: what it shows of them, what time is in it, and how it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tidings import EventRecord, Faults, Position, Retry, Service, Table, World, event
from tidings.errors import DeclarationError, OperatorError, TidingsError
from tidings.events.context import EventContext, using
from tidings.testing.world_stuck import StuckError


@event("wo-customers", key="id")
class CustomerChanged(msgspec.Struct, frozen=True):
    id: str
    address: str


@event("wo-orders", key="id")
class OrderReceived(msgspec.Struct, frozen=True):
    id: str
    customer_id: str = "c-1"


@event("wo-shipments", key="id")
class OrderShipped(msgspec.Struct, frozen=True):
    id: str
    to: str


@event("wo-invoices", key="id")
class Invoiced(msgspec.Struct, frozen=True):
    id: str


@event("wo-prices", key="id")
class PriceChanged(msgspec.Struct, frozen=True):
    id: str


class Shop:
    """Three services, made anew for each test."""

    def __init__(self) -> None:
        self.orders = Service("orders")
        self.shipping = Service("shipping")
        self.pricing = Service("pricing")
        self.customers = self.shipping.table(CustomerChanged)
        self.pricing.on(self.follow_demand)

        @self.shipping.on(retry=Retry(5, backoff="1s..5m"))
        async def dispatch(order: OrderReceived) -> OrderShipped:
            return OrderShipped(order.id, self.customers[order.customer_id].address)

    def follow_demand(self, shipped: OrderShipped) -> PriceChanged:
        return PriceChanged(shipped.id)

    def world(self, seed: int = 7, faults: Faults | None = None) -> World:
        return World(self.orders, self.shipping, self.pricing, seed=seed, faults=faults)


@pytest.fixture
def shop() -> Shop:
    return Shop()


# What there is to see.


async def test_workflow_is_seen_whole(shop: Shop) -> None:
    async with shop.world() as world:
        world.emit(CustomerChanged("c-1", "1 Mill Lane"))
        run = await world.emit(OrderReceived("o-1")).settled()
        assert run.path == [OrderReceived, OrderShipped, PriceChanged]
        assert run.events == [OrderReceived("o-1"), OrderShipped("o-1", "1 Mill Lane"), PriceChanged("o-1")]
        assert run.emitted(OrderShipped) == [OrderShipped("o-1", "1 Mill Lane")]
        assert [record.source for record in run.records] == ["/world", "/shipping", "/pricing"]
        assert run.dead == []
        assert repr(run) == "<Run OrderReceived > OrderShipped > PriceChanged>"


async def test_run_holds_one_workflow_and_the_world_all(shop: Shop) -> None:
    async with shop.world() as world:
        world.emit(CustomerChanged("c-1", "1 Mill Lane"))
        first = world.emit(OrderReceived("o-1"))
        run = await world.emit(OrderReceived("o-2")).settled()
        assert [shipped.id for shipped in run.emitted(OrderShipped)] == ["o-2"]
        assert [shipped.id for shipped in (await first.settled()).emitted(OrderShipped)] == ["o-1"]
        assert sorted(shipped.id for shipped in world.emitted(OrderShipped)) == ["o-1", "o-2"]
        assert len((await world.settled()).events) == 7


async def test_trace_is_the_tree_that_the_log_tells(shop: Shop) -> None:
    async with shop.world() as world:
        world.emit(CustomerChanged("c-1", "1 Mill Lane"))
        run = await world.emit(OrderReceived("o-1")).settled()
        workflow = run.trace()
        assert [(depth, step.event.type) for depth, step in workflow.steps()] == [
            (0, "OrderReceived"),
            (1, "OrderShipped"),
            (2, "PriceChanged"),
        ]
        with pytest.raises(TidingsError, match="2 workflows"):
            (await world.settled()).trace()


async def test_effects_of_one_event_stand_in_the_order_of_the_services() -> None:
    slow, fast = Service("slow"), Service("fast")

    @slow.on
    async def ship(order: OrderReceived) -> OrderShipped:
        await asyncio.sleep(5)
        return OrderShipped(order.id, "")

    @fast.on
    async def invoice(order: OrderReceived) -> Invoiced:
        return Invoiced(order.id)

    @fast.on
    async def price(shipped: OrderShipped) -> PriceChanged:
        return PriceChanged(shipped.id)

    async with World(slow, fast, seed=1) as world:
        run = await world.emit(OrderReceived("o-1")).settled()
        assert run.path == [OrderReceived, OrderShipped, PriceChanged, Invoiced]


async def test_table_can_be_looked_into(shop: Shop) -> None:
    async with shop.world() as world:
        position = await world.emit(CustomerChanged("c-1", "1 Mill Lane"))
        assert isinstance(position, Position)
        await world.settled()
        assert world.table(shop.shipping, CustomerChanged)["c-1"].address == "1 Mill Lane"
        assert shop.customers["c-1"].address == "1 Mill Lane"
        assert shop.customers.path.exists()
        where = shop.customers.path
    assert not where.exists()


async def test_what_was_given_up_is_dead(shop: Shop) -> None:
    async with shop.world() as world:
        run = await world.emit(OrderReceived("o-1", "nobody")).settled()
        (letter,) = run.dead
        assert (letter.service, letter.reason, letter.error, letter.attempts) == ("shipping", "failed", "KeyError", 5)
        assert letter.event == OrderReceived("o-1", "nobody")
        assert letter.handler.endswith("dispatch")
        assert run.path == [OrderReceived]
        assert world.dead == [letter]


async def test_service_that_emits_by_itself_keeps_the_context_of_its_request(shop: Shop) -> None:
    async with shop.world() as world:
        with using(EventContext(request_id="r-1")):
            await shop.orders.emit(OrderReceived("o-1", "nobody"))
        (record,) = (await world.settled()).records
        assert record.request_id == "r-1"
        assert record.source == "/orders"


# Time.


async def test_minutes_of_back_off_pass_at_once(shop: Shop) -> None:
    began = time.monotonic()
    async with shop.world() as world:
        began_ms = world.clock.now_ms()
        await world.emit(OrderReceived("o-1", "nobody")).settled()
        assert 200_000 < world.clock.now_ms() - began_ms < 600_000
    assert time.monotonic() - began < 10


async def test_handlers_sleep_and_time_out_in_virtual_time() -> None:
    service = Service("sleeping")
    seen: list[str] = []

    @service.on
    async def handle(order: OrderReceived) -> None:
        before = asyncio.get_running_loop().time()
        await asyncio.sleep(600)
        assert asyncio.get_running_loop().time() - before == pytest.approx(600, abs=0.01)
        try:
            async with asyncio.timeout(60):
                await asyncio.Event().wait()
        except TimeoutError:
            seen.append("timed out")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 60)

    loop = asyncio.get_running_loop()
    began = loop.time()
    async with World(service, seed=1) as world:
        await world.emit(OrderReceived("o-1")).settled()
    assert seen == ["timed out"]
    assert loop.time() - began < 10
    assert "call_later" not in vars(loop)


async def test_time_stands_still_until_somebody_waits() -> None:
    service = Service("waiting")
    rung: list[str] = []

    @service.on
    async def handle(order: OrderReceived) -> None:
        asyncio.get_running_loop().call_later(60, rung.append, order.id)
        asyncio.get_running_loop().call_later(61, rung.append, "cancelled").cancel()

    async with World(service, seed=1) as world:
        await world.emit(OrderReceived("o-1")).settled()
        await asyncio.sleep(0.01)
        assert rung == []
        await world.wait(59)
        assert rung == []
        await world.wait(5)
        assert rung == ["o-1"]


async def test_handler_may_hand_work_to_threads_and_a_thread_may_emit() -> None:
    crm, service = Service("crm"), Service("threads")
    customers = service.table(CustomerChanged)

    @service.on
    def ship(order: OrderReceived, customers: Table[CustomerChanged]) -> OrderShipped:
        position = crm.emit_sync(CustomerChanged(order.customer_id, "1 Mill Lane"))
        return OrderShipped(order.id, customers.at(position)[order.customer_id].address)

    @service.on
    async def invoice(order: OrderReceived) -> Invoiced:
        return Invoiced(await asyncio.to_thread(lambda: order.id))

    async with World(crm, service, seed=1, faults=Faults(delay=0.5)) as world:
        run = await world.emit(OrderReceived("o-1")).settled()
        assert run.path == [OrderReceived, CustomerChanged, OrderShipped, Invoiced]
        assert run.emitted(OrderShipped) == [OrderShipped("o-1", "1 Mill Lane")]
        assert customers["c-1"].address == "1 Mill Lane"


async def test_handler_may_wait_for_something_real() -> None:
    """A database's driver has threads of its own; nobody in the world sees them."""
    service = Service("outside")
    loop = asyncio.get_running_loop()

    @service.on
    async def handle(order: OrderReceived) -> OrderShipped:
        answer: asyncio.Future[str] = loop.create_future()
        real_later(0.05, answer.set_result, "1 Mill Lane")
        return OrderShipped(order.id, await answer)

    real_later = loop.call_later
    async with World(service, seed=1) as world:
        run = await world.emit(OrderReceived("o-1")).settled()
        assert run.emitted(OrderShipped) == [OrderShipped("o-1", "1 Mill Lane")]
        assert world.clock.now_ms() - 1_767_225_600_000 < 1000


# Being away.


async def test_service_that_was_stopped_catches_up(shop: Shop) -> None:
    async with shop.world() as world:
        world.emit(CustomerChanged("c-1", "1 Mill Lane"))
        await world.settled()
        await world.stop(shop.shipping)
        run = await world.emit(OrderReceived("o-1")).settled()
        assert run.path == [OrderReceived]
        await world.start(shop.shipping)
        await world.settled()
        assert world.emitted(PriceChanged) == [PriceChanged("o-1")]
        with pytest.raises(DeclarationError, match="runs already"):
            await world.start(shop.shipping)


async def test_service_that_is_crashed_begins_again_what_it_had_not_finished() -> None:
    service = Service("crashing")
    begun: list[str] = []

    @service.on
    async def handle(order: OrderReceived) -> OrderShipped:
        begun.append(order.id)
        await asyncio.sleep(10)
        return OrderShipped(order.id, "")

    async with World(service, seed=1) as world:
        world.emit(OrderReceived("o-1"))
        await world.wait(5)
        await world.crash(service)
        await world.wait(60)
        assert world.emitted(OrderShipped) == []
        await world.start(service)
        await world.settled()
        assert begun == ["o-1", "o-1"]
        assert len(world.emitted(OrderShipped)) == 1


# Being stuck.


async def test_stuck_world_says_where() -> None:
    service = Service("stuck")

    @service.on
    async def handle(order: OrderReceived) -> None:
        await asyncio.Event().wait()

    async with World(service, seed=1) as world:
        emission = world.emit(OrderReceived("o-1"))
        world.emit(OrderReceived("o-1"))
        with pytest.raises(StuckError) as caught:
            await emission.settled(within_s=60)
        (record, _) = world.run().records
        position = str(emission.position)
        assert caught.value.left == [f"stuck has not finished {position} (OrderReceived {record.id}) and 1 behind it"]
        assert "did not settle within 60 s" in str(caught.value)


async def test_service_that_falls_over_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service("falling")
    table = service.table(CustomerChanged)

    async def follow(*_: Any) -> None:
        raise OperatorError("no disk", "buy one")

    monkeypatch.setattr(table, "follow", follow)
    with pytest.raises(OperatorError, match="no disk"):
        async with World(service, seed=1):
            pass
    assert not service.ready


async def test_something_that_never_rests_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidings.testing.world_time.TURNS_MAX", 1000)
    service = Service("restless")

    @service.on
    async def handle(order: OrderReceived) -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="does not come to rest"):
        async with World(service, seed=1) as world:
            await world.emit(OrderReceived("o-1")).settled()


# Coming and going.


async def test_failure_names_the_seed_that_shows_it_again(shop: Shop) -> None:
    with pytest.raises(AssertionError) as caught:
        async with World(shop.shipping, faults=Faults(crash=0.1)) as world:
            raise AssertionError
    (note,) = caught.value.__notes__
    assert f"World(shipping, seed={world.seed}, faults=Faults(crash=0.1))" in note


async def test_services_are_where_they_were_when_the_world_is_over(shop: Shop) -> None:
    before = shop.shipping._surroundings
    for _ in range(2):
        async with shop.world() as world:
            await world.emit(OrderReceived("o-1")).settled()
            assert shop.shipping._surroundings is not before
        assert shop.shipping._surroundings is before
        assert not shop.shipping.ready
    with pytest.raises(DeclarationError, match="entered already"):
        async with world, world:
            pass
    assert shop.shipping._surroundings is before


async def test_world_takes_each_name_once_and_knows_its_own(shop: Shop) -> None:
    with pytest.raises(DeclarationError, match="one service of each name"):
        World(shop.orders, shop.orders)
    async with World(shop.orders, seed=1) as world:
        with pytest.raises(DeclarationError, match="shipping is not in this world"):
            world.table(shop.shipping, CustomerChanged)
    with pytest.raises(TidingsError, match="entered first"):
        await World(shop.orders, seed=1).start(shop.orders)


async def test_two_worlds_side_by_side_do_not_meet() -> None:
    async def live(seed: int) -> int:
        shop = Shop()
        async with shop.world(seed) as world:
            world.emit(CustomerChanged("c-1", f"{seed} Mill Lane"))
            run = await world.emit(OrderReceived("o-1")).settled()
            assert run.emitted(OrderShipped) == [OrderShipped("o-1", f"{seed} Mill Lane")]
            return seed

    assert await asyncio.gather(*(live(seed) for seed in range(3))) == [0, 1, 2]
    assert "call_later" not in vars(asyncio.get_running_loop())


def describe(world: World) -> Iterator[tuple[Any, ...]]:
    for workflow, record in world.broker.log:
        yield workflow, *record[:6], dict(record.headers or ())["ce_id"]


async def test_same_seed_is_the_same_world() -> None:
    async def live(seed: int) -> list[tuple[Any, ...]]:
        shop = Shop()
        async with shop.world(seed, Faults(crash=0.05, duplicate=0.1, delay=0.1, rebalance=0.1)) as world:
            world.emit(CustomerChanged("c-1", "1 Mill Lane"))
            for n in range(5):
                world.emit(OrderReceived(f"o-{n}"))
            await world.settled()
            return [*describe(world), (world.crashes, world.clock.now_ms())]

    assert await live(3) == await live(3)
    assert await live(3) != await live(4)


def test_faults_are_probabilities() -> None:
    with pytest.raises(DeclarationError, match=r"Faults\(crash=2\)"):
        Faults(crash=2)
    assert repr(Faults(crash=0.05, delay=0.1)) == "Faults(crash=0.05, delay=0.1)"


async def test_record_of_a_foreign_type_is_not_in_the_run() -> None:
    service = Service("foreign")
    seen: list[EventRecord[Any]] = []

    @service.on
    async def handle(order: OrderReceived, record: EventRecord[Any]) -> None:
        seen.append(record)

    from tidings.service.transports.base import Outgoing

    async with World(service, seed=1) as world:
        world.broker.append(Outgoing("wo-orders", b"k", b"no json", [("ce_type", b"OrderReceived")]))
        run = await world.settled()
        assert run.path == []
        (letter,) = run.dead
        assert (letter.reason, letter.event) == ("undecodable", None)
