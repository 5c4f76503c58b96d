"""load.c says what happened, and nothing when anything went wrong. It takes a C compiler and Linux."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.broker import frames, load, raw_client

from tidings.errors import UnavailableError
from tidings.testing.broker import BrokerProcess

pytestmark = pytest.mark.external


def topic(broker: BrokerProcess, name: str = "load") -> str:
    raw_client.create_topics(("127.0.0.1", broker.port), {name: 1})
    return name


def test_what_was_produced_is_consumed_to_its_end(broker: BrokerProcess, tmp_path: Path) -> None:
    name = topic(broker)
    batches = [frames.produce(name, 0, frames.batch(100, 50, first=at)) for at in range(3)]
    produce = frames.write(tmp_path / "produce", batches)
    written = load.produce(broker.port, produce, connections=4, in_flight=5, requests=200)
    assert written.requests == 200
    assert written.bytes_out == sum(len(batches[at % 3]) for at in range(200))
    fetch = frames.write(tmp_path / "fetch", [frames.fetch(name, 0)])
    read = load.consume(broker.port, fetch, offset_at=frames.fetch_offset_at(name), until=200 * 50)
    assert read.bytes_in > 200 * 50 * 100


def test_the_times_of_single_requests_are_in_order(broker: BrokerProcess, tmp_path: Path) -> None:
    produce = frames.write(tmp_path / "produce", [frames.produce(topic(broker), 0, frames.batch(100, 1))])
    seen = load.produce(broker.port, produce, connections=3, seconds=0.3)
    assert 0 < seen.p50 <= seen.p99 <= seen.max <= seen.seconds * 1e6


def test_every_record_due_comes_back_end_to_end(broker: BrokerProcess, tmp_path: Path) -> None:
    name = topic(broker)
    batches = (frames.produce(name, 0, frames.batch(100, count)) for count in range(1, 21))
    produce = frames.write(tmp_path / "produce", batches)
    fetch = frames.write(tmp_path / "fetch", [frames.fetch(name, 0)])
    seen = load.end_to_end(broker.port, produce, fetch, offset_at=frames.fetch_offset_at(name), rate=2000, seconds=0.5)
    assert 0 < seen.p50 <= seen.p99 <= seen.max
    assert 0.4 < seen.seconds < 30


def test_an_error_of_the_broker_ends_it(broker: BrokerProcess, tmp_path: Path) -> None:
    produce = frames.write(tmp_path / "produce", [frames.produce(topic(broker), 7, frames.batch(100, 1))])
    with pytest.raises(UnavailableError, match=r"error code 3$"):
        load.produce(broker.port, produce, requests=1)


def test_a_fetch_beyond_the_end_ends_it(broker: BrokerProcess, tmp_path: Path) -> None:
    fetch = frames.write(tmp_path / "fetch", [frames.fetch(topic(broker), 5)])
    with pytest.raises(UnavailableError, match=r"error code 1$"):
        load.poll(broker.port, fetch, seconds=1)
