"""One partition as one share group sees it: what may be handed out, who has what, what is done with.

    partition = SharePartition(state)
    offset = partition.next_offset(limits)              # read the log from here …
    acquired = partition.acquire(wanted, offset, batches, limits, now_ms)
    write = partition.acknowledge(member_id, acknowledgements, limits, now_ms)
    partition.commit(write.ticket)                      # … when it is on the disk; or roll_back

All before `start_offset` is done with. From there to `end_offset` something is known of each record: it is available,
a member has it, or it is done with while others before it are not. Behind that nothing was handed out yet.

What is to be kept is given as a `Write`. An acknowledgement takes effect when its write is safe; until then its records
are nobody's to give or take. What nobody waits for (time that is over, a member that is gone, records that are not
there) takes effect at once: should its write fail, a restart finds it out again. That a record is handed out is not
kept: after a restart it is handed out again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tidings.coordination.share_partition.acknowledgements import Acknowledgement, Kind
from tidings.coordination.share_partition.limits import Limits
from tidings.coordination.share_partition.spans import RecordState, Span, Spans
from tidings.coordination.share_state.state import ShareState, StateBatch
from tidings.wire.error_codes import ApiError, ErrorCode

NO_TICKET = 0


class LogBatch(NamedTuple):
    """A record batch that was read. `is_hidden`: of control records, or an aborted transaction's: for no consumer."""

    first_offset: int
    last_offset: int
    is_hidden: bool = False


class Wanted(NamedTuple):
    """What a member asks for."""

    member_id: str
    records_max: int
    batch_records: int
    """About so many records should be in each batch of what it is given."""
    is_strict: bool = False
    """Never more than `records_max` (KIP-1206, record_limit); else whole batches of the log."""


class Acquired(NamedTuple):
    first_offset: int
    last_offset: int
    delivery_count: int


class Write(NamedTuple):
    """What is to be kept."""

    start_offset: int
    delivery_complete_count: int
    batches: tuple[StateBatch, ...]
    ticket: int = NO_TICKET
    """For `commit` or `roll_back`; NO_TICKET if neither is to be called."""


