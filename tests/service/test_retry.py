"""How long a failing handler waits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings import Retry
from tidings.errors import DeclarationError
from tidings.service.retry import JITTER, parse_backoff

BOOM = ValueError("boom")


def waits(retry: Retry, chance: float = 0.0) -> list[float | None]:
    return [retry.wait_s(made, BOOM, lambda: chance) for made in range(1, retry.attempts + 1)]


def test_waits_grow_by_one_factor_from_the_first_to_the_last() -> None:
    assert waits(Retry(5, backoff="1s..64s")) == pytest.approx([1, 4, 16, 64, None])


def test_five_attempts_are_five_calls_and_four_waits() -> None:
    assert [wait is None for wait in waits(Retry(5, backoff="1s..5m"))] == [False] * 4 + [True]


def test_one_duration_waits_that_long_each_time() -> None:
    assert waits(Retry(4, backoff="250ms")) == [0.25, 0.25, 0.25, None]


def test_two_attempts_wait_the_first_time_only() -> None:
    assert waits(Retry(2, backoff="1s..5m")) == [1.0, None]


def test_single_attempt_is_not_tried_again() -> None:
    assert waits(Retry(1)) == [None]


def test_no_wait_at_all_is_a_wait_of_zero() -> None:
    assert waits(Retry(3, backoff="0s..0s")) == [0.0, 0.0, None]


@given(st.integers(2, 20), st.floats(0.001, 10), st.floats(1, 1000), st.floats(0, 0.999))
def test_wait_stays_within_the_range_but_for_its_jitter(
    attempts: int, first_s: float, times: float, chance: float
) -> None:
    for wait_s in waits(Retry(attempts, backoff=f"{first_s:.6f}s..{first_s * times:.6f}s"), chance)[:-1]:
        assert wait_s is not None
        assert first_s * (1 - JITTER) - 1e-5 <= wait_s <= first_s * times + 1e-5


def test_only_the_named_exceptions_are_worth_another_attempt() -> None:
    retry = Retry(3, on=(TimeoutError, ConnectionError))
    assert retry.wait_s(1, BOOM, lambda: 0.0) is None
    assert retry.wait_s(1, ConnectionResetError(), lambda: 0.0) is not None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s..5m", (1, 300)), ("200ms..30s", (0.2, 30)), ("1.5h", (5400, 5400)), (" 1s .. 2s ", (1, 2))],
)
def test_backoff_is_read_with_its_units(text: str, seconds: tuple[float, float]) -> None:
    assert parse_backoff(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "1", "1x", "5m..1s", "1s..", "..1s", "1s..2s..3s", "-1s"])
def test_backoff_that_makes_no_sense_is_refused_while_declaring(text: str) -> None:
    with pytest.raises(DeclarationError, match="backoff"):
        Retry(3, backoff=text)


def test_there_is_at_least_one_attempt() -> None:
    with pytest.raises(DeclarationError, match="at least one"):
        Retry(0)
