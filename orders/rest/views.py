"""Orders over REST."""

from functools import partial

from rest_framework.request import Request
from rest_framework.response import Response

from charites.common import clock
from charites.common.auth import SEES_ORDERS, Identity, Permission
from charites.common.errors import Forbidden, Limited
from charites.common.replicas import may_be_old
from charites.common.rest import (
    IDEMPOTENCY_KEY,
    Answer,
    Endpoint,
    allowed,
    cursor_of,
    documented,
    idempotency_key,
    identity_of,
    paged,
    shown,
    valid_body,
    valid_query,
)
from charites.common.rest.in_loop import LoopRequest
from goods.errors import GoodsNotFound, GoodsNotInRoom, GoodsOffSale, RoomNotFound, SaleNotStarted, SaleOver
from orders import errors, lists, selectors, services
from orders.lists import OrderFilter
from orders.models import Order
from orders.payloads import PlaceOrder
from orders.personal_data import as_seen_by
from orders.queue import place_next, place_soon
from orders.rest import examples
from orders.rest.serializers import (
    BegunPaymentSerializer,
    ListOrdersSerializer,
    OrderListSerializer,
    OrderSerializer,
    PayOrderSerializer,
    PlaceOrderSerializer,
)
from orders.selectors import OrderWithLines
from stock.errors import NotEnoughStock, StockBusy, StockContended, StockLockFailed, StockNotFound


class OrderListView(Endpoint):
    @documented(
        "List orders, newest first",
        description="A buyer's own; everybody's for services and for staff who may see them.",
        operation_id="list_orders",
        parameters=[ListOrdersSerializer],
        answers=Answer(OrderListSerializer, "A page of orders.", examples.ORDERS),
        errors=[Forbidden],
    )
    def get(self, request: Request) -> Response:
        query, identity = valid_query(ListOrdersSerializer, request), identity_of(request)
        cursor = cursor_of(query)
        wanted = OrderFilter(**query | {"user_id": buyer_asked_for(identity, query)})
        # Of one buyer nothing is old: whoever has just placed an order looks for it.
        page = may_be_old(lists.page_orders, unless=wanted.user_id is not None)(wanted, cursor)
        return paged(OrderListSerializer, request, page.of(partial(as_seen_by, identity)), "orders")

    @documented(
        "Place an order",
        description="Takes the stock. The same idempotency key is answered with the same order, whatever has happened "
        "to stock, price or time since; of two requests with one key at once, the second waits for the first.",
        operation_id="place_order",
        parameters=[IDEMPOTENCY_KEY],
        request=PlaceOrderSerializer,
        example=examples.A_NEW_ORDER,
        answers=[
            Answer(OrderSerializer, "The order was placed.", examples.AN_ORDER, 201),
            Answer(OrderSerializer, "It had been placed before, by the same key.", examples.AN_ORDER),
        ],
        errors=[
            NotEnoughStock,
            StockNotFound,
            GoodsNotFound,
            GoodsOffSale,
            GoodsNotInRoom,
            RoomNotFound,
            SaleNotStarted,
            SaleOver,
            errors.OverBuyersLimit,
            errors.TooManyUnpaid,
            errors.PriceChanged,
            errors.OrderArchived,
            errors.OrderFailed,
            errors.GoodsCallFailed,
            errors.StockCallFailed,
            StockBusy,
            StockContended,
            StockLockFailed,
            Forbidden,
            Limited,
        ],
    )
    def post(self, request: Request) -> Response:
        return placed_response(place_next(command=command_of(request)))

    async def apost(self, request: LoopRequest) -> Response:
        return placed_response(await place_soon(command=command_of(request)))


def buyer_asked_for(identity: Identity, query: dict[str, int]) -> int | None:
    """Whose orders are listed. Raises Forbidden for those of others, for who may see the own ones only."""
    asked, visible = query.get("user_id"), identity.visible_user_id
    if None not in (asked, visible) and asked != visible:
        raise identity.refusal(*SEES_ORDERS)
    return asked if visible is None else visible


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
    @documented(
        "Read an order",
        description="A buyer's own; anybody's for services and for staff who may see orders.",
        operation_id="get_order",
        answers=Answer(OrderSerializer, "The order.", examples.AN_ORDER),
        errors=[errors.OrderNotFound, errors.OrderArchived],
    )
    def get(self, request: Request, order_id: int) -> Response:
        found = selectors.get_order(order_id=order_id, user_id=identity_of(request).visible_user_id)
        return shown_to(identity_of(request), found)


class PayView(Endpoint):
    @documented(
        "Begin to pay an order",
        description="The buyer pays at `pay_url`. Repeated, it answers the payment that has begun.",
        operation_id="pay_order",
        request=PayOrderSerializer,
        example={"outcome": "page"},
        answers=Answer(BegunPaymentSerializer, "The payment has begun.", examples.A_BEGUN_PAYMENT, 202),
        errors=[
            errors.OrderNotFound,
            errors.OrderArchived,
            errors.OrderStateConflict,
            errors.TooLateToPay,
            errors.PaymentsUnavailable,
            errors.PaymentUnanswered,
        ],
    )
    def post(self, request: Request, order_id: int) -> Response:
        body = valid_body(PayOrderSerializer, request)
        begun = services.begin_payment(
            order_id=order_id,
            user_id=identity_of(request).changeable_user_id,
            outcome=body["outcome"],
            now=clock.now(),
        )
        return Response(shown(BegunPaymentSerializer, begun), 202)


class CancelView(Endpoint):
    @documented(
        "Cancel an unpaid order",
        description="Gives the stock back.",
        operation_id="cancel_order",
        answers=Answer(OrderSerializer, "The order is cancelled.", examples.A_CANCELLED_ORDER),
        errors=[
            errors.OrderNotFound,
            errors.OrderArchived,
            errors.OrderStateConflict,
            errors.PaymentsUnavailable,
            errors.PaymentUnanswered,
            StockBusy,
            Limited,
        ],
    )
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

    @documented(
        "Complete a paid order",
        description="For staff who may change orders: the buyer has it.",
        operation_id="complete_order",
        answers=Answer(OrderSerializer, "The order is completed.", examples.A_COMPLETED_ORDER),
        errors=[Forbidden, errors.OrderNotFound, errors.OrderArchived, errors.OrderStateConflict],
    )
    def post(self, request: Request, order_id: int) -> Response:
        identity = identity_of(request)
        return shown_to(identity, services.complete_order(order_id=order_id, actor=identity.actor, now=clock.now()))
