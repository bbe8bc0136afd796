"""How many statements each endpoint sends, that a longer list sends no more, and that an order reads one room."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.db.models.signals import post_init
from django.test import override_settings
from drf_spectacular.generators import SchemaGenerator
from google.protobuf.json_format import ParseDict

from charites.common import clock
from charites.common.auth import Role
from charites.common.rpc import installed_methods
from charites.tests.bad_input.protocols import Protocol_
from charites.tests.bad_input.test_matrix import PROTOCOLS
from charites.warm_up import warm_up
from goods import remembered
from goods.models import Room
from lab.kit.factories import (
    BUYER_ID,
    NOW,
    SANDBOX,
    STAFF_ID,
    bearer,
    make_goods,
    make_order,
    make_paid_order,
    make_room,
    make_staff,
    make_user,
)
from lab.kit.rest_client import RestClient, buyer
from messaging.models import WebhookDelivery, WebhookEndpoint
from messaging.webhooks.endpoints import add_endpoint
from orders.models import Order

pytestmark = pytest.mark.django_db(transaction=True)

RECEIVER = {"address": "1 Road", "name": "Li Lei", "phone": "138"}
SIZES = (1, 2, 10)  # of what has to be listed
ENDED = {"happened_at": NOW, "done_at": NOW}
ITEMS = [{"goods_id": "1", "quantity": 1}]


@pytest.fixture
def shop(settings) -> None:
    settings.MAX_UNPAID_ORDERS, settings.PLACE_RATE, settings.CANCEL_RATE = 500, "500/min", "500/min"
    make_user("buyer")
    make_staff()
    for goods_id in range(1, 4):
        make_goods(goods_id, stock=100)
    make_room(1, goods_ids=[1, 2, 3])
    for _ in SIZES:  # one may be removed at each
        endpoint = add_endpoint(url="https://shop.example/", kinds=["order.paid"])
        WebhookDelivery.objects.create(
            endpoint_id=endpoint.pk, event_id=endpoint.pk, kind="order.paid", key="7", data={}, state="done", **ENDED
        )
    warm_up()


def newest() -> int:
    return Order.objects.order_by("-pk")[0].order_id


def hook() -> str:
    return f"/api/webhooks/{WebhookEndpoint.objects.order_by('-pk')[0].pk}"


def told() -> int:
    """A delivery that has ended."""
    return WebhookDelivery.objects.filter(state=WebhookDelivery.State.DONE)[0].pk


def boss() -> RestClient:
    """Staff who are there already."""
    return RestClient(bearer(STAFF_ID, Role.STAFF))


Ask = Callable[[], Any]
# What is asked, and how many statements that takes; by operation of the API.
REST: dict[str, tuple[Ask, int]] = {
    "GET /api/rooms": (lambda: buyer().get("/api/rooms"), 1),
    "GET /api/rooms/{room_id}": (lambda: buyer().get("/api/rooms/1"), 1),
    "GET /api/rooms/{room_id}/goods": (lambda: buyer().get("/api/rooms/1/goods"), 3),
    "GET /api/rooms/{room_id}/live": (lambda: buyer().get("/api/rooms/1/live"), 4),
    "GET /api/rooms/{room_id}/events": (lambda: buyer().get("/api/rooms/1/events"), 4),
    "PUT /api/rooms/{room_id}/current": (lambda: boss().put("/api/rooms/1/current", {"goods_id": "2"}), 4),
    "GET /api/goods/{goods_id}": (lambda: buyer().get("/api/goods/1"), 1),
    "GET /api/stock": (lambda: buyer().get("/api/stock?limit=100"), 2),
    "GET /api/stock/{goods_id}": (lambda: buyer().get("/api/stock/1"), 1),
    "PUT /api/stock/{goods_id}": (lambda: boss().put("/api/stock/1", {"available": 90}), 4),
    "POST /api/stock/{goods_id}/adjustments": (
        lambda: boss().post(
            "/api/stock/1/adjustments", {"delta": 1, "reason": "found"}, {"Idempotency-Key": f"key {newest()}"}
        ),
        5,
    ),
    "GET /api/orders": (lambda: buyer().get("/api/orders?limit=100"), 2),
    "POST /api/orders": (lambda: buyer().post("/api/orders", {"items": ITEMS, **RECEIVER}), 8),
    "GET /api/orders/{order_id}": (lambda: buyer().get(f"/api/orders/{newest()}"), 2),
    "POST /api/orders/{order_id}/pay": (lambda: buyer().post(f"/api/orders/{newest()}/pay", {"outcome": "page"}), 7),
    "POST /api/orders/{order_id}/cancel": (lambda: buyer().post(f"/api/orders/{newest()}/cancel"), 15),
    "POST /api/orders/{order_id}/complete": (lambda: boss().post(f"/api/orders/{newest()}/complete"), 5),
    "POST /api/orders/{order_id}/refunds": (
        lambda: boss().post(
            f"/api/orders/{newest()}/refunds",
            {"amount": 1, "reason": "broken", "return_stock": True, "idempotency_key": "k"},
        ),
        10,  # payments, orders, refunds, lines, pieces; a refund, its pieces, their messages; both as they are stored
    ),
    "GET /api/orders/{order_id}/money": (lambda: buyer().get(f"/api/orders/{newest()}/money"), 4),
    "GET /api/payments": (lambda: boss().get("/api/payments"), 2),
    "GET /api/refunds": (lambda: boss().get("/api/refunds"), 1),  # there are none: 3 otherwise
    "GET /api/messages": (lambda: boss().get("/api/messages?limit=100"), 1),
    "GET /api/webhooks": (lambda: boss().get("/api/webhooks"), 1),
    "POST /api/webhooks": (
        lambda: boss().post("/api/webhooks", {"url": "https://shop.example/", "event_types": ["order.paid"]}),
        2,
    ),
    "GET /api/webhooks/{endpoint_id}": (lambda: boss().get(hook()), 1),
    "PATCH /api/webhooks/{endpoint_id}": (lambda: boss().patch(hook(), {"is_enabled": True}), 4),
    "DELETE /api/webhooks/{endpoint_id}": (lambda: boss().send("DELETE", hook()), 2),
    "POST /api/webhooks/{endpoint_id}/secret": (lambda: boss().post(f"{hook()}/secret"), 3),
    "GET /api/webhooks/{endpoint_id}/deliveries": (lambda: boss().get(f"{hook()}/deliveries"), 2),
    "POST /api/webhooks/deliveries/{delivery_id}/replay": (
        lambda: boss().post(f"/api/webhooks/deliveries/{told()}/replay"),
        6,  # which there are, the pause of their endpoint, whether it is on, what waits, what has ended, what is ahead
    ),
    "GET /api/me": (lambda: buyer().get("/api/me"), 1),
    "POST /api/auth/token": (
        lambda: buyer().post("/api/auth/token", {"username": "buyer", "password": "charites"}),
        5,  # the user twice, the second time locked; the sessions there are, this one, and the end of those before
    ),
}
LOOKED_UP = ("{order_id}", "adjustments", "{endpoint_id}", "{delivery_id}")  # by the test itself
UNCOUNTED = {
    "POST /api/payments/notify",  # orders/tests/paying/test_captures.py counts sets of them
    "POST /api/auth/refresh",  # the user, and the family that is renewed
}
RPC: dict[str, tuple[dict[str, Any], int]] = {
    "Goods.GetGoodsListByRoomId": ({"RoomId": 1}, 3),
    "Goods.GetGoodsDetail": ({"GoodsId": 1}, 1),
    "Goods.GetGoodsDetails": ({"goods_ids": [1, 2, 3]}, 1),
    "Goods.GetRooms": ({"room_ids": [1]}, 1),
    "Stock.GetStock": ({"GoodsId": 1}, 1),
    "Stock.SetStock": ({"GoodsId": 1, "Num": 80}, 4),
    "Stock.ReduceStock": ({"GoodsId": 1, "Num": 1}, 4),
    "Stock.ReserveStock": ({"OrderId": 7, "Items": [{"GoodsId": 1, "Num": 1}]}, 2),
    "Stock.ConfirmStock": ({"order_id": 0}, 3),
    "Stock.RollbackStock": ({"order_id": 0}, 3),
    "Stock.AdjustStock": (
        {"Changes": [{"GoodsId": g, "Delta": 0, "Reason": "counted", "IdempotencyKey": f"k{g}"} for g in (1, 2, 3)]},
        3,
    ),
    "Order.CreateOrder": ({"GoodsId": 1, "Num": 1, "UserId": BUYER_ID, **RECEIVER}, 8),
    "Order.ListOrders": ({"limit": 100}, 2),
}


# The same services as over REST.
SAME_AS_REST = {"Order.GetOrder", "Order.PayOrder", "Order.CancelOrder", "Order.RefundOrder"}


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("operation", REST)
def test_endpoint_sends_no_more_statements_than_it_needs(operation: str) -> None:
    ask, most = REST[operation]
    make = make_paid_order if operation.endswith(("/complete", "/refunds", "/payments")) else make_order
    counts = []
    with override_settings(PAYMENT_PROVIDER=SANDBOX):
        for orders in SIZES:
            for _ in range(orders):
                make(now=clock.now())
            remembered.clear()
            looked_up = any(part in operation for part in LOOKED_UP)
            with counted() as found:
                answer = ask()
            assert answer.status_code < 300, answer.content
            counts.append(len(found) - looked_up)
    assert_few(counts, most)


def assert_few(counts: list[int], most: int) -> None:
    """The first time something may have had to be loaded."""
    assert len(set(counts[1:])) == 1
    assert counts[-1] == most


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements that are sent here, but for the frame of a transaction; also when the connection is renewed."""
    found: list[str] = []

    def note(execute: Any, sql: str, *others: Any) -> Any:
        if not sql.startswith(("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "SET ")):
            found.append(sql)
        return execute(sql, *others)

    with connection.execute_wrapper(note):
        yield found


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_order_from_a_room_reads_that_room_alone(protocol: Protocol_) -> None:
    make_goods(1, stock=5)
    for room_id in range(1, 31):
        make_room(room_id)
    read: list[int] = []

    def note(instance: Room, **_signal: Any) -> None:
        read.append(instance.room_id)

    post_init.connect(note, sender=Room)
    try:
        with protocol.connected():
            refused = protocol.refuse("place", {"items": ITEMS, **RECEIVER, "room_id": 7}, bearer(), {})
    finally:
        post_init.disconnect(note, sender=Room)

    assert (refused, read) == (None, [7])
    assert Order.objects.get().room_id == 7


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("name", RPC)
def test_method_sends_no_more_statements_than_it_needs(name: str) -> None:
    fields, most = RPC[name]
    method = {method.name: method for method in installed_methods()}[name]
    metadata = {"authorization": bearer(0, Role.SERVICE, "orders")}  # whose the stock of orders is
    counts = []
    for orders in SIZES:
        for _ in range(orders):
            make_order()
        remembered.clear()
        request = {**fields, **({"order_id": newest()} if "order_id" in fields else {})}
        with counted() as found:
            method.answer(metadata, lambda request=request: ParseDict(request, method.request_class()))
        counts.append(len(found))
    assert_few(counts, most)


def test_every_endpoint_and_method_is_counted() -> None:
    schema = SchemaGenerator().get_schema(request=None, public=True)
    operations = {f"{verb.upper()} {path}" for path, verbs in schema["paths"].items() for verb in verbs}

    assert operations == REST.keys() | UNCOUNTED
    assert {method.name for method in installed_methods()} == RPC.keys() | SAME_AS_REST
