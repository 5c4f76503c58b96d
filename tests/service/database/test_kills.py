"""Services, relays and PostgreSQL are killed while events go through: rows and events agree exactly. A short slice of
what `python -m tests.service.database.kills` does at length."""

from __future__ import annotations

import pytest
from tests.service.database.kills import run


@pytest.mark.external
@pytest.mark.timeout(300)
def test_rows_and_events_agree_whatever_is_killed() -> None:
    account = run(events=2_000, kills=6, seed=7)
    assert account.wrong == []
    assert account.kills.total() == 6
