"""Ships what was ordered, to where the customer lives: `tidings run shop.shipping`.

It never asks the customers service for an address. It keeps a copy of its own, fed by what that service tells
everybody, and so goes on shipping while the other is down.
"""

from shop.events import CustomerChanged, OrderReceived, OrderShipped
from tidings import Retry, Service

shipping = Service("shipping")
customers = shipping.table(CustomerChanged)


@shipping.on(retry=Retry(5, backoff="1s..5m"))
async def dispatch(order: OrderReceived) -> OrderShipped:
    customer = customers[order.customer_id]
    return OrderShipped(order.order_id, order.product_id, order.quantity, to=customer.address)
