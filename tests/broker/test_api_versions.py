"""ApiVersions: what we say we speak is what we speak."""

from __future__ import annotations

import logging
import struct

import pytest
from tests.broker.client import Client

from tidings.broker.server import Broker
from tidings.wire.codec import decode
from tidings.wire.error_codes import ErrorCode
from tidings.wire.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse

PRODUCE, API_VERSIONS = 0, 18


def request(name: str = "librdkafka", version: str = "2.6.0") -> ApiVersionsRequest:
    return ApiVersionsRequest(client_software_name=name, client_software_version=version)


@pytest.mark.parametrize("version", range(5))
async def test_ranges_are_those_of_the_table(live: Broker, client: Client, version: int) -> None:
    response = await client.ask(request(), version)
    assert response.error_code == ErrorCode.NONE
    announced = {api.api_key: (api.min_version, api.max_version) for api in response.api_keys}
    assert announced.pop(PRODUCE) == (0, 13)  # KAFKA-18659
    assert announced == {key: api.request.versions for key, api in live.apis.items() if key != PRODUCE}


async def test_unsupported_api_versions_gets_v0_reply_with_error_35(client: Client) -> None:
    client.writer.write(struct.pack(">ihhih", 10, API_VERSIONS, 99, 4711, -1))
    frame = await client.receive_frame()
    assert struct.unpack_from(">i", frame) == (4711,)
    response, end = decode(ApiVersionsResponse, 0, frame, 4)
    assert end == len(frame)
    assert response.error_code == 35
    assert (API_VERSIONS, 0, 4) in [(api.api_key, api.min_version, api.max_version) for api in response.api_keys]
    assert (await client.ask(request(), 4)).error_code == ErrorCode.NONE


@pytest.mark.parametrize("name", ["", "-x", "x-", "bad name", "snow\N{SNOWMAN}", "x\n"])
async def test_a_client_software_that_is_no_name_is_refused(client: Client, name: str) -> None:
    assert (await client.ask(request(name), 3)).error_code == ErrorCode.INVALID_REQUEST
    assert (await client.ask(request("ok", name), 4)).error_code == ErrorCode.INVALID_REQUEST
    assert (await client.ask(request(), 4)).error_code == ErrorCode.NONE


@pytest.mark.parametrize("version", [3, 4])
async def test_features_in_force_are_announced(client: Client, version: int) -> None:
    """A version 3 client fails at a supported feature that could be off, so it is told of none (KAFKA-17492)."""
    response = await client.ask(request(), version)
    in_force = {f.name: (f.min_version_level, f.max_version_level) for f in response.finalized_features}
    supported = {f.name: (f.min_version, f.max_version) for f in response.supported_features}
    assert in_force["group.version"] == (1, 1)
    assert response.finalized_features_epoch >= 0
    assert supported.get("group.version") == ((0, 1) if version == 4 else None)


@pytest.mark.parametrize("version", [0, 1, 2])
async def test_the_versions_of_produce_that_are_announced_but_not_there_end_the_connection(
    client: Client, caplog: pytest.LogCaptureFixture, version: int
) -> None:
    with caplog.at_level(logging.WARNING):
        client.writer.write(struct.pack(">ihhih", 10, PRODUCE, version, 1, -1))
        assert await client.is_closed_by_broker()
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        f"Produce has no version {version} here"
    ]
