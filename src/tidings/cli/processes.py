"""The processes of the demo: started, watched, started again when they die, and stopped with it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tidings.errors import UnavailableError

STOP_S_MAX = 20.0
_POLL_S = 0.02


class Process:
    """One child, its output in a file. It is in a session of its own: Ctrl-C is ours, we tell the children in order."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self._command = list(command)
        self._environment = {**os.environ, **environment}
        self._child: subprocess.Popen[bytes] | None = None
        self._died_at = 0.0
        self.deaths = 0

    def start(self) -> None:
        with self.log.open("ab") as output:
            self._child = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        return self._child.pid if self._child is not None and self._child.poll() is None else None

    def keep_up(self, restart_s: float, clock: Callable[[], float] = time.monotonic) -> float:
        """Start it again `restart_s` after it has died; returns how long that is still to come, 0 while it runs."""
        if self.pid is not None:
            return 0.0
        if self._died_at == 0.0:
            self._died_at = clock()
            self.deaths += 1
        waiting_s = self._died_at + restart_s - clock()
        if waiting_s > 0:
            return waiting_s
        self._died_at = 0.0
        self.start()
        return 0.0

    def wait_for(self, pattern: str, timeout_s: float) -> re.Match[str]:
        """The first place in its output where `pattern` is found. Raises UnavailableError if it ends, or is late."""
        deadline = time.monotonic() + timeout_s
        while True:
            ended = self.pid is None
            output = self.log.read_text(errors="replace")
            if found := re.search(pattern, output):
                return found
            if ended or time.monotonic() > deadline:
                what = "ended" if ended else f"was not ready within {timeout_s:g} s"
                raise UnavailableError(f"the {self.name} process {what}:\n{last_lines(output)}")
            time.sleep(_POLL_S)

    @property
    def exit_code(self) -> int | None:
        return None if self._child is None else self._child.poll()

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    def ask_to_stop(self) -> None:
        if self._child is not None and self.pid is not None:
            self._child.send_signal(signal.SIGTERM)

    def wait_until_stopped(self, deadline: float) -> None:
        """Until it has stopped; past the deadline (of `time.monotonic`) it is killed."""
        if self._child is None:
            return
        try:
            self._child.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


def stop(*groups: Sequence[Process]) -> None:
    """Stop each group, side by side, before the next."""
    for processes in groups:
        deadline = time.monotonic() + STOP_S_MAX
        for process in processes:
            process.ask_to_stop()
        for process in processes:
            process.wait_until_stopped(deadline)


def last_lines(output: str, count: int = 5) -> str:
    return "\n".join(f"  {line}" for line in output.strip().splitlines()[-count:])
