"""What there are settings of, subscriptions to clients' metrics, features, and passwords that are not there."""

from __future__ import annotations

import pytest
from tests.broker.client import Client
from tests.broker.conftest import OpenBroker

from tidings.broker.features import FEATURES
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from tidings.wire.messages.describe_user_scram_credentials import DescribeUserScramCredentialsRequest, UserName
from tidings.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from tidings.wire.messages.list_config_resources import ListConfigResourcesRequest
from tidings.wire.messages.update_features import FeatureUpdateKey, UpdateFeaturesRequest

TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP = 2, 4, 8, 16, 32
SET, DELETE = 0, 1


async def alter(client: Client, kind: int, name: str, **values: str | None) -> int:
    configs = [
        AlterableConfig(name=key.replace("_", "."), config_operation=DELETE if value is None else SET, value=value)
        for key, value in values.items()
    ]
    resource = AlterConfigsResource(resource_type=kind, resource_name=name, configs=configs)
    response = await client.ask(IncrementalAlterConfigsRequest(resources=[resource]), 1)
    code = response.responses[0].error_code
    assert isinstance(code, int)
    return code


async def described(client: Client, name: str) -> dict[str, str]:
    resource = DescribeConfigsResource(resource_type=CLIENT_METRICS, resource_name=name, configuration_keys=None)
    response = await client.ask(DescribeConfigsRequest(resources=[resource]), 4)
    return {config.name: config.value for config in response.results[0].configs}


async def listed(client: Client, *kinds: int, version: int = 1) -> set[tuple[int, str]]:
    response = await client.ask(ListConfigResourcesRequest(resource_types=list(kinds)), version)
    assert response.error_code == ErrorCode.NONE
    return {(resource.resource_type, resource.resource_name) for resource in response.config_resources}


async def test_what_there_are_settings_of_is_listed_by_kind(client: Client) -> None:
    await alter(client, GROUP, "g", consumer_session_timeout_ms="50000")
    await alter(client, CLIENT_METRICS, "mine", interval_ms="1000")
    expected = {(BROKER, "1"), (BROKER_LOGGER, "1"), (CLIENT_METRICS, "mine"), (GROUP, "g")}
    assert await listed(client) == expected | {(TOPIC, "orders"), (TOPIC, "__consumer_offsets")}
    assert await listed(client, GROUP) == {(GROUP, "g")}
    assert await listed(client, version=0) == {(CLIENT_METRICS, "mine")}
    unknown = await client.ask(ListConfigResourcesRequest(resource_types=[99]), 1)
    assert unknown.error_code == ErrorCode.UNSUPPORTED_VERSION


async def test_subscriptions_to_metrics_are_kept_over_a_restart(open_broker: OpenBroker) -> None:
    broker = await open_broker()
    async with await Client.connect(broker.address) as client:
        assert await alter(client, CLIENT_METRICS, "mine", match="client_id=a.*", metrics="org.apache.") == 0
    await broker.close()
    async with await Client.connect((await open_broker()).address) as client:
        assert await described(client, "mine") == {
            "interval.ms": "300000",
            "match": "client_id=a.*",
            "metrics": "org.apache.",
        }
        await alter(client, CLIENT_METRICS, "mine", match=None, metrics=None)
        assert await listed(client, CLIENT_METRICS) == set()


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"interval_ms": "5"}, ErrorCode.INVALID_REQUEST),
        ({"match": "shoe_size=.*"}, ErrorCode.INVALID_CONFIG),
        ({"match": "client_id=("}, ErrorCode.INVALID_CONFIG),
        ({"nonsense": "1"}, ErrorCode.INVALID_REQUEST),
    ],
)
async def test_a_subscription_that_makes_no_sense_is_refused(
    client: Client, values: dict[str, str], code: ErrorCode
) -> None:
    assert await alter(client, CLIENT_METRICS, "mine", **values) == code


@pytest.mark.parametrize("version", [0, 1, 2])
async def test_a_feature_can_be_set_to_what_it_is_and_to_nothing_else(client: Client, version: int) -> None:
    first = FEATURES[0]

    async def update(name: str, level: int) -> tuple[int, str | None]:
        updates = [FeatureUpdateKey(feature=name, max_version_level=level)]
        response = await client.ask(UpdateFeaturesRequest(feature_updates=updates), version)
        of = response.results[0] if version < 2 else response
        return of.error_code, of.error_message

    assert await update(first.name, first.level) == (ErrorCode.NONE, None)
    for name, level in ((first.name, first.level_max + 1), (first.name, 0), ("nonsense.version", 1)):
        code, message = await update(name, level)
        assert code == ErrorCode.INVALID_UPDATE_VERSION
        assert f"Invalid update version {level} for feature {name}" in (message or "")


async def test_nobody_has_a_password_here(client: Client) -> None:
    everybody = await client.ask(DescribeUserScramCredentialsRequest(users=None), 0)
    assert (everybody.error_code, everybody.results) == (ErrorCode.NONE, [])
    ann = await client.ask(DescribeUserScramCredentialsRequest(users=[UserName(name="ann")]), 0)
    assert [result.error_code for result in ann.results] == [ErrorCode.RESOURCE_NOT_FOUND]
