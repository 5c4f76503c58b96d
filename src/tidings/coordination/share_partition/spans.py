"""Neighbouring records in the same state, as one: the records between a share partition's start and its end.

Spans follow one another without a gap. Whoever changes a part of one splits it first; `tidy` joins again what has
become alike, so that their number is that of the changes of state along the log, not that of the records.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from tidings.coordination.share_state.state import DeliveryState, StateBatch


class RecordState(IntEnum):
    """Numbered as in Apache Kafka."""

    AVAILABLE = DeliveryState.AVAILABLE
    ACQUIRED = 1
    """A member has it, until it says what became of it or its time is over."""
    ACKNOWLEDGED = DeliveryState.ACKNOWLEDGED
    ARCHIVED = DeliveryState.ARCHIVED

    @property
    def is_final(self) -> bool:
        return self in (RecordState.ACKNOWLEDGED, RecordState.ARCHIVED)


@dataclass(slots=True)
class Span:
    """Records `first` to `last`, which were handed out `delivery_count` times."""

    first: int
    last: int
    state: RecordState = RecordState.AVAILABLE
    delivery_count: int = 0
    member_id: str = ""
    deadline_ms: int = 0
    """When they are taken from the member that has them; monotonic."""
    target: RecordState | None = None
    """What they become when the acknowledgement that is being written is safe."""
    ticket: int = 0
    """The acknowledgement it is."""

    def __len__(self) -> int:
        return self.last - self.first + 1

    @property
    def is_available(self) -> bool:
        return self.state is RecordState.AVAILABLE

    @property
    def is_over(self) -> bool:
        return self.target is None and self.state.is_final

    def is_like(self, other: Span) -> bool:
        return (
            self.state is other.state
            and self.delivery_count == other.delivery_count
            and self.member_id == other.member_id
            and self.deadline_ms == other.deadline_ms
            and self.target is other.target
            and self.ticket == other.ticket
        )

    def hand_out(self, member_id: str, deadline_ms: int) -> None:
        self.state = RecordState.ACQUIRED
        self.delivery_count += 1
        self.member_id = member_id
        self.deadline_ms = deadline_ms

    def become(self, state: RecordState) -> None:
        """Nobody has it any more."""
        self.state = state
        self.member_id = ""
        self.deadline_ms = 0
        self.target = None
        self.ticket = 0

    def as_batch(self, state: RecordState) -> StateBatch:
        return StateBatch(self.first, self.last, state, self.delivery_count)


class Spans:
    """All of them, in order. `end` is behind the last one."""

    def __init__(self, start: int) -> None:
        self.end = start
        self._spans: list[Span] = []

    def __iter__(self) -> Iterator[Span]:
        return iter(self._spans)

    def __len__(self) -> int:
        return len(self._spans)

    def add(self, span: Span) -> None:
        """Put it behind the others."""
        self._spans.append(span)
        self.end = span.last + 1

    def extend(self, last: int) -> None:
        """Let records up to `last` be there that nobody was given yet."""
        if last >= self.end:
            self.add(Span(self.end, last))

    def within(self, first: int, last: int) -> list[Span]:
        """Those that touch `first` to `last`, as they are."""
        spans = self._spans
        at = max(bisect_right(spans, first, key=_first) - 1, 0)
        found = []
        for span in spans[at:]:
            if span.first > last:
                break
            if span.last >= first:
                found.append(span)
        return found

    def cut_out(self, span: Span, first: int, last: int) -> Span:
        """The part of `span` from `first` to `last`, as a span of its own."""
        if first > span.first:
            span = self._split(span, first)
        if last < span.last:
            self._split(span, last + 1)
        return span

    def parts(self, first: int, last: int) -> list[Span]:
        """Spans that cover, of `first` to `last`, exactly what is here."""
        return [self.cut_out(span, max(first, span.first), min(last, span.last)) for span in self.within(first, last)]

    def begin_at(self, start: int) -> None:
        """Forget what is before `start`."""
        kept = [span for span in self._spans if span.last >= start]
        if kept and kept[0].first < start:
            kept[0].first = start
        self._spans = kept
        self.end = max(self.end, start)

    def tidy(self) -> None:
        """Join neighbours that are alike."""
        joined: list[Span] = []
        for span in self._spans:
            if joined and joined[-1].is_like(span):
                joined[-1].last = span.last
            else:
                joined.append(span)
        self._spans = joined

    def _split(self, span: Span, at: int) -> Span:
        """The part from `at` on; `span` keeps what is before it."""
        rest = Span(
            at, span.last, span.state, span.delivery_count, span.member_id, span.deadline_ms, span.target, span.ticket
        )
        span.last = at - 1
        self._spans.insert(bisect_right(self._spans, span.first, key=_first), rest)
        return rest


def _first(span: Span) -> int:
    return span.first
