"""What a web request is known by reaches the events that are emitted while it is answered."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tidings.events.context import NOTHING, EventContext, RequestContext, current, using


async def show(request: Request) -> JSONResponse:
    context = current()
    return JSONResponse({"id": context.request_id, "client": context.client_address, "trace": context.traceparent})


async def call(headers: list[tuple[bytes, bytes]]) -> tuple[dict[bytes, bytes], bytes]:
    app = RequestContext(Starlette(routes=[Route("/", show)]), new_request_id=lambda: "made-up")
    scope: dict[str, Any] = {
        "type": "http", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"", "headers": headers,
        "client": ("10.1.2.3", 5000), "server": ("x", 80), "scheme": "http", "root_path": "", "http_version": "1.1",
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return dict(sent[0]["headers"]), sent[1]["body"]


async def test_request_id_client_address_and_trace_are_known_while_answering() -> None:
    headers, body = await call([(b"x-request-id", b"r-9"), (b"traceparent", b"00-aa-bb-01")])
    assert body == b'{"id":"r-9","client":"10.1.2.3","trace":"00-aa-bb-01"}'
    assert headers[b"x-request-id"] == b"r-9"
    assert current() is NOTHING


async def test_request_without_an_id_is_given_one_and_told() -> None:
    headers, body = await call([])
    assert b'"id":"made-up"' in body
    assert headers[b"x-request-id"] == b"made-up"


async def test_id_unfit_for_a_header_is_not_handed_on() -> None:
    for unfit in (b"x" * 201, b"a\nb", b"\xff", b"  "):
        _, body = await call([(b"x-request-id", unfit)])
        assert b'"id":"made-up"' in body


async def test_other_scopes_pass_untouched() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    await RequestContext(app)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert seen == ["lifespan"]


def test_context_ends_where_its_block_ends() -> None:
    with using(EventContext(request_id="r")):
        assert current().request_id == "r"
    assert current() is NOTHING
