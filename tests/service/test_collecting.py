"""What may go together, and when: order per key holds, and nothing is in two hands."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.service.collecting import Collector, Waiting


def things(taken: object) -> list[str]:
    assert isinstance(taken, list | tuple)
    return [one.thing for one in taken]


def collector(*waiting: str, size: int = 3, due_ms: int = 100) -> Collector[str]:
    """Each is named after its key: "a1", "a2"."""
    made: Collector[str] = Collector(size)
    for name in waiting:
        made.add(name[0], name, due_ms)
    return made


def test_as_many_go_together_as_were_asked_for_as_soon_as_they_are_there() -> None:
    made = collector("a1", "b1")
    assert things(made.take(0)) == []
    made.add("c", "c1", 100)
    assert things(made.take(0)) == ["a1", "b1", "c1"]
    assert len(made) == 0


def test_fewer_go_when_the_first_of_them_is_due() -> None:
    made = collector("a1", "a2")
    assert made.due_ms == 100
    assert things(made.take(99)) == []
    assert things(made.take(100)) == ["a1", "a2"]
    assert made.due_ms is None


def test_what_is_of_a_key_in_somebodys_hands_waits_and_others_go() -> None:
    made = collector("a1", "a2", "a3", "a4", "b1")
    assert things(made.take(0)) == ["a1", "a2", "a3"]
    assert things(made.take(100)) == ["b1"]
    assert things(made.take(100)) == []
    made.release(["a"])
    assert things(made.take(100)) == ["a4"]


def test_what_waited_behind_goes_before_what_came_later() -> None:
    made = collector("a1", "a2", "a3")
    made.take(0)
    made.add("a", "a4", 100)
    made.add("b", "b1", 200)
    made.release(["a"])
    assert made.due_ms == 100
    assert things(made.take(100)) == ["a4", "b1"]


def test_what_is_dropped_is_told_and_gone() -> None:
    made = collector("a1", "a2", "a3", "a4", "b1")
    made.take(0)
    assert sorted(made.drop()) == ["a4", "b1"]
    made.release(["a"])
    assert len(made) == 0


STEP = st.one_of(
    st.tuples(st.just("add"), st.sampled_from("abc")),
    st.tuples(st.just("take"), st.integers(0, 3)),
    st.tuples(st.just("release"), st.integers(0, 3)),
)


@given(st.lists(STEP, max_size=60), st.integers(1, 4))
def test_each_key_comes_out_in_its_order_and_in_one_hand_at_a_time(steps: list[tuple[str, object]], size: int) -> None:
    made: Collector[int] = Collector(size)
    came: defaultdict[str, list[int]] = defaultdict(list)
    left: defaultdict[str, list[int]] = defaultdict(list)
    hands: list[list[Waiting[int]]] = []
    number = now_ms = 0

    def take() -> bool:
        taken = list(made.take(now_ms))
        held = {one.key for hand in hands for one in hand}
        assert not held & {one.key for one in taken}
        assert len(taken) <= size
        if taken:
            hands.append(taken)
        return bool(taken)

    def release(index: int) -> None:
        hand = hands.pop(index)
        for one in hand:
            left[str(one.key)].append(one.thing)
        made.release({one.key for one in hand})

    for step, value in steps:
        now_ms += 1
        if step == "add":
            made.add(value, number, now_ms + 5)
            came[str(value)].append(number)
            number += 1
        elif step == "take":
            take()
        elif hands:
            assert isinstance(value, int)
            release(value % len(hands))
    now_ms += 100
    while take() or hands:
        if hands:
            release(0)
    assert len(made) == 0
    assert left == came


@pytest.mark.parametrize("size", [1, 500])
def test_many_of_one_key_need_as_many_turns_as_batches(size: int) -> None:
    made: Collector[int] = Collector(size)
    for number in range(1000):
        made.add("a", number, 0)
    turns = 0
    while made.take(0):
        made.release(["a"])
        turns += 1
    assert turns == 1000 / size
