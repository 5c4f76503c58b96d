"""Hints are the wiring: what signatures say, and what is refused while declaring."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import pytest

from tidings import EventRecord, Service, Table, event
from tidings.errors import DeclarationError
from tidings.service.subscription import Handler

if TYPE_CHECKING:
    from decimal import Decimal


@event("sub-orders", key="id")
class Order(msgspec.Struct, frozen=True):
    id: str


@event("sub-orders", key="id")
class Cancelled(msgspec.Struct, frozen=True):
    id: str


@event("sub-shipments", key="id")
class Shipped(msgspec.Struct, frozen=True):
    id: str


def declared(function: Any) -> Handler:
    service = Service("subscriptions")
    assert service.on(function) is function
    return service.handlers[0]


def names(types: tuple[Any, ...]) -> list[str]:
    return [one.name for one in types]


def test_parameter_subscribes_and_return_type_declares_what_is_emitted() -> None:
    async def dispatch(order: Order) -> Shipped: ...  # type: ignore[empty-body]

    handler = declared(dispatch)
    assert names(handler.reads) == ["Order"]
    assert names(handler.emits) == ["Shipped"]
    assert handler.is_async


def test_union_subscribes_to_several() -> None:
    def either(order: Order | Cancelled) -> None: ...

    assert names(declared(either).reads) == ["Order", "Cancelled"]
    assert not declared(either).is_async


def test_every_shape_of_a_return_type_is_understood() -> None:
    async def optional(order: Order) -> Shipped | None: ...
    async def several(order: Order) -> list[Shipped | Cancelled]: ...  # type: ignore[empty-body]
    async def pair(order: Order) -> tuple[Shipped, Cancelled]: ...  # type: ignore[empty-body]
    async def many(order: Order) -> tuple[Shipped, ...]: ...  # type: ignore[empty-body]
    async def noted(order: Order) -> Annotated[Shipped, "a note"]: ...  # type: ignore[empty-body]
    async def stream(order: Order) -> AsyncIterator[Shipped]:
        yield Shipped(order.id)

    def generator(order: Order) -> Iterator[Shipped]:
        yield Shipped(order.id)

    async def nothing(order: Order) -> None: ...

    assert names(declared(optional).emits) == ["Shipped"]
    assert names(declared(several).emits) == ["Shipped", "Cancelled"]
    assert names(declared(pair).emits) == ["Shipped", "Cancelled"]
    assert names(declared(many).emits) == ["Shipped"]
    assert names(declared(noted).emits) == ["Shipped"]
    assert names(declared(stream).emits) == ["Shipped"]
    assert declared(stream).is_generator
    assert names(declared(generator).emits) == ["Shipped"]
    assert declared(nothing).emits == ()


def test_record_and_tables_are_given_by_type() -> None:
    service = Service("injecting")

    @service.on
    async def dispatch(record: EventRecord[Order], order: Order, shipped: Table[Shipped], plain: EventRecord) -> None:  # type: ignore[type-arg]
        ...

    handler = service.handlers[0]
    assert handler.parameter == "order"
    assert sorted(handler.injected) == ["plain", "record", "shipped"]
    assert service.describe().keeps == [{"stream": "sub-shipments", "type": "Shipped"}]


def test_parameter_with_a_default_needs_no_provider() -> None:
    def handle(order: Order, limit: int = 3, untyped=4) -> None: ...  # type: ignore[no-untyped-def] # noqa: ANN001

    assert declared(handle).injected == {}


def test_method_of_an_object_is_a_handler() -> None:
    class Desk:
        async def handle(self, order: Order) -> None: ...

    assert names(declared_method(Desk().handle).reads) == ["Order"]


def declared_method(method: Any) -> Handler:
    service = Service("methods")
    service.on(method)
    return service.handlers[0]


def test_name_of_the_function_names_the_handler() -> None:
    async def a_name(order: Order) -> None: ...

    assert declared(a_name).name.endswith("a_name")


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda order: None, "has no type"),
        (functools.partial(print), "is no function"),
    ],
)
def test_what_has_no_hints_is_refused(function: Any, reason: str) -> None:
    with pytest.raises(DeclarationError, match=reason):
        Service("refusing").on(function)


def test_handler_of_nothing_is_refused() -> None:
    def handle(record: EventRecord[Any]) -> None: ...

    with pytest.raises(DeclarationError, match="exactly one parameter must be of an event's type; found: none"):
        declared(handle)


def test_handler_of_two_events_at_once_is_refused() -> None:
    def handle(order: Order, shipped: Shipped) -> None: ...

    with pytest.raises(DeclarationError, match="found: order, shipped"):
        declared(handle)


def test_parameter_that_nobody_can_give_is_refused() -> None:
    def handle(order: Order, other: dict[str, int]) -> None: ...

    with pytest.raises(DeclarationError, match="nothing is known to give for other"):
        declared(handle)


def test_union_of_an_event_and_something_else_is_refused() -> None:
    def handle(order: Order | str) -> None: ...

    with pytest.raises(DeclarationError, match="mixes events with str"):
        declared(handle)


def test_returning_what_is_no_event_is_refused() -> None:
    def handle(order: Order) -> dict[str, int]: ...  # type: ignore[empty-body]

    with pytest.raises(DeclarationError, match="which is no event"):
        declared(handle)


def test_star_arguments_are_refused() -> None:
    def handle(order: Order, *others: Order) -> None: ...

    with pytest.raises(DeclarationError, match="must be an ordinary one"):
        declared(handle)


def test_name_known_to_the_type_checker_alone_is_explained() -> None:
    def handle(order: Order, price: Decimal) -> None: ...

    with pytest.raises(DeclarationError, match="'Decimal', which is not known where it is declared"):
        declared(handle)


def test_event_declared_inside_a_function_is_found() -> None:
    service = Service("local-events")

    @event("sub-local", key="id")
    class Local(msgspec.Struct):
        id: str

    @service.on
    async def handle(local: Local) -> None: ...

    assert names(service.handlers[0].reads) == ["Local"]


def test_same_handler_twice_is_refused() -> None:
    service = Service("twice")

    async def handle(order: Order) -> None: ...

    service.on(handle)
    with pytest.raises(DeclarationError, match="already"):
        service.on(handle)


@pytest.mark.parametrize("name", ["", "..", "a b", "x" * 240, "ü"])
def test_name_that_cannot_be_a_group_and_a_stream_is_refused(name: str) -> None:
    with pytest.raises(DeclarationError, match="cannot name a service"):
        Service(name)


def test_service_without_workers_is_refused() -> None:
    with pytest.raises(DeclarationError, match="at least one worker"):
        Service("idle", workers=0)


def test_table_of_what_is_no_event_is_refused() -> None:
    with pytest.raises(DeclarationError, match="is not an event"):
        Service("tables").table(dict)
