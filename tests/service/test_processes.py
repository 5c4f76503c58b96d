"""Handlers that run in a process of their own: what they calculate stops nobody."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tidings import EventRecord, Retry, Service, Table, event
from tidings.errors import DeclarationError
from tidings.service.clock import SystemClock
from tidings.service.processes import ProcessDiedError, Processes
from tidings.service.transports.memory import MemoryBroker


@event("pr-images", key="id")
class Uploaded(msgspec.Struct, frozen=True):
    id: str


@event("pr-thumbnails", key="id")
class Drawn(msgspec.Struct, frozen=True):
    id: str
    by: int


def draw(image: Uploaded) -> Drawn:
    return Drawn(image.id, by=os.getpid())


def draw_twice(image: Uploaded, record: EventRecord[Uploaded]) -> Iterator[Drawn]:
    yield Drawn(f"{record.event.id} at {record.position.offset}", by=os.getpid())
    yield Drawn("again", by=os.getpid())


def die(path: str) -> str:
    """Once."""
    if not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def with_table(image: Uploaded, drawn: Table[Drawn]) -> None: ...


def refuse(image: Uploaded) -> None:
    raise ValueError(f"{image.id} is no image")


@pytest.fixture
async def processes() -> AsyncIterator[Processes]:
    made = Processes(1)
    yield made
    made.close()


async def test_a_process_that_dies_is_told_and_the_next_one_works(processes: Processes, tmp_path: Path) -> None:
    with pytest.raises(ProcessDiedError, match="in which die ran"):
        await processes.run(die, {"path": str(tmp_path / "died")})
    assert await processes.run(die, {"path": str(tmp_path / "died")}) == "done"


async def test_handlers_run_in_another_process_and_their_answers_are_emitted(memory: MemoryBroker) -> None:
    thumbnails = Service("thumbnails", transport=memory.transport, clock=SystemClock(), retry=Retry(1))
    for handler in (draw, draw_twice, refuse):
        thumbnails.on(process=True)(handler)

    async with thumbnails:
        await thumbnails.emit(Uploaded("i-1"))
        async with asyncio.timeout(60):
            while len(memory.records("pr-thumbnails")) < 3:
                await memory.change()
    made = [msgspec.json.decode(record.value or b"", type=Drawn) for record in memory.records("pr-thumbnails")]
    assert sorted(drawn.id for drawn in made) == ["again", "i-1", "i-1 at 0"]
    assert os.getpid() not in {drawn.by for drawn in made}
    (letter,) = memory.records("thumbnails.dead-letters")
    assert dict(letter.headers or ())["dead_message"] == b"i-1 is no image"


def test_what_cannot_be_found_or_given_there_is_refused() -> None:
    def local(image: Uploaded) -> None: ...

    async def on_the_loop(image: Uploaded) -> None: ...

    thumbnails = Service("thumbnails")
    refused: list[tuple[Callable[..., object], str]] = [
        (local, "at the top of its module"),
        (on_the_loop, "async"),
        (with_table, "drawn"),
    ]
    for function, said in refused:
        with pytest.raises(DeclarationError, match=said):
            thumbnails.on(process=True)(function)
