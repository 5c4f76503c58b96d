"""What services declare and a workflow does not show is missing from it."""

from __future__ import annotations

import msgspec
import pytest

from tidings import Service, event
from tidings.events.position import Position
from tidings.service.description import Description
from tidings.service.operations.burials import Burial
from tidings.service.operations.missing import Missing, missing
from tidings.service.operations.receipts import Receipt
from tidings.service.trace import Evidence, Sighting, workflows


@event("ms-orders", key="id")
class Ordered(msgspec.Struct, frozen=True):
    id: str


@event("ms-shipments", key="id")
class Shipped(msgspec.Struct, frozen=True):
    id: str


ORDERED = Sighting(Position("ms-orders", 0, 3), 0, id="1", type="Ordered", source="/orders", correlation_id="w")
SHIPPED = Sighting(
    Position("ms-shipments", 0, 9), 5, id="2", type="Shipped", source="/shipping", correlation_id="w", causation_id="1"
)
LETTER = Sighting(
    Position("shipping.dead-letters", 0, 0), 0, id="1", type="Ordered", source="/orders", correlation_id="w",
    burial=Burial("shipping", "dispatch", "failed", "ValueError", "no", 5, 0),
)  # fmt: skip
RECEIPT = Receipt("1", "shipping", "dispatch", 1, 2, workflow="w")


@pytest.fixture
def descriptions() -> list[Description]:
    shipping, counting = Service("shipping"), Service("counting")

    async def dispatch(order: Ordered) -> Shipped | None: ...

    async def count(order: Ordered) -> None: ...

    dispatch.__qualname__, count.__qualname__ = "dispatch", "count"
    shipping.on(dispatch)
    counting.on(count)
    return [shipping.describe(), counting.describe()]


def missed(descriptions: list[Description], *evidence: Evidence) -> dict[Position, list[Missing]]:
    (workflow,) = workflows(evidence)
    return missing(workflow, descriptions)


def test_a_handler_of_which_nothing_is_seen_is_missing(descriptions: list[Description]) -> None:
    assert missed(descriptions, ORDERED) == {ORDERED.position: [Missing("shipping", "dispatch", ("Shipped",))]}


@pytest.mark.parametrize("trace", [SHIPPED, LETTER, RECEIPT])
def test_an_effect_a_dead_letter_and_a_receipt_are_traces(descriptions: list[Description], trace: Evidence) -> None:
    assert missed(descriptions, ORDERED, trace) == {}


def test_a_handler_without_outputs_is_missed_only_where_its_service_writes_receipts(
    descriptions: list[Description],
) -> None:
    elsewhere = Receipt("2", "counting", "count", 1, 2, workflow="w")
    assert missed(descriptions, ORDERED, SHIPPED) == {}
    assert missed(descriptions, ORDERED, SHIPPED, elsewhere) == {ORDERED.position: [Missing("counting", "count", ())]}
