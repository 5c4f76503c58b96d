from __future__ import annotations

from struct import pack

from hypothesis import given
from hypothesis import strategies as st

from tidings.log.aborted import Aborted, AbortedTxn

TXNS = [AbortedTxn(7, 10, 19, 12), AbortedTxn(8, 12, 25, 21), AbortedTxn(7, 21, 30, 31), AbortedTxn(9, 31, 90, 91)]


def _with(*txns: AbortedTxn) -> Aborted:
    aborted = Aborted()
    for txn in txns:
        aborted.add(txn)
    return aborted


def test_those_that_touch_the_offsets_are_found() -> None:
    aborted = _with(*TXNS)
    assert aborted.between(0, 10) == []
    assert aborted.between(0, 11) == TXNS[:1]
    assert aborted.between(19, 20) == TXNS[:2]
    assert aborted.between(20, 22) == TXNS[1:3]
    assert aborted.between(0, 1000) == TXNS
    assert aborted.between(91, 1000) == []


def test_a_file_is_kafkas() -> None:
    ((base_offset, data),) = _with(TXNS[0]).unwritten([0])
    assert base_offset == 0
    assert data == pack(">hqqqq", 0, 7, 10, 19, 12)


def test_each_segment_has_the_markers_in_it() -> None:
    aborted = _with(*TXNS)
    files = aborted.unwritten([0, 20, 40, 60, 80])
    assert [(base, len(data) // 34) for base, data in files] == [(0, 1), (20, 2), (80, 1)]
    loaded = Aborted()
    for check, (_, data) in zip(aborted.checks([0, 20, 40, 60, 80]), files, strict=True):
        assert loaded.load(check, data)
    assert loaded.between(0, 1000) == TXNS


def test_what_was_written_is_not_written_again() -> None:
    aborted = _with(*TXNS[:2])
    aborted.written(26)
    assert aborted.unwritten([0, 20]) == []
    aborted.add(TXNS[2])
    assert [base for base, _ in aborted.unwritten([0, 20])] == [20]
    assert [base for base, _ in aborted.unwritten([0, 20, 29])] == [29]


def test_a_file_may_have_grown_since_but_not_changed() -> None:
    (check,) = _with(*TXNS[:2]).checks([0])
    ((_, data),) = _with(*TXNS[:3]).unwritten([0])
    aborted = Aborted()
    assert aborted.load(check, data)
    assert aborted.between(0, 1000) == TXNS[:2]
    for bit in range(8 * 2 * 34):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        assert not Aborted().load(check, bytes(damaged))
    assert not Aborted().load(check, data[: 2 * 34 - 1])


def test_deleted_segments_take_theirs_along() -> None:
    aborted = _with(*TXNS)
    aborted.forget_before(26)
    assert aborted.between(0, 1000) == TXNS[2:]


def test_those_of_which_nothing_is_left_go() -> None:
    aborted = _with(*TXNS)
    aborted.written(91)
    aborted.remove([25, 26])
    assert aborted.between(0, 1000) == [TXNS[0], *TXNS[2:]]
    assert [base for base, _ in aborted.unwritten([0, 20, 80])] == [20, 80]


@given(st.data())
def test_a_search_finds_what_looking_at_all_finds(data: st.DataObject) -> None:
    """Producers begin, and end, in any order; the last stable offset is what Kafka makes it."""
    open_txns: dict[int, int] = {}
    txns: list[AbortedTxn] = []
    aborted = Aborted()
    for offset in range(30):
        producer_id = data.draw(st.integers(0, 4))
        first = open_txns.pop(producer_id, None)
        if first is None:
            open_txns[producer_id] = offset
        elif data.draw(st.booleans()):
            txns.append(AbortedTxn(producer_id, first, offset, min(open_txns.values(), default=offset + 1)))
            aborted.add(txns[-1])
    for start in range(30):
        for end in range(start, 31):
            wanted = [txn for txn in txns if txn.last_offset >= start and txn.first_offset < end]
            assert aborted.between(start, end) == wanted
