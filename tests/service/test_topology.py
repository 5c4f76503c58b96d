"""Who emits, reads and keeps what: declared, seen, and where the two differ."""

from __future__ import annotations

import msgspec

from tidings import Service, event
from tidings.events.position import Position
from tidings.service.topology import Link, Observer, Topology, declared_links, group_links
from tidings.service.trace import Sighting


@event("tp-orders", key="id")
class Ordered(msgspec.Struct, frozen=True):
    id: str


@event("tp-shipments", key="id")
class Shipped(msgspec.Struct, frozen=True):
    id: str


@event("tp-customers", key="id")
class Moved(msgspec.Struct, frozen=True):
    id: str


def shipping() -> Service:
    service = Service("shipping")
    service.table(Moved)

    @service.on
    async def dispatch(order: Ordered) -> Shipped:
        return Shipped(order.id)

    return service


READS = Link("shipping", "reads", "tp-orders", "Ordered")
KEEPS = Link("shipping", "keeps", "tp-customers", "Moved")
EMITS = Link("shipping", "emits", "tp-shipments", "Shipped")


def seen(event_id: str, stream: str, type_name: str, source: str, cause: str | None = None) -> Sighting:
    return Sighting(Position(stream, 0, 0), 0.0, id=event_id, type=type_name, source=source, causation_id=cause)


def observed(*sightings: Sighting) -> Topology:
    observer = Observer()
    for one in sightings:
        observer.show(one)
    return Topology(seen=observer.links())


def test_hints_are_the_declaration() -> None:
    assert set(declared_links([shipping().describe()])) == {READS, KEEPS, EMITS}


def test_answer_shows_who_read_what_it_answers_whichever_record_is_met_first() -> None:
    order = seen("1", "tp-orders", "Ordered", "/orders")
    shipment = seen("2", "tp-shipments", "Shipped", "/shipping", cause="1")
    for both in ((order, shipment), (shipment, order)):
        topology = observed(*both)
        assert topology.seen == {Link("orders", "emits", "tp-orders", "Ordered"): 1, EMITS: 1, READS: 1}


def test_event_read_once_counts_once_however_many_came_of_it() -> None:
    topology = observed(
        seen("1", "tp-orders", "Ordered", "/orders"),
        *(seen(str(n), "tp-shipments", "Shipped", "/shipping", cause="1") for n in range(2, 5)),
    )
    assert (topology.count(EMITS), topology.count(READS)) == (3, 1)


def test_dead_letter_was_emitted_by_nobody() -> None:
    letter = seen("1", "shipping.dead-letters", "Ordered", "/orders")
    assert observed(letter).links() == []


def test_what_a_service_does_and_has_not_declared_is_drift() -> None:
    topology = observed(
        seen("1", "tp-orders", "Ordered", "/orders"),
        seen("2", "tp-refunds", "Refunded", "/shipping", cause="1"),
    )
    topology.declared |= set(declared_links([shipping().describe()]))
    assert topology.undeclared() == [Link("shipping", "emits", "tp-refunds", "Refunded")]
    assert topology.unseen() == [EMITS]  # nobody can see a table take something in


def test_other_services_have_not_promised_anything() -> None:
    assert observed(seen("1", "tp-orders", "Ordered", "/orders")).undeclared() == []


def test_committed_position_says_no_more_than_what_is_declared() -> None:
    topology = Topology(declared={READS, KEEPS})
    topology.seen.update(dict.fromkeys(group_links({"shipping": [("tp-orders", 0), ("tp-orders", 1)]}), 0))
    assert topology.links() == [READS, KEEPS]
    assert topology.undeclared() == []


def test_group_that_nothing_else_is_known_of_reads_something() -> None:
    topology = Topology()
    topology.seen.update(dict.fromkeys(group_links({"audit": [("tp-orders", 0)]}), 0))
    assert topology.links() == [Link("audit", "reads", "tp-orders", None)]
