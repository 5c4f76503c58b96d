from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.log.index import OffsetIndex, TimeIndex

ascending = st.lists(st.integers(0, 2**31 - 2), unique=True, max_size=50).map(sorted)


def _offset_index(entries: list[tuple[int, int]]) -> OffsetIndex:
    index = OffsetIndex()
    for offset, position in entries:
        index.add(offset, position)
    return index


@given(ascending, st.data())
def test_the_position_before_an_offset_is_that_of_the_last_entry_not_past_it(
    offsets: list[int], data: st.DataObject
) -> None:
    entries = [(offset, 100 * (number + 1)) for number, offset in enumerate(offsets)]
    wanted = data.draw(st.integers(0, 2**31 - 1))
    expected = max((position for offset, position in entries if offset <= wanted), default=0)
    assert _offset_index(entries).position_before(wanted) == expected


@given(ascending)
def test_an_offset_index_reads_back_as_it_was_written(offsets: list[int]) -> None:
    index = _offset_index([(offset, offset + 1) for offset in offsets])
    decoded = OffsetIndex.decode(index.encode(), 2**31)
    assert decoded is not None
    assert (decoded.offsets, decoded.positions) == (index.offsets, index.positions)


def test_an_offset_index_is_big_endian_pairs() -> None:
    assert _offset_index([(3, 4200), (9, 8400)]).encode().hex() == "000000030000106800000009000020d0"


@pytest.mark.parametrize(
    "entries", [[(5, 100), (5, 200)], [(5, 200), (6, 100)], [(5, 1000)], [(-1, 100)], [(1, 0)], [(0, 0), (0, 0)]]
)
def test_an_offset_index_that_cannot_be_right_is_refused(entries: list[tuple[int, int]]) -> None:
    assert OffsetIndex.decode(_offset_index(entries).encode(), 1000) is None


def test_a_torn_index_is_refused() -> None:
    assert OffsetIndex.decode(_offset_index([(5, 100)]).encode()[:-1], 1000) is None
    times = TimeIndex()
    times.add(7, 1)
    assert TimeIndex.decode(times.encode()[:-1]) is None


def test_a_time_index_notes_only_later_times() -> None:
    index = TimeIndex()
    for timestamp, offset in [(-1, 0), (10, 1), (10, 2), (5, 3), (20, 4)]:
        index.add(timestamp, offset)
    assert list(zip(index.timestamps, index.offsets, strict=True)) == [(10, 1), (20, 4)]
    assert index.latest() == (20, 4)
    assert [index.entry_before(timestamp) for timestamp in (10, 11, 20, 21)] == [None, (10, 1), (10, 1), (20, 4)]


def test_a_time_index_reads_back_as_it_was_written() -> None:
    index = TimeIndex()
    index.add(1_700_000_000_000, 7)
    index.add(1_700_000_000_001, 9)
    decoded = TimeIndex.decode(index.encode())
    assert decoded is not None
    assert (decoded.timestamps, decoded.offsets) == (index.timestamps, index.offsets)
    assert TimeIndex.decode(index.encode()[12:] + index.encode()[:12]) is None
