"""What lasts of share groups: states are laid over each other rightly, fenced rightly, and come back from their log."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.coordination.harness import START_MONOTONIC_MS, START_WALL_MS, Topics, orders_and_payments

from tidings.coordination.outcome import Now, Outcome, Record
from tidings.coordination.share_state.batches import combined
from tidings.coordination.share_state.coordinator import NOTHING, ShareStateCoordinator
from tidings.coordination.share_state.records import tombstone
from tidings.coordination.share_state.state import DeliveryState, Place, ShareState, StateBatch
from tidings.errors import DiskError
from tidings.wire.error_codes import ApiError, ErrorCode

NOW = Now(START_MONOTONIC_MS, START_WALL_MS)
ORDERS = b"\x01" * 16
PAYMENTS = b"\x02" * 16
PLACE = Place("queue", ORDERS, 1)

batch_lists = st.lists(
    st.builds(
        lambda first, length, state, count: StateBatch(first, first + length, state, count),
        st.integers(0, 30),
        st.integers(0, 12),
        st.sampled_from(list(DeliveryState)),
        st.integers(1, 3),
    ),
    max_size=8,
)


class Kept:
    """A coordinator and its log."""

    def __init__(self, topics: Topics | None = None) -> None:
        self.topics = orders_and_payments() if topics is None else topics
        self.log: list[Record] = []
        self.coordinator = ShareStateCoordinator(self.topics)

    def keep(self, outcome: Outcome) -> None:
        for key, value in outcome.records:
            self.log.append((key, value))
            self.coordinator.replay(key, value)

    def restart(self) -> None:
        self.coordinator = ShareStateCoordinator(self.topics)
        for key, value in self.log:
            self.coordinator.replay(key, value)
        self.keep(self.coordinator.start(NOW))

    def initialize(self, place: Place = PLACE, *, state_epoch: int = 1, start_offset: int = -1) -> None:
        self.keep(self.coordinator.initialize(place, state_epoch, start_offset, NOW))

    def write(self, *batches: StateBatch, state_epoch: int = 1, leader_epoch: int = 0, start_offset: int = -1) -> None:
        self.keep(self.coordinator.write(PLACE, ShareState(state_epoch, leader_epoch, start_offset, 0, batches)))

    def read(self, leader_epoch: int = -1) -> ShareState:
        state, outcome = self.coordinator.read(PLACE, leader_epoch)
        self.keep(outcome)
        return state


def refusal_of(*args: object, by: object) -> ErrorCode:
    with pytest.raises(ApiError) as caught:
        by(*args)  # type: ignore[operator]
    return caught.value.code


# --- batches ---


@given(batch_lists, st.integers(-1, 45))
def test_each_record_has_the_state_of_the_batch_that_has_seen_most(batches: list[StateBatch], start: int) -> None:
    expected = {}
    for offset in range(max(start, 0), 60):
        said = [(b.delivery_count, b.delivery_state) for b in batches if b.first_offset <= offset <= b.last_offset]
        if said:
            expected[offset] = max(said)
    found = {}
    for batch in combined(batches, start):
        for offset in range(batch.first_offset, batch.last_offset + 1):
            assert offset not in found, "two batches overlap"
            found[offset] = (batch.delivery_count, batch.delivery_state)
    assert found == expected


@given(batch_lists, st.integers(-1, 45))
def test_combined_batches_are_in_order_and_as_few_as_can_be(batches: list[StateBatch], start: int) -> None:
    laid = combined(batches, start)
    for one, other in pairwise(laid):
        assert one.last_offset < other.first_offset
        assert one.last_offset + 1 < other.first_offset or one[2:] != other[2:]
    assert combined(laid, start) == laid


# --- who may read and write ---


def test_a_state_has_to_be_begun_before_it_is_read_or_written() -> None:
    kept = Kept()
    assert refusal_of(by=kept.read) is ErrorCode.INVALID_REQUEST
    assert refusal_of(by=kept.write) is ErrorCode.INVALID_REQUEST
    assert kept.coordinator.summary(PLACE) == NOTHING
    kept.initialize()
    assert kept.read() == ShareState(1, 0, -1, -1)
    kept.initialize(state_epoch=2, start_offset=7)
    assert kept.read() == ShareState(2, 0, 7, 0)


def test_earlier_state_epochs_are_fenced() -> None:
    kept = Kept()
    kept.initialize(state_epoch=5)

    def begin_anew() -> None:
        kept.initialize(state_epoch=4)

    def write() -> None:
        kept.write(state_epoch=4)

    assert refusal_of(by=begin_anew) is ErrorCode.FENCED_STATE_EPOCH
    assert refusal_of(by=write) is ErrorCode.FENCED_STATE_EPOCH
    kept.write(state_epoch=-1, start_offset=3)
    assert kept.read().start_offset == 3


def test_a_leader_that_reads_fences_those_before_it() -> None:
    kept = Kept()
    kept.initialize()
    assert kept.read(leader_epoch=6).leader_epoch == 6
    assert refusal_of(5, by=kept.read) is ErrorCode.FENCED_LEADER_EPOCH

    def write() -> None:
        kept.write(leader_epoch=5)

    assert refusal_of(by=write) is ErrorCode.FENCED_LEADER_EPOCH
    kept.restart()
    assert refusal_of(by=write) is ErrorCode.FENCED_LEADER_EPOCH


@pytest.mark.parametrize("place", [Place("queue", b"\x09" * 16, 0), Place("queue", ORDERS, 4), Place("q", ORDERS, -1)])
def test_states_are_of_partitions_that_exist(place: Place) -> None:
    kept = Kept()

    def begin() -> None:
        kept.initialize(place)

    assert refusal_of(by=begin) is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert refusal_of(place, by=kept.coordinator.summary) is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


# --- what lasts ---


@given(st.lists(st.tuples(batch_lists, st.integers(-1, 40)), max_size=5))
def test_a_state_comes_back_from_its_log_and_from_its_snapshot(writes: list[tuple[list[StateBatch], int]]) -> None:
    kept = Kept()
    kept.initialize(start_offset=0)
    kept.initialize(Place("queue", PAYMENTS, 0), state_epoch=3)
    for batches, start_offset in writes:
        kept.write(*batches, start_offset=start_offset)
    before = kept.read()
    snapshot = list(kept.coordinator.snapshot())
    kept.restart()
    assert kept.read() == before
    kept.log = list(snapshot)
    kept.restart()
    assert kept.read() == before
    assert list(kept.coordinator.snapshot()) == snapshot


def test_states_of_a_deleted_topic_go_with_it_even_if_the_broker_did_not_live_to_see_it() -> None:
    kept = Kept()
    kept.initialize()
    kept.initialize(Place("queue", PAYMENTS, 0))
    kept.keep(kept.coordinator.topics_deleted([PAYMENTS]))
    assert kept.coordinator.places("queue") == [PLACE]
    del kept.topics["orders"]
    kept.restart()
    assert kept.coordinator.places("queue") == []
    assert kept.log[-1] == tombstone(PLACE)


def test_a_deleted_state_is_begun_afresh() -> None:
    kept = Kept()
    kept.initialize(state_epoch=9)
    kept.keep(kept.coordinator.delete([PLACE, Place("other", ORDERS, 0)]))
    kept.initialize(state_epoch=1)
    assert kept.read().state_epoch == 1


def test_a_record_of_a_kind_unknown_here_is_not_passed_over() -> None:
    with pytest.raises(DiskError, match="newer version"):
        Kept().coordinator.replay(b"\x00\x02", None)
    with pytest.raises(DiskError, match="cannot be read"):
        Kept().coordinator.replay(b"\x00\x00", None)
