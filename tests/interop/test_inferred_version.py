"""A client that infers a broker's version from the ranges of its APIs infers the one of Apache Kafka that we claim."""

from __future__ import annotations

import pytest

from tidings.testing.broker import BrokerProcess

CLAIMED = (4, 3)

pytestmark = [
    pytest.mark.filterwarnings("ignore:(read|open)_text is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


def test_kafka_python_infers_the_version_we_claim(broker: BrokerProcess) -> None:
    from kafka import KafkaConsumer

    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap)
    try:
        assert consumer.config["api_version"] == CLAIMED
    finally:
        consumer.close()
