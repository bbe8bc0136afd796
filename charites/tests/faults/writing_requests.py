"""What a client sends to write, over every door it has."""

import json
from typing import Any

from django.conf import settings
from django.core.signing import Signer

from charites.common import clock
from charites.tests.faults.deeds import hook_url
from charites.tests.faults.doors import Admin, Answer, Grpc, PayPage, Raw, Rest
from goods.models import Goods, Room, RoomGoods
from lab.kit.admin_site import add_url, page_url
from messaging.models import Message, WebhookEndpoint
from orders.models import Order, Payment, Refund, SandboxPayment
from orders.payments import sandbox, signing
from orders.payments.sandbox.notices import notice_of
from orders.rpc.orders_pb2 import CreateOrderRequest, OrderRequest, PayOrderRequest, RefundOrderRequest
from stock.models import Stock
from stock.rpc.stock_pb2 import AdjustStockRequest, OrderStockRequest, StockChange, StockLevel, StockLine


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


def request_refund(door: Rest, n: int, order: Order, _last: Any) -> Raw:
    body = {"amount": 100, "reason": "broken"}
    return door.staff.post(f"/api/orders/{order.order_id}/refunds", body, keyed(n))


def grpc_request_refund(door: Grpc, n: int, order: Order, _last: Any) -> Raw:
    request = RefundOrderRequest(order_id=order.order_id, amount=100, reason="broken", idempotency_key=f"key-{n}")
    return door.call(door.staff.order.RefundOrder, request)


def admin_request_refund(door: Admin, _n: int, order: Order, last: Answer | None) -> Raw:
    return door.fill(page_url(order, "refund"), last, amount="1.00", reason="broken")


def grpc_adjust(door: Grpc, n: int, _made: Any, _last: Any) -> Raw:
    change = StockChange(goods_id=n, delta=5, reason="delivery", idempotency_key=f"key-{n}")
    return door.call(door.service.stock.AdjustStock, AdjustStockRequest(changes=[change]))


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
    numbers = {"goods_id": str(number), "status": "0", "category_id": "0", "code": "0", "limit_per_buyer": "0"}
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


def add_hook(door: Rest, n: int, _made: Any, _last: Any) -> Raw:
    return door.staff.post("/api/webhooks", {"url": hook_url(n), "event_types": ["order.paid"]})


def switch_off_hook(door: Rest, _n: int, hook: WebhookEndpoint, _last: Any) -> Raw:
    return door.staff.patch(f"/api/webhooks/{hook.pk}", {"is_enabled": False})


def remove_hook(door: Rest, _n: int, hook: WebhookEndpoint, _last: Any) -> Raw:
    return door.staff.send("DELETE", f"/api/webhooks/{hook.pk}")


def admin_add_hook(door: Admin, n: int, _made: Any, last: Answer | None) -> Raw:
    return door.fill(add_url(WebhookEndpoint), last, url=hook_url(n), kinds="order.paid")


def admin_switch_off_hook(door: Admin, n: int, hook: WebhookEndpoint, last: Answer | None) -> Raw:
    return door.fill(page_url(hook), last, url=hook_url(n), kinds="order.paid")
