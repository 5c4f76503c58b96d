"""What the competitors do with the same orders."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from benchmarks.quantities import Quantity, Target, goal
from benchmarks.service.competitors import COMPETITORS, FASTSTREAM_AIOKAFKA, FASTSTREAM_CONFLUENT
from benchmarks.service.peers.task import WORKERS
from benchmarks.service.sizes import Sizes

HANDLED = "Events handled a second"
ANSWERED = "Events answered a second, one event for each"

ALL = tuple(COMPETITORS)
FASTSTREAM = (FASTSTREAM_CONFLUENT, FASTSTREAM_AIOKAFKA)


@dataclass(frozen=True)
class Case:
    """`answers`: an event is written for each, and time runs until all positions are committed; otherwise it runs to
    the last event. `bare`: the records have no headers. `of` are those who have this case at all."""

    name: str
    title: str
    events: Callable[[Sizes], int]
    target: Target | None = None
    answers: bool = False
    bare: bool = False
    of: Collection[str] = ALL

    @property
    def quantity(self) -> Quantity:
        return Quantity(ANSWERED if self.answers else HANDLED, self.title, "/s", True, self.target)

    @property
    def work(self) -> Quantity:
        """Processor time, of all the program's threads."""
        return Quantity("Processor time an event", self.title, "µs")


CASES = (
    Case("typed", "typed handler", lambda sizes: sizes.events, goal(100_000)),
    Case("typed-bare", "the same, records without headers", lambda sizes: sizes.events, bare=True),
    Case("typed-ack-first", "acknowledged before it is handled", lambda sizes: sizes.events, of=FASTSTREAM),
    Case(
        "awaiting",
        f"10 ms of awaiting, {WORKERS} at a time",
        lambda sizes: sizes.awaited_events,
        goal(8_000),
    ),
    Case("exactly-once", "exactly once", lambda sizes: sizes.answered_events, goal(50_000), answers=True),
    Case("at-least-once", "at least once", lambda sizes: sizes.answered_events, answers=True),
)

BESIDE_FASTSTREAM = Quantity("Beside others", "typed handler: Tidings by the faster FastStream", "x", True, goal(10))
FRAMEWORK_COST = Quantity(
    "Beside others",
    "cost of the framework: Tidings' processor time an event, less librdkafka's with the same decoder",
    "µs",
    target=Target("at most", 10, beside=False),
)
