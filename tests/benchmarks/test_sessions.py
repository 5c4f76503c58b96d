"""Which scenarios a command chooses."""

from __future__ import annotations

import pytest
from benchmarks.broker import runner, sessions
from benchmarks.broker.__main__ import options


def names(*scenarios: str, further: bool = False) -> list[str]:
    found = sessions.chosen(scenarios, further=further, durability=None)
    return [scenario.name for session in found for scenario in session.scenarios]


def test_without_names_each_scenario_is_in_one_of_the_two_runs() -> None:
    standard, further = set(names()), set(names(further=True))
    assert standard | further == set(sessions.NAMES)
    assert not standard & further


def test_a_named_scenario_is_run_with_each_durability_that_it_has_and_nothing_else_is() -> None:
    assert names("requests") == ["requests", "requests"]
    (session,) = sessions.chosen(["requests"], further=False, durability="fsync")
    assert session.durability == "fsync"


def test_a_further_scenario_can_be_named_alone() -> None:
    assert names("tail") == ["tail"]


def test_what_takes_long_is_done_in_fewer_rounds() -> None:
    tail = sessions.chosen(["tail"], further=True, durability=None)
    assert runner.steps(tail, 5, ["Tidings", "Apache Kafka"]) == 2


def test_an_unknown_scenario_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options(["requets"])
    assert "no such scenario: requets; there are start," in capsys.readouterr().err
