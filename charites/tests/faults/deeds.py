"""What calls do: the rows that each starts from, and how they look before and after, once done."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from charites.common import clock
from goods.models import Goods, Room, RoomGoods
from goods.services import pin_goods
from lab.kit.factories import (
    counts,
    make_capture,
    make_goods,
    make_order,
    make_paid_order,
    make_payment,
    make_room,
    make_stock,
)
from lab.kit.message_rows import make_message
from lab.kit.stock_steps import reserve_stock
from messaging.models import Message, WebhookEndpoint
from messaging.webhooks.endpoints import add_endpoint
from orders import services as orders
from orders.models import Order, Payment, Refund, SandboxPayment
from orders.payments import sandbox
from stock.models import Stock, StockAdjustment, StockRecord


@dataclass(frozen=True)
class Deed:
    """Something that a call does: the rows that it starts from, and how they look before and after, once done."""

    make: Callable[[int], Any]  # the number of the try: also of its goods and room
    state: Callable[[int, Any], str]
    done: str


def stock_state(number: int, _made: Any) -> str:
    available = Stock.objects.filter(goods_id=number).values_list("available", flat=True)
    changes = StockAdjustment.objects.filter(goods_id=number).count()
    return f"{', '.join(map(str, available)) or 'no'} pieces, {changes} adjustments"


def order_state(_number: int, order: Order) -> str:
    """Order, payments and what the provider has, in the order of their numbers."""
    stored = Order.objects.get(order_id=order.order_id)
    payments = Payment.objects.filter(order_id=order.order_id).order_by("payment_id")
    ledger = SandboxPayment.objects.filter(payment_id__in=payments.values("payment_id")).order_by("payment_id")
    words = [stored.get_status_display(), *(f"payment {payment.status}" for payment in payments)]
    return ", ".join([*words, *(f"provider {row.status}" for row in ledger)])


def placed_state(number: int, _made: Any) -> str:
    return (
        f"{StockRecord.objects.filter(goods_id=number).count()} orders, (available, reserved, sold): {counts(number)}"
    )


def fresh_order(number: int) -> Order:
    make_goods(number, stock=10)
    return make_order({number: 1}, now=clock.now())


def begun_order(number: int) -> Order:
    order = fresh_order(number)
    make_payment(order, now=clock.now())
    return order


def paid_order(number: int) -> Order:
    make_goods(number, stock=10)
    return make_paid_order({number: 1}, now=clock.now())


def pending_refund(number: int) -> Refund:
    """An order that was paid by two trades: the second one's money, which the provider has, goes back."""
    order = fresh_order(number)
    payment = make_payment(order, now=clock.now(), outcome="now")
    assert orders.record_captures(captures=[make_capture(payment)]) == [None]
    capture = sandbox.Sandbox().query(payment.payment_id, timeout_seconds=1)
    assert orders.record_captures(captures=[capture]) == [None]
    return Refund.objects.get(order_id=order.order_id)


def refund_state(_number: int, refund: Refund) -> str:
    stored = Refund.objects.get(pk=refund.pk)
    sent = list(SandboxPayment.objects.filter(refunded__gt=0, amount=stored.amount, trade_id__in=trades_of(stored)))
    return f"refund {stored.status}, provider sent {len(sent)}"


def requested_state(_number: int, order: Order) -> str:
    amounts = Refund.objects.filter(order_id=order.order_id).values_list("amount", flat=True)
    return f"{len(amounts)} refunds of {sum(amounts)} cents"


def trades_of(refund: Refund) -> list[str]:
    return list(Payment.objects.filter(payment_id=refund.payment_id).values_list("trade_id", flat=True))


def listed_room(number: int) -> Room:
    make_goods(number, stock=10)
    return make_room(number, goods_ids=[number])


def pinned_room(number: int) -> Room:
    room = listed_room(number)
    pin_goods(room_id=number, goods_id=number)
    return room


def room_state(number: int, _room: Room) -> str:
    listed = RoomGoods.objects.filter(room_id=number, is_deleted=False).count()
    return f"{listed} listed, pinned: {Room.objects.get(room_id=number).current_goods_id == number}"


def empty_room(number: int) -> Room:
    make_goods(number, stock=10)
    return make_room(number)


