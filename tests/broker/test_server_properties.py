"""A broker is started with settings by the names Apache Kafka gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidings.broker import server_properties
from tidings.broker.config import BrokerConfig
from tidings.broker.server_properties import with_properties
from tidings.broker.settings.broker_configs import BROKER_CONFIGS
from tidings.errors import OperatorError


def config(**properties: str) -> BrokerConfig:
    given = {name.replace("_", "."): value for name, value in properties.items()}
    return with_properties(BrokerConfig(data=Path("data")), given)


def test_settings_of_the_broker_and_of_its_groups_are_taken() -> None:
    made = config(node_id="7", auto_create_topics_enable="False", group_min_session_timeout_ms=" 100 ")
    assert (made.node_id, made.auto_create_topics, made.groups.session_timeout_ms_min) == (7, False, 100)


def test_defaults_of_topics_are_taken_in_whatever_unit() -> None:
    made = config(log_retention_hours="1", log_cleanup_policy="compact", log_preallocate="true")
    assert made.topic_defaults == {"retention.ms": "3600000", "cleanup.policy": "compact", "preallocate": "true"}


def test_what_is_not_said_stays() -> None:
    before = BrokerConfig(data=Path("data"), num_partitions=4, topic_defaults={"retention.ms": "1"})
    after = with_properties(before, {"log.segment.bytes": "1048576"})
    assert after.num_partitions == 4
    assert after.topic_defaults == {"retention.ms": "1", "segment.bytes": "1048576"}


@pytest.mark.parametrize(
    "name", [*server_properties._OF_BROKER, *server_properties._OF_GROUPS, *server_properties._OF_TRANSACTIONS]
)
def test_every_name_is_one_that_kafka_shows(name: str) -> None:
    assert not BROKER_CONFIGS[name].dynamic


@pytest.mark.parametrize("property", [("replica.fetch.min.bytes", "1"), ("num.partitions", "x"), ("node.id", "-1")])
def test_what_is_no_setting_or_no_value_is_refused_with_a_way_out(property: tuple[str, str]) -> None:
    with pytest.raises(OperatorError) as refused:
        with_properties(BrokerConfig(data=Path("data")), dict([property]))
    assert refused.value.way_out
