"""The envelope: what surrounds a payload, as CloudEvents 1.0 in Kafka's binary mode puts it into headers.

    content-type       application/json
    ce_specversion     1.0
    ce_id              of this event
    ce_source          who emitted it: "/" and the service's name
    ce_type            the event's type
    ce_time            when it was emitted
    ce_correlationid   of the whole workflow         (CloudEvents extension "Correlation")
    ce_causationid     of the event that led to it   (the same)
    traceparent        W3C Trace Context, under the name that OpenTelemetry's Kafka instrumentation reads: the span it
                       was emitted in, where spans are recorded; else one that is named after the event
    ce_requestid       of the request that was being answered when it was emitted
    ce_clientaddress   where that request came from

Names of attributes are lower-case letters and digits, as the specification wants them. Reading is lenient: other
producers leave out what they like.

Specification: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote, unquote

from tidings.events.context import EventContext
from tidings.events.ids import traceparent_of, traceparent_of_answer
from tidings.events.serdes import CONTENT_TYPE

Headers = list[tuple[str, bytes | None]]

TYPE = "ce_type"
ID = "ce_id"


def source_of(service: str) -> str:
    """A service's name as the URI reference that `ce_source` is."""
    return "/" + quote(service, safe="-._~")


def service_of(source: str) -> str:
    """The name of the service that has this `ce_source`; another producer's source as it is."""
    return unquote(source.removeprefix("/"))


def headers_for(event_id: str, source: str, type_name: str, time_ms: int, context: EventContext) -> Headers:
    """The headers of a new event. It begins a workflow of its own when `context` knows of none."""
    parent = context.traceparent
    traceparent = parent if parent is not None and context.in_span else traceparent_of(event_id, parent)
    headers: Headers = [
        ("content-type", _CONTENT_TYPE),
        ("ce_specversion", b"1.0"),
        (ID, event_id.encode()),
        ("ce_source", source.encode()),
        (TYPE, type_name.encode()),
        ("ce_time", _time_text(time_ms)),
        ("ce_correlationid", (context.correlation_id or event_id).encode()),
        ("traceparent", traceparent.encode()),
    ]
    if context.causation_id is not None:
        headers.append(("ce_causationid", context.causation_id.encode()))
    if context.request_id is not None:
        headers.append(("ce_requestid", context.request_id.encode()))
    if context.client_address is not None:
        headers.append(("ce_clientaddress", context.client_address.encode()))
    return headers


class Answers:
    """The headers of what answers one record: as `headers_for` makes them in the context of that record, but its own
    headers are read once, and not made text and bytes again on the way. Most of what services write is made here."""

    __slots__ = ("_inherited", "_parent", "cause_id")

    def __init__(self, cause: Iterable[tuple[str, bytes | None]], position: object) -> None:
        """`position` gives an id to a record that brings none."""
        values = dict(cause)
        cause_id = _valid(values.get(ID)) or str(position).encode()
        self.cause_id = cause_id
        self._parent = values.get("traceparent") or values.get("ce_traceparent")
        correlation_id = _valid(values.get("ce_correlationid")) or cause_id
        self._inherited: Headers = [("ce_correlationid", correlation_id), ("ce_causationid", cause_id)]
        for name in ("ce_requestid", "ce_clientaddress"):
            value = values.get(name)
            if value is not None and _valid(value) is not None:
                self._inherited.append((name, value))

    def headers(self, event_id: str, source: bytes, type_name: bytes, time_ms: int) -> Headers:
        correlation, *others = self._inherited
        return [
            _CONTENT_TYPE_HEADER,
            _SPECVERSION_HEADER,
            (ID, event_id.encode()),
            ("ce_source", source),
            (TYPE, type_name),
            ("ce_time", _time_text(time_ms)),
            correlation,
            ("traceparent", traceparent_of_answer(event_id, self._parent)),
            *others,
        ]


def _valid(value: bytes | None) -> bytes | None:
    """None for what is no text."""
    if value is None or value.isascii():
        return value
    try:
        value.decode()
    except UnicodeDecodeError:
        return None
    return value


class Envelope:
    """The headers of a record that was read. What is missing or no text is None."""

    __slots__ = ("_values", "headers")

    def __init__(self, headers: Iterable[tuple[str, bytes | None]] | None) -> None:
        self.headers: Headers = list(headers or ())
        self._values = dict(self.headers)

    def attribute(self, name: str) -> str | None:
        """A CloudEvents attribute, by its name in the specification: "id", "subject", …"""
        return self._text("ce_" + name)

    @property
    def attributes(self) -> dict[str, str]:
        """Every CloudEvents attribute, extensions among them."""
        found = {name[3:]: self._text(name) for name in self._values if name.startswith("ce_")}
        return {name: text for name, text in found.items() if text is not None}

    @property
    def id(self) -> str | None:
        return self._text(ID)

    @property
    def source(self) -> str | None:
        return self._text("ce_source")

    @property
    def type(self) -> str | None:
        return self._text(TYPE)

    @property
    def time(self) -> datetime | None:
        text = self._text("ce_time")
        try:
            time = datetime.fromisoformat(text) if text else None
        except ValueError:
            return None
        return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time

    @property
    def correlation_id(self) -> str | None:
        return self._text("ce_correlationid")

    @property
    def causation_id(self) -> str | None:
        return self._text("ce_causationid")

    @property
    def traceparent(self) -> str | None:
        return self._text("traceparent") or self._text("ce_traceparent")

    @property
    def request_id(self) -> str | None:
        return self._text("ce_requestid")

    @property
    def client_address(self) -> str | None:
        return self._text("ce_clientaddress")

    def as_context(self, event_id: str) -> EventContext:
        """What the events inherit that this one, which has the id `event_id`, leads to."""
        get = self._values.get
        correlation, trace = get("ce_correlationid"), get("traceparent") or get("ce_traceparent")
        request, client = get("ce_requestid"), get("ce_clientaddress")
        try:
            return EventContext(
                correlation.decode() if correlation else event_id,
                event_id,
                None if trace is None else trace.decode(),
                None if request is None else request.decode(),
                None if client is None else client.decode(),
            )
        except UnicodeDecodeError:  # what is no text is left out
            correlation_id = self.correlation_id or event_id
            return EventContext(correlation_id, event_id, self.traceparent, self.request_id, self.client_address)

    def _text(self, name: str) -> str | None:
        return text_of(self._values, name)


def text_of(headers: Mapping[str, bytes | None], name: str) -> str | None:
    """What a header says; None where it is missing or no text."""
    value = headers.get(name)
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


_CONTENT_TYPE = CONTENT_TYPE.encode()
_CONTENT_TYPE_HEADER = ("content-type", _CONTENT_TYPE)
_SPECVERSION_HEADER = ("ce_specversion", b"1.0")


@lru_cache(maxsize=16)  # what comes of one batch comes within a few milliseconds
def _time_text(time_ms: int) -> bytes:
    """RFC 3339 in UTC, to the millisecond."""
    return (datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z").encode()
