"""A run as tables: for the terminal, and for docs/performance-services.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.rendering import COLOURS, VERDICTS, heading, marks, put_between, remarks, target_text, values
from benchmarks.results import Figure, Results, tables
from benchmarks.service.cases import CASES
from benchmarks.service.competitors import COMPETITORS

BEGIN, END = marks("benchmarks.service")
CANNOT = "cannot"


def columns(figures: Iterable[Figure]) -> list[str]:
    """Those who have a figure in a table, in the order in which they are declared."""
    measured = {name for figure in figures for name in figure.values}
    return [name for name in COMPETITORS if name in measured]


def cell(figure: Figure, name: str) -> str:
    """A value with its spread, without its unit; or that there can be none."""
    if figure.median(name) is None:
        return CANNOT if _case_of(figure) in COMPETITORS[name].cannot else "-"
    return values(figure, name).replace(f" {figure.quantity.unit}", "")


def _case_of(figure: Figure) -> str:
    return next((case.name for case in CASES if figure.quantity in (case.quantity, case.work)), "")


def _named(figure: Figure) -> str:
    unit = figure.quantity.unit
    return figure.quantity.name if unit in ("/s", "x") else f"{figure.quantity.name}, {unit}"


def row(figure: Figure, names: Sequence[str]) -> list[str]:
    """Name, a cell for each of `names`, target, verdict."""
    quantity = figure.quantity
    target = target_text(quantity.target, quantity.unit).replace(" /s", "/s")
    return [_named(figure), *(cell(figure, name) for name in names), target, VERDICTS[figure.met()]]


def summary(results: Results) -> str:
    """One sentence on the targets."""
    held = [met for figure in results.figures if (met := figure.met()) is not None]
    return f"{sum(held)} of {len(held)} targets met."


def reasons(results: Results) -> list[str]:
    """Why some have no figure where others do."""
    measured = {_case_of(figure) for figure in results.figures}
    names = columns(results.figures)
    told = [COMPETITORS[name].cannot[case] for name in names for case in COMPETITORS[name].cannot if case in measured]
    return list(dict.fromkeys(told))


def show(results: Results, console: Console) -> None:
    """For people at a terminal."""
    for title, figures in tables(results.figures).items():
        names = columns(figures)
        table = Table(title=title, title_justify="left", title_style="bold", box=None, header_style="bright_black")
        table.add_column("")
        for column in (*names, "target", ""):
            table.add_column(column, justify="right")
        for figure in figures:
            *shown, verdict = row(figure, names)
            table.add_row(*shown, f"[{COLOURS[figure.met()]}]{verdict}[/]")
        console.print(table)
        console.print()
    console.print(summary(results))
    for text in (*reasons(results), *results.notes, *results.failures):
        console.print(text, style="yellow", markup=False)


def markdown(results: Results) -> str:
    """The same as Markdown, with what it was measured on."""
    parts = [*heading(results), summary(results)]
    for title, figures in tables(results.figures).items():
        names = columns(figures)
        lines = [f"| {' | '.join((title, *names, 'target', ''))}|", f"|---{'|---:' * (len(names) + 1)}|---|"]
        lines += [f"| {' | '.join(row(figure, names))} |" for figure in figures]
        parts.append("\n".join(lines))
    if told := reasons(results):
        parts.append("\n".join(f"- {text}" for text in told))
    return "\n\n".join([*parts, *remarks(results)])


def write_docs(page: Path, runs: Sequence[Results]) -> None:
    """Put `runs` between the marks in `page`. Raises ValueError without the marks."""
    put_between(BEGIN, END, page, list(map(markdown, runs)))
