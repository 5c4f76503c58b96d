"""What a share group is given of a partition, and what becomes of it: examples, and a model of one record at a time."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tidings.coordination.share_partition.acknowledgements import Acknowledgement, Kind, check
from tidings.coordination.share_partition.limits import Limits
from tidings.coordination.share_partition.partition import Acquired, LogBatch, SharePartition, Wanted, Write
from tidings.coordination.share_state.batches import combined
from tidings.coordination.share_state.state import DeliveryState, ShareState, StateBatch
from tidings.wire.error_codes import ApiError, ErrorCode

LIMITS = Limits()
LOG = [LogBatch(0, 9), LogBatch(10, 19), LogBatch(20, 29)]


def begun(start_offset: int = 0, *batches: StateBatch) -> SharePartition:
    return SharePartition(ShareState(0, 0, start_offset, 0, batches))


def wanted(member_id: str = "a", records_max: int = 100, batch_records: int = 100, strict: bool = False) -> Wanted:
    return Wanted(member_id, records_max, batch_records, strict)


def acquire(
    partition: SharePartition,
    asks: Wanted | None = None,
    log: list[LogBatch] | None = None,
    limits: Limits = LIMITS,
    now_ms: int = 0,
) -> list[Acquired]:
    offset = partition.next_offset(limits)
    assert offset is not None
    read = [batch for batch in LOG if batch.last_offset >= offset] if log is None else log
    return partition.acquire(asks or wanted(), offset, read, limits, now_ms)[0]


def tell(
    partition: SharePartition, first: int, last: int, *kinds: Kind, member: str = "a", limits: Limits = LIMITS
) -> Write | None:
    """Acknowledge, and let what is to be kept be safe at once."""
    write = partition.acknowledge(member, [Acknowledgement(first, last, kinds)], limits, 0)
    if write is not None:
        partition.commit(write.ticket)
    return write


def refusal(partition: SharePartition, first: int, last: int, *kinds: Kind, member: str = "a") -> ErrorCode:
    with pytest.raises(ApiError) as refused:
        tell(partition, first, last, *kinds, member=member)
    return refused.value.code


def test_whole_batches_are_handed_out_until_enough() -> None:
    assert acquire(begun(), wanted(records_max=11)) == [Acquired(0, 19, 1)]


def test_of_a_strict_limit_not_one_record_more_is_handed_out() -> None:
    partition = begun()
    assert acquire(partition, wanted(records_max=11, strict=True)) == [Acquired(0, 10, 1)]
    assert acquire(partition, wanted("b", records_max=11, strict=True)) == [Acquired(11, 21, 1)]


def test_what_is_handed_out_comes_in_batches_of_about_the_size_asked_for() -> None:
    assert acquire(begun(), wanted(batch_records=15)) == [Acquired(0, 19, 1), Acquired(20, 29, 1)]


def test_nothing_is_handed_out_before_the_start() -> None:
    assert acquire(begun(5)) == [Acquired(5, 29, 1)]


def test_a_record_is_handed_out_to_one_member_only() -> None:
    partition = begun()
    acquire(partition)
    assert partition.next_offset(LIMITS) == 30
    assert refusal(partition, 0, 9, Kind.ACCEPT, member="b") == ErrorCode.INVALID_RECORD_STATE


def test_what_is_accepted_and_rejected_is_done_with() -> None:
    partition = begun()
    acquire(partition)
    write = tell(partition, 0, 3, Kind.ACCEPT, Kind.ACCEPT, Kind.REJECT, Kind.GAP)
    assert write is not None
    assert write.batches == (
        StateBatch(0, 1, DeliveryState.ACKNOWLEDGED, 1),
        StateBatch(2, 2, DeliveryState.ARCHIVED, 1),
        StateBatch(3, 3, DeliveryState.ARCHIVED, 1),
    )
    assert (write.start_offset, write.delivery_complete_count) == (0, 4)
    assert partition.start_offset == 4


def test_what_is_released_is_handed_out_again() -> None:
    partition = begun()
    acquire(partition)
    tell(partition, 5, 6, Kind.RELEASE)
    assert partition.next_offset(LIMITS) == 5
    assert acquire(partition, wanted("b"), log=LOG[:1]) == [Acquired(5, 6, 2)]


def test_what_is_being_acknowledged_is_nobodys_until_it_is_safe() -> None:
    partition = begun()
    acquire(partition)
    write = partition.acknowledge("a", [Acknowledgement(0, 9, [Kind.RELEASE])], LIMITS, 0)
    assert write is not None
    assert partition.next_offset(LIMITS) == 30
    assert refusal(partition, 0, 9, Kind.ACCEPT) == ErrorCode.INVALID_RECORD_STATE
    partition.roll_back(write.ticket)
    tell(partition, 0, 9, Kind.ACCEPT)
    assert partition.start_offset == 10


def test_time_that_is_over_while_a_write_fails_counts_after_it() -> None:
    partition = begun()
    acquire(partition)
    write = partition.acknowledge("a", [Acknowledgement(0, 9, [Kind.ACCEPT])], LIMITS, 0)
    assert write is not None
    partition.expire(LIMITS.lock_ms, LIMITS)
    assert partition.next_offset(LIMITS) == 10
    partition.roll_back(write.ticket)
    assert partition.next_deadline_ms() == LIMITS.lock_ms
    partition.expire(LIMITS.lock_ms, LIMITS)
    assert partition.next_offset(LIMITS) == 0


def test_an_acknowledgement_is_done_wholly_or_not_at_all() -> None:
    partition = begun()
    acquire(partition, log=LOG[:1])
    two = [Acknowledgement(0, 4, [Kind.ACCEPT]), Acknowledgement(5, 12, [Kind.ACCEPT])]
    with pytest.raises(ApiError) as refused:
        partition.acknowledge("a", two, LIMITS, 0)
    assert refused.value.code == ErrorCode.INVALID_REQUEST
    tell(partition, 0, 9, Kind.ACCEPT)


def test_what_was_handed_out_too_often_is_given_up() -> None:
    partition, limits = begun(), Limits(deliveries_max=2)
    for delivery_count in (1, 2):
        assert acquire(partition, log=LOG[:1], limits=limits) == [Acquired(0, 9, delivery_count)]
        tell(partition, 0, 9, Kind.RELEASE, limits=limits)
    assert partition.start_offset == 10


def test_records_that_came_back_often_are_handed_out_a_few_at_a_time_and_last_alone() -> None:
    partition = begun()
    given = []
    for _ in range(5):
        given.append(acquire(partition, log=LOG[:1]))
        tell(partition, given[-1][0].first_offset, given[-1][0].last_offset, Kind.RELEASE)
    assert given == [
        [Acquired(0, 9, 1)], [Acquired(0, 9, 2)], [Acquired(0, 9, 3)], [Acquired(0, 4, 4)], [Acquired(0, 0, 5)],
    ]  # fmt: skip


def test_a_record_that_came_back_often_is_not_handed_out_along_with_others() -> None:
    partition = begun()
    for _ in range(3):
        acquire(partition, log=LOG[:1])
        tell(partition, 5, 9, Kind.RELEASE)
    tell(partition, 0, 4, Kind.RELEASE)
    assert acquire(partition) == [Acquired(0, 4, 2)]
    assert acquire(partition) == [Acquired(5, 9, 4)]
    assert acquire(partition) == [Acquired(10, 29, 1)]


def test_however_often_a_record_came_back_one_at_least_is_handed_out() -> None:
    partition, limits = begun(), Limits(deliveries_max=10)
    sizes = []
    for _ in range(10):
        (given,) = acquire(partition, log=LOG[:1], limits=limits)
        sizes.append(given.last_offset - given.first_offset + 1)
        tell(partition, given.first_offset, given.last_offset, Kind.RELEASE, limits=limits)
    assert sizes == [10, 10, 10, 10, 10, 5, 2, 1, 1, 1]


def test_acknowledgements_that_are_written_at_the_same_time_do_not_touch_each_other() -> None:
    partition = begun()
    acquire(partition)
    tickets = []
    for first in (0, 3, 6):
        write = partition.acknowledge("a", [Acknowledgement(first, first + 2, [Kind.ACCEPT])], LIMITS, 0)
        assert write is not None
        tickets.append(write.ticket)
    partition.commit(tickets[2])
    assert partition.start_offset == 0
    partition.roll_back(tickets[0])
    partition.commit(tickets[1])
    assert partition.start_offset == 0
    tell(partition, 0, 2, Kind.ACCEPT)
    assert partition.start_offset == 9


def test_of_two_things_said_of_a_record_at_once_the_first_counts() -> None:
    partition = begun()
    acquire(partition)
    told = [Acknowledgement(0, 4, [Kind.ACCEPT]), Acknowledgement(4, 9, [Kind.RELEASE])]
    write = partition.acknowledge("a", told, LIMITS, 0)
    assert write is not None
    assert [batch[:3] for batch in write.batches] == [(0, 4, 2), (5, 9, 0)]


def test_of_what_has_left_the_log_meanwhile_kinds_are_passed_over_too() -> None:
    partition = begun()
    acquire(partition)
    partition.start_at(2)
    write = tell(partition, 0, 3, Kind.ACCEPT, Kind.ACCEPT, Kind.REJECT, Kind.ACCEPT)
    assert write is not None
    assert [batch[:3] for batch in write.batches] == [(2, 2, 4), (3, 3, 2)]


def test_a_renewed_record_stays_longer_with_its_member() -> None:
    partition = begun()
    acquire(partition)
    assert partition.acknowledge("a", [Acknowledgement(3, 3, [Kind.RENEW])], LIMITS, 20_000) is None
    partition.expire(30_000, LIMITS)
    tell(partition, 3, 3, Kind.ACCEPT)
    assert partition.next_deadline_ms() is None


def test_renewal_can_be_forbidden() -> None:
    partition = begun()
    acquire(partition)
    with pytest.raises(ApiError):
        tell(partition, 3, 3, Kind.RENEW, limits=Limits(renewable=False))


def test_offsets_without_a_record_and_hidden_batches_are_done_with() -> None:
    partition = begun()
    log = [LogBatch(3, 5), LogBatch(6, 6, is_hidden=True), LogBatch(9, 9)]
    acquired, write = partition.acquire(wanted(), 0, log, LIMITS, 0)
    assert acquired == [Acquired(3, 5, 1), Acquired(9, 9, 1)]
    assert write is not None
    assert [batch[:3] for batch in write.batches] == [(0, 2, 4), (6, 6, 4), (7, 8, 4)]
    assert partition.start_offset == 3


def test_no_more_is_handed_out_than_may_be_in_flight() -> None:
    partition, limits = begun(), Limits(locks_max=15)
    assert acquire(partition, log=[*LOG, LogBatch(30, 30, is_hidden=True)], limits=limits) == [Acquired(0, 19, 1)]
    assert partition.end_offset == 20
    assert partition.next_offset(limits) is None
    tell(partition, 0, 4, Kind.RELEASE)
    assert acquire(partition, limits=limits) == [Acquired(0, 4, 2)]


def test_what_a_member_that_goes_had_is_handed_out_again() -> None:
    partition = begun()
    acquire(partition, wanted("a"), log=LOG[:1])
    acquire(partition, wanted("b"), log=LOG[1:])
    write = partition.release("a", LIMITS)
    assert write is not None
    assert write.batches == (StateBatch(0, 9, DeliveryState.AVAILABLE, 1),)
    assert acquire(partition, wanted("b"), log=LOG[:1]) == [Acquired(0, 9, 2)]


def test_what_leaves_the_log_is_done_with_and_its_acknowledgement_accepted() -> None:
    partition = begun()
    acquire(partition)
    partition.start_at(15)
    assert partition.start_offset == 15
    assert tell(partition, 0, 9, Kind.ACCEPT) is None
    write = tell(partition, 10, 19, Kind.ACCEPT)
    assert write is not None
    assert [batch[:2] for batch in write.batches] == [(15, 19)]


def test_after_a_restart_what_was_not_done_with_is_handed_out_again() -> None:
    partition = begun(
        0, StateBatch(5, 9, DeliveryState.ACKNOWLEDGED, 1), StateBatch(10, 12, DeliveryState.AVAILABLE, 2)
    )
    assert acquire(partition) == [Acquired(0, 4, 1), Acquired(10, 12, 3), Acquired(13, 29, 1)]


@pytest.mark.parametrize(
    "told",
    [
        [(5, 4, [1])],
        [(0, 1, [])],
        [(0, 2, [1, 1])],
        [(0, 0, [5])],
        [(0, 0, [4])],
        [(0, 0, [-1])],
        [(5, 9, [1]), (0, 2, [1])],
    ],
)
def test_what_no_client_means_is_refused(told: list[tuple[int, int, list[int]]]) -> None:
    with pytest.raises(ApiError) as refused:
        check([Acknowledgement(*one) for one in told], renews=False)
    assert refused.value.code == ErrorCode.INVALID_REQUEST


# A model: one record at a time, without spans.

SIZE = 24
MEMBERS = st.sampled_from("ab")


@dataclass
class Record:
    state: int = 0
    count: int = 0
    member: str = ""
    deadline_ms: int = 0
    pending: int | None = None


class Model(RuleBasedStateMachine):
    """The partition is given random work; every record must be as if it were the only one."""

    def __init__(self) -> None:
        super().__init__()
        self.limits = Limits(deliveries_max=2, lock_ms=100, locks_max=10)
        self.partition = begun()
        self.records = [Record() for _ in range(SIZE)]
        self.known: list[StateBatch] = []
        self.log = [LogBatch(0, 3), LogBatch(4, 4, is_hidden=True), LogBatch(6, 13), LogBatch(14, SIZE - 1)]
        self.now_ms = 0
        self.writes: list[Write] = []
        self.log_start = 0

    def keep(self, write: Write | None) -> None:
        if write is not None:
            self.known.extend(write.batches)

    @rule(member=MEMBERS, records_max=st.integers(1, 12), strict=st.booleans())
    def fetches(self, member: str, records_max: int, strict: bool) -> None:
        offset = self.partition.next_offset(self.limits)
        if offset is None or offset >= SIZE:
            return
        read = [batch for batch in self.log if batch.last_offset >= offset]
        runs, write = self.partition.acquire(
            wanted(member, records_max, 3, strict), offset, read, self.limits, self.now_ms
        )
        self.keep(write)
        for batch in write.batches if write else ():
            for record in self.records[batch.first_offset : batch.last_offset + 1]:
                assert record.state == 0
                record.state = 4
        given = [
            (offset, run.delivery_count) for run in runs for offset in range(run.first_offset, run.last_offset + 1)
        ]
        for offset, count in given:
            record = self.records[offset]
            assert record.state == 0
            assert record.count + 1 == count <= self.limits.deliveries_max
            assert offset not in (4, 5)
            self.records[offset] = Record(1, count, member, self.now_ms + self.limits.lock_ms)
        assert len({offset for offset, _ in given}) == len(given)
        if strict:
            assert len(given) <= records_max

    @rule(member=MEMBERS, first=st.integers(0, SIZE - 1), kinds=st.lists(st.integers(0, 4), min_size=1, max_size=6))
    def acknowledges(self, member: str, first: int, kinds: list[int]) -> None:
        last = min(first + len(kinds), SIZE) - 1
        kinds = kinds[: last - first + 1]
        told = {
            offset: kinds[offset - first] for offset in range(first, last + 1) if offset >= self.partition.start_offset
        }
        is_right = all(
            record.state == 1 and record.member == member and record.pending is None
            for record in (self.records[offset] for offset in told)
        )
        try:
            write = self.partition.acknowledge(member, [Acknowledgement(first, last, kinds)], self.limits, self.now_ms)
        except ApiError:
            assert not is_right
            return
        assert is_right
        for offset, kind in told.items():
            record = self.records[offset]
            if kind == Kind.RENEW:
                record.deadline_ms = self.now_ms + self.limits.lock_ms
            elif kind == Kind.RELEASE:
                record.pending = 4 if record.count >= self.limits.deliveries_max else 0
            else:
                record.pending = 2 if kind == Kind.ACCEPT else 4
        if write is not None:
            self.writes.append(write)

    @precondition(lambda self: self.writes)
    @rule(is_safe=st.booleans(), data=st.data())
    def write_ends(self, is_safe: bool, data: st.DataObject) -> None:
        write = self.writes.pop(data.draw(st.integers(0, len(self.writes) - 1)))
        if is_safe:
            self.keep(write)
            self.partition.commit(write.ticket)
        else:
            self.partition.roll_back(write.ticket)
        for batch in write.batches:
            for offset in range(batch.first_offset, batch.last_offset + 1):
                record = self.records[offset]
                if is_safe:
                    assert record.pending is not None
                    self.records[offset] = Record(record.pending, record.count)
                else:
                    record.pending = None

    @rule(passed_ms=st.integers(1, 120))
    def time_passes(self, passed_ms: int) -> None:
        self.now_ms += passed_ms
        self.keep(self.partition.expire(self.now_ms, self.limits))
        for record in self.records:
            if record.deadline_ms <= self.now_ms:
                self.give_back(record)

    @rule(member=MEMBERS)
    def member_goes(self, member: str) -> None:
        self.keep(self.partition.release(member, self.limits))
        for record in self.records:
            if record.member == member:
                self.give_back(record)

    def give_back(self, record: Record) -> None:
        if record.state == 1 and record.pending is None:
            record.state = 4 if record.count >= self.limits.deliveries_max else 0
            record.member = ""

    @rule(offset=st.integers(0, SIZE // 2))
    def log_start_moves(self, offset: int) -> None:
        self.log_start = max(self.log_start, offset)
        self.partition.start_at(self.log_start)

    @precondition(lambda self: not self.writes)
    @rule()
    def restarts(self) -> None:
        """What members had is handed out again; nothing that is done with is."""
        start = self.partition.start_offset
        self.partition = begun(start, *combined(self.known, start))
        for record in self.records:
            if record.state == 1:
                counts = record.count - 1
                record.state, record.count, record.member = 0, counts, ""

    @invariant()
    def each_record_is_as_in_the_model(self) -> None:
        start = self.partition.start_offset
        for offset, record in enumerate(self.records):
            if offset < start:
                assert record.state in (2, 4) or offset < self.log_start
        seen = {offset: span for span in self.partition._spans for offset in range(span.first, span.last + 1)}
        for offset in range(start, self.partition.end_offset):
            record, span = self.records[offset], seen[offset]
            assert (record.state, record.pending, record.member) == (span.state, span.target, span.member_id)
            if record.state != 4:
                assert record.count == span.delivery_count
        available = [offset for offset in range(start, SIZE) if self.records[offset].state == 0]
        following = self.partition.next_offset(self.limits)
        assert following is None or following == (available[0] if available else SIZE)
        assert self.partition.acquired_count == sum(record.state == 1 for record in self.records[start:])


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
