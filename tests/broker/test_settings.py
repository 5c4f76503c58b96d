"""The tables of settings: what is taken, how it is shown, and that the tables themselves hold together."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidings.broker.config import BrokerConfig
from tidings.broker.settings.broker_configs import BROKER_CONFIGS, static_values
from tidings.broker.settings.resolved import Settings
from tidings.broker.settings.topic_configs import TOPIC_CONFIGS, checked
from tidings.errors import OperatorError
from tidings.log.config import LogConfig
from tidings.wire.error_codes import ApiError


@pytest.mark.parametrize("name", TOPIC_CONFIGS)
def test_topics_default_is_a_value_it_takes(name: str) -> None:
    default = TOPIC_CONFIGS[name].default
    assert default is not None
    assert checked({name: default}) == {name: default}


@pytest.mark.parametrize("name", BROKER_CONFIGS)
def test_brokers_default_is_a_value_it_takes(name: str) -> None:
    key = BROKER_CONFIGS[name]
    assert key.default is None or float_free(key.canonical(key.default)) == float_free(key.default)
    assert key.documentation


def float_free(value: str) -> str:
    return value.lower().replace("+", "")


def test_every_synonym_is_a_setting_of_the_broker() -> None:
    for key in TOPIC_CONFIGS.values():
        assert set(key.synonyms) <= BROKER_CONFIGS.keys()


def test_without_any_setting_a_log_has_kafkas_defaults() -> None:
    config = LogConfig.from_topic(Settings(1, {}).topic_values({}))
    assert config == LogConfig()


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("retention.ms", " 7 ", "7"),
        ("retention.ms", "+7", "7"),
        ("preallocate", "TRUE", "true"),
        ("cleanup.policy", "compact, delete", "compact,delete"),
        ("cleanup.policy", "delete,delete", "delete"),
        ("cleanup.policy", "", ""),
        ("min.cleanable.dirty.ratio", "1", "1.0"),
        ("leader.replication.throttled.replicas", "*", "*"),
        ("leader.replication.throttled.replicas", "0:1,1:1", "0:1,1:1"),
    ],
)
def test_values_are_shown_as_kafka_shows_them(name: str, value: str, shown: str) -> None:
    assert checked({name: value}) == {name: shown}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retention.ms", ""),
        ("retention.ms", "1.5"),
        ("retention.ms", "1_000"),
        ("retention.ms", "-2"),
        ("retention.ms", str(1 << 63)),
        ("max.message.bytes", str(1 << 31)),
        ("segment.bytes", "13"),
        ("preallocate", "yes"),
        ("cleanup.policy", "Compact"),
        ("compression.type", "none"),
        ("compression.gzip.level", "0"),
        ("compression.zstd.level", "23"),
        ("min.cleanable.dirty.ratio", "1.1"),
        ("min.cleanable.dirty.ratio", "nan"),
        ("leader.replication.throttled.replicas", "1:"),
        ("no.such.setting", "1"),
        ("remote.storage.enable", "true"),
    ],
)
def test_values_kafka_refuses_are_refused(name: str, value: str) -> None:
    with pytest.raises(ApiError):
        checked({name: value})


def test_settings_in_hours_count_for_topics_in_milliseconds() -> None:
    settings = Settings(1, {"log.retention.ms": "5"})
    assert settings.topic_value("retention.ms", {})[0] == "5"
    assert Settings(1, {}).topic_value("retention.ms", {})[0] == "604800000"


def test_fsync_shows_in_the_settings() -> None:
    fsync, page_cache = (
        Settings(1, static_values(BrokerConfig(data=Path("data"), durability=durability), "data"))
        for durability in ("fsync", "os")
    )
    assert fsync.topic_value("flush.messages", {})[0] == "1"
    assert page_cache.topic_value("flush.messages", {})[0] == "9223372036854775807"


@pytest.mark.parametrize(
    ("name", "value"), [("nonsense", "1"), ("remote.storage.enable", "true"), ("retention.ms", "x")]
)
def test_impossible_defaults_of_topics_are_the_operators_matter(name: str, value: str) -> None:
    with pytest.raises(OperatorError):
        static_values(BrokerConfig(data=Path("data"), topic_defaults={name: value}), "data")
