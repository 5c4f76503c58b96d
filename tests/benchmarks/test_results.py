"""What a run says: ratios, targets, tables, the plot, and the part of a page that is generated."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from benchmarks.broker import plot, report
from benchmarks.broker.brokers import KAFKA
from benchmarks.broker.quantities import P99, THROUGHPUT
from benchmarks.quantities import Quantity, limit
from benchmarks.results import TIDINGS, Figure, Results, read

SPEED = Quantity("Throughput", "produce <1 KiB>", "MB/s", True, THROUGHPUT)
LATENCY = Quantity("Latency", "p99", "µs", target=P99)


def run(*measured: tuple[Quantity, list[float], list[float]]) -> Results:
    results = Results("python -m benchmarks.broker", "a machine", {TIDINGS: "1"}, "2026-01-01", 2, {})
    for quantity, ours, theirs in measured:
        for value in ours:
            results.add(quantity, TIDINGS, value)
        for value in theirs:
            results.add(quantity, KAFKA, value)
    return results


@pytest.mark.parametrize(
    ("quantity", "ours", "theirs", "better", "met"),
    [
        (SPEED, 300.0, 100.0, 3.0, True),
        (SPEED, 99.0, 100.0, 0.99, False),
        (LATENCY, 40.0, 100.0, 2.5, True),
        (LATENCY, 60.0, 100.0, 1 / 0.6, False),
        (Quantity("Memory", "with clients", "MB", target=limit(512)), 500.0, 100.0, 0.2, True),
        (Quantity("Memory", "with clients", "MB", target=limit(512)), 513.0, 1000.0, 1000 / 513, False),
        (Quantity("Work", "no target", "s/GB"), 1.0, 2.0, 2.0, None),
    ],
)
def test_a_figure_is_held_against_its_target(
    quantity: Quantity, ours: float, theirs: float, better: float, met: bool | None
) -> None:
    (figure,) = run((quantity, [ours], [theirs])).figures
    assert figure.times_better(KAFKA) == pytest.approx(better)
    assert figure.met(KAFKA) is met


def test_a_figure_that_kafka_lacks_has_no_ratio_and_meets_nothing() -> None:
    (figure,) = run((SPEED, [300.0], [])).figures
    assert (figure.ratio(KAFKA), figure.times_better(KAFKA), figure.met(KAFKA)) == (None, None, None)


def test_medians_stand_beside_the_lowest_and_the_highest() -> None:
    (figure,) = run((SPEED, [100.0, 300.0, 120.0], [100.0, 90.0, 110.0])).figures
    shown = report.row(figure)
    assert shown.ours == "120 MB/s (100 to 300)"
    assert (shown.ratio, shown.target, shown.verdict) == ("1.20x", "≥ 1x", "met")


def test_results_come_back_from_their_file_as_they_were(tmp_path: Path) -> None:
    results = run((SPEED, [1.5, 2.5], [1.0, 1.0]), (LATENCY, [3.0], [7.0]))
    results.failures.append("something")
    results.write(tmp_path / "deeper" / "run.json")
    assert read(tmp_path / "deeper" / "run.json") == results


def test_only_what_is_between_the_marks_is_written_anew(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"by hand\n{report.BEGIN}\nold\n{report.END}\nalso by hand\n")
    report.write_docs(page, [run((SPEED, [2.0, 2.0], [1.0, 1.0]))])
    once = page.read_text()
    assert once.startswith(f"by hand\n{report.BEGIN}\n")
    assert once.endswith(f"{report.END}\nalso by hand\n")
    assert "| produce <1 KiB> | 2.00 MB/s (2.00 to 2.00) |" in once
    assert "\nold\n" not in once
    report.write_docs(page, [run((SPEED, [2.0, 2.0], [1.0, 1.0]))])
    assert page.read_text() == once


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("by hand")
    with pytest.raises(ValueError, match=r"performance\.md has no"):
        report.write_docs(page, [])
    assert page.read_text() == "by hand"


def test_the_plot_has_a_dot_for_each_figure_that_both_have() -> None:
    figures = run((SPEED, [2.0, 4.0], [1.0, 1.0]), (LATENCY, [3.0], []), (LATENCY, [1.0], [200.0])).figures
    figures.append(Figure(Quantity("Throughput", "only ours", "MB/s", True), {TIDINGS: [1.0]}))
    drawing = ElementTree.fromstring(plot.svg(figures))
    assert len(drawing.findall(".//{*}circle")) == 2
    assert "produce <1 KiB>" in [text.text for text in drawing.findall(".//{*}text")]


def test_a_plot_of_nothing_is_a_plot() -> None:
    assert ElementTree.fromstring(plot.svg([])).findall(".//{*}circle") == []
