"""DescribeConfigs, AlterConfigs, IncrementalAlterConfigs: which settings hold, why, and how they are changed."""

from __future__ import annotations

import pytest
from tests.broker.client import Client
from tests.broker.conftest import OpenBroker, create

from tidings.broker.server import Broker
from tidings.broker.settings.broker_configs import BROKER_CONFIGS
from tidings.broker.settings.config_key import ConfigSource, ConfigType
from tidings.broker.settings.group_configs import GROUP_CONFIGS
from tidings.broker.settings.topic_configs import TOPIC_CONFIGS
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages import alter_configs, incremental_alter_configs
from tidings.wire.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResult,
)

TOPIC, BROKER, BROKER_LOGGER, GROUP = 2, 4, 8, 32
SET, DELETE, APPEND, SUBTRACT = range(4)
ORDERS = (TOPIC, "orders")
THIS_BROKER = (BROKER, "1")
ALL_BROKERS = (BROKER, "")
READERS = (GROUP, "readers")


async def describe_result(
    client: Client, resource: tuple[int, str], keys: list[str] | None = None, version: int = 4
) -> DescribeConfigsResult:
    asked = DescribeConfigsResource(resource_type=resource[0], resource_name=resource[1], configuration_keys=keys)
    request = DescribeConfigsRequest(resources=[asked], include_synonyms=True, include_documentation=True)
    (result,) = (await client.ask(request, version)).results
    assert isinstance(result, DescribeConfigsResult)
    assert (result.resource_type, result.resource_name) == resource
    return result


async def describe(
    client: Client, resource: tuple[int, str], *keys: str, version: int = 4
) -> dict[str, DescribeConfigsResourceResult]:
    result = await describe_result(client, resource, list(keys), version)
    assert (result.error_code, result.error_message) == (ErrorCode.NONE, None)
    return {config.name: config for config in result.configs}


async def value(client: Client, resource: tuple[int, str], key: str) -> tuple[str | None, int]:
    config = (await describe(client, resource, key))[key]
    return config.value, config.config_source


async def change(
    client: Client,
    resource: tuple[int, str],
    *operations: tuple[str, int, str | None],
    validate_only: bool = False,
    version: int = 1,
) -> ErrorCode:
    configs = [
        incremental_alter_configs.AlterableConfig(name=name, config_operation=operation, value=value)
        for name, operation, value in operations
    ]
    wanted = incremental_alter_configs.AlterConfigsResource(
        resource_type=resource[0], resource_name=resource[1], configs=configs
    )
    request = incremental_alter_configs.IncrementalAlterConfigsRequest(resources=[wanted], validate_only=validate_only)
    (response,) = (await client.ask(request, version)).responses
    assert bool(response.error_message) == (response.error_code != ErrorCode.NONE)
    return ErrorCode(response.error_code)


async def replace(
    client: Client, resource: tuple[int, str], version: int = 2, validate_only: bool = False, **values: str | None
) -> ErrorCode:
    configs = [
        alter_configs.AlterableConfig(name=name.replace("_", "."), value=value) for name, value in values.items()
    ]
    wanted = alter_configs.AlterConfigsResource(resource_type=resource[0], resource_name=resource[1], configs=configs)
    request = alter_configs.AlterConfigsRequest(resources=[wanted], validate_only=validate_only)
    (response,) = (await client.ask(request, version)).responses
    return ErrorCode(response.error_code)


# Describing.


@pytest.mark.parametrize("version", range(1, 5))
async def test_every_version_describes_a_topic(live: Broker, client: Client, version: int) -> None:
    await create(live, "letters", retention_ms="1000")
    described = await describe(client, (TOPIC, "letters"), version=version)
    assert described.keys() == TOPIC_CONFIGS.keys()
    own, other = described["retention.ms"], described["segment.bytes"]
    assert (own.value, own.config_source, own.read_only, own.is_sensitive) == ("1000", 1, False, False)
    assert [(s.name, s.value, s.source) for s in own.synonyms] == [("retention.ms", "1000", 1)]
    assert (other.value, other.config_source) == ("1073741824", ConfigSource.DEFAULT_CONFIG)
    assert [(s.name, s.source) for s in other.synonyms] == [("log.segment.bytes", 5)]
    if version >= 3:
        assert own.config_type == ConfigType.LONG
        assert own.documentation


