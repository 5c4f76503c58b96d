"""Several processes: started again when they die, stopped together, and never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable
from pathlib import Path

import pytest

from tidings.cli.supervisor import RESTART_S, RESTART_S_MAX, STEADY_S, Supervisor, restart_s
from tidings.testing.process import ChildProcess

STAY = """
import os, pathlib, signal, sys
folder = pathlib.Path(sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
(folder / f"new-{os.getpid()}").touch()
(folder / f"new-{os.getpid()}").rename(folder / str(os.getpid()))
os.read(int(os.environ["TIDINGS_LIFELINE"]), 1)
(folder / f"{os.getpid()}.let-go").touch()
"""
STUBBORN = STAY.replace("lambda *_: sys.exit(0)", "signal.SIG_IGN")
SUPERVISE = """
import asyncio, sys
from tidings.cli.supervisor import Supervisor
asyncio.run(Supervisor([[sys.executable, "-c", *sys.argv[1:]]] * 2).run())
"""


def pids(folder: Path) -> set[int]:
    return {int(name) for name in os.listdir(folder) if name.isdecimal()}


async def until(folder: Path, count: int) -> set[int]:
    async with asyncio.timeout(30):
        while len(found := pids(folder)) < count:
            await asyncio.sleep(0)
    return found


async def within(awaitable: Awaitable[int], seconds: float = 30) -> int:
    async with asyncio.timeout(seconds):
        return await awaitable


def supervising(folder: Path, code: str, count: int = 2) -> asyncio.Task[int]:
    return asyncio.create_task(Supervisor([[sys.executable, "-c", code, str(folder)]] * count).run())


async def test_one_that_dies_is_started_again_and_one_signal_stops_all(tmp_path: Path) -> None:
    running = supervising(tmp_path, STAY)
    first, _ = await until(tmp_path, 2)
    os.kill(first, signal.SIGKILL)
    await until(tmp_path, 3)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await within(running) == 0
    assert not [pid for pid in pids(tmp_path) if is_alive(pid)]


async def test_a_second_signal_kills(tmp_path: Path) -> None:
    running = supervising(tmp_path, STUBBORN)
    await until(tmp_path, 2)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(0)
    assert not running.done()
    os.kill(os.getpid(), signal.SIGINT)
    assert await within(running) == 0


async def test_processes_that_end_by_themselves_are_done() -> None:
    assert await within(Supervisor([[sys.executable, "-c", ""]] * 2).run()) == 0


async def test_one_that_cannot_run_here_stops_the_others(tmp_path: Path) -> None:
    commands = [[sys.executable, "-c", STAY, str(tmp_path)], [sys.executable, "-c", "raise SystemExit(2)"]]
    assert await within(Supervisor(commands).run()) == 2


def test_processes_hear_of_it_when_their_supervisor_dies_without_a_word(tmp_path: Path) -> None:
    supervisor = ChildProcess([sys.executable, "-c", SUPERVISE, STAY, str(tmp_path)])
    try:
        found = asyncio.run(until(tmp_path, 2))
    finally:
        supervisor.kill()

    async def let_go() -> None:
        async with asyncio.timeout(30):
            while not all((tmp_path / f"{pid}.let-go").exists() for pid in found):
                await asyncio.sleep(0)

    asyncio.run(let_go())


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("before_s", "lived_s", "wait_s"),
    [
        (0, 0.1, RESTART_S),
        (RESTART_S, 0.1, 2 * RESTART_S),
        (RESTART_S_MAX, 0.1, RESTART_S_MAX),
        (RESTART_S_MAX, STEADY_S, RESTART_S),
    ],
)
def test_what_dies_soon_waits_longer_each_time(before_s: float, lived_s: float, wait_s: float) -> None:
    assert restart_s(before_s, lived_s) == wait_s
