"""Deadlines against a dictionary that says the same, slowly."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidings.coordination.timers import Timers

KEYS = [("a",), ("b",), ("c", "1")]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.sampled_from(KEYS), st.integers(0, 50)),
        st.tuples(st.just("cancel"), st.sampled_from(KEYS), st.just(0)),
        st.tuples(st.just("pass"), st.sampled_from(KEYS), st.integers(0, 20)),
    ),
    max_size=60,
)


@given(STEPS)
def test_each_deadline_comes_due_once_and_in_its_time(steps: list[tuple[str, tuple[str, ...], int]]) -> None:
    timers, model, now = Timers(), dict[tuple[str, ...], int](), 0
    for step, key, amount in steps:
        if step == "set":
            timers.set(key, now + amount)
            model[key] = now + amount
        elif step == "cancel":
            timers.cancel(key)
            model.pop(key, None)
        else:
            now += amount
            due = {key for key, deadline in model.items() if deadline <= now}
            found = list(timers.due(now))
            assert sorted(found) == sorted(due)
            for key in due:
                del model[key]
        next_deadline = timers.next_deadline_ms()
        assert (next_deadline is None) == (not model)
        if next_deadline is not None:
            assert next_deadline <= min(model.values())


def test_a_deadline_set_while_others_come_due_is_met_in_the_same_round() -> None:
    timers = Timers()
    timers.set(("a",), 5)
    seen = []
    for key in timers.due(10):
        seen.append(key)
        if key == ("a",):
            timers.set(("b",), 7)
    assert seen == [("a",), ("b",)]


def test_moving_a_deadline_back_a_thousand_times_keeps_one_entry() -> None:
    timers = Timers()
    for later in range(1000):
        timers.set(("a",), 100 + later)
    assert len(timers._heap) == 1
    assert list(timers.due(1098)) == []
    assert list(timers.due(1099)) == [("a",)]
