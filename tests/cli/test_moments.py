"""Moments are read and written as people do."""

from __future__ import annotations

from datetime import datetime

import pytest

from tidings.cli.moments import BEGINNING, END, Start, parse_start, span
from tidings.errors import OperatorError

NOW_MS = 1_700_000_000_000


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("beginning", BEGINNING),
        ("end", END),
        ("0", Start("offset", 0)),
        ("1200", Start("offset", 1200)),
        ("5m", Start("time", NOW_MS - 300_000)),
        ("1.5h", Start("time", NOW_MS - 5_400_000)),
        ("250ms", Start("time", NOW_MS - 250)),
        ("99999w", Start("time", 0)),
        ("2023-11-14T22:13:20Z", Start("time", NOW_MS)),
        ("2023-11-14", Start("time", round(datetime(2023, 11, 14).timestamp() * 1000))),
    ],
)
def test_a_start_is_read_as_it_is_written(text: str, start: Start) -> None:
    assert parse_start(text, NOW_MS) == start


@pytest.mark.parametrize("text", ["", "yesterday", "5 minutes", "-3", "5y"])
def test_a_start_that_is_none_is_refused_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(OperatorError) as refused:
        parse_start(text, NOW_MS)
    assert "5m" in refused.value.way_out


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0.0 ms"),
        (9.94, "9.9 ms"),
        (12.4, "12 ms"),
        (999.4, "999 ms"),
        (999.6, "1.0 s"),
        (59_940, "59.9 s"),
        (60_000, "1 m"),
        (310_000, "5 m 10 s"),
        (7_500_000, "2 h 5 m"),
        (274_000_000, "3 d 4 h"),
    ],
)
def test_a_span_is_told_in_the_unit_that_reads_best(ms: float, text: str) -> None:
    assert span(ms) == text
