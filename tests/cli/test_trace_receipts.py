"""`tidings trace` tells times where services write receipts, and what was given up and is missing everywhere."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from tests.cli.conftest import Tidings
from tests.cli.test_views import RECEIVED, SHIPPED, drawn, event

from tidings import Service
from tidings import event as declare
from tidings.cli.trace_notes import Known
from tidings.cli.trace_view import as_json, tree
from tidings.events.position import Position
from tidings.service.operations.burials import Burial, Settlement, burial_in
from tidings.service.operations.missing import Missing
from tidings.service.operations.receipts import Receipt
from tidings.service.parking.ledger import write_entry
from tidings.service.parking.letters import Settled, parse_id
from tidings.service.trace import Evidence, Sighting, evidence, workflows
from tidings.service.transports.base import Received
from tidings.testing.broker import BrokerProcess

START_MS = int(RECEIVED.time_ms)
BY_SHIPPING = Receipt("1", "shipping", "dispatch", START_MS + 4, START_MS + 6, outputs=("2",), workflow="w-1")
BY_COUNTING = Receipt("1", "counting", "count", START_MS + 2, START_MS + 3, workflow="w-1")


def shown(*evidence: Evidence, known: Known | None = None) -> list[str]:
    (workflow,) = workflows(evidence)
    return drawn(tree(workflow, known=known or Known()), 160)[4:]


def test_receipts_tell_how_long_an_event_waited_and_its_handling_took() -> None:
    assert shown(RECEIVED, SHIPPED, BY_SHIPPING, BY_COUNTING) == [
        "event                 at  waited    took  by                 where",
        "OrderReceived      start                  orders-service     orders/0/0",
        "│  handled by counting.count: waited 2.0 ms, took 1.0 ms",
        "└─ OrderShipped  +6.1 ms  4.0 ms  2.0 ms  shipments-service  shipments/0/0",
    ]


def test_attempts_repetitions_and_ends_are_told() -> None:
    retried = msgspec.structs.replace(
        BY_SHIPPING, attempts=3, ended_ms=START_MS + 3_004, last_began_ms=START_MS + 3_000
    )
    letter = msgspec.structs.replace(BY_COUNTING, outcome="failed")
    dead = event("1", "OrderReceived", "counting.dead-letters", offset=7)
    dead = replace(dead, burial=Burial("counting", "count", "failed", "KeyError", "'c-1'", 5, 0))
    lines = shown(RECEIVED, SHIPPED, retried, retried, letter, dead)
    assert [line.strip("│├└─ ") for line in lines[2:5]] == [
        "shipping.dispatch needed 3 attempts in 3.0 s",
        "handled again by shipping.dispatch",
        "dead letter of counting.count after 5 attempts: KeyError: 'c-1' (counting.dead-letters/0/7)",
    ]


def test_an_event_that_was_given_up_and_then_redriven_was_not_handled_twice() -> None:
    failed = msgspec.structs.replace(BY_SHIPPING, outcome="failed", attempts=2, outputs=())
    at = Position("shipping.dead-letters", 0, 7)
    dead = replace(RECEIVED, position=at, burial=Burial("shipping", "dispatch", "failed", "KeyError", "", 2, 0))
    later = msgspec.structs.replace(BY_SHIPPING, began_ms=START_MS + 60_000, ended_ms=START_MS + 60_002)
    lines = shown(RECEIVED, SHIPPED, failed, dead, Settlement(at, "handled"), later)
    assert len(lines) == 4
    assert "dead letter of shipping.dispatch after 2 attempts" in lines[2]
    assert "OrderShipped" in lines[3]
    assert "gave up after 2 attempts" in shown(RECEIVED, failed)[-1]


def test_what_became_of_a_dead_letter_is_told_and_what_waits_behind_one() -> None:
    at = Position("counting.dead-letters", 0, 7)
    dead = replace(RECEIVED, position=at, burial=Burial("counting", "count", "failed", "KeyError", "'c-1'", 1, 0))
    behind = replace(dead, burial=Burial("counting", "", "behind", "", "", 0, 0, "orders/0/3"))
    assert shown(RECEIVED, dead, Settlement(at, "handled"))[-1].endswith("/0/7), handled since")
    assert shown(RECEIVED, behind)[-1].strip() == "parked by counting behind orders/0/3 (counting.dead-letters/0/7)"
    (workflow,) = workflows([RECEIVED, dead, Settlement(at, "dropped")])
    assert as_json(workflow)["roots"][0]["dead_letters"][0]["settled"] == "dropped"


def test_an_entry_of_a_ledger_says_of_which_letter_it_is() -> None:
    entry = write_entry("counting", Settled(parse_id("orders/0/3@9 count"), 7, "handled", 5))
    record = Received(entry.stream, 0, 0, 5, entry.key, entry.value, entry.headers)
    assert evidence(record) == Settlement(Position("counting.dead-letters", 0, 7), "handled")
    assert isinstance(evidence(record._replace(stream="orders")), Sighting)
    assert isinstance(evidence(record._replace(key=b"pace")), Sighting)


def test_what_is_missing_is_told_by_whether_it_was_read() -> None:
    missing = {RECEIVED.position: [Missing("shipping", "dispatch", ("OrderShipped",))]}
    waiting = shown(RECEIVED, known=Known(waiting={RECEIVED.position: ["shipping"]}, missing=missing))
    assert waiting[-1].strip() == "waiting for shipping: OrderShipped to come"
    read = shown(RECEIVED, known=Known(missing=missing))
    assert read[-1].strip() == "shipping.dispatch reads this: no OrderShipped came of it"


def test_a_dead_letter_alone_stands_for_its_event() -> None:
    dead = replace(RECEIVED, burial=Burial("shipping", "", "undecodable", "X", "", 0, 0))
    (workflow,) = workflows([dead])
    assert len(workflow) == 1
    assert as_json(workflow)["roots"][0]["dead_letters"][0]["reason"] == "undecodable"


def test_machines_get_the_receipts_too() -> None:
    (workflow,) = workflows([RECEIVED, SHIPPED, BY_SHIPPING])
    (handled,) = as_json(workflow)["roots"][0]["handled"]
    assert (handled["service"], handled["queued_ms"], handled["handling_ms"]) == ("shipping", 4, 2)
    assert handled["outputs"] == ["2"]


def test_headers_that_say_nothing_or_nonsense_of_an_end_do_no_harm() -> None:
    assert burial_in([("ce_id", b"1")]) is None
    found = burial_in([("dead_reason", b"failed"), ("dead_attempts", "٣".encode()), ("dead_time", b"\xff")])
    assert found == Burial("", "", "failed", "", "", 0, 0)


MODULE = """
import msgspec
from tidings import Retry, Service, event

