"""Every call of a client that writes, over every door it has, for tests of what it is told when a COMMIT is lost."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from django.conf import settings
from django.core.signing import Signer

from charites.common import clock
from charites.tests.faults import deeds
from charites.tests.faults.deeds import Deed
from charites.tests.faults.doors import Admin, Answer, Door, Grpc, PayPage, Raw, Rest, Said
from goods.models import Goods, Room, RoomGoods
from lab.kit.admin_site import add_url, page_url
from messaging.models import Message
from orders.models import Order, Payment, Refund, SandboxPayment
from orders.payments import sandbox, signing
from orders.payments.sandbox.notices import notice_of
from orders.rpc.orders_pb2 import CreateOrderRequest, OrderRequest, PayOrderRequest
from stock.models import Stock
from stock.rpc.stock_pb2 import OrderStockRequest, StockLevel, StockLine


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


UNRESOLVED = (Said.UNKNOWN, Said.UNKNOWN)
STOCK, ADJUSTMENT = "UPDATE shopping_stock ", "INSERT INTO shopping_stock_adjustment"
BEGUN, AT_PROVIDER = "INSERT INTO shopping_payment", "INSERT INTO sandbox_payment"
CHANGED_AT_PROVIDER = "UPDATE sandbox_payment"


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
    return door.act("pin_goods", entry(n), last)


def admin_unpin(door: Admin, _n: int, room: Room, last: Answer | None) -> Raw:
    return door.act("unpin", room, last)


def admin_take_out(door: Admin, n: int, _room: Room, last: Answer | None) -> Raw:
    return door.act("take_out", entry(n), last)


def admin_add_to_list(door: Admin, n: int, _room: Room, last: Answer | None) -> Raw:
    return door.fill(add_url(RoomGoods), last, room_id=str(n), goods_id=str(n), weight="7")


def goods_form(number: int) -> dict[str, str]:
    """What the form of a product holds."""
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
    call = Call(title, door, deeds.CANCEL_BEGUN, send, CHANGED_AT_PROVIDER, UNRESOLVED, "closed at the provider")
    ours = replace(call, at="UPDATE shopping_payment", commit="the payment's row")
    return [call, ours, replace(call, at=STOCK, told=(Said.DONE, Said.UNKNOWN), commit="the order")]


CALLS = [
    Call("adjust, with a key", Rest, deeds.ADJUST, adjust, ADJUSTMENT),
    Call("adjust", Admin, deeds.ADJUST, admin_adjust, ADJUSTMENT),
    Call("first stock", Admin, deeds.FIRST, admin_first_stock, ADJUSTMENT),
    Call("set, with a key", Rest, deeds.SET, set_with_key, ADJUSTMENT),
    Call("set, with a key", Grpc, deeds.SET, partial(grpc_set, metadata=True), ADJUSTMENT),
    Call("set, without a key", Rest, deeds.SET, set_without_key, ADJUSTMENT, looks_first=True),
    Call("set, without a key, /v1", Rest, deeds.SET, set_through_gateway, ADJUSTMENT, looks_first=True),
    Call("set, without a key", Grpc, deeds.SET, partial(grpc_set, metadata=False), ADJUSTMENT, looks_first=True),
    Call("sell without an order", Grpc, deeds.DEDUCT, grpc_deduct, STOCK, looks_first=True),
    Call("reserve one product", Grpc, deeds.RESERVE, grpc_reserve_one, STOCK),
    Call("reserve", Grpc, deeds.RESERVE, partial(grpc_step, method="ReserveStock"), STOCK),
    Call("confirm", Grpc, deeds.CONFIRM, partial(grpc_step, method="ConfirmStock"), STOCK),
    Call("roll back", Grpc, deeds.ROLL_BACK, partial(grpc_step, method="RollbackStock"), STOCK),
    Call("place, with a key", Rest, deeds.PLACE, place, STOCK),
    Call("place, with a key", Grpc, deeds.PLACE, grpc_place, STOCK),
    Call("place, without a key", Rest, deeds.PLACE, partial(place, with_key=False), STOCK, looks_first=True),
    Call("pay", Rest, deeds.PAY, pay, BEGUN, commit="the payment's row"),
    Call("pay", Rest, deeds.PAY, pay, AT_PROVIDER, UNRESOLVED, "opened at the provider"),
    Call("pay", Grpc, deeds.PAY, grpc_pay, BEGUN, commit="the payment's row"),
    Call("pay", Grpc, deeds.PAY, grpc_pay, AT_PROVIDER, UNRESOLVED, "opened at the provider"),
    Call(
        "pay at once", Rest, deeds.PAY_AT_ONCE, partial(pay, outcome="now"), AT_PROVIDER, UNRESOLVED, "at the provider"
    ),
    Call(
        "pay at once",
        Grpc,
        deeds.PAY_AT_ONCE,
        partial(grpc_pay, outcome="now"),
        AT_PROVIDER,
        UNRESOLVED,
        "at the provider",
    ),
    Call("pay", PayPage, deeds.PAGE, pay_on_page, CHANGED_AT_PROVIDER, UNRESOLVED),
    Call("news of money", Rest, deeds.NOTICE, notify, STOCK),
    Call("cancel", Rest, deeds.CANCEL, cancel, STOCK),
    Call("cancel", Grpc, deeds.CANCEL, grpc_cancel, STOCK),
    Call("cancel", Admin, deeds.CANCEL, admin_cancel, STOCK),
    *three_commits("cancel, payment begun", Rest, cancel),
    *three_commits("cancel, payment begun", Grpc, grpc_cancel),
    *three_commits("cancel, payment begun", Admin, admin_cancel),
    Call("complete", Rest, deeds.COMPLETE, complete, "UPDATE shopping_order "),
    Call("complete", Admin, deeds.COMPLETE, admin_complete, "UPDATE shopping_order "),
    Call("send money back", Admin, deeds.REFUND, admin_refund, "attempts + 1", commit="the lease"),
    Call("send money back", Admin, deeds.REFUND, admin_refund, CHANGED_AT_PROVIDER, UNRESOLVED, "sent by the provider"),
    Call(
        "send money back",
        Admin,
        deeds.REFUND,
        admin_refund,
        "SET status = 'done'",
        (Said.DONE, Said.UNKNOWN),
        "written down",
    ),
    Call("pin", Rest, deeds.PIN, pin, "UPDATE shopping_room ", (Said.DONE, Said.UNKNOWN)),
    Call("pin", Admin, deeds.PIN, admin_pin, "UPDATE shopping_room ", (Said.DONE, Said.UNKNOWN)),
    Call("unpin", Rest, deeds.CLEAR, unpin, "UPDATE shopping_room ", (Said.DONE, Said.UNKNOWN)),
    Call("unpin", Admin, deeds.CLEAR, admin_unpin, "UPDATE shopping_room ", (Said.DONE, Said.UNKNOWN)),
    Call(
        "put into a room's list",
        Admin,
        deeds.ADD_TO_LIST,
        admin_add_to_list,
        "INSERT INTO shopping_room_goods",
        UNRESOLVED,
    ),
    Call("take out of a room's list", Admin, deeds.TAKE_OUT, admin_take_out, "UPDATE shopping_room_goods", UNRESOLVED),
    Call("new goods", Admin, deeds.NEW_GOODS, admin_new_goods, "INSERT INTO shopping_goods", UNRESOLVED),
    Call("change a product", Admin, deeds.CHANGE_GOODS, admin_change_goods, "UPDATE shopping_goods", UNRESOLVED),
    Call("take off sale", Admin, deeds.OFF_SALE, admin_off_sale, "UPDATE shopping_goods", UNRESOLVED),
    Call("delete a product", Admin, deeds.DELETE_GOODS, admin_delete_goods, "UPDATE shopping_goods", UNRESOLVED),
    Call(
        "send a dead message again", Admin, deeds.SEND_AGAIN, admin_send_again, "UPDATE messaging_message", UNRESOLVED
    ),
    Call(
        "check a half message again",
        Admin,
        deeds.CHECK_AGAIN,
        admin_check_again,
        "UPDATE messaging_message",
        UNRESOLVED,
    ),
]
