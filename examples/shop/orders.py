"""The web front, which accepts orders: `uvicorn shop.orders:app`.

An order is accepted once its event is on disk. Who will ship it, or price it, is not known here, and none of them
has to be up. `RequestContext` sees to it that the request's id and the client's address travel in the event.
"""

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shop.data import CATALOGUE, PlaceOrder
from shop.events import OrderReceived
from tidings import Service
from tidings.events.context import RequestContext

orders = Service("orders")


async def place(request: Request) -> Response:
    try:
        wanted = msgspec.json.decode(await request.body(), type=PlaceOrder)
    except msgspec.ValidationError as error:
        return JSONResponse({"error": str(error)}, status_code=422)
    if wanted.product_id not in CATALOGUE:
        return JSONResponse({"error": f"we have no {wanted.product_id}"}, status_code=404)

    total = CATALOGUE[wanted.product_id].price * wanted.quantity
    order = OrderReceived(wanted.order_id, wanted.customer_id, wanted.product_id, wanted.quantity, total)
    position = await orders.emit(order)

    return JSONResponse({"order_id": order.order_id, "total": str(total), "position": str(position)}, status_code=201)


async def health(request: Request) -> Response:
    return JSONResponse({"service": orders.name, "status": "up"})


app = Starlette(
    routes=[Route("/orders", place, methods=["POST"]), Route("/health", health)],
    middleware=[Middleware(RequestContext)],
    lifespan=orders.lifespan,
)
