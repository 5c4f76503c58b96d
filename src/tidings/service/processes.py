"""A process for each core, for handlers that calculate: `@service.on(process=True)`."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from tidings.errors import TidingsError


class ProcessDiedError(TidingsError):
    """The process in which a handler ran has died: killed, out of memory, a fault in native code."""


class Processes:
    """Begun when first needed, and again after one of them has died."""

    def __init__(self, count: int | None = None) -> None:
        self._count = count or os.cpu_count() or 1
        self._pool: ProcessPoolExecutor | None = None

    async def run(self, function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        """What `function` returns there; of a generator, all that it yields.

        Raises what it raises, and ProcessDiedError. Cancelled, it leaves the process at work.
        """
        pool = self._pool
        if pool is None:
            # Neither threads nor sockets of ours are to be in the child: so no fork.
            context = multiprocessing.get_context("spawn")
            pool = self._pool = ProcessPoolExecutor(self._count, mp_context=context)
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, _call, function, dict(arguments))
        except BrokenProcessPool as error:
            if self._pool is pool:
                self._pool = None
                pool.shutdown(wait=False)
            raise ProcessDiedError(f"the process died in which {function.__qualname__} ran") from error

    def close(self) -> None:
        """What runs is not waited for."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


def _call(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    result = function(**arguments)
    return list(result) if hasattr(result, "__next__") else result
