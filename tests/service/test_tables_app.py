"""Tables over HTTP: read by anybody who is let to, changed by nobody, and never more than was asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest

from tidings import Service, event
from tidings.service.tables import app as tables_app
from tidings.service.tables.ownership import Ownership
from tidings.service.transports.base import Outgoing
from tidings.service.transports.memory import MemoryBroker


@event("http-people", key="id")
class Person(msgspec.Struct, frozen=True):
    id: str
    country: str = "CH"
    age: int = 0
    balance: Decimal = Decimal(0)
    vip: bool = False
    manager: str | None = None


PEOPLE = [
    Person("ada", "CH", 36, Decimal("5.00"), vip=True),
    Person("bob", "CH", 40, manager="ada"),
    Person("cyd/é", "FR", 5, Decimal(5)),
]


@pytest.fixture
async def service(memory: MemoryBroker) -> AsyncIterator[Service]:
    service = Service("shipping", transport=memory.transport)
    people = service.table(Person, indexes=["country"])
    async with service:
        for person in PEOPLE:
            await people.at(await service.emit(person))
        yield service


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(service.tables_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://tables") as client:
        yield client


async def keys(client: httpx.AsyncClient, **asked: Any) -> list[str]:
    answer = await client.get("/tables/Person", params=asked)
    assert answer.status_code == 200, answer.text
    return [row["key"] for row in answer.json()["rows"]]


async def test_tables_are_listed_with_what_they_hold(client: httpx.AsyncClient) -> None:
    (table,) = (await client.get("/tables")).json()["tables"]
    assert table["name"] == "Person"
    assert table["stream"] == "http-people"
    assert table["rows"] == 3
    assert table["fields"] == ["id", "country", "age", "balance", "vip", "manager"]
    assert table["indexes"] == ["country"]
    assert table["partitions"] == "all"
    assert sum(table["positions"].values()) == 3


async def test_row_is_answered_as_it_stands(client: httpx.AsyncClient) -> None:
    answer = await client.get("/tables/Person/ada")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.content == msgspec.json.encode(PEOPLE[0])
    assert (await client.get("/tables/Person/cyd%2F%C3%A9")).json()["country"] == "FR"


async def test_what_is_not_there_is_not_found(client: httpx.AsyncClient) -> None:
    for path in ("/tables/Person/nobody", "/tables/Nothing", "/tables/Nothing/ada", "/elsewhere"):
        assert (await client.get(path)).status_code == 404
    assert "there are: Person" in (await client.get("/tables/Nothing")).json()["error"]


async def test_rows_are_found_by_what_their_fields_say(client: httpx.AsyncClient) -> None:
    assert await keys(client) == ["ada", "bob", "cyd/é"]
    assert await keys(client, where="country:CH") == ["ada", "bob"]
    assert await keys(client, where="age:40") == ["bob"]
    assert await keys(client, where="balance:5.00") == ["ada"]
    assert await keys(client, where="vip:true") == ["ada"]
    assert await keys(client, where="manager:null") == ["ada", "cyd/é"]
    assert await keys(client, where=["country:CH", "age:36"]) == ["ada"]
    assert await keys(client, where="country:a:b") == []


async def test_pages_end_where_they_are_told_to_and_say_where_the_next_begins(client: httpx.AsyncClient) -> None:
    first = (await client.get("/tables/Person", params={"limit": 2})).json()
    assert [row["key"] for row in first["rows"]] == ["ada", "bob"]
    assert first["rows"][0]["value"]["balance"] == "5.00"
    second = (await client.get("/tables/Person", params={"limit": 2, "after": first["next"]})).json()
    assert [row["key"] for row in second["rows"]] == ["cyd/é"]
    assert second["next"] is None


async def test_page_ends_before_it_gets_too_large_but_has_a_row(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables_app, "ANSWER_BYTES_MAX", 1)
    page = (await client.get("/tables/Person")).json()
    assert [row["key"] for row in page["rows"]] == ["ada"]
    assert page["next"] == "ada"


@pytest.mark.parametrize(
    "asked",
    [
        {"limit": "0"},
        {"limit": "1001"},
        {"limit": "many"},
        {"limit": "9" * 5000},
        {"where": "country"},
        {"where": "street:x"},
        {"where": ["country:CH", "country:FR"]},
    ],
)
async def test_question_that_makes_no_sense_is_refused_with_the_reason(
    client: httpx.AsyncClient, asked: dict[str, Any]
) -> None:
    answer = await client.get("/tables/Person", params=asked)
    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.mark.parametrize("value", ["9" * 30, "-" + "9" * 400, "1e999", "NaN", "\x00", "'; DROP TABLE rows; --", "[1]"])
async def test_odd_values_find_nothing_and_harm_nothing(client: httpx.AsyncClient, value: str) -> None:
    assert await keys(client, where=f"age:{value}") == []
    assert (await client.get(f"/tables/Person/{quote(value)}")).status_code == 404
    assert len(await keys(client)) == 3


async def test_question_that_takes_too_long_is_given_up(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, service: Service
) -> None:
    monkeypatch.setattr(tables_app, "WITHIN_S", -1.0)
    monkeypatch.setattr("tidings.service.tables.replica.STEPS_UNWATCHED", 1)
    answer = await client.get("/tables/Person", params={"where": "age:1"})
    assert answer.status_code == 503
    assert "an index" in answer.json()["error"]


async def test_nothing_can_be_changed(client: httpx.AsyncClient) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert (await client.request(method, "/tables/Person/ada")).status_code == 405
    assert (await client.head("/tables/Person/ada")).content == b""


async def test_key_that_another_process_has_is_said_to_be_elsewhere(
    client: httpx.AsyncClient, service: Service
) -> None:
    (people,) = service.tables
    people.partitioned = True
    people._ownership = Ownership(6, [])
    answer = await client.get("/tables/Person/nobody")
    assert answer.status_code == 421
    assert "not kept here" in answer.json()["error"]


async def test_key_that_is_no_text_is_shown_in_base64(
    client: httpx.AsyncClient, service: Service, memory: MemoryBroker
) -> None:
    (people,) = service.tables
    await people.at(memory.append(Outgoing("http-people", b"\xff\x00", msgspec.json.encode(PEOPLE[0]), [])))
    assert (await keys(client))[-1] == "/wA="
