"""Makes what sells well dearer: `tidings run shop.pricing`.

Added last, when the other three had long been running. None of them was touched, none knows that it is there: it
hears what they say anyway, from the first order on.
"""

from collections import deque
from decimal import Decimal

from shop.data import CATALOGUE
from shop.events import OrderShipped, PriceChanged
from tidings import Service

pricing = Service("pricing")

sold_lately: deque[str] = deque(maxlen=200)
"""A window, no record: after a restart it fills again."""


@pricing.on
def follow_demand(shipped: OrderShipped) -> PriceChanged:
    sold_lately.append(shipped.product_id)
    return PriceChanged(shipped.product_id, price_of(shipped.product_id))


def price_of(product_id: str) -> Decimal:
    """The list price, plus up to half of it for a product that is every fourth sale or more."""
    share = Decimal(sold_lately.count(product_id)) / len(sold_lately)
    factor = 1 + min(2 * share, Decimal("0.5"))
    return (CATALOGUE[product_id].price * factor).quantize(Decimal("0.01"))
