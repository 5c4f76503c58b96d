"""At least once: outputs are sent, and a record is finished when they are acknowledged; its mark moves a little later.

A service that dies in between handles the record again. What comes twice then has the same id twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from tidings.errors import TidingsError
from tidings.service.clock import Clock, Timer
from tidings.service.commit.committer import COMMIT_EVERY_S, Refuse
from tidings.service.dispatcher import Dispatcher
from tidings.service.lanes import InHand
from tidings.service.outlet import Outlet
from tidings.service.transports.base import Consumer, Mark, Outcome, Place

REFUSED_AGAIN_S = 30.0


class Sending:
    """Sends what a record led to, and finishes it when all of it is acknowledged."""

    def __init__(self, open_outlet: Callable[[], Outlet], dispatcher: Dispatcher, clock: Clock, refuse: Refuse) -> None:
        """`open_outlet` is called when there is something to send: many services never do."""
        self._open_outlet = open_outlet
        self._dispatcher = dispatcher
        self._clock = clock
        self._refuse = refuse

    def complete(self, item: InHand) -> None:
        """See `Committer.complete`."""
        if item.outputs:
            self._dispatcher.over(item)
            self._send(item, range(len(item.outputs)))
        else:
            self._finish(item, was_over=False)

    def _send(self, item: InHand, indexes: Sequence[int]) -> None:
        def known(outcomes: list[Outcome]) -> None:
            refused = {
                index: outcome
                for index, outcome in zip(indexes, outcomes, strict=True)
                if isinstance(outcome, TidingsError)
            }
            if refused:
                self._send_letters(item, refused, indexes)
            else:
                self._finish(item, was_over=True)

        self._open_outlet().send([item.outputs[index] for index in indexes], known)

    def _send_letters(self, item: InHand, refused: Mapping[int, TidingsError], indexes: Sequence[int]) -> None:
        """What was refused is a dead letter now. All else that was sent is there, and is not sent again."""
        before = {id(record) for record in item.outputs}
        if self._refuse(item, refused):
            self._send(item, [index for index, record in enumerate(item.outputs) if id(record) not in before])
        else:
            self._clock.call_later(REFUSED_AGAIN_S, lambda: self._send(item, list(refused)))

    def _finish(self, item: InHand, *, was_over: bool) -> None:
        for tell in item.committed:
            tell()
        self._dispatcher.finish(item, was_over=was_over)


class AtLeastOnce:
    """The committer of a service all of whose handlers want no more than that."""

    def __init__(self, sending: Sending, consumer: Consumer, dispatcher: Dispatcher, clock: Clock) -> None:
        self.complete = sending.complete
        self._consumer = consumer
        self._dispatcher = dispatcher
        self._clock = clock
        self._timer: Timer | None = None

    def start(self) -> None:
        self._timer = self._clock.call_later(COMMIT_EVERY_S, self._commit)

    def _commit(self) -> None:
        if marks := self._dispatcher.take_marks():
            self._consumer.commit(marks)
        self.start()

    async def revoking(self, places: Collection[Place]) -> Mapping[Place, Mark]:
        return self._dispatcher.last_marks(places)

    async def stop(self) -> Mapping[Place, Mark]:
        await self.halt()
        return self._dispatcher.last_marks()

    async def halt(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
