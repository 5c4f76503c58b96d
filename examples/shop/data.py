"""What the shop sells, who buys it, and a stream of orders as skewed as real ones: few products sell most.

All of it is invented, and the same for the same seed.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import accumulate
from random import Random
from typing import Generic, TypeVar

import msgspec

from shop.events import CustomerChanged

Choice = TypeVar("Choice")


class Product(msgspec.Struct, frozen=True):
    product_id: str
    name: str
    price: Decimal


class PlaceOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a customer asks for. The id is the customer's to choose, so that one can see what became of it."""

    order_id: str
    customer_id: str
    product_id: str
    quantity: int = 1


_NAMES = "Ada Bo Cleo Dina Egon Fay Gus Hana Ivo June Kit Lena Max Nora Otto Pia Quin Rosa Sven Tess Uma Vito Wim Zoe"
_SURNAMES = (
    "Abel Berg Costa Dahl Evers Funk Gray Holm Ito Jansen Klee Lund Mori Noor Okafor Petit Quist Roth Silva Tran"
)
_STREETS = "Mill Lane, Harbour Road, Station Street, Garden Walk, Market Square, Church Hill, River Bank, Long Row"
_TOWNS = "Ashford Bexley Corby Dover Epsom Frome Goole Hythe Ilford Kendal Leeds Malton Neath Oldham Poole Ripon"

_MAKES = "oak brass linen wool glass slate copper cork"
_THINGS = "chair lamp kettle blanket bowl clock shelf basket stool mirror"

CATALOGUE: dict[str, Product] = {
    product.product_id: product
    for number, (make, thing) in enumerate(((m, t) for t in _THINGS.split() for m in _MAKES.split()), start=1)
    if (product := Product(f"p-{number:02}", f"{make} {thing}", Decimal(900 + number * 737 % 9100) / 100))
}


def customers(count: int, seed: int = 1) -> list[CustomerChanged]:
    """The first `count` customers, `c-001` onwards."""
    chance = Random(f"customers {seed}")
    return [customer(f"c-{number:03}", chance) for number in range(1, count + 1)]


def customer(customer_id: str, chance: Random) -> CustomerChanged:
    """Somebody, somewhere."""
    return CustomerChanged(
        customer_id,
        name=f"{chance.choice(_NAMES.split())} {chance.choice(_SURNAMES.split())}",
        address=address(chance),
    )


def address(chance: Random) -> str:
    return f"{chance.randint(1, 99)} {chance.choice(_STREETS.split(', '))}, {chance.choice(_TOWNS.split())}"


def orders(run: str, customer_count: int, seed: int = 1) -> Iterator[PlaceOrder]:
    """Orders without end. Their ids begin with `run`, which tells the orders of one run from another's."""
    chance = Random(f"orders {seed}")
    buyers = Skewed([f"c-{number:03}" for number in range(1, customer_count + 1)], chance)
    goods = Skewed(list(CATALOGUE), chance)
    number = 0
    while True:
        number += 1
        yield PlaceOrder(f"{run}-{number:05}", buyers.draw(), goods.draw(), quantity=chance.choice((1, 1, 1, 2, 2, 3)))


class Skewed(Generic[Choice]):
    """Draws by Zipf's law: the second is drawn half as often as the first, the third a third as often."""

    def __init__(self, choices: Sequence[Choice], chance: Random) -> None:
        self._choices = chance.sample(choices, len(choices))
        self._weights = list(accumulate(1 / rank for rank in range(1, len(choices) + 1)))
        self._chance = chance

    def draw(self) -> Choice:
        return self._chance.choices(self._choices, cum_weights=self._weights)[0]
