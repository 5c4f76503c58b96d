"""A child process for tests: its output is read as it comes, and every wait has a deadline."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from typing import IO

from tidings.errors import UnavailableError

_TAIL_LINES = 30


class ChildProcess:
    """Starts `command` at once. A thread per stream collects its lines, so that it never blocks on a full pipe."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.command = list(command)
        self._lines: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._open = {"stdout", "stderr"}
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._readers = [
            threading.Thread(target=self._collect, args=("stdout", self._process.stdout), daemon=True),
            threading.Thread(target=self._collect, args=("stderr", self._process.stderr), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _collect(self, name: str, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                with self._changed:
                    self._lines[name].append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._open.discard(name)
            self._changed.notify_all()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; the negative number of the signal that ended it."""
        return self._process.poll()

    def lines(self, stream: str) -> list[str]:
        """What it has written so far to `stdout` or `stderr`."""
        with self._changed:
            return list(self._lines[stream])

    def lines_after(self, count: int, stream: str, timeout_s: float) -> list[str]:
        """What it has written since its first `count` lines; if that is nothing, waits up to `timeout_s` for some."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._lines[stream]) > count, timeout_s)
            return self._lines[stream][count:]

    def wait_for_line(self, pattern: str, timeout_s: float, *, stream: str = "stdout", after: int = 0) -> re.Match[str]:
        """The first line (from line `after` on) in which `pattern` is found.

        Raises UnavailableError if the stream ends or `timeout_s` passes before it is there.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                lines = self._lines[stream]
                while after < len(lines):
                    if found := re.search(pattern, lines[after]):
                        return found
                    after += 1
                remaining_s = deadline - time.monotonic()
                if stream not in self._open or remaining_s <= 0:
                    break
                self._changed.wait(remaining_s)
            ended = stream not in self._open
        what = f"ended with code {self.wait(5)}" if ended else f"said nothing like {pattern!r} in {timeout_s:g} s"
        raise UnavailableError(f"{self.command[0]} … {what}\n{self.tail()}")

    def wait(self, timeout_s: float) -> int:
        """Its exit code, once it has ended and all it wrote is read. Raises UnavailableError if it goes on running."""
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise UnavailableError(
                f"process {self.pid} is still running after {timeout_s:g} s\n{self.tail()}"
            ) from None
        for reader in self._readers:
            reader.join(timeout_s)
        return code

    def terminate(self, timeout_s: float) -> int:
        """Ask it to stop (SIGTERM); return its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait(timeout_s)

    def kill(self) -> None:
        """SIGKILL: no goodbye. Returns when it is gone."""
        self._process.kill()
        self.wait(30)

    def tail(self) -> str:
        """The end of what it wrote, for error messages."""
        return "\n".join(self.lines("stdout")[-_TAIL_LINES:] + self.lines("stderr")[-_TAIL_LINES:])
