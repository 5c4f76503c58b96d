"""A real PostgreSQL with a cluster of its own: in a temporary folder, on a port of its own, gone with the test."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tidings.errors import OperatorError, UnavailableError
from tidings.testing.ports import free_port
from tidings.testing.process import ChildProcess

_READY = "database system is ready to accept connections"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "lc_messages": "C",
    "log_min_messages": "warning",
    "log_startup_progress_interval": "0",
}


def program(name: str) -> str:
    """Where PostgreSQL's program is: Debian keeps them by version, and off the path. Raises OperatorError."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
    found = str(versions[-1]) if versions else shutil.which(name)
    if found is None:
        raise OperatorError("PostgreSQL is not installed here", "run scripts/install-test-peers")
    return found


class Postgres:
    """`with Postgres() as postgres: postgres.database()` is the URL of an empty database, for any driver."""

    def __init__(self, *, timeout_s: float = 60) -> None:
        self.port = free_port()
        self.timeout_s = timeout_s
        self._folder: Path | None = None
        self._child: ChildProcess | None = None
        self._databases = 0

    def start(self) -> Self:
        """Returns when it takes connections."""
        if self._folder is None:
            self._folder = self._initialise()
        settings = [argument for name, value in _SETTINGS.items() for argument in ("-c", f"{name}={value}")]
        command = [program("postgres"), "-D", str(self._folder / "data"), "-p", str(self.port), *settings]
        self._child = ChildProcess([*_as_somebody(), *command], {"PATH": os.environ["PATH"], "TZ": "UTC"})
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def _initialise(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="tidings-postgres-"))
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(folder, "postgres", "postgres")
        command = [
            program("initdb"),
            "-D",
            str(folder / "data"),
            "-U",
            "tidings",
            "--auth=trust",
            "--locale=C",
            "-E",
            "UTF8",
        ]
        done = subprocess.run([*_as_somebody(), *command], capture_output=True, text=True, check=False, cwd=folder)
        if done.returncode != 0:
            raise UnavailableError(f"initdb ended with code {done.returncode}\n{done.stdout}\n{done.stderr}")
        return folder

    def _wait_until_ready(self) -> None:
        assert self._child is not None
        self._child.wait_for_line(_READY, self.timeout_s, stream="stderr")

    def stop_at_once(self) -> None:
        """As `pg_ctl stop -m immediate`: every server process quits, nothing is flushed; the next start recovers."""
        if self._child is not None and self._child.exit_code is None:
            os.kill(self._child.pid, signal.SIGQUIT)
            self._child.wait(self.timeout_s)

    def stop(self) -> None:
        self.stop_at_once()

    @property
    def url(self) -> str:
        """HOST:PORT and user, as a URL has them."""
        return f"tidings@127.0.0.1:{self.port}"

    def database(self) -> str:
        """A new database; the part of its URL that follows the `://`."""
        self._databases += 1
        name = f"test_{os.getpid()}_{self._databases}"
        command = [program("createdb"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "tidings", name]
        subprocess.run(command, check=True, capture_output=True)
        return f"{self.url}/{name}"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _as_somebody() -> list[str]:
    """What makes a program run as somebody who is not root, and end with us, however we end."""
    if shutil.which("setpriv") is None:
        return []
    somebody = ["--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
    return ["setpriv", "--pdeathsig", "KILL", *somebody]
