"""Receipts: who handled an event, when, and what came of it. `Service("shipping", receipts=True)` writes them.

One small record for each event and handler in `<service>.receipts`, written together with what the handling led to: if
one is there, so is the other. Its key is the workflow's id, its value JSON (see `Receipt`), and the header
`tidings_receipt` tells it from anybody's events. `tidings trace` reads them; nothing depends on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from tidings.events.envelope import ID
from tidings.service.handled import Handled
from tidings.service.transports.base import Outgoing, StreamSpec

HEADER = "tidings_receipt"
VERSION = b"1"
KEPT_MS = 7 * 86_400_000
"""A week: longer than anybody looks back for times, shorter than the events themselves are kept."""
BEGINNINGS_MAX = 10_000
"""Events between two attempts whose first beginning is remembered."""


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one event in one handler's hands. Times are milliseconds since the epoch."""

    event: str
    service: str
    handler: str
    began_ms: int
    """When the handler was first called."""
    ended_ms: int
    """When its last attempt was over."""
    outcome: str = "handled"
    """`handled`, or `failed`: then there is a dead letter."""
    attempts: int = 1
    last_began_ms: int = 0
    """When the last attempt began, if there were several."""
    outputs: tuple[str, ...] = ()
    """The ids of the events it emitted."""
    workflow: str = ""
    """The id of the workflow; the key of its record, and not in it."""

    @property
    def workflow_id(self) -> str | None:
        return self.workflow or None

    @property
    def handling_ms(self) -> int:
        """How long the last attempt took."""
        return self.ended_ms - (self.last_began_ms or self.began_ms)


class Receipts:
    """Writes the receipts of one service."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._stream = receipts_of(service)
        self._encode = msgspec.json.Encoder().encode
        self._beginnings: dict[tuple[str, int, int, str], int] = {}

    def keep_beginning(self, current: Handled, began_ms: int) -> None:
        """An attempt has failed, and another is to come: what counts for waiting is when the first began."""
        if len(self._beginnings) >= BEGINNINGS_MAX:
            self._beginnings.pop(next(iter(self._beginnings)))
        self._beginnings.setdefault(_place(current), began_ms)

    def receipt(
        self, current: Handled, began_ms: int, ended_ms: int, outcome: str, attempts: int, outputs: Sequence[Outgoing]
    ) -> Outgoing:
        """The record that is to be written for a handling that is over."""
        first_ms = self._beginnings.pop(_place(current), began_ms) if self._beginnings else began_ms
        record = current.as_record()
        receipt = Receipt(
            record.id,
            self._service,
            current.handler.name,
            first_ms,
            ended_ms,
            outcome,
            attempts,
            0 if first_ms == began_ms else began_ms,
            tuple(_ids(outputs)),
        )
        return Outgoing(self._stream, record.correlation_id.encode(), self._encode(receipt), [(HEADER, VERSION)])


def receipts_of(service: str) -> str:
    """The name of the stream that a service's receipts go to."""
    return f"{service}.receipts"


def receipts_spec(service: str) -> StreamSpec:
    return StreamSpec(receipts_of(service), 1, {"retention.ms": str(KEPT_MS)})


def read_receipt(
    headers: Sequence[tuple[str, bytes | None]] | None, key: bytes | None, value: bytes | None
) -> Receipt | None:
    """The receipt that a record is; None for any other record, and for one that is written in a way unknown here."""
    if not headers or key is None or value is None or headers[0] != (HEADER, VERSION):
        return None
    try:
        receipt = msgspec.json.decode(value, type=Receipt)
        return msgspec.structs.replace(receipt, workflow=key.decode())
    except (msgspec.DecodeError, UnicodeDecodeError):  # msgspec.ValidationError is a DecodeError
        return None


def _place(current: Handled) -> tuple[str, int, int, str]:
    return (*current.item.received[:3], current.handler.name)


def _ids(outputs: Iterable[Outgoing]) -> Iterable[str]:
    for output in outputs:
        for name, value in output.headers:
            if name == ID and value is not None:
                yield value.decode(errors="replace")
                break