class SharePartition:
    """See the module. Times are monotonic."""

    def __init__(self, state: ShareState) -> None:
        """`state.start_offset` must be an offset. What lies between the batches kept was never handed out."""
        self.start_offset = state.start_offset
        self._spans = Spans(state.start_offset)
        self._tickets = NO_TICKET
        for batch in state.batches:
            self._spans.extend(batch.first_offset - 1)
            self._spans.add(
                Span(batch.first_offset, batch.last_offset, RecordState(batch.delivery_state), batch.delivery_count)
            )
        self._advance()

    # --- what there is ---

    @property
    def end_offset(self) -> int:
        """Behind the last record of which anything is known."""
        return self._spans.end

    @property
    def in_flight(self) -> int:
        """How many records that is."""
        return self._spans.end - self.start_offset

    @property
    def delivery_complete_count(self) -> int:
        """How many of them are done with, or will be when what is being written is safe."""
        return sum(len(span) for span in self._spans if (span.target or span.state).is_final)

    @property
    def acquired_count(self) -> int:
        """How many of them members have."""
        return sum(len(span) for span in self._spans if span.state is RecordState.ACQUIRED)

    def next_offset(self, limits: Limits) -> int | None:
        """Where to read the log for what may be handed out next; None while too many records are in flight."""
        for span in self._spans:
            if span.is_available:
                return span.first
        return self.end_offset if self.in_flight < limits.locks_max else None

    def next_deadline_ms(self) -> int | None:
        """When `expire` should be called next."""
        deadlines = [span.deadline_ms for span in self._spans if _is_held(span)]
        return min(deadlines, default=None)

    # --- records are handed out ---

    def acquire(
        self, wanted: Wanted, read_from: int, batches: Sequence[LogBatch], limits: Limits, now_ms: int
    ) -> tuple[list[Acquired], Write | None]:
        """Hand out, of `batches`, which were read from `read_from` on, what is available.

        What is hidden is done with, and so are offsets between batches, at which there is nothing (any more).
        """
        runs: list[Acquired] = []
        hidden: list[StateBatch] = []
        cursor, taken = max(read_from, self.start_offset), 0
        for batch in batches:
            first, last = max(batch.first_offset, cursor), batch.last_offset
            if last < first:
                continue
            hidden += self._skip(cursor, last if batch.is_hidden else first - 1)
            if not batch.is_hidden:
                if last >= self.end_offset and self.in_flight < limits.locks_max:
                    self._spans.extend(last)
                given = self._hand_out(wanted, first, batch, taken, limits, now_ms)
                for number, span in enumerate(given):
                    _add_run(runs, span, wanted, is_new_batch=number == 0)
                    taken += len(span)
                is_left = self.end_offset <= last or any(span.is_available for span in self._spans.within(first, last))
                if is_left or taken >= wanted.records_max or any(_is_throttled(span, limits) for span in given):
                    break
            cursor = last + 1
        return runs, self._settled(hidden)

    def _hand_out(
        self, wanted: Wanted, first: int, batch: LogBatch, taken: int, limits: Limits, now_ms: int
    ) -> list[Span]:
        """What is available in one batch, from `first` on. `taken` says how many records the member has got already."""
        given: list[Span] = []
        here = 0
        for span in self._spans.within(first, batch.last_offset):
            if not span.is_available:
                continue
            part_first, part_last = max(first, span.first), min(batch.last_offset, span.last)
            room = limits.records_max(span.delivery_count, batch.last_offset - batch.first_offset + 1)
            is_throttled = span.delivery_count >= limits.throttled_since
            if is_throttled and taken + here:
                break
            if wanted.is_strict:
                room = min(room, wanted.records_max - taken - here)
            if room <= 0:
                break
            part = self._spans.cut_out(span, part_first, min(part_last, part_first + room - 1))
            part.hand_out(wanted.member_id, now_ms + limits.lock_ms)
            given.append(part)
            here += len(part)
            if is_throttled:
                break
        return given

    def _skip(self, first: int, last: int) -> list[StateBatch]:
        """There is nothing for anybody from `first` to `last`. Who has been given some of it, keeps it."""
        if last < first:
            return []
        self._spans.extend(last)
        gone = [span for span in self._spans.parts(first, last) if span.is_available]
        for span in gone:
            span.become(RecordState.ARCHIVED)
        return [span.as_batch(RecordState.ARCHIVED) for span in gone]

    # --- members say what became of them ---

    def acknowledge(
        self, member_id: str, acknowledgements: Sequence[Acknowledgement], limits: Limits, now_ms: int
    ) -> Write | None:
        """Begin to do what the member says, all of it or nothing. None: nothing is to be kept, all is done.

        What it says of records before the start is taken for granted: they are done with, whatever it says.
        Raises ApiError INVALID_RECORD_STATE for records the member does not have (any more), INVALID_REQUEST for those
        that were never handed out.
        """
        told = []
        for acknowledgement in acknowledgements:
            for first, last, kind in acknowledgement.runs():
                self._check(member_id, first, last, kind, limits)
                told.append((first, last, kind))
        self._tickets += 1
        batches = []
        for first, last, kind in told:
            for span in self._spans.parts(first, last):
                if span.target is not None:
                    continue  # it said so twice
                if kind is Kind.RENEW:
                    span.deadline_ms = now_ms + limits.lock_ms
                    continue
                span.target = _outcome(kind, span, limits)
                span.ticket = self._tickets
                batches.append(span.as_batch(span.target))
        if not batches:
            self._spans.tidy()
            return None
        return Write(self.start_offset, self.delivery_complete_count, tuple(batches), self._tickets)

    def commit(self, ticket: int) -> None:
        """The acknowledgement is safe."""
        for span in self._spans:
            if span.ticket == ticket and span.target is not None:
                span.become(span.target)
        self._advance()

    def roll_back(self, ticket: int) -> None:
        """It is not: the member has its records as before; if their time is over, until the next `expire`."""
        for span in self._spans:
            if span.ticket == ticket:
                span.target = None
                span.ticket = 0
        self._spans.tidy()

    def _check(self, member_id: str, first: int, last: int, kind: Kind, limits: Limits) -> None:
        if last >= self.end_offset:
            if not self.in_flight:
                raise ApiError(ErrorCode.INVALID_RECORD_STATE, "nothing of this partition is handed out")
            raise ApiError(ErrorCode.INVALID_REQUEST, f"offset {last} was not handed out yet")
        if kind is Kind.RENEW and not limits.renewable:
            raise ApiError(ErrorCode.INVALID_RECORD_STATE, "the group does not allow to renew locks")
        for span in self._spans.within(first, last):
            if not _is_held(span) or span.member_id != member_id:
                raise ApiError(
                    ErrorCode.INVALID_RECORD_STATE, f"offset {max(first, span.first)} is not with this member"
                )

    # --- what nobody waits for ---

    def release(self, member_id: str, limits: Limits) -> Write | None:
        """The member is gone: others may have what it had."""
        return self._take_back(lambda span: span.member_id == member_id, limits)

    def expire(self, now_ms: int, limits: Limits) -> Write | None:
        """Others may have what members had too long."""
        return self._take_back(lambda span: span.deadline_ms <= now_ms, limits)

    def start_at(self, log_start_offset: int) -> None:
        """Records before this one are not in the log any more. That is found out again, and so not written."""
        if log_start_offset > self.start_offset:
            self.start_offset = log_start_offset
            self._spans.begin_at(log_start_offset)
            self._advance()

    def _take_back(self, is_meant: Callable[[Span], bool], limits: Limits) -> Write | None:
        batches = []
        for span in self._spans:
            if _is_held(span) and is_meant(span):
                span.become(_outcome(Kind.RELEASE, span, limits))
                batches.append(span.as_batch(span.state))
        return self._settled(batches)

    def _settled(self, batches: list[StateBatch]) -> Write | None:
        """What has changed for good is to be kept."""
        write = Write(self.start_offset, self.delivery_complete_count, tuple(batches)) if batches else None
        self._advance()
        return write

    def _advance(self) -> None:
        """Let the start pass what is done with."""
        self._spans.tidy()
        for span in self._spans:
            if not span.is_over:
                break
            self.start_offset = span.last + 1
        self._spans.begin_at(self.start_offset)


def _is_held(span: Span) -> bool:
    return span.state is RecordState.ACQUIRED and span.target is None


def _outcome(kind: Kind, span: Span, limits: Limits) -> RecordState:
    """What becomes of a record. What was handed out as often as may be does not come back."""
    if kind is Kind.ACCEPT:
        return RecordState.ACKNOWLEDGED
    if kind is Kind.RELEASE and span.delivery_count < limits.deliveries_max:
        return RecordState.AVAILABLE
    return RecordState.ARCHIVED


def _is_throttled(span: Span, limits: Limits) -> bool:
    """Whether it was handed out a few at a time."""
    return span.delivery_count > limits.throttled_since


def _add_run(runs: list[Acquired], span: Span, wanted: Wanted, *, is_new_batch: bool) -> None:
    """Put `span` behind what the member is given: in one batch with what precedes it, if that is not large enough."""
    if runs:
        first, last, count = runs[-1]
        is_full = is_new_batch and not wanted.is_strict and last - first + 1 >= wanted.batch_records
        if last + 1 == span.first and count == span.delivery_count and not is_full:
            runs[-1] = Acquired(first, span.last, count)
            return
    runs.append(Acquired(span.first, span.last, span.delivery_count))
