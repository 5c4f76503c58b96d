"""Which keys are parked, and which letters are next: whatever fails, dies or comes late in between.

The state machine below is a whole service in small: records of one partition, two handlers, transactions that commit
or do not, streams that are read back late, letters that are brought to the handlers in any number. Nothing of it may
cost an event, handle one twice, or let one overtake another of its key.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Coroutine, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tidings.events.position import Position
from tidings.service.clock import ManualClock
from tidings.service.dead_letters import FAILED, UNDECODABLE, dead_letter, letter_behind, original, told_by
from tidings.service.lanes import InHand
from tidings.service.parking.ledger import Entry, Floor, Pace, ledger_of, read_entry, write_entry
from tidings.service.parking.letters import (
    DROPPED,
    GIVEN_UP,
    HANDLED,
    WAITING,
    Edited,
    Letter,
    LetterId,
    Note,
    Settled,
    Tried,
    parse_id,
    read_letter,
)
from tidings.service.parking.outstanding import Outstanding, outstanding_in
from tidings.service.parking.parking import Parking
from tidings.service.parking.turns import Turns
from tidings.service.progress import Progress
from tidings.service.routes import Route
from tidings.service.transports.base import Outgoing, Place, Received

SERVICE = "shipping"
PLACE = ("orders", 0)
LETTERS, LEDGER = "shipping.dead-letters", "shipping.dead-letters.ledger"


def record(offset: int, key: str | None = "k", value: bytes = b"{}") -> Received:
    return Received(
        "orders", 0, offset, 1000 + offset, None if key is None else key.encode(), value, [("ce_type", b"O")]
    )


def stored(outgoing: Outgoing, offset: int) -> Received:
    return Received(outgoing.stream, 0, offset, 5_000, outgoing.key, outgoing.value, outgoing.headers)


def failed_letter(offset: int, number: int, *, key: str | None = "k", handler: str = "h", parks: bool = True) -> Letter:
    outgoing = dead_letter(SERVICE, record(offset, key), FAILED, ValueError("no"), 9, handler=handler, parks=parks)
    found = read_letter(stored(outgoing, number))
    assert found is not None
    return found


def waiting_letter(offset: int, number: int, ahead: int = 0) -> Letter:
    found = read_letter(stored(letter_behind(SERVICE, record(offset), Position("orders", 0, ahead), 9), number))
    assert found is not None
    return found


def tried(letter: Letter, *, asked: bool, attempts: int = 7) -> Tried:
    return Tried(letter.id, letter.last, asked, attempts, letter.handlers, "" if asked else "E", "", "", 10)


# What is written is what is read.


def test_letter_is_the_record_byte_for_byte_and_says_why() -> None:
    given_up = Received("orders", 3, 42, 77, b"\xff", b"\x00\x01", [("ce_type", b"O"), ("x", None)])
    outgoing = dead_letter(SERVICE, given_up, FAILED, ValueError("no"), 9, handler="dispatch", attempts=5, parks=True)
    assert original(stored(outgoing, 17)) == given_up
    letter = read_letter(stored(outgoing, 17))
    assert letter == Letter(LetterId("orders", 3, 42, 77, "dispatch"), b"\xff", FAILED, True, 17, 17, 5)
    assert letter.state == GIVEN_UP
    assert letter.chain == ("orders", 3, b"\xff")


def test_letter_about_a_letter_is_unpacked_layer_by_layer() -> None:
    inner = stored(dead_letter("first", record(1), FAILED, ValueError("inner"), 9), 4)
    outer = stored(dead_letter(SERVICE, inner, UNDECODABLE, ValueError("outer"), 9), 5)
    assert told_by(outer.headers)["dead_message"] == "outer"
    assert original(outer) == inner
    assert told_by(original(outer).headers)["dead_message"] == "inner"


def test_record_that_waits_says_for_what() -> None:
    outgoing = letter_behind(SERVICE, record(8), Position("orders", 0, 7), 9)
    letter = read_letter(stored(outgoing, 3))
    assert letter is not None
    assert (letter.state, letter.parks, letter.handlers) == (WAITING, True, ())
    assert told_by(outgoing.headers)["dead_behind"] == "orders/0/7"


@pytest.mark.parametrize(
    "headers",
    [None, [], [("dead_reason", b"failed")], [("dead_reason", b"failed"), ("dead_service", b"another")]],
)
def test_record_that_is_no_letter_of_ours_is_none(headers: Any) -> None:
    assert read_letter(Received(LETTERS, 0, 1, 1, b"k", b"{}", headers)) is None


ids = st.builds(
    LetterId,
    st.sampled_from(["orders", "a.b-c"]),
    st.integers(0, 9),
    st.integers(0, 2**62),
    st.integers(-1, 2**62),
    st.sampled_from(["", "dispatch", "Shop.<lambda>"]),
)
numbers = st.integers(0, 2**62)
entries = st.one_of(
    st.builds(Settled, ids, numbers, st.sampled_from([HANDLED, DROPPED]), numbers),
    st.builds(
        Tried, ids, numbers, st.booleans(), st.integers(0, 99),
        st.tuples(st.text()), st.text(), st.text(), st.text(), numbers,
    ),
    st.builds(Edited, ids, numbers, st.binary(), numbers),
    st.builds(Pace, st.none() | st.floats(0.01, 1e6)),
    st.builds(Floor, numbers),
)  # fmt: skip


@given(entries)
def test_every_entry_of_the_ledger_comes_back_as_it_was_written(entry: Entry) -> None:
    assert read_entry(stored(write_entry(SERVICE, entry), 1)) == entry


@given(ids)
def test_name_of_a_letter_can_be_read_again(letter_id: LetterId) -> None:
    assert parse_id(str(letter_id)) == letter_id


@given(st.binary(), st.binary())
def test_nonsense_in_the_ledger_is_no_entry(key: bytes, value: bytes) -> None:
    read_entry(Received(LEDGER, 0, 0, 0, key, value, None))


def test_wish_can_never_take_the_place_of_an_end() -> None:
    letter = failed_letter(1, 0)
    end = write_entry(SERVICE, Settled(letter.id, 0, HANDLED, 1))
    assert end.key != write_entry(SERVICE, tried(letter, asked=True)).key
    assert end.stream == ledger_of(SERVICE)


# The fold of the two streams.


def view(outstanding: Outstanding) -> object:
    chains = {chain: outstanding.chain(chain) for chain in outstanding.chains}
    return chains, sorted(map(str, outstanding.runnable))


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Letter], list[Note]]:
    """Letters as a service writes them, and notes as it and its operators do."""
    letters: list[Letter] = []
    for offset in range(draw(st.integers(1, 8))):
        number = len(letters)
        kind = draw(st.sampled_from(["failed", "waiting", "loose", "twice"]))
        if kind == "waiting":
            letters.append(waiting_letter(offset, number))
        else:
            letters.append(failed_letter(offset, number, parks=kind != "loose"))
        if kind == "twice":
            letters.append(failed_letter(offset, number + 1))
    last = {letter.id: letter for letter in letters}
    notes: list[Note] = []
    for letter in draw(st.lists(st.sampled_from(letters), max_size=12)):
        letter = last[letter.id]
        possible: list[Note] = [
            Settled(letter.id, letter.last, HANDLED, 1),
            tried(letter, asked=True),
            tried(letter, asked=False),
            Edited(letter.id, letter.last, b"new", 1),
        ]
        notes.append(draw(st.sampled_from(possible)))
    return letters, notes


@given(histories(), st.data())
def test_it_makes_no_difference_how_the_two_streams_are_read_beside_each_other(
    history: tuple[list[Letter], list[Note]], data: st.DataObject
) -> None:
    letters, notes = history
    expected = Outstanding()
    for entry in (*notes, *letters):
        expected.read(entry)
    found = Outstanding()
    left, right = deque(letters), deque(notes)
    while left or right:
        stream = left if left and (not right or data.draw(st.booleans())) else right
        found.read(stream.popleft())
    assert view(found) == view(expected)
    found.read_up_to(100)
    assert view(found) == view(expected)


def test_first_letter_holds_the_others_and_when_it_is_settled_they_go_on() -> None:
    outstanding = Outstanding()
    first, second, third = failed_letter(0, 0), waiting_letter(1, 1), waiting_letter(2, 2)
    for letter in (first, second, third):
        outstanding.read(letter)
    assert outstanding.runnable == []
    outstanding.read(tried(first, asked=True))
    assert outstanding.runnable == [first.chain]
    outstanding.read(Settled(first.id, 0, DROPPED, 1))
    assert outstanding.first(first.chain) == second
    assert outstanding.runnable == [first.chain]
    outstanding.read(tried(second, asked=False))
    assert outstanding.runnable == []
    assert [letter.state for letter in outstanding.chain(first.chain)] == [GIVEN_UP, WAITING]


def test_letters_that_park_nothing_wait_each_for_itself() -> None:
    outstanding = Outstanding()
    one, other = failed_letter(0, 0, parks=False), failed_letter(1, 1, parks=False)
    outstanding.read(one)
    outstanding.read(other)
    outstanding.read(tried(other, asked=True))
    assert outstanding.runnable == [other.chain]


def test_same_record_given_up_after_it_was_settled_is_another_letter() -> None:
    outstanding = Outstanding()
    first, again = failed_letter(0, 0), failed_letter(0, 5)
    outstanding.read(first)
    outstanding.read(Settled(first.id, 0, HANDLED, 1))
    assert not outstanding
    outstanding.read(again)
    assert list(outstanding) == [again]


def test_lowest_number_that_is_outstanding_is_where_reading_may_begin() -> None:
    outstanding = Outstanding()
    first, second = failed_letter(0, 3), failed_letter(1, 7, key="other")
    outstanding.read(first)
    outstanding.read(second)
    assert outstanding.lowest == 3
    outstanding.read(Settled(first.id, 3, HANDLED, 1))
    assert outstanding.lowest == 7
    outstanding.read(Settled(second.id, 7, HANDLED, 1))
    assert outstanding.lowest == 8


# What one process decides.


def parking() -> Parking:
    made = Parking(SERVICE, lambda: None)
    made.assigned([PLACE])
    made.known(made.unknown)
    return made


def test_key_is_parked_at_once_and_others_are_not() -> None:
    parked = parking()
    assert parked.is_quiet
    parked.give_up(record(3), FAILED, ValueError("no"), 1, handler="h")
    assert parked.ahead_of(record(4)) == Position("orders", 0, 3)
    assert parked.ahead_of(record(4, "other")) is None
    assert parked.ahead_of(record(2)) is None
    assert parked.ahead_of(record(3)) is None
    assert parked.is_given_up(record(3), "h")
    assert parked.parked_keys == 1


def test_record_without_a_key_parks_nothing() -> None:
    parked = parking()
    parked.give_up(record(3, None), FAILED, ValueError("no"), 1, handler="h")
    assert parked.ahead_of(record(4, None)) is None
    assert parked.parked_keys == 0


def test_what_was_decided_for_a_partition_that_goes_is_undone() -> None:
    parked = parking()
    parked.read(failed_letter(0, 0))
    parked.read(tried(failed_letter(0, 0), asked=True))
    parked.give_up(record(5, "new"), FAILED, ValueError("no"), 1, handler="h")
    letter = parked.turn_of(failed_letter(0, 0).id)
    assert letter is not None
    parked.over(letter.id, 1)
    assert parked.ahead_of(record(1)) is None
    parked.gone([PLACE])
    assert parked.ahead_of(record(1)) == Position("orders", 0, 0)
    assert parked.ahead_of(record(6, "new")) is None


def test_partition_that_is_not_known_yet_is_waited_for() -> None:
    parked = Parking(SERVICE, lambda: None)
    parked.assigned([PLACE])
    first = parked.unknown
    parked.gone([PLACE])
    parked.assigned([PLACE])
    parked.known(first)
    assert not parked.is_known(PLACE), "what was read for an earlier assignment says nothing about this one"
    assert not parked.is_quiet
    parked.known(parked.unknown)
    assert parked.is_known(PLACE)


# A service in small.

KEYS = "ab"
HANDLERS = ("h1", "h2")
POISONS: list[tuple[str, ...]] = [(), (), ("h1",), ("h2",), HANDLERS]


class Desk:
    """What `Turns` needs of an office."""

    def __init__(self) -> None:
        self.parking = Parking(SERVICE, lambda: None)

    async def until_known(self, place: Place) -> None:
        assert self.parking.is_known(place)


def now(coroutine: Coroutine[Any, Any, bool]) -> bool:
    """The result of what has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return bool(end.value)
    raise AssertionError("it waits")


