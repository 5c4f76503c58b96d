"""Watching what becomes of letters that are tried again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from tidings.cli.dead_choice import Plan
from tidings.cli.dead_office import Case, DeadOffice
from tidings.cli.dead_view import letters
from tidings.cli.screen import amount, console, print_json
from tidings.service.parking.letters import WAITING

LOOK_EVERY_S = 0.2
STALLED_S = 30.0


@dataclass(frozen=True, slots=True)
class Tally:
    """What has become of the letters that are watched."""

    handled: int
    failed: int
    """Tried, and given up again."""
    waiting: int
    """Behind one that failed again."""
    is_over: bool

    @property
    def words(self) -> str:
        said = f"{letters(self.handled)} handled"
        if self.failed:
            said += f", {amount(self.failed)} failed again"
        if self.waiting:
            said += f", {amount(self.waiting)} {'wait' if self.is_over else 'to come'}"
        return said


def watch(office: DeadOffice, cases: Sequence[Case], plan: Plan, json: bool) -> bool:
    """Show how far the service is until it has nothing to do for these letters; whether any has failed again."""
    chains = {case.letter.chain for case in plan.asked} or {case.letter.chain for case in cases}
    watched = [case for case in cases if case.letter.chain in chains]
    result = _until_over(office, watched)
    if json:
        print_json(
            {
                "service": office.service,
                "asked": len(plan.asked),
                "handled": result.handled,
                "failed_again": result.failed,
                "waiting": result.waiting,
            }
        )
    else:
        console().print(result.words, style="bad" if result.failed else "good")
    return result.failed > 0


def _until_over(office: DeadOffice, watched: Sequence[Case]) -> Tally:
    screen = console()
    result = tally(office, watched)
    looked_at = changed_at = time.monotonic()
    told = False
    with screen.status("") as status:
        for _ in office.follow():
            now = time.monotonic()
            if now - looked_at < LOOK_EVERY_S:
                continue
            looked_at, before, result = now, result, tally(office, watched)
            if result.is_over:
                break
            if result != before:
                changed_at = now
            elif now - changed_at > STALLED_S and not told:
                told = True
                screen.print(
                    f"nothing has moved for {STALLED_S:.0f} s: does {office.service} still read these streams? "
                    "(Ctrl-C ends the watching, and nothing else.)",
                    style="warn",
                )
            status.update(result.words)
    return result


def tally(office: DeadOffice, watched: Sequence[Case]) -> Tally:
    """How the letters stand by now."""
    handled = failed = waiting = 0
    is_over = True
    for case in watched:
        letter = office.stands(case.letter.id)
        if letter is None:
            handled += 1
            continue
        moving = office.is_moving(letter)
        is_over = is_over and not moving
        if letter.state == WAITING or moving:
            waiting += 1
        else:
            failed += 1
    return Tally(handled, failed, waiting, is_over)