@event("tr-orders", key="id")
class Ordered(msgspec.Struct, frozen=True):
    id: str

@event("tr-shipments", key="id")
class Shipped(msgspec.Struct, frozen=True):
    id: str

shipping = Service("tr-shipping", receipts=True)
charging = Service("tr-charging")
pricing = Service("tr-pricing")

@shipping.on
async def dispatch(order: Ordered) -> Shipped:
    return Shipped(order.id)

@charging.on(retry=Retry(2, backoff="10ms"))
async def charge(order: Ordered) -> None:
    raise ValueError("no card")

@pricing.on
async def follow(shipped: Shipped) -> Ordered: ...
"""


@declare("tr-orders", key="id")
class Ordered(msgspec.Struct, frozen=True):
    id: str


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "tr_services.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIDINGS_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    monkeypatch.setattr("tidings.events.declaration._by_stream", {})
    yield "tr_services"
    sys.modules.pop("tr_services", None)


def test_a_workflow_is_told_with_times_ends_and_what_is_missing(
    tidings: Tidings, shared_broker: BrokerProcess, module: str
) -> None:
    async def order() -> None:
        async with Service("tr-front", url=shared_broker.url) as front:
            await front.emit(Ordered("tr-1"))

    asyncio.run(order())
    for service in ("shipping", "charging"):
        assert tidings("run", f"{module}:{service}", "--once").code == 0
    document = tidings("trace", "tr-1", "--json", "--service", module).json["workflows"][-1]
    (ordered,) = document["roots"]
    (shipped,) = ordered["effects"]
    (handled,) = ordered["handled"]
    (letter,) = ordered["dead_letters"]
    assert (handled["service"], handled["handler"], handled["attempts"]) == ("tr-shipping", "dispatch", 1)
    assert handled["outputs"] == [shipped["id"]]
    assert handled["queued_ms"] >= 0
    assert (letter["service"], letter["handler"], letter["attempts"]) == ("tr-charging", "charge", 2)
    assert [(one["service"], one["emits"]) for one in shipped["missing"]] == [("tr-pricing", ["Ordered"])]
    assert not ordered["again"]

    text = tidings("trace", "tr-1", "--service", module).out
    assert "waited" in text
    assert "dead letter of tr-charging.charge after 2 attempts: ValueError: no card" in text
    assert "tr-pricing.follow reads this: no Ordered came of it" in text
    assert "tr-orders/" in text
