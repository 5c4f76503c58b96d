"""The figures of a run, kept in a file, so that a table can be made again without measuring again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.quantities import Quantity

TIDINGS = "Tidings"


class Figure(msgspec.Struct):
    """One quantity of all who were measured: a value for each round, by their names."""

    quantity: Quantity
    values: dict[str, list[float]]

    def median(self, name: str) -> float | None:
        """None if it was not measured."""
        values = self.values.get(name)
        return median(values) if values else None

    def spread(self, name: str) -> tuple[float, float]:
        """The lowest and the highest."""
        return min(self.values[name]), max(self.values[name])

    def ratio(self, other: str) -> float | None:
        """Tidings' median divided by the other's."""
        ours, theirs = self.median(TIDINGS), self.median(other)
        return ours / theirs if ours is not None and theirs else None

    def times_better(self, other: str) -> float | None:
        """The ratio, turned so that more is better for Tidings."""
        ratio = self.ratio(other)
        if not ratio:
            return None
        return ratio if self.quantity.more_is_better else 1 / ratio

    def met(self, other: str = "") -> bool | None:
        """Whether the target is met; None where there is no target, or nothing to hold against it."""
        target = self.quantity.target
        if target is None:
            return None
        value = self.ratio(other) if target.beside else self.median(TIDINGS)
        return None if value is None else target.is_met(value)


class Results(msgspec.Struct):
    """One run. `failures` says what could not be measured, and why; `notes` what a reader has to know."""

    command: str
    machine: str
    versions: dict[str, str]
    day: str
    rounds: int
    sizes: Mapping[str, float]
    figures: list[Figure] = msgspec.field(default_factory=list)
    failures: list[str] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)

    def add(self, quantity: Quantity, name: str, value: float) -> None:
        for figure in self.figures:
            if figure.quantity == quantity:
                break
        else:
            figure = Figure(quantity, {})
            self.figures.append(figure)
        figure.values.setdefault(name, []).append(float(f"{value:.6g}"))

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.encode() + b"\n")

    def encode(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=1)


def tables(figures: Iterable[Figure]) -> dict[str, list[Figure]]:
    """The figures by their table."""
    found: dict[str, list[Figure]] = {}
    for figure in figures:
        found.setdefault(figure.quantity.table, []).append(figure)
    return found


def read(path: Path) -> Results:
    """Raises msgspec.DecodeError if `path` holds something else."""
    return msgspec.json.decode(path.read_bytes(), type=Results)
