"""`tidings emit`: put an event into a stream, by hand or from a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from tidings.cli.options import DEFAULT_URL, Json, Url
from tidings.errors import OperatorError, UnavailableError

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message, Producer

    from tidings.events.position import Position

EXAMPLES = """
tidings emit orders --type OrderLost --key o-42 '{"order_id": "o-42"}'
tidings emit orders --type OrderLost --key o-42 - < event.json
jq -c .[] all.json | tidings emit orders --type OrderLost --lines -
"""

SOURCE = "tidings-emit"
DELIVERY_MS_MAX = 30_000


def emit(
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="Its name.")],
    data: Annotated[str, typer.Argument(metavar="JSON|-", help="The payload, or - to read it from standard input.")],
    type_name: Annotated[str, typer.Option("--type", metavar="TYPE", help="What happened: the event's type.")],
    key: Annotated[str | None, typer.Option(help="Events of one key stay in order.")] = None,
    lines: Annotated[bool, typer.Option("--lines", help="Each line of input is an event.")] = False,
    json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Emit an event: its payload is JSON, the rest is headers as every event has them.

    Prints where it stands once it is acknowledged.
    """
    from confluent_kafka import Producer

    from tidings.cli.cluster import Cluster
    from tidings.cli.screen import print_json
    from tidings.errors import DeclarationError
    from tidings.events.declaration import check_stream_name

    try:
        check_stream_name(stream)
    except DeclarationError as error:
        raise OperatorError(str(error)) from None
    cluster = Cluster(url)
    producer = Producer(
        {
            "bootstrap.servers": cluster.bootstrap,
            "partitioner": "murmur2_random",  # as Java's clients and our services: a key's partition is everybody's
            "enable.idempotence": True,
            "delivery.timeout.ms": DELIVERY_MS_MAX,
            "log_level": 0,
        }
    )
    for payload in _payloads(data, lines):
        event_id, position = _deliver(producer, stream, type_name, key, payload)
        if json:
            print_json({"id": event_id, **position._asdict()})
        else:
            print(f"{type_name} {event_id} is at {position}", flush=True)


def _payloads(data: str, lines: bool) -> Iterator[bytes]:
    """The payloads, checked. Raises OperatorError at the first that is no JSON."""
    import msgspec

    given = sys.stdin.buffer if data == "-" else iter([data.encode()])
    for payload in given if lines else [b"".join(given)]:
        if lines and not payload.strip():
            continue
        try:
            msgspec.json.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            shown = payload[:60].decode("utf-8", "replace").strip()
            raise OperatorError(f"{shown!r} is no JSON: {error}", 'Mind the shell: \'{"quoted": "so"}\'.') from None
        yield payload.strip()


def _deliver(producer: Producer, stream: str, type_name: str, key: str | None, payload: bytes) -> tuple[str, Position]:
    """Send one event and wait for its acknowledgement. Raises UnavailableError."""
    from tidings.events.context import NOTHING
    from tidings.events.envelope import headers_for, source_of
    from tidings.events.ids import new_id
    from tidings.events.position import Position

    now_ms = time.time_ns() // 1_000_000
    event_id = new_id(now_ms)
    positions: list[Position] = []
    errors: list[str] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is None:
            positions.append(Position(message.topic(), message.partition(), message.offset()))
        else:
            errors.append(error.str())

    headers = headers_for(event_id, source_of(SOURCE), type_name, now_ms, NOTHING)
    producer.produce(
        stream, payload, None if key is None else key.encode(), headers=headers, timestamp=now_ms, on_delivery=delivered
    )
    producer.flush(DELIVERY_MS_MAX / 1000 + 5)
    if not positions:
        raise UnavailableError(f"the event was not acknowledged: {errors[0] if errors else 'no answer in time'}")
    return event_id, positions[0]
