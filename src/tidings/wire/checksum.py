"""CRC-32C (Castagnoli), which guards every record batch: by a machine instruction, some 30 µs a MiB."""

from __future__ import annotations

from collections.abc import Callable
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Any

from tidings.wire.primitives import Buffer


def _library() -> Any:
    """The compiled half of the `crc32c` package. Its other half asks for its own version and parses command lines:
    importing that takes longer (25 ms) than all else a broker needs to start."""
    package = find_spec("crc32c")
    spec = PathFinder.find_spec("_crc32c", package.submodule_search_locations) if package else None
    if spec is None or spec.loader is None:
        import crc32c

        return crc32c
    library = module_from_spec(spec)
    spec.loader.exec_module(library)
    return library


crc32c: Callable[[Buffer], int] = _library().crc32c
