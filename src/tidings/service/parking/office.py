"""The dead-letter office of a running service: knows which keys are parked, and sends letters back to the handlers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable

from tidings.service.clock import Clock
from tidings.service.dead_letters import dead_letter_spec
from tidings.service.parking.following import Following, Send
from tidings.service.parking.ledger import ledger_spec
from tidings.service.parking.parking import Parking
from tidings.service.parking.redriving import Deliver, Redriving
from tidings.service.transports.base import Place, StreamSpec, Transport


def office_specs(service: str) -> list[StreamSpec]:
    """The streams it lives in."""
    return [dead_letter_spec(service), ledger_spec(service)]


class Office:
    """`room` waits until there is room for another record, and `deliver` puts a letter's record into its lane."""

    def __init__(
        self,
        service: str,
        transport: Transport,
        clock: Clock,
        send: Send,
        room: Callable[[], Awaitable[None]],
        deliver: Deliver,
    ) -> None:
        self.parking = Parking(service, self._something_is_due)
        self._following = Following(service, transport, self.parking, clock, send)
        self._redriving = Redriving(service, transport, self.parking, clock, room, deliver)
        self._waiting: list[asyncio.Future[None]] = []

    async def run(self) -> None:
        """Until cancelled. Raises what cannot be mended by waiting."""
        parts = (
            self._following.read_ledger(),
            self._following.read_letters(),
            self._following.get_to_know(),
            self._redriving.run(),
        )
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def assigned(self, places: Iterable[Place]) -> None:
        """These partitions are ours now."""
        self.parking.assigned(places)
        self._following.look()

    def gone(self, places: Collection[Place]) -> None:
        """These are not ours any more, and nothing of them is in hand."""
        self.parking.gone(places)
        self._something_is_due()

    async def until_known(self, place: Place) -> None:
        """Until it is known which keys of a partition are parked."""
        while not self.parking.is_known(place):
            known: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(known)
            await known

    def _something_is_due(self) -> None:
        """A letter may be due; or a partition may have become known."""
        self._redriving.look()
        waiting, self._waiting = self._waiting, []
        for known in waiting:
            if not known.done():
                known.set_result(None)
