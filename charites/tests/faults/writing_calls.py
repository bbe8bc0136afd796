"""Every call of a client that writes, over every door it has, for tests of what it is told when a COMMIT is lost."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from typing import Any, ClassVar

import grpc
from django.conf import settings
from django.contrib import messages
from django.core.signing import Signer
from django.db.models import Model
from django.http import HttpResponse
from django.test import Client

from charites.common import clock
from charites.common.errors import Busy, OutcomeUnknown
from charites.common.rpc import read_error
from goods.models import Goods, Room, RoomGoods
from goods.services import put_on_block
from lab.kit import rest_client
from lab.kit.admin_site import add_url, list_url, make_operator, page_url, sign_in
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
from lab.kit.grpc_server import Caller, Callers
from lab.kit.message_rows import make_message
from messaging.models import Message
from orders import services as orders
from orders.errors import PaymentUnanswered
from orders.models import Order, Payment, Refund, SandboxPayment
from orders.payments import sandbox, signing
from orders.payments.sandbox.notices import notice_of
from orders.rpc.orders_pb2 import CreateOrderRequest, OrderRequest, PayOrderRequest
from stock import services as stock
from stock.errors import StockBusy
from stock.models import Stock, StockAdjustment, StockRecord
from stock.rpc.stock_pb2 import OrderStockRequest, StockLevel, StockLine


class Said(Enum):
    """What an answer claims."""

    DONE = "done"
    NOTHING = "nothing was done"
    UNKNOWN = "unknown"
    REFUSED = "refused"


@dataclass(frozen=True)
class Answer:
    """What a caller was told. `fields`: what the form on an admin page would send now."""

    said: Said
    words: str
    fields: Mapping[str, str] = field(default_factory=dict)


Raw = Any  # what a door gives back while the database may be away; `read` it when it is there again


class Door:
    """A way in. `send` may run in another thread."""

    name: ClassVar[str]

    def read(self, raw: Raw) -> Answer:
        raise NotImplementedError


class Rest(Door):
    name = "REST"

    def __init__(self) -> None:
        self.buyer, self.staff, self.anybody = rest_client.buyer(), rest_client.staff(), rest_client.anybody()

    def read(self, raw: HttpResponse) -> Answer:
        if raw.status_code < 300:
            return Answer(Said.DONE, str(raw.status_code))
        said = {503: Said.NOTHING, 504: Said.UNKNOWN}.get(raw.status_code, Said.REFUSED)
        assert raw.status_code < 500 or said is not Said.REFUSED, raw.content
        return Answer(said, f"{raw.status_code}, {raw.json()['code']}")


class Grpc(Door):
    name = "gRPC"

    def __init__(self, callers: Callers) -> None:
        self.buyer: Caller = callers.buyer()
        self.service: Caller = callers.service()

    @staticmethod
    def call(method: Any, request: Any, **options: Any) -> Raw:
        try:
            return method(request, **options)
        except grpc.RpcError as error:
            return error

    def read(self, raw: Raw) -> Answer:
        if not isinstance(raw, grpc.RpcError):
            return Answer(Said.DONE, "OK")
        ours = read_error(raw)
        assert ours, raw
        name = raw.code().name
        said = {"UNAVAILABLE": Said.NOTHING, "DEADLINE_EXCEEDED": Said.UNKNOWN}.get(name, Said.REFUSED)
        return Answer(said, f"{name}, {ours.code}")


class Admin(Door):
    name = "admin"

    def __init__(self) -> None:
        self.client: Client = sign_in(make_operator())

    def act(self, action: str, row: Model, last: Answer | None, **fields: Any) -> Raw:
        """Confirms an action; when nobody knows how that ended, again with what the page that stayed holds."""
        url = list_url(type(row))
        chosen = {"action": action, "_selected_action": [row.pk]}
        if last and last.said is Said.UNKNOWN:
            held = last.fields
        else:
            held = hidden_fields(self.client.post(url, {**chosen, "index": "0"}))
        return self.client.post(url, {**held, **chosen, "confirmed": "yes", **fields})

    def fill(self, url: str, last: Answer | None, **fields: Any) -> Raw:
        """Sends a form; a second time with what the page that stayed holds."""
        held = last.fields if last else hidden_fields(self.client.get(url))
        return self.client.post(url, {**held, **fields})

    def read(self, raw: HttpResponse) -> Answer:
        page = self.client.get(raw["Location"]) if raw.status_code == 302 else raw
        if page.status_code >= 400:
            return Answer(said_in(page.text), str(page.status_code))
        told = list(page.context["messages"])
        if not told:  # a form that is not valid: it says why beside its fields
            form = page.context["adminform"].form
            return Answer(Said.REFUSED, " ".join(error for errors in form.errors.values() for error in errors))
        said = Said.DONE if {message.level for message in told} <= {messages.SUCCESS} else said_in(str(told[-1]))
        return Answer(said, " ".join(map(str, told)), hidden_fields(page))


class PayPage(Door):
    """The sandbox provider's page, as the buyer's browser sends it."""

    name = "pay page"

    def __init__(self) -> None:
        self.client = Client(raise_request_exception=False)

    def read(self, raw: HttpResponse) -> Answer:
        return Answer(Said.DONE, "302") if raw.status_code == 302 else Answer(said_in(raw.text), f"{raw.status_code}")


def said_in(text: str) -> Said:
    """What words for people claim."""
    if any(words in text for words in (OutcomeUnknown().message, PaymentUnanswered().message)):
        return Said.UNKNOWN
    busy = [Busy().message, StockBusy().message]
    return Said.NOTHING if any(words in text for words in busy) else Said.REFUSED


def hidden_fields(page: HttpResponse) -> dict[str, str]:
    """The key that a page of the admin holds."""
    return dict(re.findall(r'<input type="hidden" name="(key)" value="([^"]*)"', page.text))


@dataclass(frozen=True)
class Deed:
    """Something that a call does: the rows that it starts from, and how they look before and after, once done."""

    make: Callable[[int], Any]  # the number of the try: also of its goods and room
    state: Callable[[int, Any], str]
    done: str


@dataclass(frozen=True)
class Call:
    """One deed through one door, and what is to be told when the COMMIT after `at` is lost while the database answers
    again at once: where it was carried out, and where it was not."""

    title: str
    door: type[Door]
    deed: Deed
    send: Callable[..., Raw]  # door, number, what was made, the last answer
    at: str
    told: tuple[Said, Said] = (Said.DONE, Said.NOTHING)
    commit: str = ""  # which one, where there are several
    looks_first: bool = False  # without a key, whoever does not know looks before asking again

    def __str__(self) -> str:
        return ", ".join(filter(None, [self.title, self.door.name, self.commit]))


UNSETTLED = (Said.UNKNOWN, Said.UNKNOWN)
STOCK, ADJUSTMENT = "UPDATE shopping_stock ", "INSERT INTO shopping_stock_adjustment"
BEGUN, AT_PROVIDER = "INSERT INTO shopping_payment", "INSERT INTO sandbox_payment"
CHANGED_AT_PROVIDER = "UPDATE sandbox_payment"


def stock_state(number: int, _made: Any) -> str:
    available = Stock.objects.filter(goods_id=number).values_list("available", flat=True)
    changes = StockAdjustment.objects.filter(goods_id=number).count()
    return f"{', '.join(map(str, available)) or 'no row'}, {changes} adjustments"


def order_state(_number: int, order: Order) -> str:
    """Order, payments and what the provider has, in the order of their numbers."""
    stored = Order.objects.get(order_id=order.order_id)
    payments = Payment.objects.filter(order_id=order.order_id).order_by("payment_id")
    books = SandboxPayment.objects.filter(payment_id__in=payments.values("payment_id")).order_by("payment_id")
    words = [stored.get_status_display(), *(f"payment {payment.status}" for payment in payments)]
    return ", ".join([*words, *(f"provider {row.status}" for row in books)])


def placed_state(number: int, _made: Any) -> str:
    return f"{StockRecord.objects.filter(goods_id=number).count()} orders, stock {counts(number)}"


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


def trades_of(refund: Refund) -> list[str]:
    return list(Payment.objects.filter(payment_id=refund.payment_id).values_list("trade_id", flat=True))


def listed_room(number: int) -> Room:
    make_goods(number, stock=10)
    return make_room(number, goods_ids=[number])


def pinned_room(number: int) -> Room:
    room = listed_room(number)
    put_on_block(room_id=number, goods_id=number, actor="staff")
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


def dead_half_message(number: int) -> Message:
    now = clock.now()
    return make_message(key=str(number), state="dead", died_half=True, created_at=now, deliver_at=now)


def reserved(number: int) -> int:
    make_stock(number, 10)
    stock.reserve_stock(order_id=number, quantities={number: 1})
    return number


def noticed_order(number: int) -> Order:
    order = fresh_order(number)
    make_payment(order, now=clock.now(), outcome="now")
    return order


ADJUST = Deed(lambda n: make_stock(n, 10), stock_state, "15, 2 adjustments")
SET = Deed(lambda n: make_stock(n, 10), stock_state, "25, 2 adjustments")
FIRST = Deed(lambda n: None, stock_state, "5, 1 adjustments")
PLACE = Deed(lambda n: make_goods(n, stock=10), placed_state, "1 orders, stock (9, 1, 0)")
PAY = Deed(fresh_order, order_state, "unpaid, payment begun, provider open")
PAY_AT_ONCE = Deed(fresh_order, order_state, "unpaid, payment begun, provider captured")
CANCEL = Deed(fresh_order, order_state, "closed")
CANCEL_BEGUN = Deed(begun_order, order_state, "closed, payment closed, provider closed")
COMPLETE = Deed(paid_order, order_state, "completed, payment captured, provider open")
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
DEDUCT = Deed(lambda n: make_stock(n, 10), placed_state, "1 orders, stock (9, 0, 1)")
RESERVE = Deed(lambda n: make_stock(n, 10), placed_state, "1 orders, stock (9, 1, 0)")
CONFIRM = Deed(reserved, placed_state, "1 orders, stock (9, 0, 1)")
ROLL_BACK = Deed(reserved, placed_state, "1 orders, stock (10, 0, 0)")


def keyed(number: int) -> dict[str, str]:
    return {"Idempotency-Key": f"key-{number}"}


def adjust(door: Rest, n: int, _made: Any, _last: Any) -> Raw:
    return door.staff.post(f"/api/stock/{n}/adjustments", {"delta": 5, "reason": "delivery"}, keyed(n))


def set_with_key(door: Rest, n: int, _made: Any, _last: Any) -> Raw:
    return door.staff.put(f"/api/stock/{n}", {"available": 25}, keyed(n))


def set_without_key(door: Rest, n: int, _made: Any, _last: Any) -> Raw:
    return door.staff.put(f"/api/stock/{n}", {"available": 25})


def set_through_gateway(door: Rest, n: int, _made: Any, _last: Any) -> Raw:
    return door.staff.post("/v1/setstock", {"GoodsId": str(n), "Num": "25"})


def grpc_set(door: Grpc, n: int, _made: Any, _last: Any, *, metadata: bool) -> Raw:
    options = {"metadata": [("idempotency-key", f"key-{n}")]} if metadata else {}
    return door.call(door.service.stock.SetStock, StockLevel(goods_id=n, num=25), **options)


def grpc_deduct(door: Grpc, n: int, _made: Any, _last: Any) -> Raw:
    return door.call(door.service.stock.ReduceStock, StockLevel(goods_id=n, num=1))


def grpc_reserve_one(door: Grpc, n: int, _made: Any, _last: Any) -> Raw:
    return door.call(door.service.stock.ReduceStock, StockLevel(goods_id=n, num=1, order_id=n))


def grpc_step(door: Grpc, n: int, _made: Any, _last: Any, *, method: str) -> Raw:
    request = OrderStockRequest(order_id=n, items=[StockLine(goods_id=n, num=1)])
    return door.call(getattr(door.service.stock, method), request)


def admin_adjust(door: Admin, _n: int, made: Stock, last: Answer | None) -> Raw:
    return door.act("adjust", made, last, delta="5", reason="delivery")


def admin_first_stock(door: Admin, n: int, _made: Any, last: Answer | None) -> Raw:
    return door.fill(add_url(Stock), last, goods_id=str(n), delta="5", reason="delivery")


def place(door: Rest, n: int, _made: Any, _last: Any, *, with_key: bool = True) -> Raw:
    items = [{"goods_id": str(n), "quantity": 1}]
    body = {"items": items, "address": "a", "name": "n", "phone": "p"}
    return door.buyer.post("/api/orders", body, keyed(n) if with_key else {})


def grpc_place(door: Grpc, n: int, _made: Any, _last: Any) -> Raw:
    request = CreateOrderRequest(goods_id=n, num=1, address="a", name="n", phone="p", idempotency_key=f"key-{n}")
    return door.call(door.buyer.order.CreateOrder, request)


def pay(door: Rest, _n: int, order: Order, _last: Any, *, outcome: str = "page") -> Raw:
    return door.buyer.post(f"/api/orders/{order.order_id}/pay", {"outcome": outcome})


def grpc_pay(door: Grpc, _n: int, order: Order, _last: Any, *, outcome: str = "page") -> Raw:
    return door.call(door.buyer.order.PayOrder, PayOrderRequest(order_id=order.order_id, outcome=outcome))


def pay_on_page(door: PayPage, _n: int, order: Order, _last: Any) -> Raw:
    payment_id = Payment.objects.get(order_id=order.order_id).payment_id
    link = Signer(salt=sandbox.CHANNEL).sign(str(payment_id))
    return door.client.post(f"/sandbox/pay/{link}", {"outcome": "pay"})


def notify(door: Rest, _n: int, order: Order, _last: Any) -> Raw:
    row = SandboxPayment.objects.get(payment_id=Payment.objects.get(order_id=order.order_id).payment_id)
    body = json.dumps(notice_of(row)).encode()
    headers = signing.sign(secret=settings.PAYMENT_SECRET, notice_id="notice-1", body=body, now=clock.now())
    return door.anybody.send("POST", "/api/payments/notify", body, headers)


def cancel(door: Rest, _n: int, order: Order, _last: Any) -> Raw:
    return door.buyer.post(f"/api/orders/{order.order_id}/cancel")


def grpc_cancel(door: Grpc, _n: int, order: Order, _last: Any) -> Raw:
    return door.call(door.buyer.order.CancelOrder, OrderRequest(order_id=order.order_id))


def admin_cancel(door: Admin, _n: int, order: Order, last: Answer | None) -> Raw:
    return door.act("close_orders", order, last)


def complete(door: Rest, _n: int, order: Order, _last: Any) -> Raw:
    return door.staff.post(f"/api/orders/{order.order_id}/complete")


def admin_complete(door: Admin, _n: int, order: Order, last: Answer | None) -> Raw:
    return door.act("complete_orders", order, last)


def admin_refund(door: Admin, _n: int, refund: Refund, last: Answer | None) -> Raw:
    return door.act("send_now", refund, last)


def pin(door: Rest, n: int, _room: Room, _last: Any) -> Raw:
    return door.staff.put(f"/api/rooms/{n}/current", {"goods_id": str(n)})


def unpin(door: Rest, n: int, _room: Room, _last: Any) -> Raw:
    return door.staff.put(f"/api/rooms/{n}/current", {"goods_id": None})


def entry(number: int) -> RoomGoods:
    return RoomGoods.objects.get(room_id=number)


def admin_pin(door: Admin, n: int, _room: Room, last: Answer | None) -> Raw:
    return door.act("put_on_block", entry(n), last)


def admin_unpin(door: Admin, _n: int, room: Room, last: Answer | None) -> Raw:
    return door.act("clear_block", room, last)


def admin_take_out(door: Admin, n: int, _room: Room, last: Answer | None) -> Raw:
    return door.act("take_out", entry(n), last)


def admin_add_to_list(door: Admin, n: int, _room: Room, last: Answer | None) -> Raw:
    return door.fill(add_url(RoomGoods), last, room_id=str(n), goods_id=str(n), weight="7")


def goods_form(number: int) -> dict[str, str]:
    """What the form of a goods holds."""
    texts = {"title": "New title", "brief": "", "brand_name": "", "head_imgs": "[]", "videos": "[]", "detail": "[]"}
    numbers = {"goods_id": str(number), "status": "0", "category_id": "0", "code": "0"}
    return {**texts, **numbers, "price": "9950", "market_price": "12900", "ext_json": "{}"}


def admin_change_goods(door: Admin, n: int, goods: Goods, last: Answer | None) -> Raw:
    return door.fill(page_url(goods), last, **goods_form(n))


def admin_new_goods(door: Admin, n: int, _made: Any, last: Answer | None) -> Raw:
    return door.fill(add_url(Goods), last, **goods_form(n))


def admin_delete_goods(door: Admin, _n: int, goods: Goods, last: Answer | None) -> Raw:
    return door.fill(page_url(goods, "delete"), last, post="yes")


def admin_off_sale(door: Admin, _n: int, goods: Goods, last: Answer | None) -> Raw:
    return door.act("take_off_sale", goods, last)


def admin_send_again(door: Admin, _n: int, message: Message, last: Answer | None) -> Raw:
    return door.act("send_again", message, last)


def admin_check_again(door: Admin, _n: int, message: Message, last: Answer | None) -> Raw:
    return door.act("check_again", message, last)


def three_commits(title: str, door: type[Door], send: Callable[..., Raw]) -> list[Call]:
    """Cancelling an order whose payment has begun: at the provider, in the payment's row, and the order itself."""
    call = Call(title, door, CANCEL_BEGUN, send, CHANGED_AT_PROVIDER, UNSETTLED, "closed at the provider")
    ours = replace(call, at="UPDATE shopping_payment", commit="the payment's row")
    return [call, ours, replace(call, at=STOCK, told=(Said.DONE, Said.UNKNOWN), commit="the order")]


