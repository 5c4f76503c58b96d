"""Live, ready and metrics of services at work on a real broker."""

from __future__ import annotations

import asyncio
import threading

import msgspec
import pytest
from tests.service.operations.pages import get, until

from tidings import Retry, Service, event
from tidings.errors import OperatorError
from tidings.service.operations import health
from tidings.service.operations.endpoint import operations
from tidings.testing.broker import BrokerProcess


@event("ops-orders", key="id")
class Order(msgspec.Struct, frozen=True):
    id: str
    n: int = 0


@event("ops-customers", key="id")
class Customer(msgspec.Struct, frozen=True):
    id: str


async def test_readiness_goes_with_the_broker_and_comes_with_it_and_life_goes_on(broker: BrokerProcess) -> None:
    shipping = Service("ops-shipping", url=broker.url)
    shipping.table(Customer)

    @shipping.on
    async def dispatch(order: Order) -> None: ...

    async with operations([shipping], 0) as endpoint:
        ready, live = f"{endpoint.url}/ready", f"{endpoint.url}/live"
        before = await until(ready, lambda answer: answer.status == 503)
        assert before.json == {"ready": False, "why": {"ops-shipping": ["it does not run"]}}
        async with asyncio.timeout(100), shipping:
            assert (await until(ready, lambda answer: answer.status == 200)).json == {"ready": True, "why": {}}
            broker.kill()
            away = await until(ready, lambda answer: answer.status == 503)
            assert "the broker does not answer" in away.why
            assert get(live).status == 200
            await asyncio.to_thread(broker.restart)
            await until(ready, lambda answer: answer.status == 200)
        assert "it does not run" in (await until(ready, lambda answer: answer.status == 503)).why


async def test_a_service_is_not_ready_before_its_broker_is_there(broker: BrokerProcess) -> None:
    broker.stop()
    shipping = Service("ops-early", url=broker.url)

    @shipping.on
    async def dispatch(order: Order) -> None: ...

    async with asyncio.timeout(100), operations([shipping], 0) as endpoint:
        await shipping.start(wait_s=0)
        early = await until(f"{endpoint.url}/ready", lambda answer: "starting" in answer.why)
        assert early.status == 503
        await asyncio.to_thread(broker.start)
        await until(f"{endpoint.url}/ready", lambda answer: answer.status == 200)
        await shipping.stop()


async def test_a_member_without_partitions_is_ready(broker: BrokerProcess) -> None:
    """Seven members of a group that reads a stream of six partitions: one of them has none, and that is right."""
    members = [Service("ops-many", url=broker.url) for _ in range(7)]
    for member in members:

        @member.on
        async def dispatch(order: Order) -> None: ...

    async with asyncio.timeout(100), operations(members, 0) as endpoint:
        for member in members:
            await member.start()
        await until(
            f"{endpoint.url}/ready",
            lambda answer: answer.status == 200 and {len(one.partitions) for one in members} == {0, 1},
        )
        for member in members:
            await member.stop()


async def test_a_handler_that_blocks_the_loop_ends_life_and_is_named(
    broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "LOOP_STILL_S_MAX", 3.0)
    shipping = Service("ops-blocked", url=broker.url)
    released = threading.Event()

    @shipping.on
    async def dispatch(order: Order) -> None:
        released.wait(60)

    def watch(url: str) -> str:
        while (answer := get(url)).status == 200:
            pass
        released.set()
        return answer.why

    async with asyncio.timeout(100), operations([shipping], 0) as endpoint, shipping:
        watching = asyncio.create_task(asyncio.to_thread(watch, f"{endpoint.url}/live"))
        await shipping.emit(Order("o-1"))
        why = await watching
        await until(f"{endpoint.url}/live", lambda answer: answer.status == 200)
    assert "the event loop has stood still for" in why
    assert "dispatch (" in why
    assert "test_endpoint.py" in why


async def test_a_service_that_fell_over_is_not_alive(broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDINGS_STATE", "/proc/nowhere")
    shipping = Service("ops-fallen", url=broker.url)
    shipping.table(Customer)
    async with asyncio.timeout(60), operations([shipping], 0) as endpoint:
        starting = asyncio.create_task(shipping.start(wait_s=30))
        with pytest.raises(OperatorError):
            await starting
        assert get(f"{endpoint.url}/live").status == 200  # it was stopped, and says so
        assert "it does not run" in get(f"{endpoint.url}/ready").why


async def test_metrics_count_what_was_done(broker: BrokerProcess) -> None:
    shipping = Service("ops-counted", url=broker.url)
    shipping.table(Customer)
    failed: set[int] = set()

    @shipping.on(retry=Retry(2, backoff="10ms"))
    async def dispatch(order: Order) -> None:
        if order.n == 8 or (order.n == 7 and 7 not in failed):
            failed.add(order.n)
            raise ValueError(order.n)

    name = shipping.handlers[0].name
    of = f'service="ops-counted",handler="{name}"'
    done = f'tidings_service_events_total{{{of},outcome="handled"}}'
    async with asyncio.timeout(100), operations([shipping], 0) as endpoint, shipping:
        for n in range(10):
            await shipping.emit(Order(f"o-{n}", n))
        await shipping.emit(Customer("c-1"))
        found = (
            await until(
                f"{endpoint.url}/metrics",
                lambda answer: (
                    answer.samples.get(done) == 9
                    and 'tidings_service_dead_letters_total{service="ops-counted",reason="failed"} 1\n' in answer.text
                    and 'tidings_service_table_rows{service="ops-counted",table="Customer"} 1\n' in answer.text
                    and answer.samples['tidings_service_in_hand{service="ops-counted"}'] == 0
                    and sum(lags(answer.samples)) == 0
                ),
            )
        ).samples
    assert found[f'tidings_service_events_total{{{of},outcome="retried"}}'] == 2
    assert found[f'tidings_service_events_total{{{of},outcome="failed"}}'] == 1
    assert found[f"tidings_service_handling_seconds_count{{{of}}}"] == 12
    assert found['tidings_service_ready{service="ops-counted"}'] == 1
    assert found['tidings_service_live{service="ops-counted"}'] == 1
    assert found['tidings_service_partitions{service="ops-counted"}'] == 6
    assert found['tidings_service_commit_seconds_count{service="ops-counted"}'] >= 1
    assert found['tidings_service_records_committed_total{service="ops-counted"}'] == 1


def lags(samples: dict[str, float]) -> list[float]:
    return [value for name, value in samples.items() if name.startswith("tidings_service_lag")]


async def test_an_address_that_is_taken_is_refused() -> None:
    async with operations([], 0) as endpoint:
        port = int(endpoint.url.rpartition(":")[2])
        with pytest.raises(OperatorError, match="cannot listen on"):
            async with operations([], port):
                pass