class ServiceInSmall(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.records: list[Received] = []
        self.poison: set[tuple[int, str]] = set()
        # What lasts.
        self.letters: list[Received] = []
        self.ledger: list[Received] = []
        self.done: set[int] = set()
        self.effects: dict[tuple[str, str], list[int]] = {}
        self.dropped: set[LetterId] = set()
        self.start()

    def start(self) -> None:
        """A process begins, and reads what is there."""
        self.desk = Desk()
        self.turns = Turns(SERVICE, self.desk, self.clock, ["orders"])  # type: ignore[arg-type]
        self.read = {LETTERS: 0, LEDGER: 0}
        self.take_over()

    def take_over(self) -> None:
        self.progress = Progress(PLACE)
        self.lanes: dict[bytes, deque[InHand]] = {}
        self.pending: list[tuple[InHand, list[tuple[str, int]]]] = []
        self.next = 0
        self.desk.parking.assigned([PLACE])
        self.read_back(LEDGER, 10_000)
        self.read_back(LETTERS, 10_000)
        self.desk.parking.known(self.desk.parking.unknown)

    def read_back(self, stream: str, count: int) -> None:
        log = self.letters if stream == LETTERS else self.ledger
        for one in log[self.read[stream] :][:count]:
            entry: Any = read_letter(one) if stream == LETTERS else read_entry(one)
            self.desk.parking.read(entry)
            self.read[stream] += 1
        if stream == LETTERS:
            self.desk.parking.read_up_to(self.read[stream])

    # What happens outside.

    @rule(orders=st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(POISONS)), min_size=1, max_size=6))
    def produce(self, orders: Sequence[tuple[str, Sequence[str]]]) -> None:
        for key, poison in orders:
            offset = len(self.records)
            self.records.append(record(offset, key))
            self.poison.update((offset, handler) for handler in poison)

    @rule(data=st.data())
    def mend(self, data: st.DataObject) -> None:
        if self.poison:
            self.poison -= set(data.draw(st.lists(st.sampled_from(sorted(self.poison)), min_size=1, max_size=3)))

    def outstanding(self) -> list[Letter]:
        """As a command sees it."""
        return list(outstanding_in(self.ledger, self.letters))

    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        for letter in self.outstanding():
            if letter.state == GIVEN_UP and data.draw(st.integers(0, 3)):
                self.ask_for(letter)

    def ask_for(self, letter: Letter) -> None:
        self.write(write_entry(SERVICE, letter.wish(1)))

    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        if letters := self.outstanding():
            letter = data.draw(st.sampled_from(letters))
            self.dropped.add(letter.id)
            self.write(write_entry(SERVICE, Settled(letter.id, letter.last, DROPPED, 1)))

    def write(self, outgoing: Outgoing) -> None:
        log = self.letters if outgoing.stream == LETTERS else self.ledger
        log.append(stored(outgoing, len(log)))

    # What the process does.

    @rule(count=st.integers(1, 12))
    def take_in(self, count: int) -> None:
        for one in self.records[self.next :][:count]:
            self.next += 1
            if one.offset not in self.done:
                self.enqueue(InHand(one, self.route(), self.progress))

    def route(self) -> Route:
        handlers: Any = tuple(SimpleNamespace(name=name) for name in HANDLERS)
        return Route(SimpleNamespace(), handlers)  # type: ignore[arg-type]

    def enqueue(self, item: InHand) -> None:
        assert item.received.key is not None
        self.lanes.setdefault(item.received.key, deque()).append(item)

    @rule(data=st.data())
    def bring(self, data: st.DataObject) -> None:
        """Most of the letters that are due, and of those behind them."""
        for one in self.letters:
            letter = read_letter(one)
            assert letter is not None
            if self.desk.parking.may_bring(letter.id) and data.draw(st.integers(0, 3)):
                self.bring_one(one, letter.id)

    def bring_one(self, one: Received, letter_id: LetterId) -> None:
        if self.desk.parking.bring(letter_id):
            item = InHand(original(one), self.route(), self.progress)
            item.letter = letter_id
            self.enqueue(item)

    @rule(data=st.data(), count=st.integers(1, 12))
    def handle(self, data: st.DataObject, count: int) -> None:
        for _ in range(count):
            if lanes := sorted(key for key, lane in self.lanes.items() if lane):
                self.turn(self.lanes[data.draw(st.sampled_from(lanes))].popleft())

    def turn(self, item: InHand) -> None:
        effects = []
        if now(self.turns.admits(item)):
            for handler in item.route.handlers:
                if (item.received.offset, handler.name) in self.poison:
                    self.turns.give_up(item, FAILED, ValueError("poison"), handler.name)
                else:
                    effects.append((handler.name, item.received.offset))
            self.turns.over(item)
        self.pending.append((item, effects))

    @rule(count=st.integers(1, 16))
    def commit(self, count: int) -> None:
        """A transaction: what was handled first, in its order."""
        batch, self.pending = self.pending[:count], self.pending[count:]
        for item, effects in batch:
            for outgoing in item.outputs:
                self.write(outgoing)
            for handler, offset in effects:
                assert item.received.key is not None
                mine = self.effects.setdefault((item.received.key.decode(), handler), [])
                assert all(earlier < offset for earlier in mine), "overtaken, or handled twice"
                mine.append(offset)
            if item.letter is None:
                self.done.add(item.received.offset)

    @rule(stream=st.sampled_from([LETTERS, LEDGER]), count=st.integers(1, 16))
    def read_some(self, stream: str, count: int) -> None:
        self.read_back(stream, count)

    @rule(data=st.data())
    def go_round(self, data: st.DataObject) -> None:
        """All that a process does, one after the other: most of the time nothing comes in between."""
        self.take_in(12)
        self.read_back(LEDGER, 10_000)
        self.read_back(LETTERS, 10_000)
        self.bring(data)
        self.handle(data, 20)
        if data.draw(st.booleans()):
            self.commit(20)

    @rule()
    def crash(self) -> None:
        self.start()

    @rule()
    def lose_and_take(self) -> None:
        self.progress.gone = True
        self.desk.parking.gone([PLACE])
        self.take_over()

    @invariant()
    def nothing_is_lost(self) -> None:
        """A record that is done was handled, or is in the dead-letter stream."""
        buried = {original(one).offset for one in self.letters}
        for offset in self.done:
            key = (self.records[offset].key or b"").decode()
            handled = all(offset in self.effects.get((key, handler), ()) for handler in HANDLERS)
            assert handled or offset in buried

    def teardown(self) -> None:
        """All is mended and asked for: then all is handled, but for what was dropped."""
        self.poison.clear()
        for _ in range(len(self.records) + 3):
            for letter in self.outstanding():
                if letter.state == GIVEN_UP:
                    self.ask_for(letter)
            self.settle()
        assert self.outstanding() == []
        assert self.desk.parking.is_quiet
        for offset, one in enumerate(self.records):
            for handler in HANDLERS:
                handled = offset in self.effects.get(((one.key or b"").decode(), handler), ())
                was_dropped = any(
                    one in self.dropped
                    for one in (
                        LetterId(*PLACE, offset, 1000 + offset, ""),
                        LetterId(*PLACE, offset, 1000 + offset, handler),
                    )
                )
                assert handled or was_dropped  # fmt: skip

    def settle(self) -> None:
        self.take_in(10_000)
        self.read_back(LEDGER, 10_000)
        self.read_back(LETTERS, 10_000)
        for one in self.letters:
            letter = read_letter(one)
            assert letter is not None
            self.bring_one(one, letter.id)
        for lane in self.lanes.values():
            while lane:
                self.turn(lane.popleft())
        self.commit(10_000)
        self.read_back(LEDGER, 10_000)
        self.read_back(LETTERS, 10_000)


TestServiceInSmall = ServiceInSmall.TestCase
TestServiceInSmall.settings = settings(max_examples=200, stateful_step_count=25, deadline=None)
