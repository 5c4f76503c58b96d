"""Knows the customers, and says so when one is new or moves: `python -m shop.customers`.

An ordinary program: whatever emits is a producer. Nobody asks it for an address; who needs them keeps a copy.
"""

import asyncio
import os
from contextlib import suppress
from random import Random

import msgspec

from shop import data
from tidings import Service

customers = Service("customers")

COUNT = 200
MOVES_EVERY_S = 2.0


async def main(seed: int) -> None:
    known = data.customers(COUNT, seed)
    chance = Random(seed)
    async with customers:
        await asyncio.gather(*(customers.emit(customer) for customer in known))
        while True:
            await asyncio.sleep(MOVES_EVERY_S)
            moved = msgspec.structs.replace(chance.choice(known), address=data.address(chance))
            await customers.emit(moved)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main(int(os.environ.get("SHOP_SEED", "1"))))
