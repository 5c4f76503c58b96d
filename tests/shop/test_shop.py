"""Services that know nothing of each other: each may be away, and each may come later."""

from __future__ import annotations

from collections import defaultdict

from tests.shop.conftest import OpenShop


def test_killing_shipping_delays_nothing_in_orders_and_it_catches_up(shop: OpenShop) -> None:
    shop.start("customers", "orders")
    shop.start("shipping", "pricing")
    with shop.crowd("before", 60) as before:
        shop.tally("before", until=lambda tally: tally.shipped >= 20)
        shop.services["shipping"].kill()
        shop.tally("before", until=lambda tally: tally.orders == 60)
    with shop.crowd("while", 100) as meanwhile:
        away = shop.tally("while", until=lambda tally: tally.orders == 100)
    assert away.shipped == 0
    assert (before.refused, meanwhile.refused) == (0, 0)

    shop.start("shipping")
    for run, crowd in (("before", before), ("while", meanwhile)):
        tally = shop.tally(run, until=lambda tally: tally.orders > 0 and not tally.unfinished)
        result = tally.result(crowd.accepted)
        assert (result.orders, result.shipped, result.priced, result.lost) == (len(crowd.accepted),) * 3 + (0,)
    assert len(before.accepted) == 60
    assert len(meanwhile.accepted) == 100

    # Killed between its work and its commit, it does that work again; but under the same id, so that one can tell.
    shipments: defaultdict[str | None, set[str | None]] = defaultdict(set)
    for event in shop.log():
        if event.type == "OrderShipped":
            shipments[event.key].add(event.id)
    assert len(shipments) == 160
    assert all(len(ids) == 1 for ids in shipments.values())


def test_pricing_that_is_added_later_hears_everything_from_the_first_order_on(shop: OpenShop) -> None:
    shop.start("customers", "orders")
    shop.start("shipping")
    with shop.crowd("run", 50) as crowd:
        before = shop.tally("run", until=lambda tally: tally.shipped == 50)
    assert before.priced == 0
    assert "pricing" not in shop.cluster.group_names()

    shop.start("pricing")

    after = shop.tally("run", until=lambda tally: tally.priced == 50)
    result = after.result(crowd.accepted)
    assert (result.orders, result.shipped, result.priced, result.lost, result.duplicated) == (50, 50, 50, 0, 0)


def test_customers_may_be_away_while_orders_are_shipped(shop: OpenShop) -> None:
    shop.start("customers", "orders")
    shop.start("shipping")
    shop.services["customers"].kill()
    with shop.crowd("run", 20):
        tally = shop.tally("run", until=lambda tally: tally.shipped == 20)
    assert tally.shipped == 20


def test_an_event_carries_the_request_it_stems_from_through_the_whole_workflow(shop: OpenShop) -> None:
    shop.start("customers", "orders")
    shop.start("shipping", "pricing")
    with shop.crowd("run", 1):
        shop.tally("run", until=lambda tally: tally.priced == 1)
    events = [event for event in shop.log() if event.type != "CustomerChanged"]
    assert [event.type for event in sorted(events, key=lambda event: event.time_ms)] == [
        "OrderReceived",
        "OrderShipped",
        "PriceChanged",
    ]
    assert {event.client_address for event in events} == {"127.0.0.1"}
    assert len({event.request_id for event in events}) == 1
    assert len({event.correlation_id for event in events}) == 1
    assert events[0].request_id
