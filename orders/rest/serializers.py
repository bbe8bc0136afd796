"""Orders in JSON. Amounts are integer cents, ids are strings."""

from collections import Counter
from typing import Any

from django.conf import settings
from rest_framework import serializers

from charites.common.models import ADDRESS_LENGTH, MAX_LINES, NAME_LENGTH, PHONE_LENGTH, REASON_LENGTH
from charites.common.rest import (
    AmountField,
    CountField,
    FlagField,
    IdField,
    KeyField,
    MomentField,
    NamedStatusField,
    OneOfField,
    PagedSerializer,
    PageSerializer,
    QuantityField,
    StrictSerializer,
    TextField,
)
from charites.common.times import as_utc
from orders.models import CURRENCY_LENGTH, Order, OrderDetail, Payment, Refund, RefundLine
from orders.selectors import OrderWithLines, RefundWithPieces

OUTCOMES = [("now", "pay at once"), ("page", "wait for the pay page")]


class ItemSerializer(StrictSerializer):
    goods_id = IdField()
    quantity = QuantityField()


def merged(items: list[dict[str, int]]) -> dict[int, int]:
    """Lines for the same product are one."""
    quantities: Counter[int] = Counter()
    for item in items:
        quantities[item["goods_id"]] += item["quantity"]
    return dict(quantities)


class PlaceOrderSerializer(StrictSerializer):
    """What a buyer may say. The price is not among it."""

    items = ItemSerializer(many=True, allow_empty=False, max_length=MAX_LINES)  # type: ignore[call-arg]
    address = TextField(max_length=ADDRESS_LENGTH, has_lines=True)
    name = TextField(max_length=NAME_LENGTH)
    phone = TextField(max_length=PHONE_LENGTH)
    room_id = IdField(required=False, allow_null=True)
    expected_amount = QuantityField(
        required=False, allow_null=True, help_text="the amount that the buyer saw, in cents; another one is refused"
    )

    def validate_items(self, items: list[dict[str, int]]) -> dict[int, int]:
        return merged(items)


class PayOrderSerializer(StrictSerializer):
    outcome = OneOfField(OUTCOMES, required=False, help_text="of the sandbox")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {"outcome": "now" if settings.DEMO else "page", **attrs}


class ListOrdersSerializer(PagedSerializer):
    status = NamedStatusField(Order.Status, required=False, help_text="its number is understood, too")
    room_id = IdField(required=False, help_text="bought in this room")
    goods_id = IdField(required=False, help_text="with this product")
    user_id = IdField(required=False, help_text="of this buyer; for staff and services")
    placed_from = MomentField(required=False, help_text="placed at this time or later")
    placed_until = MomentField(required=False, help_text="placed before this time")


class ListMoneySerializer(PagedSerializer):
    order_id = IdField(required=False, help_text="of this order")


class ListPaymentsSerializer(ListMoneySerializer):
    status = OneOfField(Payment.Status.choices, required=False)


class ListRefundsSerializer(ListMoneySerializer):
    status = OneOfField(Refund.Status.choices, required=False)


class LineSerializer(serializers.Serializer[Any]):
    goods_id = IdField()
    title = serializers.CharField(help_text="as it was when the order was placed, like the prices")
    quantity = CountField(source="num")
    price = AmountField(help_text="of one piece, in cents")
    market_price = AmountField(help_text="what it is compared with, in cents")
    pay_amount = AmountField(help_text="of the line, in cents")
    head_imgs = serializers.ListField(child=serializers.CharField(), help_text="addresses of pictures")


def show_line(line: OrderDetail) -> dict[str, Any]:
    """What LineSerializer's fields would make of it, one by one at ten times the cost: every buyer waits for this."""
    return {
        "goods_id": str(line.goods_id),
        "title": line.title,
        "quantity": line.num,
        "price": line.price,
        "market_price": line.market_price,
        "pay_amount": line.pay_amount,
        "head_imgs": list(map(str, line.head_imgs)),
    }


