"""The example shop as the demo runs it: a broker, unless there is one, and each service as a process of its own."""

from __future__ import annotations

import http.client
import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import tidings
from tidings.cli.cluster import Cluster, Offsets
from tidings.cli.processes import Process, last_lines, stop
from tidings.errors import OperatorError, UnavailableError
from tidings.service.url import DEFAULT_URL
from tidings.testing.ports import free_port, is_free

STREAMS = ("customers", "orders", "shipments", "prices")
DOES = {
    "broker": "keeps the streams",
    "customers": "says who is new, and who moved",
    "orders": "accepts orders over HTTP",
    "shipping": "ships what was ordered",
    "pricing": "makes dearer what sells well",
}
DEFAULT_PORT = 9092
READY_S_MAX = 60
_POLL_S = 0.05
_OPERATOR_ERROR = 2


def examples_folder() -> Path:
    """Where the shop's code is: inside an installed package, or beside the sources of a checkout."""
    package = Path(tidings.__file__).resolve().parent
    for folder in (package / "examples", package.parents[1] / "examples"):
        if (folder / "shop" / "events.py").is_file():
            return folder
    raise OperatorError("the shop is not part of this installation", "Install Tidings from its wheel, or a checkout.")


def shop_module(name: str) -> Any:
    """A module of the shop, which is on nobody's path but that of its services."""
    folder = str(examples_folder())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module(f"shop.{name}")


class Shop:
    """Use it as a context manager: leaving stops the services, then the broker.

    `open` starts everything in order; `connect` and `start` do it one by one.
    """

    def __init__(self, folder: Path, *, url: str | None, data: Path | None = None, seed: int = 1) -> None:
        self._folder = folder
        self._seed = seed
        self._before: Offsets = {}
        self.front_port = free_port()
        self.broker: Process | None = None
        if url is None:
            port = DEFAULT_PORT if is_free(DEFAULT_PORT) else free_port()
            url = f"kafka://127.0.0.1:{port}"
            up = ["up", "--data", str(data or folder / "data"), "--listen", f"127.0.0.1:{port}"]
            self.broker = self._process("broker", url, "-m", "tidings", *up)
        self.url = url
        front = ["shop.orders:app", "--port", str(self.front_port), "--log-level", "warning", "--no-access-log"]
        self.services = {
            "customers": self._process("customers", url, "-m", "shop.customers"),
            "orders": self._process("orders", url, "-m", "uvicorn", *front),
            "shipping": self._process("shipping", url, "-m", "tidings", "run", "shop.shipping"),
            "pricing": self._process("pricing", url, "-m", "tidings", "run", "shop.pricing"),
        }

    def _process(self, name: str, url: str, *arguments: str) -> Process:
        environment = {
            "PYTHONPATH": str(examples_folder()),
            "PYTHONUNBUFFERED": "1",
            "TIDINGS_URL": url,
            "TIDINGS_STATE": str(self._folder / "state"),
            "SHOP_SEED": str(self._seed),
        }
        return Process(name, [sys.executable, *arguments], environment, self._folder / f"{name}.log")

    @property
    def processes(self) -> list[Process]:
        """The broker, if it is ours, and the services."""
        return [*([self.broker] if self.broker is not None else []), *self.services.values()]

    @property
    def is_at_default_url(self) -> bool:
        return self.url == DEFAULT_URL

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stop(list(self.services.values()), [self.broker] if self.broker is not None else [])

    def open(self, tell: Callable[[str], None]) -> None:
        """Start everything; `tell` is told what is waited for. Raises OperatorError, UnavailableError."""
        if self.broker is not None:
            tell("the broker")
            _start_broker(self.broker)
        self.connect()
        tell("customers and orders")
        # Nobody has to wait for customers; but where shipping knows them, its first orders need no second try.
        self.start("customers", "orders")
        tell("shipping and pricing")
        self.start("shipping", "pricing")

    def connect(self) -> None:
        """Reach the broker, and note where its streams end before this run."""
        self.cluster = Cluster(self.url)
        existing = self.cluster.streams()
        self._before = self.cluster.ends(at for stream in STREAMS for at in existing.get(stream, []))

    def start(self, *names: str) -> None:
        """Start services side by side; returns when each has begun its work. Raises UnavailableError."""
        for name in names:
            self.services[name].start()
        for name in names:
            self._wait(self.services[name], self._readiness(name))

    def starts(self) -> Offsets:
        """Where this run begins in each partition of the shop's streams that are there."""
        streams = self.cluster.streams()
        return {at: self._before.get(at, 0) for stream in STREAMS for at in streams.get(stream, [])}

    def _readiness(self, name: str) -> Callable[[], bool]:
        own = {"customers": self._customers_are_known, "orders": self._front_answers}
        return own.get(name, lambda: self._reads(name))

    def _wait(self, process: Process, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_S_MAX
        while not ready():
            if process.pid is None:
                output = process.log.read_text(errors="replace")
                raise UnavailableError(f"{process.name} ended with code {process.exit_code}:\n{last_lines(output)}")
            if time.monotonic() > deadline:
                raise UnavailableError(f"{process.name} was not ready within {READY_S_MAX} s")
            time.sleep(_POLL_S)

    def _customers_are_known(self) -> bool:
        ends = self.cluster.ends(self.cluster.streams().get("customers", []))
        said = sum(end - self._before.get(at, 0) for at, end in ends.items())
        return bool(said >= shop_module("customers").COUNT)

    def _front_answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.front_port, timeout=1)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == http.client.OK
        except OSError:
            return False
        finally:
            connection.close()

    def _reads(self, group: str) -> bool:
        """Whether a group has settled, with somebody in it."""
        try:
            if group not in self.cluster.group_names():
                return False
            (state,) = self.cluster.groups([group])
        except UnavailableError:  # a cluster on which there never was a group takes a moment to answer for one
            return False
        return state.state == "stable" and bool(state.members)


def _start_broker(broker: Process) -> None:
    broker.start()
    try:
        broker.wait_for("tidings is up at", READY_S_MAX)
    except UnavailableError:
        if broker.exit_code != _OPERATOR_ERROR:
            raise
        message, _, way_out = broker.log.read_text().strip().partition("\n")
        raise OperatorError(message.removeprefix("tidings: "), way_out.strip()) from None
