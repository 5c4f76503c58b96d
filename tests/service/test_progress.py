"""What may be committed of a partition."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidings.service.progress import Progress


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_watermark_is_the_first_offset_that_is_not_done(wanted: list[bool], chance: object) -> None:
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
    chance.shuffle(order)  # type: ignore[attr-defined]
    for offset in order:
        progress.finish(offset)
        unfinished.remove(offset)
        assert progress.watermark == min(unfinished, default=len(wanted))


def test_offset_is_given_to_commit_once() -> None:
    progress = Progress()
    assert progress.take_commit() is None
    progress.begin(7)
    assert progress.take_commit() == 7
    assert progress.take_commit() is None
    progress.finish(7)
    assert progress.take_commit() == 8
    assert progress.take_commit() is None


def test_gap_in_the_offsets_is_passed() -> None:
    progress = Progress()
    progress.begin(3)
    progress.begin(9)  # what lies between was compacted away
    progress.finish(3)
    assert progress.watermark == 9
    progress.finish(9)
    assert progress.watermark == 10


def test_nothing_behind_an_abandoned_record_is_committed() -> None:
    progress = Progress()
    for offset in range(5):
        progress.begin(offset)
    progress.finish(0)
    progress.abandon(2)
    progress.finish(1)
    progress.finish(3)
    progress.abandon(4)
    assert progress.watermark == 2


def test_work_far_ahead_of_a_stuck_record_costs_no_memory() -> None:
    progress = Progress()
    progress.begin(0)
    for offset in range(1, 10_000):
        progress.begin(offset)
        progress.finish(offset)
    assert progress.unfinished == 1
    assert progress.watermark == 0


def test_stream_that_was_made_anew_is_counted_anew() -> None:
    progress = Progress()
    for offset in range(5):
        progress.begin(offset)
    progress.finish(0)
    assert progress.take_commit() == 1
    progress.begin(0)
    progress.begin(1)
    assert progress.take_commit() == 0
    progress.finish(4)  # of the stream that is gone
    progress.finish(0)
    assert progress.take_commit() == 1