class OrderSerializer(serializers.Serializer[Any]):
    order_id = IdField(source="order.order_id")
    user_id = IdField(source="order.user_id")
    room_id = IdField(source="order.room_id", allow_null=True, help_text="the room that it was bought in, if any")
    status = serializers.ChoiceField(Order.Status.choices, source="order.status")
    status_label = serializers.CharField(source="order.get_status_display", help_text="in the caller's language")
    closed_by = serializers.ChoiceField(
        Order.ClosedBy.choices, source="order.closed_by", allow_blank=True, help_text="empty while it is not closed"
    )
    pay_amount = AmountField(source="order.pay_amount", help_text="of the whole order, in cents")
    refunded = AmountField(help_text="of what it was paid with, sent back or on its way, in cents")
    pay_time = serializers.DateTimeField(source="order.pay_time", allow_null=True)
    created_at = serializers.DateTimeField(source="order.created_at")
    expires_at = serializers.DateTimeField(
        source="order.expires_at", help_text="when it is closed if it is not paid; a payment ends a while before"
    )
    address = serializers.CharField(source="order.receive_address", help_text="masked for who may not see it")
    name = serializers.CharField(source="order.receive_name", help_text="masked for who may not see it")
    phone = serializers.CharField(source="order.receive_phone", help_text="masked for who may not see it")
    items = LineSerializer(source="lines", many=True)

    def to_representation(self, found: OrderWithLines) -> dict[str, Any]:
        """What the fields would make of it, as above."""
        order = found.order
        return {
            "order_id": str(order.order_id),
            "user_id": str(order.user_id),
            "room_id": None if order.room_id is None else str(order.room_id),
            "status": int(order.status),
            "status_label": str(Order.Status(order.status).label),
            "closed_by": order.closed_by,
            "pay_amount": order.pay_amount,
            "refunded": found.refunded,
            "pay_time": order.pay_time and as_utc(order.pay_time),
            "created_at": as_utc(order.created_at),
            "expires_at": as_utc(order.expires_at),
            "address": order.receive_address,
            "name": order.receive_name,
            "phone": order.receive_phone,
            "items": list(map(show_line, found.lines)),
        }


class OrderListSerializer(PageSerializer):
    orders = OrderSerializer(many=True)


class BegunPaymentSerializer(serializers.Serializer[Any]):
    payment_id = IdField(source="payment.payment_id")
    pay_url = serializers.URLField(help_text="where the buyer pays")
    status = serializers.ChoiceField(Payment.Status.choices, source="payment.status")


class PaymentSerializer(serializers.Serializer[Payment]):
    payment_id = IdField()
    order_id = IdField()
    channel = serializers.CharField(help_text="the provider")
    amount = AmountField(help_text="in cents")
    currency = serializers.CharField(help_text="by ISO 4217")
    status = serializers.ChoiceField(Payment.Status.choices)
    trade_id = serializers.CharField(allow_null=True, help_text="the provider's number, once money has come in")
    created_at = serializers.DateTimeField()


class RefundOrderSerializer(StrictSerializer):
    """What an operator may say. Never more goes back than came in."""

    amount = QuantityField(
        required=False, help_text="in cents; at most, and when left out, what is left of the order's payment"
    )
    currency = TextField(
        max_length=CURRENCY_LENGTH, required=False, help_text="if given, it has to be that of the payment"
    )
    reason = TextField(max_length=REASON_LENGTH, help_text="for staff, who find it as the refund's `note`")
    return_stock = FlagField(
        required=False,
        default=False,
        help_text="all pieces of the order that have not come back yet are available again",
    )
    items = ItemSerializer(  # type: ignore[call-arg]
        many=True, required=False, max_length=MAX_LINES, help_text="or these pieces alone"
    )
    idempotency_key = KeyField(
        required=False, help_text="or the header Idempotency-Key; one of the two has to be there"
    )

    def validate_items(self, items: list[dict[str, int]]) -> dict[int, int]:
        return merged(items)


class ReturnedSerializer(serializers.Serializer[RefundLine]):
    goods_id = IdField()
    quantity = CountField(source="num")


class RefundSerializer(serializers.Serializer[RefundWithPieces]):
    refund_id = IdField(source="refund.refund_id")
    payment_id = IdField(source="refund.payment_id", help_text="the payment that brought the money")
    order_id = IdField(source="refund.order_id")
    amount = AmountField(source="refund.amount", help_text="in cents")
    currency = serializers.CharField(source="refund.currency", help_text="by ISO 4217")
    reason = serializers.ChoiceField(
        Refund.Reason.choices, source="refund.reason", help_text="`staff`: a person asked for it"
    )
    items = ReturnedSerializer(source="pieces", many=True, help_text="pieces that came back with it")
    status = serializers.ChoiceField(
        Refund.Status.choices,
        source="refund.status",
        help_text="on its way: `pending` by itself, `requested` by a person; the provider has sent it, or refused it",
    )
    attempts = CountField(source="refund.attempts", help_text="how often it was tried to send it")
    created_at = serializers.DateTimeField(source="refund.created_at")
    done_at = serializers.DateTimeField(source="refund.done_at", allow_null=True)


class StaffRefundSerializer(RefundSerializer):
    """What staff may know besides."""

    actor = serializers.CharField(
        source="refund.actor", help_text="who asked for it; empty where it goes back by itself"
    )
    note = serializers.CharField(source="refund.note", help_text="why")
    last_error = serializers.CharField(source="refund.last_error", help_text="of the provider")


class MoneySerializer(serializers.Serializer[Any]):
    payments = PaymentSerializer(many=True)
    refunds = RefundSerializer(many=True)


class PaymentListSerializer(PageSerializer):
    payments = PaymentSerializer(many=True)


class RefundListSerializer(PageSerializer):
    refunds = StaffRefundSerializer(many=True)


class NoticeAnswerSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["success"])
