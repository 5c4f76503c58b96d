"""The demo accounts for every order, on our broker and on Apache Kafka, from the first run to the next."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Tidings

from tidings.testing.process import ChildProcess

ORDERS = 500
ALL_IS_WELL = {"orders": ORDERS, "shipped": ORDERS, "priced": ORDERS, "lost": 0, "duplicated": 0, "seconds": 0}


def test_500_orders_flow_through_the_embedded_broker(offline: Tidings) -> None:
    outcome = offline("demo", "--orders", str(ORDERS), "--exit", "--json")
    assert list(outcome.json) == list(ALL_IS_WELL)
    assert {**outcome.json, "seconds": 0} == ALL_IS_WELL
    assert outcome.code == 0
    assert len(outcome.out.splitlines()) == 1


def test_people_see_the_trace_of_an_order_and_the_account(offline: Tidings) -> None:
    outcome = offline("demo", "--orders", "30", "--exit")
    assert outcome.code == 0
    assert "   └─ PriceChanged" in outcome.out
    assert "30 orders, 30 shipped, 30 priced" in outcome.out
    assert "0 lost, 0 duplicated" in outcome.out
    assert "\x1b" not in outcome.out


def test_it_flows_until_it_is_stopped_and_leaves_nothing_behind(tmp_path: Path) -> None:
    child = ChildProcess([sys.executable, "-m", "tidings", "demo", "--rate", "50", "--data", str(tmp_path / "data")])
    try:
        child.wait_for_line("Try in another terminal", 60)
        steps = len(child.lines("stdout"))
        child.wait_for_line(r"\d+ orders \(", 60, after=steps)
        os.kill(child.pid, signal.SIGTERM)
        assert child.wait(60) == 0
    finally:
        child.kill()
    assert "Stopping" in child.lines("stdout")[-1]
    assert (tmp_path / "data" / "clean-shutdown").exists()
    assert child.lines("stderr") == []


def test_data_for_a_broker_that_is_not_its_own_is_refused(offline: Tidings) -> None:
    assert offline("demo", "--data", "d", "--url", "kafka://127.0.0.1:1").code == 2


@pytest.mark.external
def test_500_orders_flow_through_apache_kafka_again_and_again(
    offline: Tidings, kafka_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDINGS_URL", kafka_url)
    for _ in range(2):
        account = offline("demo", "--orders", str(ORDERS), "--exit", "--json").json
        assert {**account, "seconds": 0} == ALL_IS_WELL
