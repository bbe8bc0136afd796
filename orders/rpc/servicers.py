"""The gRPC service `Order`."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from charites.common import clock
from charites.common.auth import SEES_ORDERS, Identity, Permission
from charites.common.errors import Invalid
from charites.common.models import DEFAULT_PAGE, MAX_PAGE
from charites.common.rpc import Call, Job, Servicer, allow, in_loop, merged, required_id
from charites.common.text import tidy
from goods.models import Goods
from orders import lists, selectors, services
from orders.models import Order, OrderDetail
from orders.payloads import NewOrder, PlaceOrder, Placing, RefundOrder
from orders.personal_data import as_seen_by
from orders.queue import PLACING, Queued, in_queue
from orders.rpc import orders_pb2
from orders.rpc.orders_pb2 import (
    CreateOrderRequest,
    ListOrdersReply,
    ListOrdersRequest,
    OrderItem,
    OrderLine,
    OrderReply,
    OrderRequest,
    PayOrderReply,
    PayOrderRequest,
    RefundOrderRequest,
    RefundReply,
)
from orders.selectors import OrderWithLines

OUTCOMES = ("now", "page")


class OrderServicer(Servicer):
    descriptor = orders_pb2.DESCRIPTOR.services_by_name["Order"]

    @in_loop
    def CreateOrder(self, request: CreateOrderRequest, call: Call) -> Job[Queued, services.Placed]:
        command = PlaceOrder(
            user_id=call.identity.acting_for(request.user_id),
            quantities=merged(lines_of(request)),
            address=tidy(request.address),
            name=tidy(request.name),
            phone=tidy(request.phone),
            room_id=request.room_id or None,
            idempotency_key=call.idempotency_key(request.idempotency_key),
            expected_amount=request.expected_amount or None,
        )
        return Job(PLACING, in_queue(command), placed_reply)

    def GetOrder(self, request: OrderRequest, call: Call) -> OrderReply:
        order_id = required_id("order_id", request.order_id)
        found = selectors.get_order(order_id=order_id, user_id=call.identity.visible_user_id)
        return reply_to(call.identity, found)

    def ListOrders(self, request: ListOrdersRequest, call: Call) -> ListOrdersReply:
        if not 0 <= request.limit <= MAX_PAGE:
            raise Invalid("limit", _("must be 1 to %(limit)s"), limit=MAX_PAGE)
        if request.status and request.status not in Order.Status:
            raise Invalid("status", _("is not a status of orders"))
        orders = lists.list_orders(
            user_id=listed_user(call.identity, request.user_id),
            status=request.status or None,
            before_id=required_id("before_id", request.before_id) if request.before_id else None,
            limit=request.limit or DEFAULT_PAGE,
        )
        return ListOrdersReply(orders=map(as_reply, as_seen_by(call.identity, orders)))

    def PayOrder(self, request: PayOrderRequest, call: Call) -> PayOrderReply:
        outcome = request.outcome or ("now" if settings.DEMO else "page")
        if outcome not in OUTCOMES:
            raise Invalid("outcome", _("must be one of: %(outcomes)s"), outcomes=", ".join(OUTCOMES))
        order_id = required_id("order_id", request.order_id)
        begun = services.begin_payment(
            order_id=order_id, user_id=call.identity.changeable_user_id, outcome=outcome, now=clock.now()
        )
        return PayOrderReply(payment_id=begun.payment.payment_id, pay_url=begun.pay_url, status=begun.payment.status)

    def CancelOrder(self, request: OrderRequest, call: Call) -> OrderReply:
        is_staff = call.identity.may(Permission.CHANGE_ORDER)
        closed_by = Order.ClosedBy.STAFF if is_staff else Order.ClosedBy.USER
        order_id = required_id("order_id", request.order_id)
        cancelled = services.cancel_order(
            order_id=order_id, user_id=call.identity.changeable_user_id, closed_by=closed_by, now=clock.now()
        )
        return reply_to(call.identity, cancelled)

    @allow(Permission.ADD_REFUND)
    def RefundOrder(self, request: RefundOrderRequest, call: Call) -> RefundReply:
        call.identity.require(*SEES_ORDERS)
        key = call.idempotency_key(request.idempotency_key)
        if key is None:
            raise Invalid("idempotency_key", _("is missing"))
        command = RefundOrder(
            order_id=required_id("order_id", request.order_id),
            amount=request.amount,
            currency=request.currency or None,
            reason=tidy(request.reason),
            actor=call.identity.actor,
            returned=merged(request.items),
            returns_all=request.return_stock,
            idempotency_key=key,
        )
        return refund_reply(services.refund_order(command=command))


def refund_reply(requested: services.RequestedRefund) -> RefundReply:
    refund = requested.refund
    assert refund  # or its error was raised
    return RefundReply(
        refund_id=refund.refund_id,
        payment_id=refund.payment_id,
        order_id=refund.order_id,
        amount=refund.amount,
        currency=refund.currency,
        status=refund.status,
        created_at=refund.created_at,
    )


def reply_to(identity: Identity, found: OrderWithLines) -> OrderReply:
    """An order as the caller may see it."""
    (seen,) = as_seen_by(identity, [found])
    return as_reply(seen)


def listed_user(identity: Identity, user_id: int) -> int | None:
    """Whose orders to list. Raises Forbidden for a customer who names somebody else."""
    if identity.visible_user_id is None:
        return user_id or None
    return identity.acting_for(user_id)


def lines_of(request: CreateOrderRequest) -> list[OrderLine]:
    """The lines of either form of a request: one product, or items. Raises Invalid for both at once."""
    if not request.items:
        return [OrderLine(goods_id=request.goods_id, num=request.num)]
    if request.goods_id or request.num:
        raise Invalid("items", _("excludes GoodsId and Num"))
    return list(request.items)


def placed_reply(placed: services.Placed) -> OrderReply:
    """What became of a command. Raises its error."""
    if placed.error:
        raise placed.error
    if placed.new:
        return new_reply(placed.new)
    return as_reply(placed.stored) if placed.stored else OrderReply()


def new_reply(placing: Placing) -> OrderReply:
    """A new order, from what was inserted."""
    items = [as_item(line.goods, line.num, line.pay_amount) for line in placing.lines]
    status = Order.Status.UNPAID
    return reply_of(placing.order, items, status=status, status_label=str(status.label))


def as_reply(found: OrderWithLines) -> OrderReply:
    """An order as it is stored."""
    order = found.order
    return reply_of(
        order,
        [as_item(line, line.num, line.pay_amount) for line in found.lines],
        status=order.status,
        status_label=order.get_status_display(),
        paid_at=order.pay_time,
        closed_by=order.closed_by,
        refunded=found.refunded,
    )


def reply_of(order: NewOrder | Order, items: Sequence[OrderItem], **state: Any) -> OrderReply:
    """What every order has had from its beginning, and the state that it is in."""
    return OrderReply(
        order_id=order.order_id,
        user_id=order.user_id,
        pay_amount=order.pay_amount,
        created_at=order.created_at,
        expires_at=order.expires_at,
        address=order.receive_address,
        name=order.receive_name,
        phone=order.receive_phone,
        room_id=order.room_id or 0,
        items=items,
        **state,
    )


def as_item(product: Goods | OrderDetail, num: int, pay_amount: int) -> OrderItem:
    """A line of an order; of the product, or what the line keeps of it."""
    return OrderItem(
        goods_id=product.goods_id,
        num=num,
        title=product.title,
        price=product.price,
        market_price=product.market_price,
        pay_amount=pay_amount,
        head_imgs=map(str, product.head_imgs),
    )


SERVICER = OrderServicer
