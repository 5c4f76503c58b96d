"""What a run of the services' benchmark says: columns, verdicts, what somebody cannot do."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.results import TIDINGS, Results
from benchmarks.service import report, runner
from benchmarks.service.__main__ import options
from benchmarks.service.cases import BESIDE_FASTSTREAM, CASES, FRAMEWORK_COST, Case
from benchmarks.service.competitors import (
    AIOKAFKA,
    COMPETITORS,
    FASTSTREAM_AIOKAFKA,
    FASTSTREAM_CONFLUENT,
    LIBRDKAFKA,
    NO_TRANSACTIONS,
)
from benchmarks.service.peers.task import Task
from benchmarks.service.runner import Round
from benchmarks.service.scene import Scene
from benchmarks.service.turn import Outcome

CASE = {case.name: case for case in CASES}


def run(*measured: tuple[Case, str, list[float]]) -> Results:
    results = Results("python -m benchmarks.service", "a machine", {TIDINGS: "1"}, "2026-01-01", 3, {})
    for case, name, rates in measured:
        for rate in rates:
            results.add(case.quantity, name, rate)
    return results


def test_a_row_has_a_cell_for_each_who_was_measured() -> None:
    results = run((CASE["typed"], TIDINGS, [90_000, 120_000, 110_000]), (CASE["typed"], AIOKAFKA, [60_000]))
    (figure,) = results.figures
    names = report.columns([figure])
    assert names == [TIDINGS, AIOKAFKA]
    assert report.row(figure, names) == [
        "typed handler",
        "110,000 (90,000 to 120,000)",
        "60,000",
        "≥ 100,000/s",
        "met",
    ]


def test_what_somebody_has_no_way_to_do_is_said_with_the_reason() -> None:
    results = run((CASE["exactly-once"], TIDINGS, [40_000]), (CASE["at-least-once"], FASTSTREAM_CONFLUENT, [4_000]))
    shown = report.markdown(results)
    assert "| exactly once | 40,000 | cannot | ≥ 50,000/s | missed |" in shown
    assert "| at least once | - | 4,000 |  |  |" in shown
    assert f"- {NO_TRANSACTIONS}" in shown
    assert "0 of 1 targets met." in shown


def test_the_page_has_a_place_for_it() -> None:
    page = Path(report.__file__).parents[2] / "docs" / "performance-services.md"
    assert report.BEGIN in page.read_text()
    assert report.END in page.read_text()


def test_two_figures_of_a_round_make_one(tmp_path: Path) -> None:
    results = run()
    this = Round(Scene("", None, tmp_path, None, results.add, print), results)  # type: ignore[arg-type]
    for name, rate, work_us in (
        (TIDINGS, 100_000.0, 12.0),
        (FASTSTREAM_CONFLUENT, 4_000.0, 250.0),
        (FASTSTREAM_AIOKAFKA, 5_000.0, 200.0),
        (LIBRDKAFKA, 500_000.0, 3.0),
    ):
        this.add(CASE["typed"], COMPETITORS[name], Outcome(rate, work_us, {}, whole=True))
    this.compare()
    found = {figure.quantity: figure for figure in results.figures}
    assert (found[BESIDE_FASTSTREAM].median(TIDINGS), found[BESIDE_FASTSTREAM].met()) == (20.0, True)
    assert (found[FRAMEWORK_COST].median(TIDINGS), found[FRAMEWORK_COST].met()) == (9.0, True)


def test_turns_are_those_of_who_can() -> None:
    everybody = list(COMPETITORS)
    assert runner.steps([CASE["typed"]], [], everybody, rounds=2) == 2 * len(everybody)
    assert runner.steps([CASE["exactly-once"]], [], everybody, rounds=1) == len(everybody) - 2
    assert runner.steps([CASE["typed-ack-first"]], ["table"], everybody, rounds=1) == 2 + 1


def test_a_task_arrives_as_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task("typed", "127.0.0.1:9092", "group", "orders", "", 10, 2.5, marks=5)
    monkeypatch.setattr("sys.argv", ["program", task.told()])
    assert Task.given() == task


def test_an_unknown_scenario_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options(["typd"])
    assert "no such scenario: typd; there are typed," in capsys.readouterr().err