def goods_state(number: int, _made: Any) -> str:
    found = Goods.objects.filter(goods_id=number).values_list("title", "status", "is_deleted")
    return ", ".join(f"{title}, status {status}{', deleted' * gone}" for title, status, gone in found) or "none"


def message_state(_number: int, message: Message) -> str:
    return str(Message.objects.get(pk=message.pk).state)


def hook_state(number: int, _made: Any) -> str:
    found = WebhookEndpoint.objects.filter(url=hook_url(number)).values_list("is_enabled", flat=True)
    return ", ".join("on" if is_enabled else "off" for is_enabled in found) or "none"


def hook_url(number: int) -> str:
    return f"https://shop.example/{number}"


def hook(number: int) -> WebhookEndpoint:
    return add_endpoint(url=hook_url(number), kinds=["order.paid"])


def dead_half_message(number: int) -> Message:
    now = clock.now()
    return make_message(key=str(number), state="dead", died_half=True, created_at=now, deliver_at=now)


def reserved(number: int) -> int:
    make_stock(number, 10)
    reserve_stock(order_id=number, quantities={number: 1}, owner="service:0")  # who is to end it
    return number


def noticed_order(number: int) -> Order:
    order = fresh_order(number)
    make_payment(order, now=clock.now(), outcome="now")
    return order


ADJUST = Deed(lambda n: make_stock(n, 10), stock_state, "15 pieces, 2 adjustments")
SET = Deed(lambda n: make_stock(n, 10), stock_state, "25 pieces, 2 adjustments")
FIRST = Deed(lambda n: None, stock_state, "5 pieces, 1 adjustments")
PLACE = Deed(lambda n: make_goods(n, stock=10), placed_state, "1 orders, (available, reserved, sold): (9, 1, 0)")
PAY = Deed(fresh_order, order_state, "unpaid, payment begun, provider open")
PAY_AT_ONCE = Deed(fresh_order, order_state, "unpaid, payment begun, provider captured")
CANCEL = Deed(fresh_order, order_state, "closed")
CANCEL_BEGUN = Deed(begun_order, order_state, "closed, payment closed, provider closed")
COMPLETE = Deed(paid_order, order_state, "completed, payment captured, provider open")
REQUEST_REFUND = Deed(paid_order, requested_state, "1 refunds of 100 cents")
NOTICE = Deed(noticed_order, order_state, "paid, payment captured, provider captured")
PAGE = Deed(begun_order, order_state, "unpaid, payment begun, provider captured")
REFUND = Deed(pending_refund, refund_state, "refund done, provider sent 1")
PIN = Deed(listed_room, room_state, "1 listed, pinned: True")
CLEAR = Deed(pinned_room, room_state, "1 listed, pinned: False")
ADD_TO_LIST = Deed(empty_room, room_state, "1 listed, pinned: False")
TAKE_OUT = Deed(pinned_room, room_state, "0 listed, pinned: False")
CHANGE_GOODS = Deed(make_goods, goods_state, "New title, status 0")
OFF_SALE = Deed(make_goods, goods_state, "{goods}, status 1")
NEW_GOODS = Deed(lambda n: None, goods_state, "New title, status 0")
DELETE_GOODS = Deed(make_goods, goods_state, "{goods}, status 0, deleted")
SEND_AGAIN = Deed(lambda n: make_message(key=str(n), state="dead"), message_state, "ready")
CHECK_AGAIN = Deed(lambda n: dead_half_message(n), message_state, "half")
ADD_HOOK = Deed(lambda n: None, hook_state, "on")
SWITCH_OFF_HOOK = Deed(hook, hook_state, "off")
REMOVE_HOOK = Deed(hook, hook_state, "none")
DEDUCT = Deed(lambda n: make_stock(n, 10), placed_state, "1 orders, (available, reserved, sold): (9, 0, 1)")
RESERVE = Deed(lambda n: make_stock(n, 10), placed_state, "1 orders, (available, reserved, sold): (9, 1, 0)")
CONFIRM = Deed(reserved, placed_state, "1 orders, (available, reserved, sold): (9, 0, 1)")
ROLL_BACK = Deed(reserved, placed_state, "1 orders, (available, reserved, sold): (10, 0, 0)")
