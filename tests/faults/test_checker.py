"""The checker is believed because it finds what is planted, and finds nothing where nothing is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.faults.checker import Id, Stored, Verdict, check


@st.composite
def logs(draw: st.DrawFn) -> list[Stored]:
    """A sound log: up to three partitions, each key in one of them, sequences rising."""
    log = []
    for partition in range(draw(st.integers(1, 3))):
        keys = draw(st.lists(st.sampled_from("abc"), min_size=2, max_size=12))
        for offset, letter in enumerate(keys):
            log.append(Stored(partition, offset, f"{letter}{partition}", keys[:offset].count(letter)))
    return log


def judge(acknowledged: list[Stored], read: list[Stored]) -> Verdict:
    return check(sent=[Id(r.key, r.sequence) for r in acknowledged], acknowledged=acknowledged, read=read)


@given(logs(), st.data())
def test_a_sound_log_is_good_whatever_part_was_acknowledged(log: list[Stored], data: st.DataObject) -> None:
    acknowledged = [record for record in log if data.draw(st.booleans())]
    verdict = check(sent=[Id(r.key, r.sequence) for r in log], acknowledged=acknowledged, read=log)
    assert verdict.good
    assert str(verdict).startswith("nothing lost")


@given(logs(), st.data())
def test_each_lost_record_is_found(log: list[Stored], data: st.DataObject) -> None:
    victim = data.draw(st.sampled_from(log))
    verdict = judge(log, [record for record in log if record != victim])
    assert verdict == Verdict(lost=[victim])
    assert not verdict.good


@given(logs(), st.data())
def test_each_duplicate_is_found(log: list[Stored], data: st.DataObject) -> None:
    twin = data.draw(st.sampled_from(log))
    verdict = judge(log, [*log, twin._replace(offset=1000)])
    assert verdict.duplicated == [Id(twin.key, twin.sequence)]
    assert not verdict.good


@given(logs(), st.data())
def test_a_record_at_another_offset_than_was_acknowledged_is_found(log: list[Stored], data: st.DataObject) -> None:
    victim = data.draw(st.sampled_from(log))
    read = [record._replace(offset=1000) if record == victim else record for record in log]
    assert judge(log, read) == Verdict(moved=[victim])


@given(logs(), st.integers(1, 10))
def test_each_swap_of_two_records_of_a_key_is_found(log: list[Stored], gap: int) -> None:
    key = "k"
    first, second = Stored(9, 0, key, 0), Stored(9, gap, key, 1)
    read = [*log, first._replace(sequence=1), second._replace(sequence=0)]
    verdict = judge([*log, first, second], read)
    assert verdict.reordered == [read[-1]]
    assert not verdict.good


@given(logs())
def test_a_record_nobody_sent_is_found(log: list[Stored]) -> None:
    stranger = Stored(0, 1000, "stranger", 0)
    assert judge(log, [*log, stranger]) == Verdict(invented=[stranger])
