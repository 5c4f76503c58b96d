from __future__ import annotations

import pytest

from tidings.log.epochs import Epochs


def _epochs() -> Epochs:
    epochs = Epochs()
    for epoch, offset in [(1, 0), (1, 5), (3, 10), (2, 12), (6, 20)]:
        epochs.assign(epoch, offset)
    return epochs


def test_only_later_epochs_begin() -> None:
    assert _epochs().starts == [(1, 0), (3, 10), (6, 20)]


@pytest.mark.parametrize(
    ("asked", "answer"),
    [(-1, (-1, -1)), (0, (0, 0)), (1, (1, 10)), (2, (1, 10)), (3, (3, 20)), (5, (3, 20)), (6, (6, 30)), (7, (-1, -1))],
)
def test_an_epoch_ends_where_the_next_began(asked: int, answer: tuple[int, int]) -> None:
    assert _epochs().end_of(asked, 30) == answer


def test_the_file_is_kafkas_and_reads_back() -> None:
    data = _epochs().encode()
    assert data == b"0\n3\n1 0\n3 10\n6 20\n"
    decoded = Epochs.decode(data)
    assert decoded is not None
    assert decoded.starts == _epochs().starts
    assert decoded.latest == 6


@pytest.mark.parametrize(
    "data", [b"", b"0\n", b"1\n0\n", b"0\n2\n1 0\n", b"0\n1\nx 0\n", b"0\n2\n3 10\n1 20\n", b"\xff"]
)
def test_another_file_is_refused(data: bytes) -> None:
    assert Epochs.decode(data) is None


def test_the_beginning_moves_with_the_log() -> None:
    epochs = _epochs()
    epochs.truncate_start(15)
    assert epochs.starts == [(3, 15), (6, 20)]
    epochs.truncate_end(20)
    assert epochs.starts == [(3, 15)]
    assert epochs.latest == 3
