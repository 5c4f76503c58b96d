"""What may be committed of a partition, and what is told of what is done behind it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.service.progress import Progress
from tidings.service.transports.base import Mark
from tidings.service.transports.marks import BEYOND_CHARS_MAX, PACKED, PLAIN, Done, done_beyond, encode, includes

PLACE = ("orders", 0)


def done_offsets(mark: Mark | None, end: int) -> set[int]:
    """What a mark says is done, of the offsets before `end`."""
    if mark is None:
        return set()
    beyond = Done(done_beyond(mark))
    return {offset for offset in range(end) if offset < mark.offset or offset in beyond}


def commit(progress: Progress) -> Mark | None:
    """As a committer does: the mark, if it has moved."""
    mark = progress.mark
    if mark is None or mark == progress.committed:
        return None
    progress.committed = mark
    return mark


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_watermark_is_the_first_offset_that_is_not_done(wanted: list[bool], chance: random.Random) -> None:
    progress = Progress()
    unfinished = []
    for offset, is_wanted in enumerate(wanted):
        if is_wanted:
            progress.begin(offset)
            unfinished.append(offset)
        else:
            progress.skip(offset)
        assert progress.watermark == min(unfinished, default=offset + 1)
    order = list(unfinished)
    chance.shuffle(order)
    for offset in order:
        progress.finish(offset)
        unfinished.remove(offset)
        assert progress.watermark == min(unfinished, default=len(wanted))


def test_mark_moves_with_what_is_done() -> None:
    progress = Progress()
    assert commit(progress) is None
    progress.begin(7)
    assert commit(progress) == Mark(7)
    assert commit(progress) is None
    progress.finish(7)
    assert commit(progress) == Mark(8)
    assert commit(progress) is None


def test_gap_in_the_offsets_is_passed() -> None:
    progress = Progress()
    progress.begin(3)
    progress.begin(9)  # what lies between was compacted away
    progress.finish(3)
    assert progress.watermark == 9
    progress.finish(9)
    assert progress.watermark == 10


def test_end_of_a_partition_is_passed_where_a_marker_takes_the_last_offset() -> None:
    progress = Progress()
    progress.begin(3)
    progress.pass_to(5)
    assert progress.watermark == 3
    progress.finish(3)
    assert progress.mark == Mark(5)
    progress.pass_to(4)  # news that is older
    assert progress.mark == Mark(5)
    progress.begin(5)
    assert progress.mark == Mark(5)


def test_record_that_is_given_up_stays_undone_and_what_is_done_behind_it_is_told() -> None:
    progress = Progress()
    for offset in range(5):
        progress.begin(offset)
    for offset in (0, 1, 3):
        progress.finish(offset)
    mark = progress.mark
    assert mark is not None
    assert mark.offset == 2
    assert done_offsets(mark, 5) == {0, 1, 3}


def test_record_that_is_not_finished_after_all_holds_the_mark_again() -> None:
    progress = Progress()
    for offset in range(3):
        progress.begin(offset)
        progress.finish(offset)
    progress.reopen(1)
    assert progress.watermark == 1
    assert done_offsets(progress.mark, 3) == {0, 2}


def test_work_far_ahead_of_a_stuck_record_costs_no_memory_and_little_to_tell() -> None:
    progress = Progress()
    progress.begin(0)
    for offset in range(1, 10_000):
        progress.begin(offset)
        progress.finish(offset)
    assert progress.unfinished == 1
    mark = progress.mark
    assert mark is not None
    assert mark.offset == 0
    assert len(mark.beyond) < 20
    assert done_beyond(mark) == [(1, 10_000)]


def test_stream_that_was_made_anew_is_counted_anew() -> None:
    progress = Progress()
    for offset in range(5):
        progress.begin(offset)
    progress.finish(0)
    assert commit(progress) == Mark(1)
    progress.begin(0)
    progress.begin(1)
    assert commit(progress) == Mark(0)
    progress.finish(4)  # of the stream that is gone
    progress.finish(0)
    assert commit(progress) == Mark(1)


# Handed from one member of a group to the next.


@given(
    st.lists(st.sampled_from(["wanted", "skipped", "gap"]), max_size=80),
    st.lists(st.integers(0, 2**16), min_size=1, max_size=4),
)
def test_nothing_is_done_again_however_often_a_partition_changes_hands(kinds: list[str], seeds: list[int]) -> None:
    """Each member reads from the committed offset on, does some of it in any order, commits, and goes."""
    wanted = [offset for offset, kind in enumerate(kinds) if kind == "wanted"]
    handled: list[int] = []
    mark: Mark | None = None
    for seed in seeds:
        chance = random.Random(seed)
        progress = Progress(PLACE, mark)
        begun = []
        stops_at = chance.randint(0, len(kinds))
        for offset in range(0 if mark is None else mark.offset, stops_at):
            if kinds[offset] == "gap":
                continue
            if kinds[offset] == "skipped" or (progress.ahead is not None and offset in progress.ahead):
                progress.skip(offset)
            else:
                progress.begin(offset)
                begun.append(offset)
        for offset in chance.sample(begun, chance.randint(0, len(begun))):
            handled.append(offset)
            progress.finish(offset)
        later = progress.mark
        if later is not None:
            assert includes(later, mark) if mark is not None else True
            mark = later
        told = done_offsets(mark, len(kinds))
        assert told.issuperset(handled)
        assert not told.intersection(set(wanted).difference(handled))
    assert len(handled) == len(set(handled))


@st.composite
def some_ranges(draw: st.DrawFn) -> list[tuple[int, int]]:
    lengths = draw(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 300)), max_size=50))
    found, at = [], draw(st.integers(0, 2**40))
    for undone, done in lengths:
        found.append((at + undone, at + undone + done))
        at += undone + done
    return found


@given(some_ranges())
def test_what_is_told_reads_as_it_was_meant(ranges: list[tuple[int, int]]) -> None:
    offset = ranges[0][0] if ranges else 0
    beyond = encode(offset, ranges)
    assert beyond is not None
    told = Done(done_beyond(Mark(offset, beyond)))
    assert all(told.includes(one) for one in ranges)
    assert sum(end - begin for begin, end in told) == sum(end - begin for begin, end in ranges)


def test_many_ranges_are_packed_and_too_many_are_not_told() -> None:
    chance = random.Random(7)
    regular = encode(0, [(offset, offset + 1) for offset in range(1, 8_000, 2)])
    assert regular is not None
    assert regular.startswith(PACKED)
    assert len(regular) < 200
    in_hand = sorted(chance.sample(range(4_096), 2_048))
    scattered = encode(0, [(offset, offset + 1) for offset in in_hand])
    assert scattered is not None
    assert len(scattered) <= BEYOND_CHARS_MAX
    wide = sorted(chance.sample(range(2**30), 4_000))
    assert encode(0, [(offset, offset + 1) for offset in wide]) is None


@pytest.mark.parametrize(
    "text", ["", "tidings", "done:", "done:!", "done:gICAgICAgICAgICAgIA=", "donez:AAAA", PLAIN + "é"]
)
def test_metadata_of_others_says_nothing(text: str) -> None:
    assert done_beyond(Mark(5, text)) == []
    assert Progress(PLACE, Mark(5, text)).mark is not None


@given(some_ranges(), some_ranges())
def test_mark_includes_another_when_it_says_at_least_as_much(
    first: list[tuple[int, int]], second: list[tuple[int, int]]
) -> None:
    marks = []
    for ranges in (first, second):
        ranges = [(begin % 2**20 % 2_000, begin % 2**20 % 2_000 + 40) for begin, _ in ranges]
        offset = min((begin for begin, _ in ranges), default=0)
        ordered = sorted(ranges)
        beyond = encode(offset, ordered)
        assert beyond is not None
        marks.append(Mark(offset, beyond))
    one, other = (done_offsets(mark, 3_000) for mark in marks)
    assert includes(marks[0], marks[1]) == one.issuperset(other)
    assert includes(marks[0], marks[0])
    assert not includes(None, marks[0])
