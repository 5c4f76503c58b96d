"""Medians with their spread, as tables for people and as JSON for machines."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median


@dataclass(slots=True)
class Figure:
    """One quantity, measured several times."""

    name: str
    unit: str
    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return median(self.values)

    def __str__(self) -> str:
        return f"{self.median:,.0f} {self.unit} ({min(self.values):,.0f} to {max(self.values):,.0f})"

    def as_json(self) -> dict[str, object]:
        return {"unit": self.unit, "median": self.median, "values": self.values}


def markdown(title: str, columns: dict[str, list[Figure]]) -> str:
    """A table of figures, a row each; `columns` are by the name of who was measured."""
    names = list(columns)
    lines = [f"| {title} | {' | '.join(names)} |", "|---|" + "---:|" * len(names)]
    rows = zip(*columns.values(), strict=True)
    lines += [f"| {row[0].name} | {' | '.join(str(figure) for figure in row)} |" for row in rows]
    return "\n".join(lines)