@pytest.mark.parametrize("keys", [None, []])
async def test_no_keys_mean_all_keys(client: Client, keys: list[str] | None) -> None:
    result = await describe_result(client, ORDERS, keys)
    assert {config.name for config in result.configs} == TOPIC_CONFIGS.keys()


async def test_keys_narrow_the_answer(client: Client) -> None:
    assert (await describe(client, ORDERS, "retention.ms", "nonsense")).keys() == {"retention.ms"}


async def test_broker_shows_what_it_was_started_with(open_broker: OpenBroker) -> None:
    broker = await open_broker(num_partitions=7, topic_defaults={"retention.ms": "12345"})
    await create(broker, "orders")
    async with await Client.connect(broker.address) as client:
        described = await describe(client, THIS_BROKER)
        assert described.keys() == BROKER_CONFIGS.keys()
        assert (described["num.partitions"].value, described["num.partitions"].config_source) == ("7", 4)
        assert described["num.partitions"].read_only
        assert not described["log.retention.ms"].read_only
        assert described["log.retention.hours"].value == "168"
        assert described["log.dirs"].value == str(broker.config.data)
        assert described["advertised.listeners"].value is None
        assert described["advertised.listeners"].synonyms == []
        assert await value(client, ORDERS, "retention.ms") == ("12345", 4)
        assert broker.catalog.partition("orders", 0).config.retention_ms == 12345


@pytest.mark.parametrize(
    ("resource", "error"),
    [
        ((TOPIC, "nothing"), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ((TOPIC, "a b"), ErrorCode.INVALID_TOPIC_EXCEPTION),
        ((TOPIC, ""), ErrorCode.INVALID_TOPIC_EXCEPTION),
        ((BROKER, "2"), ErrorCode.INVALID_REQUEST),
        ((BROKER, "one"), ErrorCode.INVALID_REQUEST),
        ((BROKER_LOGGER, "1"), ErrorCode.INVALID_REQUEST),
        ((GROUP, ""), ErrorCode.INVALID_REQUEST),
        ((0, ""), ErrorCode.INVALID_REQUEST),
    ],
)
async def test_what_is_not_there_cannot_be_described_or_altered(
    client: Client, resource: tuple[int, str], error: ErrorCode
) -> None:
    result = await describe_result(client, resource)
    assert (result.error_code, result.configs) == (error, [])
    assert await change(client, resource, ("retention.ms", SET, "1")) != ErrorCode.NONE
    assert await replace(client, resource) != ErrorCode.NONE


# Changing one setting.


@pytest.mark.parametrize("version", [0, 1])
async def test_setting_is_set_and_unset(live: Broker, client: Client, version: int) -> None:
    partition = live.catalog.partition("orders", 0)
    assert await change(client, ORDERS, ("retention.ms", SET, " 1000 "), version=version) == ErrorCode.NONE
    assert await value(client, ORDERS, "retention.ms") == ("1000", ConfigSource.DYNAMIC_TOPIC_CONFIG)
    assert partition.config.retention_ms == 1000
    assert await change(client, ORDERS, ("retention.ms", DELETE, None), version=version) == ErrorCode.NONE
    assert await value(client, ORDERS, "retention.ms") == ("604800000", ConfigSource.DEFAULT_CONFIG)
    assert partition.config.retention_ms == 604800000


async def test_changes_are_there_after_a_restart(live: Broker, client: Client, open_broker: OpenBroker) -> None:
    await change(client, ORDERS, ("retention.ms", SET, "1000"))
    await change(client, ALL_BROKERS, ("log.segment.bytes", SET, "2000000"))
    await live.close()
    broker = await open_broker()
    async with await Client.connect(broker.address) as again:
        assert await value(again, ORDERS, "retention.ms") == ("1000", ConfigSource.DYNAMIC_TOPIC_CONFIG)
        assert await value(again, ORDERS, "segment.bytes") == ("2000000", ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG)


async def test_elements_are_added_to_lists_and_taken_out(client: Client) -> None:
    async def policy() -> str | None:
        return (await value(client, ORDERS, "cleanup.policy"))[0]

    assert await change(client, ORDERS, ("cleanup.policy", APPEND, "compact")) == ErrorCode.NONE
    assert await policy() == "delete,compact"
    assert await change(client, ORDERS, ("cleanup.policy", APPEND, "compact")) == ErrorCode.NONE
    assert await policy() == "delete,compact"
    assert await change(client, ORDERS, ("cleanup.policy", SUBTRACT, "delete")) == ErrorCode.NONE
    assert await policy() == "compact"
    assert await change(client, ORDERS, ("retention.ms", APPEND, "1")) == ErrorCode.INVALID_CONFIG


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (("retention.ms", SET, "soon"), ErrorCode.INVALID_CONFIG),
        (("retention.ms", SET, "-2"), ErrorCode.INVALID_CONFIG),
        (("retention.ms", SET, None), ErrorCode.INVALID_REQUEST),
        (("retention.ms", 9, "1"), ErrorCode.INVALID_REQUEST),
        (("nonsense", SET, "1"), ErrorCode.INVALID_CONFIG),
        (("cleanup.policy", APPEND, "burn"), ErrorCode.INVALID_CONFIG),
    ],
)
async def test_change_is_made_whole_or_not_at_all(
    live: Broker, client: Client, operation: tuple[str, int, str | None], error: ErrorCode
) -> None:
    assert await change(client, ORDERS, ("segment.ms", SET, "5"), operation) == error
    assert live.catalog.topics["orders"].configs == {}


