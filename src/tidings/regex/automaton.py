"""Which names a regular expression is of: topics subscribed to, transactional ids listed. It matches a name as a whole,
as Kafka's (RE2/J) does.

The expression comes from a client and is tried on every name, on the event loop: it must be bounded, whatever it is.
Python's `re` backtracks: `(a+)+b` takes 2^n steps. A binding of RE2 would be a compiled dependency for this one use.
So this is an automaton that is in all its possible states at once (Thompson's construction), which looks at each
character of a name once. Its steps are remembered, so that the thousandth name costs a dictionary's look-up per
character. What it may cost altogether is limited as well.
"""

from __future__ import annotations

from collections.abc import Iterable

from tidings.regex.syntax import (
    TOPIC_CHARS,
    WORD_CHARS,
    Assertion,
    Chars,
    Choice,
    Node,
    RegexError,
    Repeat,
    Sequence,
    parse,
)

REGEX_CHARS_MAX = 8191
STATES_MAX = 20_000
COST_MAX = 200_000
"""States looked at, other than by remembering: half a second or so. What takes more is refused."""

START, END = "^", "$"


class _State:
    """Where the automaton can be: it goes on by a character, or without one if the place is right."""

    __slots__ = ("assertion", "chars", "onward")

    def __init__(self) -> None:
        self.chars: frozenset[str] | None = None
        self.assertion: str | None = None
        self.onward: list[int] = []


class _Place:
    """All states the automaton can be in after some character, and where each next character leads from there."""

    __slots__ = ("before", "is_match", "onward", "states")

    def __init__(self, states: frozenset[int], before: str) -> None:
        self.states = states
        self.before = before
        self.onward: dict[str, _Place] = {}
        self.is_match: bool | None = None


class Regex:
    """Raises RegexError if `regex` is not one we understand, or is too large; `matches` too, if it is too costly.

    `alphabet` holds every character that the names are made of.
    """

    def __init__(self, regex: str, alphabet: frozenset[str] = TOPIC_CHARS) -> None:
        if len(regex) > REGEX_CHARS_MAX:
            raise RegexError(f"it is longer than {REGEX_CHARS_MAX} characters")
        self._states: list[_State] = []
        self._cost = 0
        self._match = self._new()
        first = self._build(parse(regex, alphabet), self._match)
        self._start = _Place(frozenset((first,)), START)
        self._places: dict[tuple[frozenset[int], str], _Place] = {}

    @property
    def size(self) -> int:
        """In states: what it took to build it."""
        return len(self._states)

    def matching(self, names: Iterable[str]) -> frozenset[str]:
        return frozenset(name for name in names if self.matches(name))

    def matches(self, name: str) -> bool:
        place = self._start
        for char in name:
            place = place.onward.get(char) or self._go_on(place, char)
        if place.is_match is None:
            place.is_match = self._match in self._reach(place, END)
        return place.is_match

    # --- running ---

    def _go_on(self, place: _Place, char: str) -> _Place:
        kind = "w" if char in WORD_CHARS else "-"
        found = (self._states[index] for index in self._reach(place, kind))
        states = frozenset(s.onward[0] for s in found if s.chars is not None and char in s.chars)
        onward = self._places.setdefault((states, kind), _Place(states, kind))
        place.onward[char] = onward
        return onward

    def _reach(self, place: _Place, after: str) -> set[int]:
        """With all that is reached without a character, if what comes `after` is of this kind."""
        seen = set(place.states)
        waiting = list(seen)
        while waiting:
            state = self._states[waiting.pop()]
            if state.chars is not None or not _holds(state.assertion, place.before, after):
                continue
            for onward in state.onward:
                if onward not in seen:
                    seen.add(onward)
                    waiting.append(onward)
        self._cost += len(seen) + 1
        if self._cost > COST_MAX:
            raise RegexError("it takes too long to match")
        return seen

    # --- building, from the end to the beginning ---

    def _new(self) -> int:
        if len(self._states) == STATES_MAX:
            raise RegexError("expression is too large")
        self._states.append(_State())
        return len(self._states) - 1

    def _build(self, node: Node, end: int) -> int:
        """States for `node` that lead to `end`; the first of them."""
        match node:
            case Chars(chars):
                return self._leaf(end, chars, None)
            case Assertion(kind):
                return self._leaf(end, None, kind)
            case Sequence(parts):
                for part in reversed(parts):
                    end = self._build(part, end)
                return end
            case Choice(options):
                return self._fork([self._build(option, end) for option in options])
            case Repeat(part, least, most):
                return self._build_repeat(part, least, most, end)

    def _build_repeat(self, part: Node, least: int, most: int | None, end: int) -> int:
        if most is None:
            again = self._new()
            self._states[again].onward = [self._build(part, again), end]
            end = again
        else:
            out = end
            for _ in range(most - least):
                end = self._fork([self._build(part, end), out])
        for _ in range(least):
            end = self._build(part, end)
        return end

    def _leaf(self, end: int, chars: frozenset[str] | None, assertion: str | None) -> int:
        index = self._new()
        state = self._states[index]
        state.chars, state.assertion, state.onward = chars, assertion, [end]
        return index

    def _fork(self, ways: list[int]) -> int:
        index = self._new()
        self._states[index].onward = ways
        return index


def _holds(assertion: str | None, before: str, after: str) -> bool:
    if assertion is None:
        return True
    if assertion == START:
        return before == START
    if assertion == END:
        return after == END
    return ((before == "w") != (after == "w")) == (assertion == "b")
