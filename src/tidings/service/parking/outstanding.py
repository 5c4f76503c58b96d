"""What is outstanding: a fold of the dead-letter stream and the ledger. Pure.

Each stream is given in its own order; how the two are read beside each other makes no difference to what comes out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from tidings.service.parking.ledger import Entry, Floor, Pace, read_entry
from tidings.service.parking.letters import Chain, Letter, LetterId, Note, read_letter
from tidings.service.transports.base import Received


class Outstanding:
    """Letters that are not settled, each in the chain of its key. Costs some 0.5 KB of memory a letter: the records
    themselves stay in the stream."""

    def __init__(self) -> None:
        self._letters: dict[LetterId, Letter] = {}
        self._chains: dict[Chain, deque[LetterId]] = {}
        """In order; those that are settled are taken out once they are the first."""
        self._runnable: dict[Chain, None] = {}
        self._early: dict[LetterId, list[Note]] = {}
        """Notes on letters that were not read yet: the ledger may be read ahead of the dead-letter stream."""
        self._read_to = 0
        self.pace_per_s: float | None = None
        """How many letters a second may be redriven; None: as many as can be."""
        self.floor = 0
        """Every letter with a lower number is settled."""

    # Reading.

    def read(self, entry: Letter | Entry) -> None:
        """Take in a letter, or an entry of the ledger."""
        if isinstance(entry, Pace):
            self.pace_per_s = entry.per_s
        elif isinstance(entry, Floor):
            self.floor = max(self.floor, entry.number)
        else:
            self.put(entry.id, self.after(self._letters.get(entry.id), entry))

    def after(self, letter: Letter | None, entry: Letter | Note) -> Letter | None:
        """How a letter stands after one more letter or note about it was read."""
        if isinstance(entry, Letter):
            self._read_to = max(self._read_to, entry.number + 1)
            letter = entry if letter is None else letter.written_again(entry)
            for note in self._early.get(entry.id, ()):
                letter = letter.noted(note) if letter is not None else None
            self._forget_early(entry.id)
            return letter
        if entry.number >= self._read_to:
            self._early.setdefault(entry.id, []).append(entry)
        return letter.noted(entry) if letter is not None else None

    def read_up_to(self, number: int) -> None:
        """The dead-letter stream was read up to here, with or without letters on the way."""
        self._read_to = max(self._read_to, number)
        for letter_id in list(self._early):
            self._forget_early(letter_id)

    @property
    def read_to(self) -> int:
        return self._read_to

    def _forget_early(self, letter_id: LetterId) -> None:
        """Keep only notes on what is still to be read: the same record may be given up a second time."""
        if later := [note for note in self._early.get(letter_id, ()) if note.number >= self._read_to]:
            self._early[letter_id] = later
        else:
            self._early.pop(letter_id, None)

    # How they stand.

    def put(self, letter_id: LetterId, letter: Letter | None) -> None:
        """Let a letter stand so; None: it is done with, or was never there."""
        before = self._letters.get(letter_id)
        if letter is not None:
            self._letters[letter_id] = letter
            if before is None:
                self._enqueue(letter)
            self._look_at(letter.chain)
        elif before is not None:
            del self._letters[letter_id]
            self._look_at(before.chain)

    def _enqueue(self, letter: Letter) -> None:
        ids = self._chains.setdefault(letter.chain, deque())
        if ids and ids[-1].offset > letter.id.offset:  # rare: a second writer, or a decision that was undone
            known = dict.fromkeys(one for one in (*ids, letter.id) if one in self._letters)
            self._chains[letter.chain] = deque(sorted(known, key=lambda one: one.offset))
        else:
            ids.append(letter.id)

    def _look_at(self, chain: Chain) -> None:
        first = self.first(chain)
        if first is not None and first.may_run:
            self._runnable[chain] = None
        else:
            self._runnable.pop(chain, None)

    def __len__(self) -> int:
        return len(self._letters)

    def __iter__(self) -> Iterator[Letter]:
        return iter(self._letters.values())

    def get(self, letter_id: LetterId) -> Letter | None:
        return self._letters.get(letter_id)

    def first(self, chain: Chain) -> Letter | None:
        """The letter that the others of its chain wait for."""
        ids = self._chains.get(chain)
        while ids:
            if (letter := self._letters.get(ids[0])) is not None:
                return letter
            ids.popleft()
        self._chains.pop(chain, None)
        return None

    def chain(self, chain: Chain) -> list[Letter]:
        """All of a chain, in order."""
        ids = dict.fromkeys(self._chains.get(chain, ()))
        return [letter for one in ids if (letter := self._letters.get(one)) is not None]

    @property
    def chains(self) -> list[Chain]:
        return [chain for chain in list(self._chains) if self.first(chain) is not None]

    @property
    def runnable(self) -> list[Chain]:
        """Those whose first letter may be tried."""
        return list(self._runnable)

    def is_runnable(self, chain: Chain) -> bool:
        return chain in self._runnable

    @property
    def lowest(self) -> int:
        """The lowest number of any letter that is outstanding; what comes next if none is."""
        numbers = (letter.number for letter in self._letters.values() if letter.number >= 0)
        return min(numbers, default=self._read_to)


def outstanding_in(ledger: Iterable[Received], letters: Iterable[Received]) -> Outstanding:
    """What is outstanding by the whole of the two streams."""
    found = Outstanding()
    for entry in map(read_entry, ledger):
        if entry is not None:
            found.read(entry)
    for letter in map(read_letter, letters):
        if letter is not None:
            found.read(letter)
    return found
