"""A workflow is rebuilt from records alone, whatever their order and whatever is missing."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from tidings.events.position import Position
from tidings.service.trace import Sighting, Step, find, sighting, workflows


def event(
    event_id: str, cause: str | None = None, *, workflow: str = "w", at_ms: float = 0, key: str | None = None
) -> Sighting:
    return Sighting(
        Position("orders", 0, int(at_ms)),
        at_ms,
        key=key,
        id=event_id,
        type="Something",
        correlation_id=workflow,
        causation_id=cause,
    )


def shape(step: Step) -> tuple[str | None, list[object]]:
    return step.event.id, [shape(effect) for effect in step.effects]


def test_each_event_hangs_below_the_one_that_caused_it() -> None:
    events = [
        event("received", at_ms=0),
        event("shipped", "received", at_ms=5),
        event("charged", "received", at_ms=7),
        event("priced", "shipped", at_ms=9),
    ]
    for seed in range(10):
        random.Random(seed).shuffle(events)
        (workflow,) = workflows(events)
        assert [shape(root) for root in workflow.roots] == [
            ("received", [("shipped", [("priced", [])]), ("charged", [])])
        ]
        assert (workflow.start_ms, workflow.end_ms) == (0, 9)


def test_an_event_whose_cause_is_out_of_sight_becomes_a_root() -> None:
    (workflow,) = workflows([event("shipped", "gone", at_ms=1), event("priced", "shipped", at_ms=2)])
    assert [shape(root) for root in workflow.roots] == [("shipped", [("priced", [])])]


def test_the_same_event_recorded_twice_is_one_step_and_says_so() -> None:
    twice = [event("received"), event("shipped", "received", at_ms=1), event("shipped", "received", at_ms=2)]
    (workflow,) = workflows(twice)
    (shipped,) = workflow.roots[0].effects
    assert [again.position.offset for again in shipped.again] == [2]


def test_an_event_without_correlation_belongs_to_the_workflow_it_began() -> None:
    first = Sighting(Position("orders", 0, 0), 0, id="received")
    (workflow,) = workflows([first, event("shipped", "received", workflow="received", at_ms=1)])
    assert len(workflow) == 2


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh")))
def test_whatever_causes_are_claimed_every_event_is_in_the_tree_once(causes: dict[str, str]) -> None:
    events = [event(name, causes.get(name), at_ms=at) for at, name in enumerate("abcdefgh")]
    (workflow,) = workflows(events)
    assert sorted(step.event.id or "" for _, step in workflow.steps()) == list("abcdefgh")


def test_the_workflow_is_found_by_event_id_by_key_and_by_correlation_id() -> None:
    log = [
        event("shipped", "received", workflow="w1", at_ms=5, key="order-1"),  # met before its cause
        event("received", workflow="w1", at_ms=0, key="order-1"),
        event("priced", "shipped", workflow="w1", at_ms=9, key="p-7"),
        event("other", workflow="w2", at_ms=3, key="order-2"),
    ]
    for query in ("received", "priced", "order-1", "p-7", "w1"):
        (workflow,) = find(query, lambda: log)
        assert len(workflow) == 3
    assert find("order-9", lambda: log) == []


def test_a_key_of_many_workflows_finds_them_all_oldest_first() -> None:
    log = [event(f"e{n}", workflow=f"w{n}", at_ms=n, key="p-7") for n in (3, 1, 2)]
    assert [workflow.id for workflow in find("p-7", lambda: log)] == ["w1", "w2", "w3"]


def test_a_record_is_read_from_its_cloudevents_headers() -> None:
    seen = sighting(
        Position("orders", 1, 42),
        1_700_000_000_000,
        b"order-1",
        [
            ("ce_id", b"e1"),
            ("ce_type", b"OrderReceived"),
            ("ce_source", b"orders"),
            ("ce_time", b"2026-01-02T03:04:05.678901Z"),
            ("ce_correlationid", b"w1"),
            ("ce_causationid", b"e0"),
            ("ce_requestid", b"r-17"),
        ],
    )
    assert (seen.key, seen.id, seen.type, seen.source) == ("order-1", "e1", "OrderReceived", "orders")
    assert (seen.correlation_id, seen.causation_id) == ("w1", "e0")
    assert seen.time_ms == 1767323045678.901
    assert seen.request_id == "r-17"


def test_a_record_of_any_other_client_is_shown_with_what_it_has() -> None:
    seen = sighting(Position("orders", 0, 0), 1_700_000_000_000, b"\xff", None)
    assert (seen.time_ms, seen.key, seen.id) == (1_700_000_000_000, "�", None)
    assert workflows([seen]) == []


def test_headers_that_are_no_times_and_no_text_do_no_harm() -> None:
    seen = sighting(Position("orders", 0, 0), 7, None, [("ce_time", b"yesterday"), ("ce_id", None), ("x", b"\xff")])
    assert (seen.time_ms, seen.id) == (7, None)


def test_a_workflow_of_ten_thousand_steps_in_a_row_is_rebuilt() -> None:
    chain = [event(str(n), str(n - 1), at_ms=n) for n in range(10_000)]
    (workflow,) = workflows(chain)
    assert [depth for depth, _ in workflow.steps()] == list(range(10_000))