async def test_setting_named_twice_is_refused(client: Client) -> None:
    twice = [("retention.ms", SET, "1"), ("retention.ms", SET, "2")]
    assert await change(client, ORDERS, *twice) == ErrorCode.INVALID_REQUEST


async def test_validation_alone_changes_nothing(live: Broker, client: Client) -> None:
    assert await change(client, ORDERS, ("retention.ms", SET, "1"), validate_only=True) == ErrorCode.NONE
    assert await change(client, ORDERS, ("retention.ms", SET, "x"), validate_only=True) == ErrorCode.INVALID_CONFIG
    assert await replace(client, ORDERS, validate_only=True, retention_ms="1") == ErrorCode.NONE
    assert live.catalog.topics["orders"].configs == {}


# Replacing all of them.


@pytest.mark.parametrize("version", range(3))
async def test_replacing_puts_back_what_is_not_named(live: Broker, client: Client, version: int) -> None:
    await change(client, ORDERS, ("retention.ms", SET, "1"), ("segment.ms", SET, "2"))
    assert await replace(client, ORDERS, version, segment_ms="3") == ErrorCode.NONE
    assert live.catalog.topics["orders"].configs == {"segment.ms": "3"}
    assert await replace(client, ORDERS, version, segment_ms=None) == ErrorCode.INVALID_REQUEST
    assert await replace(client, ORDERS, version) == ErrorCode.NONE
    assert live.catalog.topics["orders"].configs == {}


async def test_resource_named_twice_is_left_alone(live: Broker, client: Client) -> None:
    wanted = alter_configs.AlterConfigsResource(resource_type=TOPIC, resource_name="orders")
    response = await client.ask(alter_configs.AlterConfigsRequest(resources=[wanted, wanted]), 2)
    assert [result.error_code for result in response.responses] == [ErrorCode.INVALID_REQUEST]


# The broker's.


