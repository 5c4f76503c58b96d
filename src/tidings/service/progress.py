"""How far a partition is done: the watermark below which nothing is unfinished, and what is done above it.

Records finish in any order, and a group can commit one offset for a partition. What is done behind that offset is kept
in its metadata (`transports/marks.py`), so that whoever gets the partition next does nothing again, however long one
record has been stuck.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidings.service.transports.base import Mark, Place
from tidings.service.transports.marks import Done, Range, done_beyond, encode, letters_done, with_letters


class Progress:
    """One partition, in the hands of one member of a group.

    Costs memory for what is unfinished only, however far work has run ahead of a record that is stuck.
    """

    __slots__ = (
        "_letters_begun", "_letters_done", "_letters_open", "_next", "_unfinished",
        "ahead", "committed", "gone", "in_hand", "place", "reached", "revoked",
    )  # fmt: skip

    def __init__(self, place: Place = ("", 0), mark: Mark | None = None) -> None:
        self.place = place
        self._unfinished: dict[int, None] = {}  # in the order of offsets, as they came
        self._next = -1 if mark is None else mark.offset
        done = [] if mark is None else done_beyond(mark)
        self.ahead = Done(done) if done else None
        """What others had done before us, of what comes."""
        self._letters_done = 0 if mark is None else letters_done(mark)
        self._letters_begun = 0
        self._letters_open: set[int] = set()
        self.committed = mark
        """The mark that the group has; whoever commits another puts it here."""
        self.in_hand = 0
        """Records that were taken in and are not finished: the dispatcher counts them."""
        self.reached = -1
        """The furthest offset that work has begun on."""
        self.revoked = False
        """The partition goes to somebody else: what is left of it here must not be begun."""
        self.gone = False
        """It belongs to somebody else: nothing of it can be committed any more."""

    def begin(self, offset: int) -> None:
        self.skip(offset)
        self._unfinished[offset] = None

    def skip(self, offset: int) -> None:
        """A record that nobody here wants is done as it comes."""
        if offset < self._next:  # the stream was deleted and made anew, and begins from its start
            self._unfinished.clear()
            self.committed = self.ahead = None
            self.reached = -1
        self._next = offset + 1

    def pass_to(self, end: int) -> None:
        """The partition has nothing more before `end`, where transactions leave offsets that are no records."""
        if end > self._next:
            self._next = end

    def begin_letter(self) -> int:
        """A dead letter of the partition is tried again; returns what stands for its offset: a number below zero."""
        self._letters_begun -= 1
        self._letters_open.add(self._letters_begun)
        return self._letters_begun

    def finish(self, offset: int) -> None:
        if offset >= 0:
            self._unfinished.pop(offset, None)
        elif offset in self._letters_open:
            self._letters_open.discard(offset)
            self._letters_done += 1

    def reopen(self, offset: int) -> None:
        """Not finished after all."""
        if offset < 0:
            return  # letters are only counted
        self._unfinished = dict.fromkeys(sorted({*self._unfinished, offset}))

    @property
    def unfinished(self) -> int:
        """How many have come that are not done; some may have been given up since, for whoever comes next."""
        return len(self._unfinished)

    @property
    def watermark(self) -> int:
        """Everything before this offset is done; -1 when nothing has come yet."""
        return next(iter(self._unfinished), self._next)

    @property
    def mark(self) -> Mark | None:
        """All that is done; None when nothing has come yet, or it is too scattered to be told."""
        offset = self.watermark
        if offset < 0:
            return None
        beyond = encode(offset, self._done())
        return None if beyond is None else Mark(offset, with_letters(beyond, self._letters_done))

    def _done(self) -> Iterator[Range]:
        """The ranges above the watermark that are done, in their order."""
        begin = self._next
        for index, offset in enumerate(self._unfinished):
            if index and offset > begin:
                yield begin, offset
            begin = offset + 1
        if self._unfinished and begin < self._next:
            yield begin, self._next
        for begin, end in self.ahead or ():
            if end > self._next:
                yield max(begin, self._next), end
