"""The shop's day under many seeds of faults: every order is shipped exactly once, whatever the seed.

    python -m tests.shop.seeds --seeds 1000               seeds 0 to 999, on two processes
    python -m tests.shop.seeds --seeds 1 --first 3141     one of them again

Says how long it took and what there was to survive; a seed that fails is named, with what went wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import traceback
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from time import monotonic
from typing import TYPE_CHECKING

from tidings.cli.shop import shop_module

if TYPE_CHECKING:
    from tests.shop.scenario import Day

PROCESSES = 2
SEEDS_AT_A_TIME = 10


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.shop.seeds", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--processes", type=int, default=PROCESSES)
    arguments = parser.parse_args()
    shop_module("events")  # puts the shop on the path, where what comes back is read
    began, failed, days = monotonic(), [], []
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    with ProcessPoolExecutor(arguments.processes) as pool:
        for seed, day in zip(seeds, pool.map(live, seeds, chunksize=SEEDS_AT_A_TIME), strict=True):
            if isinstance(day, str):
                failed.append(seed)
                print(f"seed {seed}:\n{day}", file=sys.stderr)
            else:
                days.append(day)
    print(f"{len(days)} of {len(seeds)} seeds in {monotonic() - began:.0f} s: {survived(days)}")
    if failed:
        print(f"failed: {' '.join(map(str, failed))}", file=sys.stderr)
    return 1 if failed else 0


def survived(days: Sequence[Day]) -> str:
    crashes, aborted = sum(day.crashes for day in days), sum(day.aborted for day in days)
    hours = sum(day.seconds for day in days) / 3600
    return f"{crashes} crashes, {aborted} transactions aborted, in {hours:.1f} hours of their time"


def live(seed: int) -> Day | str:
    """One day; or what went wrong."""
    shop_module("events")
    from tests.shop.scenario import live

    logging.disable(logging.CRITICAL)  # faults are logged, and wanted here
    try:
        return asyncio.run(live(seed))
    except Exception:
        return traceback.format_exc()


if __name__ == "__main__":
    sys.exit(main())
