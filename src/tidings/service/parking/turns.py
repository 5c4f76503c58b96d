"""Where parking meets the handling of records: as a turn begins, when a handler gives up, and when a turn is over."""

from __future__ import annotations

from collections.abc import Collection

from tidings.service.clock import Clock
from tidings.service.dead_letters import REFUSED, dead_letter, dead_letters_of
from tidings.service.lanes import InHand
from tidings.service.parking.ledger import ledger_of
from tidings.service.parking.office import Office
from tidings.service.routes import Route
from tidings.service.transports.base import Outgoing


class Turns:
    """Decides for the handlers. `ordered`: the streams of which a record that cannot be read parks its key."""

    def __init__(self, service: str, office: Office, clock: Clock, ordered: Collection[str]) -> None:
        self._service = service
        self._office = office
        self._parking = office.parking
        self._clock = clock
        self._ordered = frozenset(ordered)
        self._streams = frozenset((dead_letters_of(service), ledger_of(service)))

    def needs_look(self, item: InHand) -> bool:
        """Whether `admits` has anything to say; for most records of most services it has not."""
        return item.letter is not None or not self._parking.is_quiet

    async def admits(self, item: InHand) -> bool:
        """Whether it is to be handled now. If not, its `outputs` are all that is left to do for it."""
        if item.step or item.attempts:
            return True  # its turn began before
        await self._office.until_known(item.progress.place)
        if item.progress.gone:
            return False
        return self._admits_record(item) if item.letter is None else self._admits_letter(item)

    def _admits_record(self, item: InHand) -> bool:
        record = item.received
        if self._parking.is_given_up(record):
            return False
        ahead = self._parking.ahead_of(record) if item.route.ordered else None
        if ahead is not None:
            item.outputs.append(self._parking.put_behind(record, ahead, self._clock.now_ms()))
            return False
        # Delivered again after a crash, by a service that commits at least once: who gave it up has done so.
        left = tuple(one for one in item.route.handlers if not self._parking.is_given_up(record, one.name))
        if len(left) < len(item.route.handlers):
            item.route = item.route._replace(handlers=left)
        return True

    def _admits_letter(self, item: InHand) -> bool:
        letter = self._parking.turn_of(item.letter)
        if letter is None:
            return False
        if letter.edited is not None:
            item.received = item.received._replace(value=letter.edited)
        item.route = _only(item.route, letter.handlers)
        return True

    def give_up(
        self, item: InHand, reason: str, error: BaseException, handler: str = "", *, parks: bool = True
    ) -> None:
        """A handler (or, without one, all of them) will not be tried any more: the letter goes to the outputs."""
        if item.letter is not None:
            self._parking.failed_again(item.letter, reason, error, handler=handler, attempts=item.attempts)
        elif not item.progress.gone:
            parks = parks if handler else item.received.stream in self._ordered
            item.outputs.append(
                self._parking.give_up(
                    item.received,
                    reason,
                    error,
                    self._clock.now_ms(),
                    handler=handler,
                    attempts=item.attempts,
                    parks=parks,
                )
            )

    def over(self, item: InHand) -> None:
        """All its handlers had their turn: of a letter, what the ledger is to say goes to the outputs."""
        if item.letter is None:
            return
        if item.progress.gone:
            self._parking.not_brought(item.letter)
        elif (note := self._parking.over(item.letter, self._clock.now_ms())) is not None:
            item.outputs.append(note)

    def is_ours(self, record: Outgoing) -> bool:
        """Whether it is a letter, or a note on one."""
        return record.stream in self._streams

    def refused(self, item: InHand, error: BaseException, handler: str, *, parks: bool) -> Outgoing:
        """What a handler led to will not be taken by the broker: the letter that takes its place.

        That of a letter is another letter, for the first one is done with. What was handled of its key since, is.
        """
        now_ms = self._clock.now_ms()
        if item.progress.gone:
            return dead_letter(self._service, item.received, REFUSED, error, now_ms, handler=handler)
        return self._parking.give_up(item.received, REFUSED, error, now_ms, handler=handler, parks=parks)


def _only(route: Route, names: Collection[str]) -> Route:
    """The handlers that a letter is for. One that is not there any more was renamed, if there is but one."""
    if not names or route.declared is None:
        return route
    chosen = tuple(one for one in route.handlers if one.name in names)
    if not chosen and len(route.handlers) == 1:
        return route
    if not chosen:
        return route._replace(declared=None, problem=f"no handler here is called {' or '.join(names)}")
    return route._replace(handlers=chosen)
