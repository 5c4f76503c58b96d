"""Headers are CloudEvents 1.0 in Kafka's binary mode, and foreign ones are read as far as they go."""

from __future__ import annotations

import datetime
import re
import uuid

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings import event
from tidings.events import context as event_context
from tidings.events.context import EventContext
from tidings.events.envelope import Envelope, headers_for, source_of
from tidings.events.ids import derived_id, new_id, seeded_ids, traceparent_of
from tidings.events.position import Position
from tidings.events.record import EventRecord, type_name_of
from tidings.events.serdes import DecodeError

NOON_MS = 1_767_268_800_123  # 2026-01-01T12:00:00.123Z


def test_first_event_of_a_workflow_carries_every_required_attribute_and_correlates_to_itself() -> None:
    event_id = new_id(NOON_MS)
    headers = dict(headers_for(event_id, source_of("shipping"), "OrderShipped", NOON_MS, EventContext()))
    assert headers.pop("traceparent")
    assert headers == {
        "content-type": b"application/json",
        "ce_specversion": b"1.0",
        "ce_id": event_id.encode(),
        "ce_source": b"/shipping",
        "ce_type": b"OrderShipped",
        "ce_time": b"2026-01-01T12:00:00.123Z",
        "ce_correlationid": event_id.encode(),
    }


def test_caused_event_keeps_correlation_and_request_and_names_its_cause() -> None:
    context = EventContext("c-1", "e-1", "00-" + "a" * 32 + "-" + "b" * 16 + "-00", "r-1", "10.0.0.7")
    envelope = Envelope(headers_for(new_id(NOON_MS), "/x", "T", NOON_MS, context))
    assert envelope.correlation_id == "c-1"
    assert envelope.causation_id == "e-1"
    assert envelope.request_id == "r-1"
    assert envelope.client_address == "10.0.0.7"
    assert envelope.traceparent is not None
    assert re.fullmatch("00-" + "a" * 32 + "-(?!b{16})[0-9a-f]{16}-00", envelope.traceparent)


def test_an_event_emitted_in_a_span_that_is_recorded_names_that_very_span(monkeypatch: pytest.MonkeyPatch) -> None:
    span = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    monkeypatch.setattr(event_context, "running_span", lambda: span)
    with event_context.using(EventContext("c-1", "e-1", "00-" + "c" * 32 + "-" + "d" * 16 + "-00")):
        envelope = Envelope(headers_for("e-2", "/x", "T", NOON_MS, event_context.current()))
        assert (envelope.traceparent, envelope.causation_id) == (span, "e-1")
        monkeypatch.setattr(event_context, "running_span", lambda: None)
        outside = Envelope(headers_for("e-2", "/x", "T", NOON_MS, event_context.current()))
        assert outside.traceparent is not None
        assert outside.traceparent.startswith("00-" + "c" * 32)


def test_attribute_names_are_what_the_specification_allows() -> None:
    context = EventContext("c", "e", None, "r", "a")
    for name, _ in headers_for("id", "/x", "T", NOON_MS, context):
        assert re.fullmatch(r"ce_[a-z0-9]{1,20}|content-type|traceparent", name)


def test_source_is_a_uri_reference_whatever_the_service_is_called() -> None:
    assert source_of("a service/ü") == "/a%20service%2F%C3%BC"


def test_foreign_record_is_read_as_far_as_it_goes() -> None:
    record = EventRecord("payload", Envelope(None), Position("orders", 2, 7), b"k", NOON_MS)
    assert record.id == "orders/2/7"
    assert record.correlation_id == "orders/2/7"
    assert record.causation_id is None
    assert record.source is None
    assert record.time == datetime.datetime(2026, 1, 1, 12, 0, 0, 123000, tzinfo=datetime.UTC)


@given(st.lists(st.tuples(st.sampled_from(["ce_id", "ce_time", "ce_type", "x"]), st.none() | st.binary(max_size=20))))
def test_no_header_of_a_stranger_upsets_reading(headers: list[tuple[str, bytes | None]]) -> None:
    record = EventRecord("payload", Envelope(headers), Position("orders", 0, 0), None, NOON_MS)
    assert record.id
    assert record.type
    assert record.time.tzinfo is not None
    assert set(record.envelope.attributes) <= {"id", "time", "type"}


def test_stream_of_one_type_needs_no_type_on_its_records() -> None:
    @event("lonely", key="id")
    class Lonely(msgspec.Struct):
        id: str

    assert type_name_of("lonely", None) == "Lonely"

    @event("lonely", key="id")
    class Second(msgspec.Struct):
        id: str

    with pytest.raises(DecodeError, match="no ce_type, and lonely holds Lonely, Second"):
        type_name_of("lonely", None)
    assert type_name_of("lonely", b"Second") == "Second"
    with pytest.raises(DecodeError, match="no text"):
        type_name_of("lonely", b"\xff")


def test_later_ids_sort_later() -> None:
    ids = [new_id(NOON_MS + n) for n in range(50)]
    assert ids == sorted(ids)
    assert {uuid.UUID(text).version for text in ids} == {7}
    assert {uuid.UUID(text).variant for text in ids} == {uuid.RFC_4122}


def test_seed_gives_the_same_ids_again() -> None:
    first, second, other = seeded_ids(1), seeded_ids(1), seeded_ids(2)
    assert first(NOON_MS) == second(NOON_MS) != other(NOON_MS)


def test_derived_id_is_the_same_whenever_and_wherever_it_is_derived() -> None:
    made = derived_id("e-1", "shipping", "dispatch", 0)
    assert made == derived_id("e-1", "shipping", "dispatch", 0)
    assert made != derived_id("e-1", "shipping", "dispatch", 1)
    assert uuid.UUID(made).version == 5


@pytest.mark.parametrize("parent", [None, "", "nonsense", "00-" + "0" * 32 + "-" + "b" * 16 + "-01", "ff-xyz"])
def test_trace_begins_anew_where_the_parent_is_none(parent: str | None) -> None:
    event_id = new_id(NOON_MS)
    digits = event_id.replace("-", "")
    assert traceparent_of(event_id, parent) == f"00-{digits}-{digits[16:]}-01"
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", traceparent_of("any text", parent))
