"""load.c: built when it is first needed, run, and what it said."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import msgspec
from tests.interop.suites import PEERS

from tidings.errors import OperatorError, UnavailableError

SOURCE = Path(__file__).with_name("load.c")
TIMEOUT_S = 900.0


class Load(msgspec.Struct, frozen=True):
    """What load.c measured; percentiles and the highest in microseconds, and 0 where it took no single times."""

    seconds: float
    requests: int
    bytes_out: int
    bytes_in: int
    cpu_s: float
    p50: float
    p99: float
    max: float


def program() -> Path:
    """load.c, compiled. Raises OperatorError without a C compiler."""
    built = PEERS / "build" / "load"
    if not built.exists() or built.stat().st_mtime < SOURCE.stat().st_mtime:
        if shutil.which("cc") is None:
            raise OperatorError("there is no C compiler here", "install gcc or clang")
        built.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-std=gnu11", "-O2", "-o", str(built), str(SOURCE)], check=True)
    return built


def _run(what: str, **options: object) -> Load:
    """Raises UnavailableError with its reason if it could not finish."""
    given = [f"{name}={value}" for name, value in options.items() if value is not None]
    done = subprocess.run(
        [str(program()), what, *given], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        raise UnavailableError(f"load {what} {' '.join(given)}: {done.stderr.strip()}")
    return msgspec.json.decode(done.stdout, type=Load)


def produce(
    port: int,
    frames: Path,
    *,
    connections: int = 1,
    in_flight: int = 1,
    requests: int | None = None,
    seconds: float | None = None,
) -> Load:
    """Send the frames in turn, until there were `requests` or `seconds` are over."""
    return _run(
        "produce",
        port=port, frames=frames, connections=connections, in_flight=in_flight, requests=requests, seconds=seconds,
    )  # fmt: skip


def consume(port: int, frame: Path, *, offset_at: int, until: int) -> Load:
    """Fetch from offset 0 until `until`."""
    return _run("consume", port=port, frames=frame, offset_at=offset_at, until=until)


def poll(port: int, frame: Path, *, seconds: float) -> Load:
    """The same Fetch, one after the other."""
    return _run("poll", port=port, frames=frame, seconds=seconds)


def end_to_end(port: int, frames: Path, fetch: Path, *, offset_at: int, rate: int, seconds: float) -> Load:
    """`rate` records a second, produced and fetched; frame n of `frames` has n records."""
    return _run("end-to-end", port=port, frames=frames, fetch=fetch, offset_at=offset_at, rate=rate, seconds=seconds)
