"""Several processes of one program: started, started again when they die, and stopped together.

What they write goes where ours goes. Each holds the end of a pipe (its *lifeline*) whose other end is ours: if this
process dies without a word, they hear of it and stop in good order.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence

log = logging.getLogger("tidings.cli")

LIFELINE = "TIDINGS_LIFELINE"
"""The environment variable that names the lifeline's file descriptor."""
RESTART_S = 1.0
RESTART_S_MAX = 30.0
STEADY_S = 60.0
"""Whoever has run for so long is started again as if it had never died."""
OPERATOR_ERROR = 2
"""The exit code of what will not be better the next time."""


def supervise(arguments: Sequence[Sequence[str]]) -> int:
    """Run `tidings run` with each of `arguments` until SIGINT or SIGTERM, or until all have ended by themselves.

    The signal is handed on, a second one kills. Returns the exit code: that of a process which cannot run here, or 0.
    """
    commands = [[sys.executable, "-m", "tidings", "run", *options] for options in arguments]
    return asyncio.run(Supervisor(commands).run())


def restart_s(before_s: float, lived_s: float) -> float:
    """How long to wait before the next start: longer each time, for what dies soon."""
    return RESTART_S if lived_s >= STEADY_S or not before_s else min(2 * before_s, RESTART_S_MAX)


class Supervisor:
    def __init__(self, commands: Sequence[Sequence[str]], now_s: Callable[[], float] = time.monotonic) -> None:
        self._commands = commands
        self._now_s = now_s
        self._children: dict[int, asyncio.subprocess.Process] = {}
        self._stop = asyncio.Event()
        self._code = 0

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._signalled)
        ours, theirs = os.pipe()
        try:
            os.set_inheritable(ours, True)
            environment = {**os.environ, LIFELINE: str(ours)}
            await asyncio.gather(*(self._keep_up(index, environment, ours) for index in range(len(self._commands))))
        finally:
            os.close(ours)
            os.close(theirs)
        return self._code

    async def _keep_up(self, index: int, environment: dict[str, str], lifeline: int) -> None:
        """One process, again and again, until it ends by itself or all are to stop."""
        wait_s = 0.0
        while not self._stop.is_set():
            began_s = self._now_s()
            child = await asyncio.create_subprocess_exec(
                *self._commands[index],
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[lifeline],
                start_new_session=True,  # Ctrl-C is ours: we tell them
            )
            self._children[index] = child
            if self._stop.is_set():
                child.terminate()
            code = await child.wait()
            del self._children[index]
            if code == 0 or self._stop.is_set():
                return
            if code == OPERATOR_ERROR:
                self._code = code
                self._stop_all()
                return
            wait_s = restart_s(wait_s, self._now_s() - began_s)
            log.error(
                "process %d of %d ended with code %d; starting it again in %.0f s",
                index + 1, len(self._commands), code, wait_s,
            )  # fmt: skip
            await self._wait(wait_s)

    async def _wait(self, seconds: float) -> None:
        """Until the time is over, or all are to stop."""
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            pass

    def _signalled(self) -> None:
        if self._stop.is_set():
            for child in self._children.values():
                child.kill()
        else:
            self._stop_all()

    def _stop_all(self) -> None:
        self._stop.set()
        for child in self._children.values():
            child.terminate()
