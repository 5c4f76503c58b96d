"""A real broker in a process of its own, for tests of programs that use it.

with BrokerProcess(tmp_path / "data") as broker:
    ...  # broker.url, broker.bootstrap
    broker.kill()  # as a crash would
    broker.restart()
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tidings.errors import UnavailableError
from tidings.testing.ports import free_port
from tidings.testing.process import ChildProcess

_READY = r"tidings is up at kafka://\S+"


class BrokerProcess:
    """`tidings up` on a port of its own, kept over restarts, with its data in `data`.

    `arguments` are added to the command line; `wrapper` is put before it (`strace …`).
    Leaving the `with` block stops it.
    """

    def __init__(
        self,
        data: Path,
        *,
        port: int | None = None,
        arguments: Sequence[str] = (),
        wrapper: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        timeout_s: float = 30,
    ) -> None:
        self.data = data
        self.port = free_port() if port is None else port
        self.arguments = list(arguments)
        self.wrapper = list(wrapper)
        self.environment = environment
        self.timeout_s = timeout_s
        self._child: ChildProcess | None = None

    @property
    def bootstrap(self) -> str:
        """HOST:PORT, as Kafka clients want it."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """What to put in TIDINGS_URL."""
        return f"kafka://{self.bootstrap}"

    @property
    def command(self) -> list[str]:
        up = [sys.executable, "-m", "tidings", "up", "--data", str(self.data), "--listen", self.bootstrap]
        return [*self.wrapper, *up, *self.arguments]

    @property
    def child(self) -> ChildProcess:
        """The process last started."""
        if self._child is None:
            raise UnavailableError("the broker was not started")
        return self._child

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.exit_code is None

    def start(self) -> Self:
        """Returns when it says that it is ready. Raises UnavailableError, with what it wrote, if it does not."""
        self.launch()
        try:
            self.child.wait_for_line(_READY, self.timeout_s)
        except BaseException:
            self.kill()
            raise
        return self

    def launch(self) -> ChildProcess:
        """Start it and do not wait: for tests of what happens before it is ready, or instead."""
        if self.running:
            raise UnavailableError(f"the broker runs already, as process {self.pid}")
        self._child = ChildProcess(self.command, self.environment)
        return self._child

    def kill(self) -> None:
        """SIGKILL, as a crash: nothing is flushed, nobody is told."""
        if self._child is not None:
            self._child.kill()

    def stop(self) -> None:
        """SIGTERM, and wait for the end. Raises UnavailableError unless it ends in time with exit code 0."""
        if not self.running:
            return
        try:
            code = self.child.terminate(self.timeout_s)
        except UnavailableError:
            self.kill()
            raise
        if code != 0:
            raise UnavailableError(f"the broker ended with code {code}, not 0\n{self.child.tail()}")

    def restart(self) -> Self:
        """Stop it if it runs, and start it again on the same port and data."""
        self.stop()
        return self.start()

    def __enter__(self) -> Self:
        return self if self.running else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.stop()
        else:
            self.kill()
