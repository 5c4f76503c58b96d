"""Figures as text, and the part of a page that is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.quantities import Target
from benchmarks.results import Figure, Results

VERDICTS = {True: "met", False: "missed", None: ""}
COLOURS = {True: "green", False: "red", None: "default"}


def number(value: float) -> str:
    """Three digits, or all before the point; of what is very small one that is not 0."""
    if value == 0 or value >= 100:
        return f"{value:,.0f}"
    if value < 0.01:
        return f"{value:.1g}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def values(figure: Figure, name: str) -> str:
    """The median with its unit, and, of several rounds, the lowest and the highest; "-" if it was not measured."""
    middle = figure.median(name)
    if middle is None:
        return "-"
    lowest, highest = figure.spread(name)
    spread = f" ({number(lowest)} to {number(highest)})" if len(figure.values[name]) > 1 else ""
    return f"{number(middle)} {figure.quantity.unit}{spread}"


def target_text(target: Target | None, unit: str) -> str:
    if target is None:
        return ""
    sign = "≥" if target.bound == "at least" else "≤"
    return f"{sign} {target.value:g}x" if target.beside or unit == "x" else f"{sign} {target.value:,g} {unit}"


def heading(results: Results) -> list[str]:
    """The command of a run, and what it was measured on, as Markdown."""
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    medians = f"medians of {results.rounds}, lowest and highest in brackets" if results.rounds > 1 else "one round"
    return [f"```console\n$ {results.command}\n```", f"{results.machine}; {versions}; {results.day}; {medians}."]


def remarks(results: Results) -> list[str]:
    """What a reader has to know, and what is missing, as Markdown; nothing if there is nothing."""
    told = [*results.notes, *(f"Not measured: {failure}" for failure in results.failures)]
    return ["\n".join(f"- {text}" for text in told)] if told else []


def marks(module: str) -> tuple[str, str]:
    """The lines of a page between which stands what `module` generates."""
    begin = f"<!-- {module}: from here on it is generated; `python -m {module} --render` makes it anew -->"
    return begin, f"<!-- {module}: to here -->"


def put_between(begin: str, end: str, page: Path, parts: Sequence[str]) -> None:
    """Put `parts` between the marks in `page`. Raises ValueError without the marks."""
    text = page.read_text()
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{page} has no {begin} and {end}")
    page.write_text(before + "\n\n".join([begin, *parts, end]) + after)
