"""Which dead letters are meant, and what has to be asked for so that they are handled. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidings.service.dead_letters import BEHIND
from tidings.service.parking.letters import ASKED, WAITING, LetterId

if TYPE_CHECKING:
    from tidings.cli.dead_office import Case


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person said of the letters that are meant. What was not said is None, and leaves all of them."""

    numbers: Collection[int] = ()
    key: str | None = None
    error: str | None = None
    """The type of the error, or a part of what it said; upper and lower case are alike."""
    handler: str | None = None
    reason: str | None = None
    stream: str | None = None
    since_ms: int | None = None
    """Given up then, or later."""
    behind: bool = False
    """Also those that only wait behind another."""

    @property
    def says_nothing(self) -> bool:
        said = (self.key, self.error, self.handler, self.reason, self.stream, self.since_ms)
        return not self.numbers and all(one is None for one in said)

    def of(self, cases: Sequence[Case]) -> list[Case]:
        return [case for case in cases if self.means(case)]

    def means(self, case: Case) -> bool:
        letter = case.letter
        if self.numbers:
            return letter.number in self.numbers
        if letter.state == WAITING and not self.behind and self.reason != BEHIND:
            return False
        return (
            self.key in (None, case.key)
            and self.handler in (None, *letter.handlers)
            and self.reason in (None, letter.reason)
            and self.stream in (None, letter.id.stream)
            and (self.since_ms is None or case.time_ms >= self.since_ms)
            and (self.error is None or self._is_the_error(case, self.error.lower()))
        )

    @staticmethod
    def _is_the_error(case: Case, wanted: str) -> bool:
        return wanted == case.error.lower() or wanted in case.message.lower()


@dataclass(slots=True)
class Plan:
    """What redriving comes to."""

    asked: list[Case] = field(default_factory=list)
    """To be asked for, in this order."""
    following: int = 0
    """Those that wait behind them, and go on by themselves."""
    under_way: int = 0
    """Asked for already."""
    tables: int = 0
    """Written by tables, which have no way back."""


def plan_redrive(cases: Sequence[Case], chosen: Sequence[Case]) -> Plan:
    """Nothing overtakes: who wants a letter handled wants those of its key that stand before it handled first."""
    plan = Plan()
    by_chain: dict[object, list[Case]] = {}
    for case in cases:
        by_chain.setdefault(case.letter.chain, []).append(case)
    wanted = {case.letter.id for case in chosen}
    for chain in by_chain.values():
        _plan_chain(plan, chain, wanted)
    return plan


def _plan_chain(plan: Plan, chain: Sequence[Case], wanted: Collection[LetterId]) -> None:
    last = max((index for index, case in enumerate(chain) if case.letter.id in wanted), default=None)
    if last is None:
        return
    if chain[0].is_tables:
        plan.tables += 1
        return
    for case in chain[: last + 1]:
        if case.letter.state == ASKED:
            plan.under_way += 1
        elif case.letter.state != WAITING:
            plan.asked.append(case)
    plan.following += sum(case.letter.state == WAITING for case in chain)
