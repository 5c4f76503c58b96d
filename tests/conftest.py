"""Fixtures that any test may ask for: a broker of ours, and an Apache Kafka."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.peers.apache_kafka import ApacheKafka

from tidings.testing.broker import BrokerProcess


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    """A `tidings up` of the test's own: `.url`, `.bootstrap`, `.kill()`, `.stop()`, `.restart()`."""
    with BrokerProcess(tmp_path / "data") as process:
        yield process


@pytest.fixture(scope="session")
def apache_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """A real Apache Kafka, started once. Not installed is a failure that says what to run, never a skip."""
    with ApacheKafka(tmp_path_factory.mktemp("apache-kafka")) as kafka:
        yield kafka


@pytest.fixture(scope="session")
def kafka_url(apache_kafka: ApacheKafka) -> str:
    return apache_kafka.url