async def test_nearer_layer_hides_the_farther(live: Broker, client: Client) -> None:
    partition = live.catalog.partition("orders", 0)
    await change(client, ALL_BROKERS, ("log.retention.ms", SET, "111"))
    assert await value(client, ORDERS, "retention.ms") == ("111", ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG)
    assert partition.config.retention_ms == 111
    await change(client, THIS_BROKER, ("log.retention.ms", SET, "222"))
    assert await value(client, ORDERS, "retention.ms") == ("222", ConfigSource.DYNAMIC_BROKER_CONFIG)
    await change(client, ORDERS, ("retention.ms", SET, "333"))
    layers = (await describe(client, ORDERS, "retention.ms"))["retention.ms"].synonyms
    assert [(layer.name, layer.value) for layer in layers] == [
        ("retention.ms", "333"),
        ("log.retention.ms", "222"),
        ("log.retention.ms", "111"),
        ("log.retention.hours", "168"),
    ]
    assert partition.config.retention_ms == 333
    assert await value(client, THIS_BROKER, "log.retention.ms") == ("222", ConfigSource.DYNAMIC_BROKER_CONFIG)
    defaults = await describe(client, ALL_BROKERS)
    assert {name: config.value for name, config in defaults.items()} == {"log.retention.ms": "111"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("num.partitions", "3"), ("nonsense", "1"), ("log.retention.ms", "soon"), ("log.retention.hours", "1")],
)
async def test_brokers_settings_are_refused_as_kafka_refuses_them(client: Client, name: str, value: str) -> None:
    assert await change(client, THIS_BROKER, (name, SET, value)) == ErrorCode.INVALID_REQUEST


async def test_brokers_settings_with_nothing_to_act_on_are_kept_as_kafka_keeps_them(client: Client) -> None:
    name = "sasl.kerberos.min.time.before.relogin"
    assert await change(client, THIS_BROKER, (name, SET, "58000")) == ErrorCode.NONE
    assert await value(client, THIS_BROKER, name) == ("58000", ConfigSource.DYNAMIC_BROKER_CONFIG)


async def test_broker_shows_how_its_groups_are_set(client: Client) -> None:
    assert await value(client, THIS_BROKER, "group.initial.rebalance.delay.ms") == (
        "200",
        ConfigSource.STATIC_BROKER_CONFIG,
    )


# Groups.


async def test_a_group_has_settings_of_its_own_before_it_exists(
    live: Broker, client: Client, open_broker: OpenBroker
) -> None:
    described = await describe(client, READERS)
    assert described.keys() == GROUP_CONFIGS.keys()
    assert (described["share.auto.offset.reset"].value, described["share.auto.offset.reset"].config_source) == (
        "latest",
        ConfigSource.DEFAULT_CONFIG,
    )
    assert await change(client, READERS, ("share.auto.offset.reset", SET, "earliest")) == ErrorCode.NONE
    assert await value(client, READERS, "share.auto.offset.reset") == ("earliest", ConfigSource.DYNAMIC_GROUP_CONFIG)
    assert await value(client, (GROUP, "others"), "share.auto.offset.reset") == ("latest", ConfigSource.DEFAULT_CONFIG)
    await live.close()
    broker = await open_broker()
    assert broker.catalog.group_value("share.auto.offset.reset", "readers") == "earliest"
    async with await Client.connect(broker.address) as again:
        assert await change(again, READERS, ("share.auto.offset.reset", DELETE, None)) == ErrorCode.NONE
    assert broker.catalog.groups == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("no.such.setting", "1"),
        ("consumer.session.timeout.ms", "44999"),
        ("share.record.lock.duration.ms", "long"),
        ("share.auto.offset.reset", "by_duration:soon"),
        ("share.auto.offset.reset", "by_duration:P"),
        ("share.isolation.level", "serializable"),
    ],
)
async def test_settings_of_groups_that_kafka_refuses_are_refused(client: Client, name: str, value: str) -> None:
    assert await change(client, READERS, (name, SET, value)) == ErrorCode.INVALID_CONFIG


@pytest.mark.parametrize(
    "value", ["earliest", "LATEST", "by_duration:P1D", "by_duration:PT1H30M", "by_duration:PT0.5S"]
)
async def test_a_share_group_may_begin_at_any_of_kafkas_places(client: Client, value: str) -> None:
    assert await change(client, READERS, ("share.auto.offset.reset", SET, value)) == ErrorCode.NONE
