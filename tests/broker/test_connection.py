"""What one connection promises, whatever the APIs do: here they are a few made for the purpose."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from tests.broker.client import Client, request_frame

from tidings.broker.clock import SystemClock
from tidings.broker.config import BrokerConfig
from tidings.broker.handlers.api_versions import api_versions
from tidings.broker.requests.connection import OUTGOING_BYTES_MAX, Connection
from tidings.broker.requests.dispatch import Api, CloseConnection, Context, Reply
from tidings.broker.requests.outbox import Outbox
from tidings.broker.requests.throttle import Throttle
from tidings.coordination.quotas.limits import QuotaLimits
from tidings.security.acl import AccessControl
from tidings.wire.error_codes import ApiError, ErrorCode
from tidings.wire.message import Message
from tidings.wire.messages.api_versions import ApiVersionsRequest
from tidings.wire.messages.fetch import FetchRequest, FetchResponse
from tidings.wire.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from tidings.wire.messages.list_groups import ListedGroup, ListGroupsRequest, ListGroupsResponse
from tidings.wire.messages.produce import ProduceRequest, ProduceResponse

if TYPE_CHECKING:
    from tidings.broker.server import Broker

Answer = Callable[[Any, Context], Reply | Awaitable[Reply]]
EchoAnswer = ListGroupsResponse(error_code=0)


class Stage:
    """A listening socket whose connections answer from a table that the test fills."""

    def __init__(self) -> None:
        self.broker = SimpleNamespace(
            access=AccessControl(),
            config=BrokerConfig(data=Path("/nowhere"), request_bytes_max=1 << 20),
            apis={},
            scratch=bytearray(1 << 16),
            connections=set(),
            is_closing=False,
            loop=asyncio.get_running_loop(),
            outbox=Outbox(asyncio.get_running_loop()),
            traffic=None,
            throttle=Throttle(QuotaLimits(), SystemClock()),
        )
        self.seen: list[Message] = []
        self.address = ("", 0)

    def answer(self, request: type[Message], answer: Answer, *, pipelined: bool = False) -> None:
        def handle(asked: Message, context: Context) -> Reply | Awaitable[Reply]:
            self.seen.append(asked)
            return answer(asked, context)

        first, last = request.versions
        self.broker.apis[request.api_key] = Api(request.api_key, request, handle, first, last, first, pipelined, None)

    async def client(self) -> Client:
        return await Client.connect(self.address)

    def connection(self) -> Connection:
        (connection,) = self.broker.connections
        return cast("Connection", connection)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(cast("Broker", stage.broker)), "127.0.0.1", 0)
    stage.address = server.sockets[0].getsockname()[:2]
    stage.answer(ListGroupsRequest, lambda _, __: EchoAnswer)
    yield stage
    for connection in list(stage.broker.connections):
        connection.abort()
        await connection.lost
    server.close()
    await server.wait_closed()


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.startswith("tidings")]


async def test_frames_that_come_one_byte_at_a_time_are_answered(stage: Stage) -> None:
    async with await stage.client() as client:
        frame = request_frame(ListGroupsRequest(), 4, 7)
        for byte in frame * 2:
            client.writer.write(bytes([byte]))
            await client.writer.drain()
            await asyncio.sleep(0)
        assert (await client.receive_frame())[:4] == (await client.receive_frame())[:4] == struct.pack(">i", 7)


async def test_frames_larger_than_the_receive_buffer_are_answered(stage: Stage) -> None:
    async with await stage.client() as client:
        request = ListGroupsRequest(states_filter=["x" * 1000] * 500)
        assert await client.ask(request, 4) == EchoAnswer
        assert stage.seen == [request]


async def test_pipelined_requests_are_answered_in_order_behind_a_long_poll(stage: Stage) -> None:
    future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
    stage.answer(FetchRequest, lambda _, __: future)
    async with await stage.client() as client:
        poll = client.send(FetchRequest(max_wait_ms=100, min_bytes=1), 12)
        second = client.send(ListGroupsRequest(), 4)
        third = client.send(ListGroupsRequest(), 4)
        while not stage.connection()._frames:
            await asyncio.sleep(0)
        assert [type(seen) for seen in stage.seen] == [FetchRequest]  # as in Kafka: one at a time
        future.set_result(FetchResponse(session_id=5))
        assert (await client.receive(poll)).session_id == 5
        assert await client.receive(second) == await client.receive(third) == EchoAnswer


async def test_produce_after_produce_does_not_wait_for_the_reply_but_replies_keep_their_order(stage: Stage) -> None:
    futures: list[asyncio.Future[Reply]] = []

    def later(_: Message, context: Context) -> asyncio.Future[Reply]:
        futures.append(asyncio.get_running_loop().create_future())
        return futures[-1]

    stage.answer(ProduceRequest, later, pipelined=True)
    async with await stage.client() as client:
        sent = [client.send(ProduceRequest(acks=-1, timeout_ms=n), 9) for n in range(3)]
        while len(futures) < 3:
            await asyncio.sleep(0)
        assert [seen.timeout_ms for seen in stage.seen if isinstance(seen, ProduceRequest)] == [0, 1, 2]
        for n in (2, 0, 1):
            futures[n].set_result(ProduceResponse(throttle_time_ms=n))
        assert [(await client.receive(one)).throttle_time_ms for one in sent] == [0, 1, 2]


async def test_a_handler_without_a_reply_sends_nothing_and_holds_up_nothing(stage: Stage) -> None:
    stage.answer(ProduceRequest, lambda _, __: None, pipelined=True)
    async with await stage.client() as client:
        client.send(ProduceRequest(acks=0, timeout_ms=0), 9)
        assert await client.ask(ListGroupsRequest(), 4) == EchoAnswer


@pytest.mark.parametrize(
    ("frame", "complaint"),
    [
        (struct.pack(">i", -1), "a frame of -1 bytes"),
        (struct.pack(">i", 1 << 30), "a frame of 1073741824 bytes"),
        (struct.pack(">i", 0), "a request of 0 bytes"),
        (struct.pack(">ihhih", 10, 9999, 0, 1, -1), "there is no API 9999"),
        (struct.pack(">ihhih", 10, 16, 99, 1, -1), "ListGroups has no version 99"),
        (struct.pack(">ihhih", 10, 16, 0, 1, 500), "a client id of 500 bytes"),
        (struct.pack(">ihhih", 16, 16, 4, 1, -1) + b"\0\xff\xff\xff\xff\x0f", "an array of 4294967294 elements"),
        (b"GET / HTTP/1.1\r\n\r\n", "a frame of 1195725856 bytes"),
    ],
)
async def test_a_malformed_frame_closes_only_its_connection_with_one_log_line(
    stage: Stage, caplog: pytest.LogCaptureFixture, frame: bytes, complaint: str
) -> None:
    with caplog.at_level(logging.INFO):
        async with await stage.client() as bad, await stage.client() as good:
            bad.writer.write(frame)
            assert await bad.is_closed_by_broker()
            assert await good.ask(ListGroupsRequest(), 4) == EchoAnswer
            (line,) = lines(caplog)
            host, port = bad.writer.get_extra_info("sockname")[:2]
            assert line.startswith(f"closed {host}:{port}: {complaint}")


async def test_what_came_before_a_malformed_frame_is_answered(stage: Stage) -> None:
    async with await stage.client() as client:
        client.writer.write(request_frame(ListGroupsRequest(), 4, 7) + struct.pack(">ihhih", 10, 9999, 0, 8, -1))
        assert (await client.receive_frame())[:4] == struct.pack(">i", 7)
        assert await client.is_closed_by_broker()


async def test_an_api_error_becomes_the_error_code_of_the_reply(stage: Stage) -> None:
    def refuse(_: Message, __: Context) -> HeartbeatResponse:
        raise ApiError(ErrorCode.REBALANCE_IN_PROGRESS, "wait")

    stage.answer(HeartbeatRequest, refuse)
    async with await stage.client() as client:
        assert (await client.ask(HeartbeatRequest(), 4)).error_code == ErrorCode.REBALANCE_IN_PROGRESS


async def test_a_failure_of_ours_is_reported_and_logged_with_its_traceback(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_: Message, __: Context) -> HeartbeatResponse:
        raise ZeroDivisionError

    stage.answer(HeartbeatRequest, fail)
    async with await stage.client() as client:
        assert (await client.ask(HeartbeatRequest(), 4)).error_code == ErrorCode.UNKNOWN_SERVER_ERROR
    assert lines(caplog) == ["Heartbeat version 4 failed"]
    assert caplog.records[0].exc_info is not None


async def test_a_handler_may_hang_up(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    def hang_up(_: Message, __: Context) -> Reply:
        raise CloseConnection("enough")

    stage.answer(ProduceRequest, hang_up, pipelined=True)
    async with await stage.client() as client:
        client.send(ProduceRequest(acks=0, timeout_ms=0), 9)
        assert await client.is_closed_by_broker()
    assert lines(caplog)[0].endswith(": enough")


async def test_a_client_that_leaves_cancels_what_it_waits_for(stage: Stage) -> None:
    future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
    stage.answer(FetchRequest, lambda _, __: future)
    async with await stage.client() as client:
        client.send(FetchRequest(max_wait_ms=100, min_bytes=1), 12)
        while not stage.seen:
            await asyncio.sleep(0)
    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await future


async def test_a_client_that_never_reads_costs_a_bounded_amount(stage: Stage) -> None:
    reply_bytes = 100_000
    stage.answer(FetchRequest, lambda _, __: FetchResponse())
    large = ListGroupsResponse(error_code=0, groups=[ListedGroup(group_id="x" * 10_000)] * (reply_bytes // 10_000))
    stage.answer(ListGroupsRequest, lambda _, __: large)
    async with await stage.client() as greedy, await stage.client() as good:
        greedy.writer.transport.pause_reading()  # type: ignore[attr-defined]
        frames = request_frame(ListGroupsRequest(), 2, 1) * 200
        for _ in range(20):
            greedy.writer.write(frames)
        # It has asked for 400 MB. Let the broker do what it will, by asking for something else many times.
        for _ in range(200):
            await good.ask(FetchRequest(max_wait_ms=0, min_bytes=0), 12)
        connections = stage.broker.connections
        held = max(connection._transport.get_write_buffer_size() for connection in connections)
        assert 0 < held <= OUTGOING_BYTES_MAX + 2 * reply_bytes
        answered = sum(isinstance(seen, ListGroupsRequest) for seen in stage.seen)
        assert answered < 4000
        greedy.writer.transport.abort()


async def test_a_client_that_reads_at_last_gets_everything(stage: Stage) -> None:
    large = ListGroupsResponse(error_code=0, groups=[ListedGroup(group_id="x" * 30_000)])
    stage.answer(ListGroupsRequest, lambda _, __: large)
    async with await stage.client() as client:
        for n in range(500):
            client.writer.write(request_frame(ListGroupsRequest(), 2, n))
        for n in range(500):
            assert (await client.receive_frame())[:4] == struct.pack(">i", n)


async def test_the_reply_to_api_versions_has_the_old_header_in_every_version(stage: Stage) -> None:
    api = Api(18, ApiVersionsRequest, api_versions, 0, 4, 0, False, lambda _: EchoAnswer)
    stage.broker.apis[18] = api
    async with await stage.client() as client:
        request = ApiVersionsRequest(client_software_name="test", client_software_version="1.0")
        assert (await client.ask(request, 4)).error_code == 0


async def test_a_connection_that_comes_while_the_broker_stops_is_closed(stage: Stage) -> None:
    stage.broker.is_closing = True
    async with await stage.client() as client:
        assert await client.is_closed_by_broker()
