"""The account of a run is true: nothing is counted twice, nothing that is missing is counted."""

from __future__ import annotations

import random
from itertools import count

from tidings.cli.tally import PRICED, RECEIVED, SHIPPED, Result, Tally, percentile
from tidings.events.position import Position
from tidings.service.trace import Sighting

offsets = count()


def event(type_name: str, order: int, *, run: str = "r", at_ms: float = 0, workflow: str | None = None) -> Sighting:
    order_id = f"{run}-{order:05}"
    return Sighting(
        Position("s", 0, next(offsets)),
        at_ms,
        key="p-01" if type_name == PRICED else order_id,
        id=f"{type_name} {order_id} {next(offsets)}",
        type=type_name,
        correlation_id=workflow or f"w-{order_id}",
    )


def ids(number: int, run: str = "r") -> list[str]:
    return [f"{run}-{order:05}" for order in range(number)]


def test_orders_are_counted_once_whatever_the_order_of_records() -> None:
    log = [event(name, order) for order in range(50) for name in (RECEIVED, SHIPPED, PRICED)]
    random.Random(7).shuffle(log)
    tally = Tally("r")
    for seen in log:
        tally.add(seen)
    assert (tally.orders, tally.shipped, tally.priced, tally.unfinished) == (50, 50, 50, 0)
    assert tally.result(ids(50)) == Result(orders=50, shipped=50, priced=50, lost=0, duplicated=0)


def test_orders_of_another_run_do_not_count() -> None:
    tally = Tally("r")
    for run in ("r", "other"):
        for name in (RECEIVED, SHIPPED, PRICED):
            tally.add(event(name, 0, run=run))
    assert (tally.orders, tally.shipped, tally.priced) == (1, 1, 1)


def test_an_accepted_order_that_was_not_priced_is_lost() -> None:
    tally = Tally("r")
    for seen in (event(RECEIVED, 0), event(SHIPPED, 0)):
        tally.add(seen)
    assert tally.unfinished == 1
    assert tally.result(ids(1)) == Result(orders=1, shipped=1, priced=0, lost=1, duplicated=0)


def test_an_accepted_order_that_is_not_in_the_log_is_lost() -> None:
    assert Tally("r").result(ids(3)) == Result(orders=3, shipped=0, priced=0, lost=3, duplicated=0)


def test_an_order_shipped_twice_is_duplicated() -> None:
    tally = Tally("r")
    for name in (RECEIVED, SHIPPED, SHIPPED, PRICED):
        tally.add(event(name, 0))
    assert tally.shipped == 1
    assert tally.result(ids(1)).duplicated == 1


def test_an_order_received_twice_as_two_workflows_is_duplicated() -> None:
    tally = Tally("r")
    for workflow in ("w1", "w2"):
        for name in (RECEIVED, SHIPPED, PRICED):
            tally.add(event(name, 0, workflow=workflow))
    assert tally.result(ids(1)) == Result(orders=1, shipped=1, priced=1, lost=0, duplicated=1)


def test_latency_is_that_of_the_log() -> None:
    tally = Tally("r")
    for seen in (event(PRICED, 0, at_ms=112), event(SHIPPED, 0, at_ms=107), event(RECEIVED, 0, at_ms=100)):
        tally.add(seen)
    assert (list(tally.shipping_ms), list(tally.pricing_ms)) == ([7], [12])


def test_the_trace_that_is_shown_is_of_a_complete_order() -> None:
    tally = Tally("r")
    for order in range(12):
        tally.add(event(RECEIVED, order))
    assert tally.shown() is None
    for order in (3, 11):
        tally.add(event(SHIPPED, order))
        tally.add(event(PRICED, order))
    workflow = tally.shown()
    assert workflow is not None
    assert (workflow.id, len(workflow)) == ("w-r-00011", 3)


def test_percentiles() -> None:
    assert percentile([], 0.5) == 0
    assert percentile(range(1, 101), 0.5) == 51
    assert percentile(range(1, 101), 0.99) == 100
