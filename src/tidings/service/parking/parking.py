"""Which keys are parked, as one running process sees it. Pure: it does no I/O and knows no clock.

What the two streams say is what counts; but what this process decides must hold at once, long before it has read its
own records back. So a decision is applied as it is made, and kept with how the letter stood by the streams. It is
confirmed when its record is read; if the partition is taken away before, it is undone, for its record may never have
been written.

Whether a letter may be tried is asked when its turn has come, never before. So whoever brings letters to the handlers
may bring too many, too few, or the same one twice: it does not matter to order, only to speed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from tidings.events.position import Position
from tidings.service.dead_letters import FAILED, dead_letter, described, letter_behind
from tidings.service.parking.ledger import Entry, Floor, Pace, write_entry
from tidings.service.parking.letters import HANDLED, UNREAD, Edited, Letter, LetterId, Note, Settled, Tried
from tidings.service.parking.outstanding import Outstanding
from tidings.service.transports.base import Outgoing, Place, Received


@dataclass(slots=True)
class _Decision:
    """What this process has decided about a letter, until its record is read back."""

    kind: type[Letter] | type[Settled] | type[Tried]
    before: Letter | None
    """How the letter stands by the streams alone."""


@dataclass(slots=True)
class _Attempt:
    """A letter in the hands of its handlers: which of them have given it up again."""

    handlers: list[str] = field(default_factory=list)
    tries: int = 0
    told: dict[str, str] = field(default_factory=dict)


class Parking:
    """`on_due` is called when a letter may have come to be tried."""

    def __init__(self, service: str, on_due: Callable[[], None]) -> None:
        self._service = service
        self._on_due = on_due
        self._standing = Outstanding()
        self._decisions: dict[LetterId, _Decision] = {}
        self._ours: set[Place] = set()
        self._unknown: dict[Place, int] = {}
        """Those of them that came lately, and the how-manieth assignment it was: others may have decided about them."""
        self._assignments = 0
        self._on_their_way: set[LetterId] = set()
        """Letters that were brought to the handlers, and are not through their hands."""
        self._missing: set[LetterId] = set()
        self._attempts: dict[LetterId, _Attempt] = {}

    # What the streams say.

    def read(self, entry: Letter | Entry) -> None:
        """Take in a letter, or an entry of the ledger."""
        if isinstance(entry, Pace | Floor):
            self._standing.read(entry)
            return
        before = self._standing.get(entry.id)
        decision = self._decisions.get(entry.id)
        if decision is None:
            self._standing.read(entry)
        else:
            self._read_decided(entry, decision)
        self._look_at(self._standing.get(entry.id) or before)

    def _read_decided(self, entry: Letter | Note, decision: _Decision) -> None:
        decision.before = self._standing.after(decision.before, entry)
        if isinstance(entry, decision.kind) and not (isinstance(entry, Tried) and entry.asked):
            del self._decisions[entry.id]
            self._put(entry.id, decision.before)
        elif isinstance(entry, Edited) and (letter := self._standing.get(entry.id)) is not None:
            self._put(entry.id, letter.noted(entry))

    def read_up_to(self, number: int) -> None:
        """The dead-letter stream was read up to here."""
        self._standing.read_up_to(number)

    @property
    def read_to(self) -> int:
        return self._standing.read_to

    @property
    def floor(self) -> int:
        """Letters with lower numbers need not be read."""
        return self._standing.floor

    @property
    def lowest(self) -> int:
        """The lowest number that is outstanding by the streams alone."""
        undecided = (one.before.number for one in self._decisions.values() if one.before is not None)
        return min(self._standing.lowest, *undecided, self._standing.read_to)

    @property
    def pace_per_s(self) -> float | None:
        return self._standing.pace_per_s

    # Partitions come and go.

    def assigned(self, places: Iterable[Place]) -> None:
        """These are ours now. Nothing of them may be handled before they are `known`."""
        self._assignments += 1
        for place in places:
            self._ours.add(place)
            self._unknown[place] = self._assignments

    @property
    def unknown(self) -> dict[Place, int]:
        """The partitions that are not known yet, and which assignment brought them."""
        return dict(self._unknown)

    def known(self, assignments: Mapping[Place, int]) -> None:
        """All was read that others had decided about these when they were assigned."""
        for place, assignment in assignments.items():
            if self._unknown.get(place) == assignment:
                del self._unknown[place]
        self._on_due()

    def gone(self, places: Collection[Place]) -> None:
        """These are not ours any more. What was decided for them counts once it is read, if it ever is."""
        for place in places:
            self._ours.discard(place)
            self._unknown.pop(place, None)
        for letter_id in [one for one in self._decisions if one.place in places]:
            self._put(letter_id, self._decisions.pop(letter_id).before)
        self._on_their_way = {one for one in self._on_their_way if one.place not in places}
        self._missing = {one for one in self._missing if one.place not in places}
        for letter_id in [one for one in self._attempts if one.place in places]:
            del self._attempts[letter_id]

    def is_known(self, place: Place) -> bool:
        """Whether records of a partition may be handled; also when it is not ours: what comes of it is dropped."""
        return place not in self._unknown

    @property
    def is_quiet(self) -> bool:
        """Nothing is parked, and no partition is new: a record need not be looked at any further."""
        return not self._unknown and not self._standing

    @property
    def parked_keys(self) -> int:
        """How many keys wait."""
        return sum(not isinstance(key, LetterId) for _, _, key in self._standing.chains)

    # A record's turn.

    def ahead_of(self, record: Received) -> Position | None:
        """The record of the same key that was given up, and that this one has to wait for."""
        if record.key is None:
            return None
        first = self._standing.first((record.stream, record.partition, record.key))
        return first.id.position if first is not None and first.id.offset < record.offset else None

    def is_given_up(self, record: Received, handler: str = "") -> bool:
        """Whether there is a letter of the record already, by this handler: it was delivered a second time."""
        return self._standing.get(LetterId(*record[:4], handler)) is not None

    def put_behind(self, record: Received, ahead: Position, now_ms: int) -> Outgoing:
        """The letter of a record that has to wait."""
        letter = letter_behind(self._service, record, ahead, now_ms)
        self._decide(_letter_of(record, letter, "", 0), Letter)
        return letter

    def give_up(
        self,
        record: Received,
        reason: str,
        error: BaseException,
        now_ms: int,
        *,
        handler: str = "",
        attempts: int = 0,
        parks: bool = True,
    ) -> Outgoing:
        """The letter of a record that could not be handled. Its key is parked if it `parks`, and has one."""
        parks = parks and record.key is not None
        letter = dead_letter(
            self._service, record, reason, error, now_ms, handler=handler, attempts=attempts, parks=parks
        )
        self._decide(_letter_of(record, letter, handler, attempts), Letter)
        return letter

    # A letter's way back.

    def due(self) -> list[Letter]:
        """The first letters of chains that may be tried, and were not brought to the handlers yet."""
        firsts = (self._standing.first(chain) for chain in self._standing.runnable)
        return [letter for letter in firsts if letter is not None and self._may_be_brought(letter)]

    def _may_be_brought(self, letter: Letter) -> bool:
        return (
            letter.may_run
            and letter.number != UNREAD
            and letter.id.place in self._ours
            and letter.id.place not in self._unknown
            and letter.id not in self._on_their_way
            and letter.id not in self._missing
        )

    def may_bring(self, letter_id: LetterId) -> bool:
        """Whether a letter is to be brought to the handlers now."""
        letter = self._standing.get(letter_id)
        return letter is not None and self._may_be_brought(letter) and self._standing.is_runnable(letter.chain)

    def bring(self, letter_id: LetterId) -> bool:
        """The same; it is on its way then."""
        if not self.may_bring(letter_id):
            return False
        self._on_their_way.add(letter_id)
        return True

    def is_missing(self, letter_id: LetterId) -> None:
        """A letter is not in its stream any more. It stays outstanding until it is dropped."""
        self._missing.add(letter_id)

    def turn_of(self, letter_id: LetterId) -> Letter | None:
        """A letter's turn has come: how it stands; None when it is not to be tried now."""
        letter = self._standing.get(letter_id)
        is_first = letter is not None and self._standing.first(letter.chain) == letter
        if letter is not None and is_first and letter.may_run and letter_id.place in self._ours:
            return letter
        self._on_their_way.discard(letter_id)
        self._look_at(letter)
        return None

    def not_brought(self, letter_id: LetterId) -> None:
        """A letter's turn will not come: its partition has gone, or the service stops."""
        self._on_their_way.discard(letter_id)
        self._attempts.pop(letter_id, None)

    def failed_again(
        self, letter_id: LetterId, reason: str, error: BaseException, *, handler: str = "", attempts: int = 0
    ) -> None:
        """One of its handlers has given a letter up."""
        attempt = self._attempts.setdefault(letter_id, _Attempt())
        attempt.tries += attempts
        if handler:
            attempt.handlers.append(handler)
        attempt.told = described(error, with_traceback=reason == FAILED)

    def over(self, letter_id: LetterId, now_ms: int) -> Outgoing | None:
        """All handlers of a letter had their turn: what the ledger is to say of it."""
        self._on_their_way.discard(letter_id)
        letter = self._standing.get(letter_id)
        attempt = self._attempts.pop(letter_id, _Attempt())
        if letter is None:
            return None  # dropped by somebody meanwhile
        if not attempt.told:
            return self._note(letter, Settled(letter_id, letter.last, HANDLED, now_ms), None)
        told = attempt.told
        note = Tried(
            letter_id,
            letter.last,
            False,
            letter.attempts + attempt.tries,
            tuple(attempt.handlers) or letter.handlers,
            told["dead_error"],
            told["dead_message"],
            told["dead_traceback"],
            now_ms,
        )
        return self._note(letter, note, letter.noted(note))

    def _note(self, letter: Letter, note: Settled | Tried, after: Letter | None) -> Outgoing:
        self._apply(letter.id, after, type(note))
        return write_entry(self._service, note)

    # Decisions.

    def _decide(self, letter: Letter, kind: type[Letter]) -> None:
        self._apply(letter.id, letter, kind)

    def _apply(
        self, letter_id: LetterId, after: Letter | None, kind: type[Letter] | type[Settled] | type[Tried]
    ) -> None:
        if letter_id.place not in self._ours:
            return  # somebody else decides about it, and what is written here does not count
        decision = self._decisions.get(letter_id)
        if decision is None:
            self._decisions[letter_id] = _Decision(kind, self._standing.get(letter_id))
        else:
            decision.kind = kind
        self._put(letter_id, after)

    def _put(self, letter_id: LetterId, letter: Letter | None) -> None:
        before = self._standing.get(letter_id)
        self._standing.put(letter_id, letter)
        if letter is None:
            self._missing.discard(letter_id)
        self._look_at(letter or before)

    def _look_at(self, letter: Letter | None) -> None:
        """Tell, if the first letter of this one's chain is to be brought to the handlers."""
        if letter is None:
            return
        first = self._standing.first(letter.chain)
        if first is not None and self._may_be_brought(first):
            self._on_due()


def _letter_of(record: Received, letter: Outgoing, handler: str, attempts: int) -> Letter:
    told = dict(letter.headers[len(record.headers or ()) :])
    return Letter(
        LetterId(*record[:4], handler),
        record.key,
        (told["dead_reason"] or b"").decode(),
        "dead_parks" in told,
        UNREAD,
        UNREAD,
        attempts,
    )
