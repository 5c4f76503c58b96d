"""OpenTelemetry: a span for each handling, in the trace that the event's `traceparent` belongs to.

Nothing is to be switched on: a program that has set up OpenTelemetry (a TracerProvider of its own, or
`opentelemetry-instrument tidings run …`) gets spans, and any other one pays nothing. What is emitted inside a span, in
a handler or anywhere else, carries that span's `traceparent` on, and so the next service's spans are its children.

Attributes: https://opentelemetry.io/docs/specs/semconv/messaging/kafka/
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, NamedTuple

from tidings.events import context as event_context
from tidings.events.envelope import text_of
from tidings.service.handled import Handled


class Span(NamedTuple):
    """A span that is running, and what it takes to leave it."""

    span: Any
    token: Any


class Tracing:
    """The spans of one service. `trace` is the module `opentelemetry.trace`, which is no dependency of ours."""

    def __init__(self, service: str, trace: Any) -> None:
        self._service = service
        self._trace = trace
        self._tracer = trace.get_tracer("tidings")
        self._context = import_module("opentelemetry.context")
        self._nowhere = import_module("opentelemetry.context.context").Context()
        self._propagator = import_module("opentelemetry.trace.propagation.tracecontext").TraceContextTextMapPropagator()

    def begin(self, current: Handled) -> Span:
        """Begin the span of a handling, and enter it: what the handler does itself is inside."""
        received = current.item.received
        headers = dict(received.headers or ())
        known = {name: text for name in ("traceparent", "tracestate") if (text := text_of(headers, name))}
        parent = self._propagator.extract(known, context=self._nowhere)
        span = self._tracer.start_span(
            f"process {received.stream}",
            context=parent,
            kind=self._trace.SpanKind.CONSUMER,
            attributes={
                "messaging.system": "kafka",
                "messaging.operation.type": "process",
                "messaging.operation.name": current.handler.name,
                "messaging.destination.name": received.stream,
                "messaging.destination.partition.id": str(received.partition),
                "messaging.kafka.offset": received.offset,
                "messaging.consumer.group.name": self._service,
                "messaging.message.id": current.as_record().id,
                "messaging.message.conversation_id": current.as_record().correlation_id,
            },
        )
        return Span(span, self._context.attach(self._trace.set_span_in_context(span, parent)))

    def end(self, running: Span, error: BaseException | None) -> None:
        """Leave the span and end it. To be called in the context that `begin` was called in."""
        if error is not None:
            running.span.record_exception(error)
            running.span.set_status(self._trace.StatusCode.ERROR, f"{type(error).__name__}: {error}")
        running.span.end()
        self._context.detach(running.token)


def tracing_of(service: str) -> Tracing | None:
    """None unless the program has set up OpenTelemetry before; if it has, events name the span they are emitted in.

    Whoever set it up has imported it: looking there costs nothing, and imports nothing.
    """
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None or isinstance(
        trace.get_tracer_provider(), (trace.ProxyTracerProvider, trace.NoOpTracerProvider)
    ):  # nobody has
        return None
    event_context.running_span = lambda: _running_span(trace)
    return Tracing(service, trace)


def _running_span(trace: Any) -> str | None:
    """The `traceparent` of the span that the running code is in (W3C Trace Context)."""
    span = trace.get_current_span().get_span_context()
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}" if span.is_valid else None
