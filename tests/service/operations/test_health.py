"""A service is judged by what is seen of it, and the judgement says why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tidings.service.operations.health import LOOP_STILL_S_MAX, POLL_S_MAX, why_not_live, why_not_ready
from tidings.service.operations.state import ConsumerState, LoopState, ServiceState, TableState

TURNING = LoopState()
WELL = ServiceState(
    "shipping",
    running=True,
    begun=True,
    consumers=(ConsumerState(joined=True, done={("orders", 0): 12}, polled_s_ago=0.1),),
    tables=(TableState("CustomerChanged", "customers", caught_up=True),),
)


def test_a_service_that_does_its_work_lives_and_is_ready() -> None:
    assert why_not_live(WELL, TURNING) == why_not_ready(WELL, TURNING) == []


def test_a_loop_that_stands_still_is_no_life_and_it_is_said_where() -> None:
    (why,) = why_not_live(WELL, LoopState(LOOP_STILL_S_MAX + 2, "dispatch (shop/shipping.py:17)"))
    assert why == "the event loop has stood still for 12 s in dispatch (shop/shipping.py:17): something blocks it"
    assert why_not_live(WELL, LoopState(LOOP_STILL_S_MAX / 2)) == []


def test_a_consumer_that_does_not_poll_is_no_life() -> None:
    stuck = replace(WELL, consumers=(ConsumerState(joined=True, polled_s_ago=POLL_S_MAX + 1),))
    assert why_not_live(stuck, TURNING) == ["its consumer has not polled for 31 s"]


def test_a_transport_that_does_not_tell_of_polls_is_not_suspected() -> None:
    assert why_not_live(replace(WELL, consumers=(ConsumerState(joined=True),)), TURNING) == []


def test_a_service_that_fell_over_is_no_life() -> None:
    assert why_not_live(replace(WELL, failure="DiskError: full"), TURNING) == ["it fell over: DiskError: full"]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (replace(WELL, running=False), "it does not run"),
        (replace(WELL, begun=False, consumers=()), "it is starting"),
        (
            replace(WELL, tables=(TableState("CustomerChanged", "customers", caught_up=False),)),
            "its table of CustomerChanged has not caught up",
        ),
        (replace(WELL, consumers=(ConsumerState(joined=False),)), "its group has not dealt it its partitions"),
    ],
)
def test_what_a_service_waits_for_keeps_it_from_being_ready_and_not_from_living(state: ServiceState, said: str) -> None:
    assert why_not_live(state, TURNING) == []
    assert why_not_ready(state, TURNING) == [said]


def test_a_member_for_which_there_are_no_partitions_is_ready() -> None:
    assert why_not_ready(replace(WELL, consumers=(ConsumerState(joined=True, done={}),)), TURNING) == []


def test_a_service_that_only_emits_is_ready_when_it_runs() -> None:
    assert why_not_ready(ServiceState("orders", running=True, begun=True), TURNING) == []


def test_a_broker_that_is_away_makes_nobody_less_alive() -> None:
    assert why_not_live(WELL, TURNING) == []
    assert why_not_ready(WELL, TURNING, "no route to host") == ["the broker does not answer: no route to host"]


def test_who_does_not_live_is_not_ready_either() -> None:
    assert "it fell over: X: y" in why_not_ready(replace(WELL, failure="X: y"), TURNING)
