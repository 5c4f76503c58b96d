"""FastStream on aiokafka."""

from __future__ import annotations

import asyncio

from faststream import kafka  # type: ignore[import-not-found, unused-ignore]

from benchmarks.service.peers.faststream_common import main
from benchmarks.service.peers.task import Task

if __name__ == "__main__":
    asyncio.run(main(Task.given(), kafka))
