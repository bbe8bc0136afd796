"""What Django's permissions allow, over REST, gRPC and the gateway: what the admin refuses, they refuse, too."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import grpc
import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from charites.common.auth import Permission, Role, end_tokens, standing
from charites.common.rpc import read_error
from goods.models import RoomGoods
from lab.kit.admin_site import ask, list_url, sign_in
from lab.kit.factories import (
    BUYER_ID,
    bearer,
    make_clerk,
    make_goods,
    make_order,
    make_paid_order,
    make_room,
    make_stock,
    make_user,
)
from lab.kit.grpc_server import Caller, Callers, grpc_callers
from lab.kit.rest_client import RestClient, error_of
from messaging.models import WebhookDelivery, WebhookEndpoint
from messaging.tests.webhooks.told import happen
from messaging.webhooks.endpoints import add_endpoint
from messaging.webhooks.outbox import spread
from orders.models import Order
from orders.rpc.orders_pb2 import ListOrdersRequest, OrderRequest, RefundOrderRequest
from stock.rpc.stock_pb2 import AdjustStockRequest, OrderStockRequest, StockChange, StockLevel, StockLine

pytestmark = pytest.mark.django_db(transaction=True)

DONE, FORBIDDEN, HIDDEN = "done", "forbidden", "hidden"
NUMBERS = {10000006: FORBIDDEN, 50010003: HIDDEN, 40010002: HIDDEN}


class Deed(NamedTuple):
    """What somebody may do with a permission; `otherwise`: what it is answered with without."""

    permission: Permission
    ask: Callable[["Doors"], Any]
    otherwise: str = FORBIDDEN
    with_it: tuple[Permission, ...] = ()  # which the deed needs as well


class Doors:
    """One caller at every door."""

    def __init__(self, header: str, callers: Callers) -> None:
        self.rest = RestClient(header)
        self.rpc: Caller = callers.with_header(header)

    def v1(self, name: str, body: dict[str, Any]) -> Any:
        return self.rest.post(f"/v1/{name}", body)


def unpaid() -> int:
    return Order.objects.filter(status=Order.Status.UNPAID).order_by("-order_id")[0].order_id


def paid() -> int:
    return Order.objects.filter(status=Order.Status.PAID).order_by("-order_id")[0].order_id


def webhook() -> str:
    return f"/api/webhooks/{WebhookEndpoint.objects.order_by('pk')[0].pk}"


LINES = [StockLine(goods_id=1, num=1)]
CHANGE_STOCK, CHANGE_ORDER = Permission.CHANGE_STOCK, Permission.CHANGE_ORDER
VIEW_ORDER, ADD_STOCK = Permission.VIEW_ORDER, Permission.ADD_STOCK
SEEN_BY_CHANGERS = {  # who may change these sees them, as in the admin
    VIEW_ORDER: CHANGE_ORDER,
    Permission.VIEW_WEBHOOKS: Permission.CHANGE_WEBHOOKS,
    Permission.VIEW_DELIVERIES: Permission.CHANGE_DELIVERIES,
}
DEEDS = {
    "pin over REST": Deed(
        Permission.CHANGE_ROOM, lambda doors: doors.rest.put("/api/rooms/1/current", {"goods_id": "1"})
    ),
    "set stock over REST": Deed(CHANGE_STOCK, lambda doors: doors.rest.put("/api/stock/1", {"available": 90})),
    "set stock over gRPC": Deed(CHANGE_STOCK, lambda doors: doors.rpc.stock.SetStock(StockLevel(goods_id=1, num=90))),
    "set stock over v1": Deed(CHANGE_STOCK, lambda doors: doors.v1("setstock", {"GoodsId": 1, "Num": 90})),
    "adjust stock over REST": Deed(
        CHANGE_STOCK,
        lambda doors: doors.rest.post(
            "/api/stock/1/adjustments", {"delta": 1, "reason": "found", "idempotency_key": "k"}
        ),
    ),
    "first stock over REST": Deed(
        ADD_STOCK, lambda doors: doors.rest.put("/api/stock/2", {"available": 9}), HIDDEN, (CHANGE_STOCK,)
    ),
    "first stock over gRPC": Deed(
        ADD_STOCK, lambda doors: doors.rpc.stock.SetStock(StockLevel(goods_id=2, num=9)), HIDDEN, (CHANGE_STOCK,)
    ),
    "first stock over v1": Deed(
        ADD_STOCK, lambda doors: doors.v1("setstock", {"GoodsId": 2, "Num": 9}), HIDDEN, (CHANGE_STOCK,)
    ),
    "sell over gRPC": Deed(CHANGE_STOCK, lambda doors: doors.rpc.stock.ReduceStock(StockLevel(goods_id=1, num=1))),
    "sell over v1": Deed(CHANGE_STOCK, lambda doors: doors.v1("reducestock", {"GoodsId": 1, "Num": 1})),
    "reserve over gRPC": Deed(
        CHANGE_STOCK, lambda doors: doors.rpc.stock.ReserveStock(OrderStockRequest(order_id=77, items=LINES))
    ),
    "see an order over REST": Deed(VIEW_ORDER, lambda doors: doors.rest.get(f"/api/orders/{unpaid()}"), HIDDEN),
    "see an order over gRPC": Deed(
        VIEW_ORDER, lambda doors: doors.rpc.order.GetOrder(OrderRequest(order_id=unpaid())), HIDDEN
    ),
    "list somebody's orders over REST": Deed(
        VIEW_ORDER, lambda doors: doors.rest.get(f"/api/orders?user_id={BUYER_ID}")
    ),
    "see somebody's money over REST": Deed(
        VIEW_ORDER, lambda doors: doors.rest.get(f"/api/orders/{unpaid()}/money"), HIDDEN
    ),
    "list payments": Deed(Permission.VIEW_PAYMENT, lambda doors: doors.rest.get("/api/payments")),
    "list refunds": Deed(Permission.VIEW_REFUND, lambda doors: doors.rest.get("/api/refunds")),
    "list webhooks": Deed(Permission.VIEW_WEBHOOKS, lambda doors: doors.rest.get("/api/webhooks")),
    "add a webhook": Deed(
        Permission.ADD_WEBHOOKS,
        lambda doors: doors.rest.post("/api/webhooks", {"url": "https://shop.example/", "event_types": ["order.paid"]}),
    ),
    "change a webhook": Deed(
        Permission.CHANGE_WEBHOOKS, lambda doors: doors.rest.patch(webhook(), {"description": "warehouse"})
    ),
    "give a webhook another secret": Deed(
        Permission.CHANGE_WEBHOOKS, lambda doors: doors.rest.post(f"{webhook()}/secret")
    ),
    "remove a webhook": Deed(Permission.DELETE_WEBHOOKS, lambda doors: doors.rest.send("DELETE", webhook())),
    "list what a webhook is told": Deed(
        Permission.VIEW_DELIVERIES, lambda doors: doors.rest.get(f"{webhook()}/deliveries")
    ),
    "tell a webhook again": Deed(
        Permission.CHANGE_DELIVERIES,
        lambda doors: doors.rest.post(f"/api/webhooks/deliveries/{WebhookDelivery.objects.get().pk}/replay"),
    ),
    "list messages": Deed(Permission.VIEW_MESSAGE, lambda doors: doors.rest.get("/api/messages")),
    "list somebody's orders over gRPC": Deed(
        VIEW_ORDER, lambda doors: doors.rpc.order.ListOrders(ListOrdersRequest(user_id=BUYER_ID))
    ),
    "cancel over REST": Deed(CHANGE_ORDER, lambda doors: doors.rest.post(f"/api/orders/{unpaid()}/cancel"), HIDDEN),
    "cancel over gRPC": Deed(
        CHANGE_ORDER, lambda doors: doors.rpc.order.CancelOrder(OrderRequest(order_id=unpaid())), HIDDEN
    ),
    "refund over REST": Deed(
        Permission.ADD_REFUND,
        lambda doors: doors.rest.post(
            f"/api/orders/{paid()}/refunds", {"amount": 1, "reason": "broken", "idempotency_key": "k"}
        ),
        with_it=(VIEW_ORDER,),
    ),
    "refund over gRPC": Deed(
        Permission.ADD_REFUND,
        lambda doors: doors.rpc.order.RefundOrder(
            RefundOrderRequest(order_id=paid(), amount=1, reason="broken", idempotency_key="k")
        ),
        with_it=(VIEW_ORDER,),
    ),
    "adjust stock over gRPC": Deed(
        CHANGE_STOCK,
        lambda doors: doors.rpc.stock.AdjustStock(
            AdjustStockRequest(changes=[StockChange(goods_id=1, delta=1, reason="found", idempotency_key="k")])
        ),
    ),
    "complete over REST": Deed(CHANGE_ORDER, lambda doors: doors.rest.post(f"/api/orders/{paid()}/complete")),
}


@pytest.fixture
def callers() -> Iterator[Callers]:
    make_stock(1, 100)
    make_goods(1)
    make_room(1, goods_ids=[1])
    make_order(now=timezone.now())
    make_paid_order(now=timezone.now())
    endpoint = add_endpoint(url="https://shop.example/", kinds=["order.completed"])
    happen("order.completed", "1")
    spread()
    assert WebhookDelivery.objects.get().endpoint_id == endpoint.pk
    with grpc_callers() as callers:
        yield callers


def outcome(ask: Callable[[], Any]) -> str:
    """What became of a deed, whatever the door."""
    try:
        answer = ask()
    except grpc.RpcError as error:
        return NUMBERS[read_error(error).code]
    if getattr(answer, "status_code", 200) < 300:
        return DONE
    return NUMBERS[error_of(answer)[1]]


def clerk_with(*permissions: Permission) -> str:
    """The header of a clerk who may do these things alone."""
    return bearer(make_clerk(*permissions).pk, Role.STAFF)


@pytest.mark.parametrize("name", DEEDS)
def test_staff_may_do_what_their_permissions_say_and_nothing_else(callers: Callers, name: str) -> None:
    deed = DEEDS[name]
    sees_too = SEEN_BY_CHANGERS.get(deed.permission)
    others = [other for other in Permission if other not in (deed.permission, sees_too)]

    nobody = outcome(lambda: deed.ask(Doors(clerk_with(*deed.with_it), callers)))
    standing.clear()
    for_others = outcome(lambda: deed.ask(Doors(clerk_with(*others), callers)))
    standing.clear()
    allowed = outcome(lambda: deed.ask(Doors(clerk_with(deed.permission, *deed.with_it), callers)))

    assert (nobody, for_others, allowed) == (deed.otherwise, deed.otherwise, DONE)


def test_listing_without_a_permission_shows_the_own_orders_alone(callers: Callers) -> None:
    doors = Doors(clerk_with(), callers)
    over_rest = doors.rest.get("/api/orders").json()["orders"]
    over_grpc = list(doors.rpc.order.ListOrders(ListOrdersRequest()).orders)
    standing.clear()
    seeing = Doors(clerk_with(VIEW_ORDER), callers).rest.get("/api/orders").json()["orders"]

    assert (over_rest, over_grpc, len(seeing)) == ([], [], 2)


def test_the_admin_and_the_protocols_ask_for_the_same_permission_to_pin(callers: Callers) -> None:
    clerk = make_clerk("goods.view_roomgoods", "goods.change_roomgoods")
    (entry,) = RoomGoods.objects.all()

    refused = ask(sign_in(clerk), "pin_goods", [entry])
    page = sign_in(clerk).get(list_url(RoomGoods))
    make_clerk("goods.view_roomgoods", "goods.change_roomgoods", "goods.change_room")
    asked = ask(sign_in(clerk), "pin_goods", [entry])

    assert "pin_goods" not in page.content.decode()
    assert refused.status_code == 302
    assert asked.status_code == 200


def test_superuser_may_do_everything_and_a_service_keeps_what_it_may(callers: Callers) -> None:
    reading = [callers.staff().order.GetOrder, callers.service().order.GetOrder]
    setting = [callers.staff().stock.SetStock, callers.service().stock.SetStock]

    assert [outcome(lambda call=call: call(OrderRequest(order_id=unpaid()))) for call in reading] == [DONE, DONE]
    assert [outcome(lambda call=call: call(StockLevel(goods_id=5, num=1))) for call in setting] == [DONE, DONE]


# What has changed since the token was signed


def a_minute_passes() -> None:
    """What this process has kept is a minute old."""
    for memory in (standing._staff, standing._ends):
        for noted in memory._noted.values():
            noted.read_at -= 60


def everywhere(doors: Doors) -> list[int]:
    """The number that the caller is answered with at each door; 0: served. Orders and sales run in the event loop."""
    asked = [
        lambda: doors.rest.put("/api/stock/1", {"available": 90}),
        lambda: doors.v1("setstock", {"GoodsId": 1, "Num": 90}),
        lambda: doors.rpc.stock.SetStock(StockLevel(goods_id=1, num=90)),
        lambda: doors.rpc.stock.ReduceStock(StockLevel(goods_id=1, num=1)),
    ]
    return [number_of(ask) for ask in asked]


def number_of(ask: Callable[[], Any]) -> int:
    try:
        answer = ask()
    except grpc.RpcError as error:
        return int(read_error(error).code)
    return 0 if getattr(answer, "status_code", 200) < 300 else error_of(answer)[1]


@pytest.mark.parametrize(
    ("change", "number"),
    [
        ({"is_staff": False}, 10000002),
        ({"is_active": False}, 10000002),
        ({"user_permissions": []}, 10000006),
        ({"deleted": True}, 10000002),
    ],
)
def test_staff_changed_behind_our_back_are_noticed_within_a_minute(
    callers: Callers, change: dict[str, Any], number: int
) -> None:
    clerk = make_clerk(CHANGE_STOCK)
    doors = Doors(bearer(clerk.pk, Role.STAFF), callers)
    assert everywhere(doors) == [0, 0, 0, 0]

    if "user_permissions" in change:
        clerk.user_permissions.clear()
    elif "deleted" in change:
        clerk.user_permissions.clear()
        get_user_model().objects.filter(pk=clerk.pk)._raw_delete("default")
    else:
        get_user_model().objects.filter(pk=clerk.pk).update(**change)  # without a signal, as another process does it
    at_once = everywhere(doors)
    a_minute_passes()

    assert at_once == [0, 0, 0, 0]
    assert everywhere(doors) == [number] * 4


def buy(doors: Doors) -> list[int]:
    """The same for a customer: what costs no statement, and what runs in a thread."""
    asked = [
        lambda: doors.rest.get("/api/orders"),
        lambda: doors.v1("getstock", {"GoodsId": 1}),
        lambda: doors.rpc.order.ListOrders(ListOrdersRequest()),
        lambda: doors.rpc.stock.GetStock(StockLevel(goods_id=1)),
    ]
    return [number_of(ask) for ask in asked]


CHANGES: dict[str, Callable[[Any], Any]] = {
    "disabled": lambda user: change(user, is_active=False),
    "promoted": lambda user: change(user, is_staff=True),
    "another password": lambda user: (user.set_password("another"), user.save()),
    "another password alone": lambda user: (user.set_password("another"), user.save(update_fields=["password"])),
    "deleted": lambda user: user.delete(),
    "by update()": lambda user: (
        get_user_model().objects.filter(pk=user.pk).update(is_active=False),
        end_tokens(user_ids=[user.pk], now=timezone.now()),
    ),
}


def change(user: Any, **values: Any) -> None:
    for name, value in values.items():
        setattr(user, name, value)
    user.save()


@pytest.mark.parametrize("name", CHANGES)
def test_tokens_end_with_what_they_were_given_for(callers: Callers, name: str) -> None:
    user, other = make_user("mei"), make_user("other")
    user_id = user.pk
    doors, others = Doors(bearer(user.pk), callers), Doors(bearer(other.pk), callers)
    assert buy(doors) == [0, 0, 0, 0]

    CHANGES[name](user)

    assert buy(doors) == [10000002] * 4  # in the process that changed it, at once
    assert buy(others) == [0, 0, 0, 0]
    assert buy(Doors(bearer(user_id), callers)) == [0, 0, 0, 0]  # one of later


def test_end_that_another_process_has_written_is_seen_within_a_minute(
    callers: Callers, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = make_user("mei")
    doors = Doors(bearer(user.pk), callers)
    with monkeypatch.context() as patch:
        patch.setattr(standing, "forget", lambda: None)  # it would be the other process's memory
        change(user, is_active=False)

    at_once = buy(doors)
    a_minute_passes()

    assert (at_once, buy(doors)) == ([0, 0, 0, 0], [10000002] * 4)


def test_saving_what_decides_nothing_ends_no_token(callers: Callers) -> None:
    user = make_user("mei")
    doors = Doors(bearer(user.pk), callers)

    change(user, first_name="Mei")
    user.save(update_fields=["last_login"])

    assert buy(doors) == [0, 0, 0, 0]
    assert standing.TokenEnd.objects.count() == 0


def test_users_of_this_services_own_admin_end_nobodys_tokens(callers: Callers, settings: Any) -> None:
    settings.USERS_ARE_HERE = False
    operator = make_user("operator", is_staff=True)
    doors = Doors(bearer(operator.pk), callers)  # a customer of the order service with the same number

    change(operator, is_active=False)

    assert buy(doors) == [0, 0, 0, 0]
    assert standing.TokenEnd.objects.count() == 0


def test_ends_older_than_any_token_are_not_read_and_go(settings: Any) -> None:
    settings.TOKEN_ACCESS_SECONDS = 60
    now = timezone.now()
    end_tokens(user_ids=[1], now=now - 3 * standing.lifetime())
    end_tokens(user_ids=[2], now=now)

    assert set(standing.load_ends()) == {2}
    assert (standing.prune_ends(now=now), standing.prune_ends(now=now)) == (1, 0)
    assert [end.user_id for end in standing.TokenEnd.objects.all()] == [2]
