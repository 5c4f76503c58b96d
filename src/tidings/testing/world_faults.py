"""Faults, and the dice that decide them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from random import Random

from tidings.errors import DeclarationError

DELAY_S = (0.001, 5.0)
AGAIN_S = (0.0, 0.25)
"""How long after its delivery a record is delivered again: positions are committed four times a second."""
STAY_S = (0.1, 5.0)
"""How long another member stays in the group when it comes for a rebalance."""


@dataclass(frozen=True, slots=True)
class Faults:
    """How probable each fault is at each step: numbers from 0 to 1.

    `crash`: the service stops dead, between any two steps of a transaction too; what it had not committed or sent is
    lost; it is started again a while later.
    `duplicate`: the group takes a partition away and gives it back: what was delivered of it, and not yet committed, is
    delivered again.
    `delay`: a partition is held back for a while; what is sent is written, or acknowledged, a while later. The answer
    to a step of a transaction may never come: what became of it is found out then.
    `rebalance`: another member joins the service's group, takes its share of the partitions, and leaves again.
    """

    crash: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.0
    rebalance: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            chance = getattr(self, field.name)
            if not 0 <= chance <= 1:
                raise DeclarationError(f"Faults({field.name}={chance}): a probability is a number from 0 to 1")

    def __repr__(self) -> str:
        set_ones = ((field.name, getattr(self, field.name)) for field in fields(self))
        return f"Faults({', '.join(f'{name}={chance:g}' for name, chance in set_ones if chance)})"


class Fate:
    """Draws what happens: the same for the same seed and the same questions."""

    def __init__(self, faults: Faults, seed: int) -> None:
        self._faults = faults
        self._random = Random(f"faults {seed}")

    def crash(self) -> bool:
        return self._happens(self._faults.crash)

    def duplicate(self) -> bool:
        return self._happens(self._faults.duplicate)

    def rebalance(self) -> bool:
        return self._happens(self._faults.rebalance)

    def delay_s(self) -> float:
        """0 when there is none."""
        return self.between(DELAY_S) if self._happens(self._faults.delay) else 0.0

    def between(self, range_s: tuple[float, float]) -> float:
        return self._random.uniform(*range_s)

    def pick(self, low: int, high: int) -> int:
        """From `low` to `high`, both included."""
        return self._random.randint(low, high)

    def _happens(self, chance: float) -> bool:
        return chance > 0 and self._random.random() < chance