CALLS = [
    Call("adjust, with a key", Rest, ADJUST, adjust, ADJUSTMENT),
    Call("adjust", Admin, ADJUST, admin_adjust, ADJUSTMENT),
    Call("first stock", Admin, FIRST, admin_first_stock, ADJUSTMENT),
    Call("set, with a key", Rest, SET, set_with_key, ADJUSTMENT),
    Call("set, with a key", Grpc, SET, partial(grpc_set, metadata=True), ADJUSTMENT),
    Call("set, without a key", Rest, SET, set_without_key, ADJUSTMENT, looks_first=True),
    Call("set, without a key, /v1", Rest, SET, set_through_gateway, ADJUSTMENT, looks_first=True),
    Call("set, without a key", Grpc, SET, partial(grpc_set, metadata=False), ADJUSTMENT, looks_first=True),
    Call("sell without an order", Grpc, DEDUCT, grpc_deduct, STOCK, looks_first=True),
    Call("reserve one goods", Grpc, RESERVE, grpc_reserve_one, STOCK),
    Call("reserve", Grpc, RESERVE, partial(grpc_step, method="ReserveStock"), STOCK),
    Call("confirm", Grpc, CONFIRM, partial(grpc_step, method="ConfirmStock"), STOCK),
    Call("roll back", Grpc, ROLL_BACK, partial(grpc_step, method="RollbackStock"), STOCK),
    Call("place, with a key", Rest, PLACE, place, STOCK),
    Call("place, with a key", Grpc, PLACE, grpc_place, STOCK),
    Call("place, without a key", Rest, PLACE, partial(place, with_key=False), STOCK, looks_first=True),
    Call("pay", Rest, PAY, pay, BEGUN, commit="the payment's row"),
    Call("pay", Rest, PAY, pay, AT_PROVIDER, UNSETTLED, "opened at the provider"),
    Call("pay", Grpc, PAY, grpc_pay, BEGUN, commit="the payment's row"),
    Call("pay", Grpc, PAY, grpc_pay, AT_PROVIDER, UNSETTLED, "opened at the provider"),
    Call("pay at once", Rest, PAY_AT_ONCE, partial(pay, outcome="now"), AT_PROVIDER, UNSETTLED, "at the provider"),
    Call("pay at once", Grpc, PAY_AT_ONCE, partial(grpc_pay, outcome="now"), AT_PROVIDER, UNSETTLED, "at the provider"),
    Call("pay", PayPage, PAGE, pay_on_page, CHANGED_AT_PROVIDER, UNSETTLED),
    Call("news of money", Rest, NOTICE, notify, STOCK),
    Call("cancel", Rest, CANCEL, cancel, STOCK),
    Call("cancel", Grpc, CANCEL, grpc_cancel, STOCK),
    Call("cancel", Admin, CANCEL, admin_cancel, STOCK),
    *three_commits("cancel, payment begun", Rest, cancel),
    *three_commits("cancel, payment begun", Grpc, grpc_cancel),
    *three_commits("cancel, payment begun", Admin, admin_cancel),
    Call("complete", Rest, COMPLETE, complete, "UPDATE shopping_order "),
    Call("complete", Admin, COMPLETE, admin_complete, "UPDATE shopping_order "),
    Call("send money back", Admin, REFUND, admin_refund, "attempts + 1", commit="the lease"),
    Call("send money back", Admin, REFUND, admin_refund, CHANGED_AT_PROVIDER, UNSETTLED, "sent by the provider"),
    Call(
        "send money back", Admin, REFUND, admin_refund, "SET status = 'done'", (Said.DONE, Said.UNKNOWN), "written down"
    ),
    Call("pin", Rest, PIN, pin, "UPDATE shopping_room ", (Said.DONE, Said.UNKNOWN)),
    Call("pin", Admin, PIN, admin_pin, "UPDATE shopping_room ", (Said.DONE, Said.UNKNOWN)),
    Call("unpin", Rest, CLEAR, unpin, "UPDATE shopping_room ", (Said.DONE, Said.UNKNOWN)),
    Call("unpin", Admin, CLEAR, admin_unpin, "UPDATE shopping_room ", (Said.DONE, Said.UNKNOWN)),
    Call("put into a room's list", Admin, ADD_TO_LIST, admin_add_to_list, "INSERT INTO shopping_room_goods", UNSETTLED),
    Call("take out of a room's list", Admin, TAKE_OUT, admin_take_out, "UPDATE shopping_room_goods", UNSETTLED),
    Call("new goods", Admin, NEW_GOODS, admin_new_goods, "INSERT INTO shopping_goods", UNSETTLED),
    Call("change a goods", Admin, CHANGE_GOODS, admin_change_goods, "UPDATE shopping_goods", UNSETTLED),
    Call("take off sale", Admin, OFF_SALE, admin_off_sale, "UPDATE shopping_goods", UNSETTLED),
    Call("delete a goods", Admin, DELETE_GOODS, admin_delete_goods, "UPDATE shopping_goods", UNSETTLED),
    Call("send a dead message again", Admin, SEND_AGAIN, admin_send_again, "UPDATE messaging_message", UNSETTLED),
    Call("check a half message again", Admin, CHECK_AGAIN, admin_check_again, "UPDATE messaging_message", UNSETTLED),
]
