"""Opens accounts, and moves money about: `python -m bank.customers`. Some ask for more than they have."""

import asyncio
from collections.abc import Iterator
from random import Random

from bank.events import AccountOpened, TransferRequested
from tidings import Service

COUNT = 20
TRANSFERS = 1_000
OPENING_CENTS = 100_00

customers = Service("customers")


def accounts(count: int = COUNT) -> list[AccountOpened]:
    return [AccountOpened(f"a-{number:03}", OPENING_CENTS) for number in range(count)]


def transfers(run: str, count: int, among: int = COUNT, seed: int = 0) -> Iterator[TransferRequested]:
    """`count` transfers between `among` accounts, and now and then to one that does not exist: the same for a seed."""
    random = Random(f"transfers {seed}")
    for number in range(count):
        source, target = random.sample(range(among), 2)
        named = f"a-{target:03}" if random.random() > 0.05 else "a-nobody"
        yield TransferRequested(f"{run}-{number}", f"a-{source:03}", named, random.randrange(1, 2 * OPENING_CENTS))


async def main() -> None:
    async with customers:
        for opened in accounts():
            await customers.emit(opened)
        await asyncio.gather(*(customers.emit(wanted) for wanted in transfers("t", TRANSFERS)))


if __name__ == "__main__":
    asyncio.run(main())
