"""Logs for machines say which event a line is about: ours, and those of handlers."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from tests.service.operations.conftest import Passing

from tidings import Retry, Service, event
from tidings.cli.json_lines import JsonLines
from tidings.service.clock import ManualClock
from tidings.service.operations.log_fields import fields_of_now
from tidings.service.transports.base import Outgoing
from tidings.service.transports.memory import MemoryBroker

log = logging.getLogger("shop.shipping")


@event("lf-orders", key="id")
class Order(msgspec.Struct, frozen=True):
    id: str


class Lines(logging.Handler):
    """What is written, as it is read by machines."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines(fields_of_now))
        self.written: list[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.written.append(json.loads(self.format(record)))


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    handler = Lines()
    for name in ("tidings.service", "shop.shipping"):
        logging.getLogger(name).addHandler(handler)
    yield handler.written
    for name in ("tidings.service", "shop.shipping"):
        logging.getLogger(name).removeHandler(handler)


async def test_lines_about_an_event_have_its_id_its_place_and_the_handler(
    memory: MemoryBroker, clock: ManualClock, passing: Passing, lines: list[Any]
) -> None:
    shipping = Service("shipping", transport=memory.transport, clock=clock)

    @shipping.on(retry=Retry(2, backoff="1s"))
    def dispatch(order: Order) -> None:  # in a thread
        log.error("no address for %s", order.id)
        raise ValueError

    async with shipping:
        await shipping.emit(Order("o-1"))
        await passing(1, lambda: memory.records("shipping.dead-letters"))
    (record,) = memory.records("lf-orders")
    about = {
        "service": "shipping",
        "event_id": (dict(record.headers or ())["ce_id"] or b"").decode(),
        "stream": "lf-orders",
        "partition": 0,
        "offset": 0,
        "handler": shipping.handlers[0].name,
    }
    assert [line["message"] for line in lines if line["logger"] == "shop.shipping"] == ["no address for o-1"] * 2
    assert len(lines) == 4
    assert all(line["fields"] == about for line in lines)


async def test_a_line_about_what_cannot_be_read_names_its_place(
    memory: MemoryBroker, clock: ManualClock, passing: Passing, lines: list[Any]
) -> None:
    shipping = Service("shipping", transport=memory.transport, clock=clock)

    @shipping.on
    async def dispatch(order: Order) -> None: ...

    async with shipping:
        memory.append(Outgoing("lf-orders", b"o-1", b"{oops", []))
        await passing(1, lambda: memory.records("shipping.dead-letters"))
    (line,) = lines
    assert line["fields"] == {
        "service": "shipping", "event_id": None, "stream": "lf-orders", "partition": 0, "offset": 0,
    }  # fmt: skip


def test_fields_given_as_extra_are_told_and_nothing_that_every_line_has() -> None:
    record = logging.getLogger("shop").makeRecord(
        "shop", logging.INFO, "f", 1, "x %s", ("y",), None, extra={"order_id": "o-1"}
    )
    assert json.loads(JsonLines().format(record))["fields"] == {"order_id": "o-1"}
