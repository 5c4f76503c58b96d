"""A few pages over HTTP, and nothing else."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest

from tidings.monitoring.http import CLIENTS_MAX, Page, PageServer


@pytest.fixture
async def server() -> AsyncIterator[PageServer]:
    async def well() -> Page:
        return Page(b"well\n")

    async def ill() -> Page:
        return Page(b"ill\n", status=HTTPStatus.SERVICE_UNAVAILABLE)

    async def broken() -> Page:
        raise ZeroDivisionError

    server = PageServer({"/well": well, "/ill": ill, "/broken": broken})
    await server.start(socket.create_server(("127.0.0.1", 0)))
    yield server
    await server.close()


async def get(server: PageServer, path: str) -> str:
    reader, writer = await asyncio.open_connection(*server.address)
    writer.write(f"GET {path} HTTP/1.1\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_a_page_has_its_status_and_its_length(server: PageServer) -> None:
    assert (await get(server, "/well")).startswith("HTTP/1.1 200 OK\r\n")
    ill = await get(server, "/ill?verbose")
    assert ill.startswith("HTTP/1.1 503 Service Unavailable\r\n")
    assert "Content-Length: 4\r\n" in ill
    assert ill.endswith("\r\n\r\nill\n")


async def test_a_page_that_is_not_there_is_answered_with_those_that_are(server: PageServer) -> None:
    assert (await get(server, "/")).endswith("there is: /broken, /ill, /well\n")


async def test_a_page_that_cannot_be_made_closes_the_connection_and_is_logged(
    server: PageServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        assert await get(server, "/broken") == ""
    assert "a page could not be made" in caplog.text
    assert "well" in await get(server, "/well")


async def test_only_so_many_are_served_at_a_time(server: PageServer) -> None:
    waiting = [await asyncio.open_connection(*server.address) for _ in range(CLIENTS_MAX)]
    for _, writer in waiting:
        writer.write(b"GET")
        await writer.drain()
    reader, late = await asyncio.open_connection(*server.address)
    assert await reader.read() == b""
    for _, writer in (*waiting, (reader, late)):
        writer.close()
