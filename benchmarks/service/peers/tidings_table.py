"""A service of Tidings with a table and nothing else."""

from __future__ import annotations

import asyncio
import random
import resource
import sys
from time import perf_counter

import msgspec

from tidings import Service, Table, event

HOT = 5_000


class Customer(msgspec.Struct, frozen=True):
    customer_id: str
    name: str
    address: str


class Wanted(msgspec.Struct, frozen=True):
    bootstrap: str
    topic: str
    group: str
    rows: int
    lookups: int


class Looked(msgspec.Struct, frozen=True):
    restored_s: float
    reopened_s: float
    hot_us: float
    any_us: float
    resident_mb_max: float


def key_of(number: int) -> str:
    return f"customer-{number}"


def lookup_us(table: Table[Customer], keys: list[str]) -> float:
    """What one takes. Raises KeyError if one is not there."""
    begun = perf_counter()
    for key in keys:
        table[key]
    return (perf_counter() - begun) / len(keys) * 1e6


async def main(wanted: Wanted) -> Looked:
    event(wanted.topic, key="customer_id")(Customer)
    url = f"kafka://{wanted.bootstrap}"
    begun = perf_counter()
    first = Service(wanted.group, url=url)
    table = first.table(Customer)
    async with first:
        restored_s = perf_counter() - begun
        assert len(table) == wanted.rows
        draw = random.Random(7)
        hot_us = lookup_us(table, [key_of(draw.randrange(min(HOT, wanted.rows))) for _ in range(wanted.lookups)])
        any_us = lookup_us(table, [key_of(draw.randrange(wanted.rows)) for _ in range(wanted.lookups)])
    begun = perf_counter()
    again = Service(wanted.group, url=url)
    table = again.table(Customer)
    async with again:
        reopened_s = perf_counter() - begun
        assert len(table) == wanted.rows
    resident_mb_max = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return Looked(restored_s, reopened_s, hot_us, any_us, resident_mb_max)


if __name__ == "__main__":
    print(msgspec.json.encode(asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Wanted)))).decode(), flush=True)
