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
from tidings import RequestContext, Service
from tidings.errors import UnavailableError

orders = Service("orders")


async def place(request: Request) -> Response:
    wanted = msgspec.json.decode(await request.body(), type=PlaceOrder)
    if wanted.product_id not in CATALOGUE:
        return refusal(404, f"we have no {wanted.product_id}")

    total = CATALOGUE[wanted.product_id].price * wanted.quantity
    order = OrderReceived(wanted.order_id, wanted.customer_id, wanted.product_id, wanted.quantity, total)
    position = await orders.emit(order)

    return JSONResponse({"order_id": order.order_id, "total": str(total), "position": str(position)}, status_code=201)


async def health(request: Request) -> Response:
    return JSONResponse({"service": orders.name, "status": "up"})


def refusal(status_code: int, error: str) -> Response:
    return JSONResponse({"error": error}, status_code)


app = Starlette(
    routes=[Route("/orders", place, methods=["POST"]), Route("/health", health)],
    middleware=[Middleware(RequestContext)],
    exception_handlers={
        msgspec.DecodeError: lambda request, error: refusal(422, str(error)),
        UnavailableError: lambda request, error: refusal(503, "not accepted, and not lost: please try again"),
    },
    lifespan=orders.lifespan,
)
