"""What a service says of itself, before it runs: what it reads, emits and keeps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tidings.events.declaration import EventType
from tidings.service.commit.delivery import Delivery
from tidings.service.dead_letters import dead_letters_of
from tidings.service.subscription import Handler


@dataclass(frozen=True, slots=True)
class Description:
    """What a service reads, emits and keeps."""

    service: str
    reads: list[dict[str, Any]]
    """`{"stream", "type", "handler", "attempts", "backoff", "delivery", "emits": [type, …]}`"""
    emits: list[dict[str, str]]
    """`{"stream", "type"}`: what handlers declare, and what was emitted so far."""
    keeps: list[dict[str, str]]
    """`{"stream", "type"}`"""
    dead_letters: str
    commits: str
    """"exactly once", "at least once", "with the database", or several of them, as its handlers want it."""


def describe(
    service: str,
    handlers: Sequence[Handler],
    emitted: Iterable[EventType[Any]],
    kept: Iterable[EventType[Any]],
    delivery: Delivery,
) -> Description:
    """`emitted` so far, `kept` in tables; `delivery` is what handlers promise that do not say themselves."""
    emits = dict.fromkeys((*(one for handler in handlers for one in handler.emits), *emitted))
    return Description(
        service=service,
        reads=[_reading(handler, declared) for handler in handlers for declared in handler.reads],
        emits=[_named(declared) for declared in emits],
        keeps=[_named(declared) for declared in kept],
        dead_letters=dead_letters_of(service),
        commits=", ".join(dict.fromkeys(one.delivery.words for one in handlers)) or delivery.words,
    )


def _reading(handler: Handler, declared: EventType[Any]) -> dict[str, Any]:
    return {
        **_named(declared),
        "handler": handler.name,
        "attempts": handler.retry.attempts,
        "backoff": handler.retry.backoff,
        "delivery": handler.delivery.words,
        "emits": [emitted.name for emitted in handler.emits],
    }


def _named(declared: EventType[Any]) -> dict[str, str]:
    return {"stream": declared.stream, "type": declared.name}
