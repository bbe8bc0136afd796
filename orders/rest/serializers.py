"""Orders in JSON. Amounts are integer cents, ids are strings."""

from collections import Counter
from typing import Any

from django.conf import settings
from rest_framework import serializers

from charites.common.models import ADDRESS_LENGTH, MAX_LINES, MAX_PAGE, NAME_LENGTH, PHONE_LENGTH
from charites.common.rest import IdField, QuantityField, StrictSerializer, TextField, WholeNumberField
from charites.common.times import as_utc
from orders.models import Order, OrderDetail, Payment
from orders.selectors import OrderWithLines


class ItemSerializer(StrictSerializer):
    goods_id = IdField()
    quantity = QuantityField()


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
        """Lines for the same product are merged."""
        quantities: Counter[int] = Counter()
        for item in items:
            quantities[item["goods_id"]] += item["quantity"]
        return dict(quantities)


class PayOrderSerializer(StrictSerializer):
    outcome = serializers.ChoiceField(
        ["now", "page"], required=False, help_text="sandbox: pay at once, or wait for the pay page"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {"outcome": "now" if settings.DEMO else "page", **attrs}


class ListOrdersSerializer(StrictSerializer):
    status = serializers.ChoiceField(Order.Status.choices, required=False)
    before = IdField(required=False, help_text="the last order_id of the page before")
    limit = WholeNumberField(required=False, min_value=1, max_value=MAX_PAGE)


class LineSerializer(serializers.Serializer[Any]):
    goods_id = IdField()
    title = serializers.CharField()
    quantity = serializers.IntegerField(source="num")
    price = serializers.IntegerField()
    market_price = serializers.IntegerField()
    pay_amount = serializers.IntegerField()
    head_imgs = serializers.ListField(child=serializers.CharField())


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
    room_id = IdField(source="order.room_id", allow_null=True)
    status = serializers.ChoiceField(Order.Status.choices, source="order.status")
    status_label = serializers.CharField(source="order.get_status_display")
    closed_by = serializers.ChoiceField(Order.ClosedBy.choices, source="order.closed_by", allow_blank=True)
    pay_amount = serializers.IntegerField(source="order.pay_amount")
    pay_time = serializers.DateTimeField(source="order.pay_time", allow_null=True)
    created_at = serializers.DateTimeField(source="order.created_at")
    expires_at = serializers.DateTimeField(source="order.expires_at")
    address = serializers.CharField(source="order.receive_address")
    name = serializers.CharField(source="order.receive_name")
    phone = serializers.CharField(source="order.receive_phone")
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
            "pay_time": order.pay_time and as_utc(order.pay_time),
            "created_at": as_utc(order.created_at),
            "expires_at": as_utc(order.expires_at),
            "address": order.receive_address,
            "name": order.receive_name,
            "phone": order.receive_phone,
            "items": list(map(show_line, found.lines)),
        }


class OrderListSerializer(serializers.Serializer[Any]):
    orders = OrderSerializer(many=True)


class PaymentSerializer(serializers.Serializer[Any]):
    payment_id = IdField(source="payment.payment_id")
    pay_url = serializers.URLField()
    status = serializers.ChoiceField(Payment.Status.choices, source="payment.status")


class NoticeAnswerSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["success"])
