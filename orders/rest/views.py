"""Orders and payments over REST."""

from drf_spectacular.types import OpenApiTypes
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from charites.common import clock
from charites.common.auth import Identity, Permission
from charites.common.models import DEFAULT_PAGE
from charites.common.rest import (
    IDEMPOTENCY_KEY,
    Endpoint,
    allowed,
    documented,
    idempotency_key,
    identity_of,
    shown,
    valid_body,
    valid_query,
)
from charites.common.rest.in_loop import LoopRequest
from orders import selectors, services
from orders.models import Order
from orders.payloads import PlaceOrder
from orders.personal_data import as_seen_by
from orders.queue import place_next, place_soon
from orders.rest.serializers import (
    ListOrdersSerializer,
    NoticeAnswerSerializer,
    OrderListSerializer,
    OrderSerializer,
    PaymentSerializer,
    PayOrderSerializer,
    PlaceOrderSerializer,
)
from orders.selectors import OrderWithLines

AN_ORDER = {
    "items": [{"goods_id": "1", "quantity": 2}],
    "address": "1 Harbour Road",
    "name": "Li Lei",
    "phone": "+86 138-0000-0000",
    "room_id": "1",
}
A_NOTICE = {
    "payment_id": "1",
    "trade_id": "T-1",
    "amount": 19900,
    "currency": "CNY",
    "captured_at": "2026-06-01T12:00:00Z",
}


class OrderListView(Endpoint):
    @documented(
        "List orders, newest first",
        operation_id="orders_list",
        parameters=[ListOrdersSerializer],
        responses=OrderListSerializer,
    )
    def get(self, request: Request) -> Response:
        query = valid_query(ListOrdersSerializer, request)
        orders = selectors.list_orders(
            user_id=identity_of(request).visible_user_id,
            status=query.get("status"),
            before_id=query.get("before"),
            limit=query.get("limit", DEFAULT_PAGE),
        )
        return Response(shown(OrderListSerializer, {"orders": as_seen_by(identity_of(request), orders)}))

    @documented(
        "Place an order",
        parameters=[IDEMPOTENCY_KEY],
        request=PlaceOrderSerializer,
        example=AN_ORDER,
        responses={201: OrderSerializer, 200: OrderSerializer},
    )
    def post(self, request: Request) -> Response:
        return placed_response(place_next(command=command_of(request)))

    async def apost(self, request: LoopRequest) -> Response:
        return placed_response(await place_soon(command=command_of(request)))


def command_of(request: Request | LoopRequest) -> PlaceOrder:
    """What a buyer asks for. Raises what is wrong with it."""
    body = valid_body(PlaceOrderSerializer, request)
    return PlaceOrder(
        user_id=identity_of(request).buyer_id,
        quantities=body["items"],
        address=body["address"],
        name=body["name"],
        phone=body["phone"],
        room_id=body.get("room_id"),
        idempotency_key=idempotency_key(request),
        expected_amount=body.get("expected_amount"),
    )


def placed_response(placed: services.Placed) -> Response:
    return Response(shown(OrderSerializer, placed.order), 201 if placed.created else 200)


def shown_to(identity: Identity, found: OrderWithLines) -> Response:
    (seen,) = as_seen_by(identity, [found])
    return Response(shown(OrderSerializer, seen))


class OrderView(Endpoint):
    @documented("Read an order", responses=OrderSerializer)
    def get(self, request: Request, order_id: int) -> Response:
        found = selectors.get_order(order_id=order_id, user_id=identity_of(request).visible_user_id)
        return shown_to(identity_of(request), found)


class PayView(Endpoint):
    @documented(
        "Begin to pay an order",
        request=PayOrderSerializer,
        responses={202: PaymentSerializer},
        example={"outcome": "page"},
    )
    def post(self, request: Request, order_id: int) -> Response:
        body = valid_body(PayOrderSerializer, request)
        begun = services.begin_payment(
            order_id=order_id,
            user_id=identity_of(request).changeable_user_id,
            outcome=body["outcome"],
            now=clock.now(),
        )
        return Response(shown(PaymentSerializer, begun), 202)


class CancelView(Endpoint):
    @documented("Cancel an unpaid order", responses=OrderSerializer)
    def post(self, request: Request, order_id: int) -> Response:
        identity = identity_of(request)
        cancelled = services.cancel_order(
            order_id=order_id,
            user_id=identity.changeable_user_id,
            closed_by=Order.ClosedBy.STAFF if identity.may(Permission.CHANGE_ORDER) else Order.ClosedBy.USER,
            now=clock.now(),
        )
        return shown_to(identity, cancelled)


class CompleteView(Endpoint):
    permission_classes = [allowed(Permission.CHANGE_ORDER)]

    @documented("Complete a paid order", responses=OrderSerializer)
    def post(self, request: Request, order_id: int) -> Response:
        identity = identity_of(request)
        return shown_to(identity, services.complete_order(order_id=order_id, actor=identity.actor, now=clock.now()))


class NotifyView(Endpoint):
    """The provider's callback: no token, a signature over the raw bytes instead."""

    authentication_classes = []
    permission_classes: list[type[BasePermission]] = []

    @documented(
        "Take a provider's callback",
        description="Without a token: signed over the raw body, as Standard Webhooks has it, by the headers "
        "webhook-id, webhook-timestamp and webhook-signature. The body is the provider's; the sandbox's is shown.",
        request=OpenApiTypes.OBJECT,
        responses=NoticeAnswerSerializer,
        example=A_NOTICE,
        auth=[],
    )
    def post(self, request: Request) -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        services.receive_notice(headers=headers, body=request.body, now=clock.now())
        return Response(shown(NoticeAnswerSerializer, {"status": "success"}))
