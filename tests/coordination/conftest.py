"""What the coordination tests share."""

from __future__ import annotations

import pytest
from tests.coordination.harness import Cluster


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()
