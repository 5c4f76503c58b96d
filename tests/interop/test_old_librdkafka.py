"""Clients as old as librdkafka 2.0 are served: admin, producer and consumer in a group.

They ask for ApiVersions in a version of their own, and have to get through the answer before anything else.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tidings.errors import OperatorError
from tidings.testing.broker import BrokerProcess

PYTHON = Path(__file__).resolve().parents[2] / ".peers/venv-librdkafka-2.0.2/bin/python"
SESSION = Path(__file__).with_name("clients") / "old_librdkafka.py"

pytestmark = pytest.mark.external


def test_librdkafka_2_0_creates_produces_consumes_in_a_group_and_deletes(broker: BrokerProcess) -> None:
    if not PYTHON.exists():
        raise OperatorError("librdkafka 2.0.2 is not installed here", "run scripts/install-test-peers")
    command = [str(PYTHON), "-I", str(SESSION), broker.bootstrap]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "version": "2.0.2",
        "policy": "delete",
        "unsent": 0,
        "errors": [],
        "read": 1000,
        "committed": 1000,
        "groups": ["readers"],
    }
