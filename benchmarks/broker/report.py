"""A run as tables: for the terminal, and for docs/performance.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.broker import plot
from benchmarks.broker.brokers import KAFKA, TIDINGS
from benchmarks.broker.quantities import Target
from benchmarks.broker.results import Figure, Results, tables

BEGIN = "<!-- benchmarks.broker: from here on it is generated; `python -m benchmarks.broker --render` makes it anew -->"
END = "<!-- benchmarks.broker: to here -->"
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
        return {True: "met", False: "missed", None: ""}[self.met]


def row(figure: Figure) -> Row:
    ratio = "" if figure.ratio is None else f"{number(figure.ratio)}x"
    target = _target(figure.quantity.target, figure.quantity.unit)
    return Row(figure.quantity.name, _values(figure, TIDINGS), _values(figure, KAFKA), ratio, target, figure.met)


def number(value: float) -> str:
    """Three digits, or all before the point; of what is very small one that is not 0."""
    if value == 0 or value >= 100:
        return f"{value:,.0f}"
    if value < 0.01:
        return f"{value:.1g}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _values(figure: Figure, broker: str) -> str:
    middle = figure.median(broker)
    if middle is None:
        return "-"
    lowest, highest = figure.spread(broker)
    spread = f" ({number(lowest)} to {number(highest)})" if len(figure.values[broker]) > 1 else ""
    return f"{number(middle)} {figure.quantity.unit}{spread}"


def _target(target: Target | None, unit: str) -> str:
    if target is None:
        return ""
    sign = "≥" if target.bound == "at least" else "≤"
    return f"{sign} {target.value:g}x" if target.beside or unit == "x" else f"{sign} {target.value:g} {unit}"


def summary(results: Results) -> str:
    """One sentence on the targets."""
    held = [figure.met for figure in results.figures if figure.met is not None]
    compared = [figure.ratio for figure in results.figures if figure.quantity.unit == "MB/s" and figure.ratio]
    most = sum(ratio >= MOST for ratio in compared)
    told = f"{sum(held)} of {len(held)} targets met"
    return f"{told}; {most} of {len(compared)} throughputs are {MOST:g}x Kafka's or more." if compared else f"{told}."


def show(results: Results, console: Console) -> None:
    """For people at a terminal."""
    for title, figures in tables(results.figures).items():
        table = Table(title=title, title_justify="left", title_style="bold", box=None, header_style="bright_black")
        table.add_column("", no_wrap=True)
        for heading in (TIDINGS, KAFKA, "ratio", "target", ""):
            table.add_column(heading, justify="right", no_wrap=True)
        for figure in figures:
            shown = row(figure)
            colour = {True: "green", False: "red", None: "default"}[shown.met]
            verdict = f"[{colour}]{shown.verdict}[/]"
            table.add_row(shown.name, shown.ours, shown.theirs, shown.ratio, shown.target, verdict)
        console.print(table)
        console.print()
    console.print(summary(results))
    for text in (*results.notes, *results.failures):
        console.print(text, style="yellow", markup=False)


def markdown(results: Results) -> str:
    """The same as Markdown, with what it was measured on."""
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    medians = f"medians of {results.rounds}, lowest and highest in brackets" if results.rounds > 1 else "one round"
    parts = [f"```console\n$ {results.command}\n```", f"{results.machine}; {versions}; {results.day}; {medians}."]
    parts.append(summary(results))
    for title, figures in tables(results.figures).items():
        rows = [row(figure) for figure in figures]
        lines = [f"| {title} | {TIDINGS} | {KAFKA} | ratio | target | |", "|---|---:|---:|---:|---:|---|"]
        lines += [f"| {e.name} | {e.ours} | {e.theirs} | {e.ratio} | {e.target} | {e.verdict} |" for e in rows]
        parts.append("\n".join(lines))
    told = [*results.notes, *(f"Not measured: {failure}" for failure in results.failures)]
    if told:
        parts.append("\n".join(f"- {text}" for text in told))
    return "\n\n".join(parts)


def write_docs(page: Path, runs: Sequence[Results]) -> None:
    """Put `runs` between the marks in `page`, and their plot beside it. Raises ValueError without the marks."""
    text = page.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no {BEGIN} and {END}")
    drawing = page.with_suffix(".svg")
    drawing.write_text(plot.svg([figure for results in runs for figure in results.figures]))
    image = f"![How many times better Tidings is than Apache Kafka, figure by figure]({drawing.name})"
    page.write_text(before + "\n\n".join([BEGIN, image, *map(markdown, runs), END]) + after)
