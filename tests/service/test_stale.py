"""A process that stands still for longer than its session lasts, and then wakes up: what it had begun is never seen."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.peers.apache_kafka import ApacheKafka
from tests.service import kills

from tidings.service.url import bootstrap_servers
from tidings.testing.broker import BrokerProcess

EVENTS = 20_000
"""More than one process handles before it is stopped."""


@pytest.fixture(params=["tidings", pytest.param("kafka", marks=pytest.mark.external)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A broker of the test's own: its streams have fixed names."""
    broker: BrokerProcess | ApacheKafka
    with BrokerProcess(tmp_path / "data") if request.param == "tidings" else ApacheKafka(tmp_path / "kafka") as broker:
        yield broker.url


@pytest.mark.timeout(180)
async def test_process_that_wakes_up_after_others_took_over_writes_nothing_twice(url: str, tmp_path: Path) -> None:
    await asyncio.to_thread(live, url, tmp_path / "state")


def live(url: str, state: Path) -> None:
    bootstrap = bootstrap_servers(url)
    kills.create_streams(bootstrap)
    kills.emit(bootstrap, EVENTS, keys=60)
    expected = kills.expected(EVENTS)
    watch = kills.Watch(bootstrap)
    environment = {**os.environ, "TIDINGS_URL": url, "TIDINGS_STATE": str(state)}
    with kills.services(1, environment) as (sleeper,):
        watch.read_until(100)
        os.kill(sleeper.pid, signal.SIGSTOP)
        with kills.services(1, environment) as (heir,):
            watch.read_until(expected.total())  # from where the group's marks are
            os.kill(sleeper.pid, signal.SIGCONT)
            for process in (sleeper, heir):
                assert process.terminate(60) == 0, process.tail()
    watch.close()
    assert watch.outputs == expected
    assert kills.read_all(bootstrap, "kill-shipments") == expected.total()
    assert all(numbers == sorted(numbers) for numbers in watch.by_key.values())
