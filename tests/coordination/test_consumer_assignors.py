"""The server-side assignors: everything is assigned once, evenly, and `uniform` moves as little as it can."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from tidings.coordination.groups.consumer.assignors import ASSIGNORS, Assigned, Subscriber, assign_range, assign_uniform

A, B, C = (bytes([n]) * 16 for n in (1, 2, 3))
COUNTS = st.dictionaries(st.sampled_from([A, B, C]), st.integers(1, 12))
TOPICS = st.frozensets(st.sampled_from([A, B, C]))


def loads(assigned: Assigned) -> dict[str, int]:
    return {member_id: sum(map(len, topics.values())) for member_id, topics in assigned.items()}


def subscribers(topics: dict[str, frozenset[bytes]], before: Assigned | None = None) -> dict[str, Subscriber]:
    return {
        member_id: Subscriber(
            topic_ids, {topic: frozenset(p) for topic, p in (before or {}).get(member_id, {}).items()}
        )
        for member_id, topic_ids in topics.items()
    }


def moved(before: Assigned, after: Assigned) -> int:
    """Partitions that had an owner, who still is there, and now have another."""
    owner = {(t, p): m for m, topics in after.items() for t, partitions in topics.items() for p in partitions}
    return sum(
        owner.get((t, p), m) != m
        for m, topics in before.items()
        if m in after
        for t, partitions in topics.items()
        for p in partitions
    )


@pytest.mark.parametrize("name", list(ASSIGNORS))
@settings(deadline=None)
@given(topics=st.dictionaries(st.sampled_from("abcdef"), TOPICS), counts=COUNTS)
def test_every_partition_that_somebody_reads_is_assigned_once_to_a_reader(
    name: str, topics: dict[str, frozenset[bytes]], counts: dict[bytes, int]
) -> None:
    assigned = ASSIGNORS[name](subscribers(topics), counts)
    given_out = [(t, p) for parts in assigned.values() for t, partitions in parts.items() for p in partitions]
    read = frozenset[bytes]().union(*topics.values()) & counts.keys()
    assert len(given_out) == len(set(given_out))
    assert set(given_out) == {(topic, p) for topic in read for p in range(counts[topic])}
    assert all(set(parts) <= topics[member_id] for member_id, parts in assigned.items())


@settings(deadline=None)
@given(
    before=st.sets(st.sampled_from("abcdefgh"), min_size=1),
    after=st.sets(st.sampled_from("abcdefgh"), min_size=1),
    counts=COUNTS,
    more=COUNTS,
)
def test_uniform_is_even_and_moves_only_what_it_must_when_all_read_the_same(
    before: set[str], after: set[str], counts: dict[bytes, int], more: dict[bytes, int]
) -> None:
    everything = frozenset({A, B, C})
    first = assign_uniform(subscribers(dict.fromkeys(sorted(before), everything)), counts)
    assert max(loads(first).values()) - min(loads(first).values()) <= 1
    grown = {topic: max(counts.get(topic, 0), more.get(topic, 0)) for topic in counts | more}
    second = assign_uniform(subscribers(dict.fromkeys(sorted(after), everything), first), grown)
    assert max(loads(second).values(), default=0) - min(loads(second).values(), default=0) <= 1
    # Who stays gives away no more than what exceeds its share of the whole.
    total = sum(grown.values())
    share, extra = divmod(total, len(after))
    had = sorted((loads(first)[m] for m in before & after), reverse=True)
    excess = sum(max(0, load - share - (place < extra)) for place, load in enumerate(had))
    assert moved(first, second) <= excess


@settings(deadline=None)
@given(topics=st.dictionaries(st.sampled_from("abcdef"), TOPICS), counts=COUNTS)
def test_uniform_cannot_be_made_more_even_by_moving_one_partition(
    topics: dict[str, frozenset[bytes]], counts: dict[bytes, int]
) -> None:
    assigned = assign_uniform(subscribers(topics), counts)
    load = loads(assigned)
    for member_id, parts in assigned.items():
        for topic_id in parts:
            assert all(load[member_id] <= load[other] + 1 for other in topics if topic_id in topics[other])


@settings(deadline=None)
@given(topics=st.dictionaries(st.sampled_from("abcdef"), TOPICS), counts=COUNTS)
def test_uniform_changes_nothing_when_nothing_changed(
    topics: dict[str, frozenset[bytes]], counts: dict[bytes, int]
) -> None:
    first = assign_uniform(subscribers(topics), counts)
    assert assign_uniform(subscribers(topics, first), counts) == first


def test_uniform_spreads_each_topic() -> None:
    assigned = assign_uniform(subscribers(dict.fromkeys("abc", frozenset({A, B}))), {A: 3, B: 3})
    assert all(set(parts) == {A, B} for parts in assigned.values())


def test_range_gives_neighbours_and_the_same_of_topics_that_are_alike() -> None:
    assigned = assign_range(subscribers(dict.fromkeys("abc", frozenset({A, B}))), {A: 7, B: 7})
    assert assigned == {
        "a": {A: {0, 1, 2}, B: {0, 1, 2}},
        "b": {A: {3, 4}, B: {3, 4}},
        "c": {A: {5, 6}, B: {5, 6}},
    }


def test_range_knows_a_static_member_by_its_instance_id() -> None:
    def assign(member_id: str) -> Assigned:
        members = {"b": Subscriber(frozenset({A}), {}, "x"), member_id: Subscriber(frozenset({A}), {}, "y")}
        return assign_range(members, {A: 2})

    assert assign("a")["a"] == assign("c")["c"] == {A: {1}}
