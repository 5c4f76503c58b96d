"""What makes it last that a record was handled: its outputs are written, and the group's mark moves past it.

A `Committer` takes a record whose handling is over, with all that it led to (`InHand.outputs`), and finishes it once
that is durable. There are two: `exactly_once` (outputs and marks in one transaction, many records at a time) and
`at_least_once` (outputs are sent, and the mark moves once they are acknowledged).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from tidings.errors import TidingsError
from tidings.service.lanes import InHand
from tidings.service.transports.base import Mark, Place

COMMIT_EVERY_S = 0.25
"""How often marks move when there is nothing to write with them."""

Refuse = Callable[[InHand, Mapping[int, TidingsError]], bool]
"""Some of a record's outputs (by index) will never be taken: puts a dead letter in the place of all that the handler
behind them led to. False when it was the dead letter itself: then there is nothing left but to try again later."""


class Committer(Protocol):
    """Takes what was handled, and finishes it (`Dispatcher.finish`) once all it led to is durable."""

    def start(self) -> None:
        """From now on marks move now and then, though nothing is written with them."""

    def complete(self, item: InHand) -> None:
        """The handling of a record is over: `item.outputs` are all it led to. Never waits.

        When they are durable, `item.committed` is called, one after the other, on the loop; then the record is
        finished.
        """

    async def revoking(self, places: Collection[Place]) -> Mapping[Place, Mark]:
        """These partitions go, and what was begun of them is finished: the marks still to be committed for them.

        Returns when nothing is under way any more that could move their marks.
        """

    async def stop(self) -> Mapping[Place, Mark]:
        """Begin nothing more; returns the marks that are still to be committed. Everything was finished before, or
        was given up."""

    async def halt(self) -> None:
        """Drop everything as it is, as a crash would."""
