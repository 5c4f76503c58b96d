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
    """Use it as a context manager: `open` starts everything in order; leaving stops the services, then the broker."""

    def __init__(self, folder: Path, *, url: str | None, data: Path | None, seed: int) -> None:
        self._folder = folder
        self._data = data or folder / "data"
        self._seed = seed
        self.front_port = free_port()
        self.broker: Process | None = None
        if url is None:
            port = DEFAULT_PORT if is_free(DEFAULT_PORT) else free_port()
            url = f"kafka://127.0.0.1:{port}"
            up = ["up", "--data", str(self._data), "--listen", f"127.0.0.1:{port}"]
            self.broker = self._process("broker", "-m", "tidings", *up)
        self.url = url
        front = ["shop.orders:app", "--port", str(self.front_port), "--log-level", "warning", "--no-access-log"]
        self.services = [
            self._process("customers", "-m", "shop.customers"),
            self._process("orders", "-m", "uvicorn", *front),
            self._process("shipping", "-m", "tidings", "run", "shop.shipping"),
            self._process("pricing", "-m", "tidings", "run", "shop.pricing"),
        ]
        self._before: Offsets = {}

    def _process(self, name: str, *arguments: str) -> Process:
        environment = {
            "PYTHONPATH": str(examples_folder()),
            "PYTHONUNBUFFERED": "1",
            "TIDINGS_STATE": str(self._folder / "state"),
            "SHOP_SEED": str(self._seed),
        }
        return Process(name, [sys.executable, *arguments], environment, self._folder / f"{name}.log")

    @property
    def is_at_default_url(self) -> bool:
        return self.url == DEFAULT_URL

    def pid(self, service: str) -> int | None:
        return next(process.pid for process in self.services if process.name == service)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stop(self.services, [self.broker] if self.broker is not None else [])

    def open(self, tell: Callable[[str], None]) -> None:
        """Start everything; `tell` is told what is waited for. Raises OperatorError, UnavailableError."""
        if self.broker is not None:
            tell("the broker")
            self._start_broker(self.broker)
        self.cluster = Cluster(self.url)
        existing = self.cluster.streams()
        self._before = self.cluster.ends(at for stream in STREAMS for at in existing.get(stream, []))
        for process in self.services:
            process.set_environment("TIDINGS_URL", self.url)
        customers, orders, shipping, pricing = self.services
        for process in (customers, orders):
            process.start()
        tell("customers")
        # Shipping after the customers are known: nobody has to wait for it, but its first orders need no second try.
        self._wait(customers, self._customers_are_known)
        for process in (shipping, pricing):
            process.start()
        tell("the web front")
        self._wait(orders, self._front_answers)
        tell("shipping and pricing")
        self._wait(shipping, lambda: self._reads("shipping"))
        self._wait(pricing, lambda: self._reads("pricing"))

    def _start_broker(self, broker: Process) -> None:
        broker.start()
        try:
            broker.wait_for("tidings is up at", READY_S_MAX)
        except UnavailableError:
            if broker.exit_code != _OPERATOR_ERROR:
                raise
            message, _, way_out = broker.log.read_text().strip().partition("\n")
            raise OperatorError(message.removeprefix("tidings: "), way_out.strip()) from None

    def starts(self) -> Offsets:
        """Where this run begins in each partition of the shop's streams."""
        streams = self.cluster.streams()
        return {at: self._before.get(at, 0) for stream in STREAMS for at in streams[stream]}

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
        partitions = self.cluster.streams().get("customers", [])
        ends = self.cluster.ends(partitions)
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
        if group not in self.cluster.group_names():
            return False
        (state,) = self.cluster.groups([group])
        return state.state == "stable" and bool(state.members)
