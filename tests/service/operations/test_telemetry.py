"""Spans: one for each handling, in one trace across services, and none where nobody has set up OpenTelemetry."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from opentelemetry import trace
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace import export
from opentelemetry.sdk.trace.export import in_memory_span_exporter as in_memory
from tests.service.operations.conftest import Passing

from tidings import Service, event
from tidings.events import context as event_context
from tidings.service.clock import ManualClock
from tidings.service.operations.telemetry import tracing_of
from tidings.service.transports.memory import MemoryBroker


@event("tl-orders", key="id")
class Order(msgspec.Struct, frozen=True):
    id: str


@event("tl-shipments", key="id")
class Shipped(msgspec.Struct, frozen=True):
    id: str


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """OpenTelemetry as a program sets it up; what it exports. Undone afterwards, which programs cannot."""
    exporter = in_memory.InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    monkeypatch.setattr(event_context, "running_span", None)
    yield exporter
    provider.shutdown()


def by_name(exporter: Any) -> dict[str, Any]:
    return {span.name: span for span in exporter.get_finished_spans()}


async def test_spans_of_two_services_are_joined_through_the_events(
    memory: MemoryBroker, clock: ManualClock, passing: Passing, spans: Any
) -> None:
    shipping = Service("shipping", transport=memory.transport, clock=clock)
    pricing = Service("pricing", transport=memory.transport, clock=clock)
    inside: list[int] = []

    @shipping.on
    async def dispatch(order: Order) -> Shipped:
        await asyncio.sleep(0)
        inside.append(trace.get_current_span().get_span_context().span_id)
        return Shipped(order.id)

    @pricing.on
    def follow(shipped: Shipped) -> None:  # in a thread
        inside.append(trace.get_current_span().get_span_context().span_id)

    async with shipping, pricing:
        with trace.get_tracer("web").start_as_current_span("POST /orders"):
            await shipping.emit(Order("o-1"))
        await passing(0.1, lambda: len(by_name(spans)) == 3)
    found = by_name(spans)
    web, first, second = found["POST /orders"], found["process tl-orders"], found["process tl-shipments"]
    assert first.parent.span_id == web.context.span_id
    assert second.parent.span_id == first.context.span_id
    assert {span.context.trace_id for span in found.values()} == {web.context.trace_id}
    assert inside == [first.context.span_id, second.context.span_id]
    assert first.kind is trace.SpanKind.CONSUMER
    assert first.attributes["messaging.destination.name"] == "tl-orders"
    assert first.attributes["messaging.consumer.group.name"] == "shipping"
    assert first.attributes["messaging.kafka.offset"] == 0
    (shipped,) = memory.records("tl-shipments")
    said = (dict(shipped.headers or ())["traceparent"] or b"").decode()
    assert said.startswith(f"00-{first.context.trace_id:032x}-{first.context.span_id:016x}-")


async def test_a_failure_is_in_its_span(memory: MemoryBroker, clock: ManualClock, passing: Passing, spans: Any) -> None:
    shipping = Service("shipping", transport=memory.transport, clock=clock)

    @shipping.on
    async def dispatch(order: Order) -> None:
        raise ValueError("no address")

    async with shipping:
        await shipping.emit(Order("o-1"))
        await passing(10, lambda: memory.records("shipping.dead-letters"))
    span = spans.get_finished_spans()[0]
    assert span.status.status_code is trace.StatusCode.ERROR
    assert span.status.description == "ValueError: no address"
    assert [found.name for found in span.events] == ["exception"]


def test_a_program_that_has_not_set_it_up_has_no_spans() -> None:
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        assert tracing_of("shipping") is None
        assert event_context.running_span is None
