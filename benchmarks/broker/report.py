"""A run as tables: for the terminal, and for docs/performance.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.broker import plot
from benchmarks.broker.brokers import KAFKA
from benchmarks.rendering import COLOURS, VERDICTS, heading, marks, number, put_between, remarks, target_text, values
from benchmarks.results import TIDINGS, Figure, Results, tables

BEGIN, END = marks("benchmarks.broker")
MOST = 1.5


@dataclass(frozen=True)
class Row:
    """A figure as text."""

    name: str
    ours: str
    theirs: str
    ratio: str
    target: str
    met: bool | None

    @property
    def verdict(self) -> str:
        return VERDICTS[self.met]


def row(figure: Figure) -> Row:
    ratio = figure.ratio(KAFKA)
    return Row(
        name=figure.quantity.name,
        ours=values(figure, TIDINGS),
        theirs=values(figure, KAFKA),
        ratio="" if ratio is None else f"{number(ratio)}x",
        target=target_text(figure.quantity.target, figure.quantity.unit),
        met=figure.met(KAFKA),
    )


def summary(results: Results) -> str:
    """One sentence on the targets."""
    held = [met for figure in results.figures if (met := figure.met(KAFKA)) is not None]
    speeds = [figure for figure in results.figures if figure.quantity.unit == "MB/s"]
    compared = [ratio for figure in speeds if (ratio := figure.ratio(KAFKA))]
    most = sum(ratio >= MOST for ratio in compared)
    told = f"{sum(held)} of {len(held)} targets met"
    return f"{told}; {most} of {len(compared)} throughputs are {MOST:g}x Kafka's or more." if compared else f"{told}."


def show(results: Results, console: Console) -> None:
    """For people at a terminal."""
    for title, figures in tables(results.figures).items():
        table = Table(title=title, title_justify="left", title_style="bold", box=None, header_style="bright_black")
        table.add_column("", no_wrap=True)
        for column in (TIDINGS, KAFKA, "ratio", "target", ""):
            table.add_column(column, justify="right", no_wrap=True)
        for figure in figures:
            shown = row(figure)
            verdict = f"[{COLOURS[shown.met]}]{shown.verdict}[/]"
            table.add_row(shown.name, shown.ours, shown.theirs, shown.ratio, shown.target, verdict)
        console.print(table)
        console.print()
    console.print(summary(results))
    for text in (*results.notes, *results.failures):
        console.print(text, style="yellow", markup=False)


def markdown(results: Results) -> str:
    """The same as Markdown, with what it was measured on."""
    parts = [*heading(results), summary(results)]
    for title, figures in tables(results.figures).items():
        rows = [row(figure) for figure in figures]
        lines = [f"| {title} | {TIDINGS} | {KAFKA} | ratio | target | |", "|---|---:|---:|---:|---:|---|"]
        lines += [f"| {e.name} | {e.ours} | {e.theirs} | {e.ratio} | {e.target} | {e.verdict} |" for e in rows]
        parts.append("\n".join(lines))
    return "\n\n".join([*parts, *remarks(results)])


def write_docs(page: Path, runs: Sequence[Results]) -> None:
    """Put `runs` between the marks in `page`, and their plot beside it. Raises ValueError without the marks."""
    drawing = page.with_suffix(".svg")
    image = f"![How many times better Tidings is than Apache Kafka, figure by figure]({drawing.name})"
    put_between(BEGIN, END, page, [image, *map(markdown, runs)])
    drawing.write_text(plot.svg([figure for results in runs for figure in results.figures]))
