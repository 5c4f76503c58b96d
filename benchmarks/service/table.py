"""A table of many rows: how long it takes to be made, to be opened again, and to be asked."""

from __future__ import annotations

import os

import msgspec
from tests.interop.suites import ROOT

from benchmarks.quantities import Quantity, limit
from benchmarks.results import TIDINGS
from benchmarks.service.competitors import COMPETITORS
from benchmarks.service.peers.tidings_table import Customer, Looked, Wanted, key_of
from benchmarks.service.scene import Scene
from tidings.testing.process import ChildProcess

TITLE = "A table"
TIMEOUT_S = 600.0
RESTORED_S_MAX = 20.0
LOOKUP_US_MAX = 5.0


def measure(scene: Scene) -> None:
    rows = scene.sizes.table_rows
    topic = scene.streams.create(scene.name("customers"))
    encode = msgspec.json.Encoder().encode

    def customer(number: int) -> tuple[bytes, bytes]:
        key = key_of(number)
        return key.encode(), encode(Customer(key, f"Customer {number}", f"{number} Long Lane, Some Town"))

    scene.streams.write(topic, rows, customer, type_name="Customer")
    scene.tell(f"a table of {rows:,} rows")
    seen = _run(scene, Wanted(scene.bootstrap, topic, scene.name("table"), rows, scene.sizes.lookups))
    target = limit(RESTORED_S_MAX) if rows == 1_000_000 else None
    scene.add(Quantity(TITLE, f"made of a stream of {rows:,} keys", "s", target=target), TIDINGS, seen.restored_s)
    scene.add(Quantity(TITLE, "opened again", "s"), TIDINGS, seen.reopened_s)
    hot = Quantity(TITLE, "lookup among 5,000 keys that are asked for often", "µs", target=limit(LOOKUP_US_MAX))
    scene.add(hot, TIDINGS, seen.hot_us)
    any_key = Quantity(TITLE, f"lookup of any of {rows:,} keys", "µs", target=limit(LOOKUP_US_MAX))
    scene.add(any_key, TIDINGS, seen.any_us)
    scene.add(Quantity(TITLE, "resident memory meanwhile, at most", "MB"), TIDINGS, seen.resident_mb_max)


def _run(scene: Scene, wanted: Wanted) -> Looked:
    """Raises UnavailableError if it fails."""
    python = COMPETITORS[TIDINGS].environment.python
    told = msgspec.json.encode(wanted).decode()
    child = ChildProcess(
        [str(python), "-m", "benchmarks.service.peers.tidings_table", told],
        {**os.environ, "PYTHONPATH": str(ROOT), "TIDINGS_STATE": str(scene.room / "state")},
    )
    try:
        line = child.wait_for_line(r'"restored_s"', TIMEOUT_S).string
        child.wait(TIMEOUT_S)
    finally:
        if child.exit_code is None:
            child.kill()
    return msgspec.json.decode(line, type=Looked)
