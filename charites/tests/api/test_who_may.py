"""Every operation of REST and every method of gRPC, for every kind of caller: nobody is let in by an omission."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from drf_spectacular.generators import SchemaGenerator

from charites.common.auth import Grant, Permission, Role, standing
from charites.common.rpc import installed_methods, read_error
from lab.kit.factories import bearer, make_clerk
from lab.kit.grpc_server import Callers, grpc_callers
from lab.kit.rest_client import RestClient, error_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_throttle")]

NOT_THERE = 404_404  # the number of whatever a path names
REFUSED = (10000002, 10000006)  # without a token, and with one that does not allow it
EVERYBODY = "without a token"
EACH = tuple(Role)  # whoever has a token; of orders, their own
STOCK_STEPS = (Role.SERVICE, Permission.CHANGE_STOCK)
SEES_ORDERS = (Permission.VIEW_ORDER, Permission.CHANGE_ORDER)
Grants = tuple[Grant, ...]

# Who may: any of the grants of a group lets in, and there may be two groups, both of which have to.
OPERATIONS: dict[str, str | list[Grants]] = {
    "sign_in": EVERYBODY,
    "renew_token": EVERYBODY,
    "receive_payment_notice": EVERYBODY,  # signed
    "get_room_state": EVERYBODY,
    "watch_room": EVERYBODY,
    **dict.fromkeys(("get_me", "list_rooms", "get_room", "list_room_goods", "get_goods"), [EACH]),
    **dict.fromkeys(("list_stock", "get_stock"), [EACH]),
    **dict.fromkeys(
        ("place_order", "list_orders", "get_order", "get_order_money", "pay_order", "cancel_order"), [EACH]
    ),
    "pin_goods": [(Permission.CHANGE_ROOM,)],
    **dict.fromkeys(("set_stock", "adjust_stock"), [(Permission.CHANGE_STOCK,)]),
    "complete_order": [(Permission.CHANGE_ORDER,)],
    "refund_order": [(Permission.ADD_REFUND,), SEES_ORDERS],
    "list_payments": [(Permission.VIEW_PAYMENT,)],
    "list_refunds": [(Permission.VIEW_REFUND,)],
    "list_messages": [(Permission.VIEW_MESSAGE,)],
    **dict.fromkeys(("list_webhooks", "get_webhook"), [(Permission.VIEW_WEBHOOKS, Permission.CHANGE_WEBHOOKS)]),
    "add_webhook": [(Permission.ADD_WEBHOOKS,)],
    **dict.fromkeys(("change_webhook", "rotate_webhook_secret"), [(Permission.CHANGE_WEBHOOKS,)]),
    "remove_webhook": [(Permission.DELETE_WEBHOOKS,)],
    "list_webhook_deliveries": [(Permission.VIEW_DELIVERIES, Permission.CHANGE_DELIVERIES)],
    "replay_webhook_delivery": [(Permission.CHANGE_DELIVERIES,)],
}
METHODS: dict[str, list[Grants]] = {
    **dict.fromkeys(
        ("Goods.GetGoodsListByRoomId", "Goods.GetGoodsDetail", "Goods.GetGoodsDetails", "Goods.GetRooms"), [EACH]
    ),
    "Stock.GetStock": [EACH],
    **dict.fromkeys(("Stock.SetStock", "Stock.ReduceStock", "Stock.AdjustStock"), [STOCK_STEPS]),
    **dict.fromkeys(("Stock.ReserveStock", "Stock.ConfirmStock", "Stock.RollbackStock"), [STOCK_STEPS]),
    **dict.fromkeys(
        ("Order.CreateOrder", "Order.GetOrder", "Order.ListOrders", "Order.PayOrder", "Order.CancelOrder"), [EACH]
    ),
    "Order.RefundOrder": [(Permission.ADD_REFUND,), SEES_ORDERS],
}


def read_operations() -> dict[str, tuple[str, str]]:
    """operation -> its method of HTTP and its path."""
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    return {
        described["operationId"]: (method.upper(), path)
        for path, methods in paths.items()
        for method, described in methods.items()
    }


def kinds_of_callers(who: str | list[Grants]) -> Iterator[tuple[str, str, bool]]:
    """Yields kinds of callers, the header of each, and whether they may."""
    groups = [] if isinstance(who, str) else who
    needed = {grant for grants in groups for grant in grants if isinstance(grant, Permission)}
    may_staff = all(Role.STAFF in grants for grants in groups)
    yield "nobody", "", who == EVERYBODY
    yield "customer", bearer(), all(Role.CUSTOMER in grants for grants in groups)
    yield "service", bearer(0, Role.SERVICE, "another"), all(Role.SERVICE in grants for grants in groups)
    yield "staff", clerk(), may_staff
    yield "staff with the others", clerk(*(set(Permission) - needed)), may_staff
    for grants in groups:
        rest = {permission for other in groups if other is not grants for permission in other}
        for permission in needed & set(grants):
            yield f"staff with {permission}", clerk(permission, *(rest & set(Permission))), True
            if rest:
                yield f"staff with {permission} alone", clerk(permission), False


def clerk(*permissions: Permission) -> str:
    standing.clear()
    return bearer(make_clerk(*permissions).pk, Role.STAFF)


def test_every_operation_says_who_may() -> None:
    assert set(read_operations()) == set(OPERATIONS)
    assert {method.name for method in installed_methods()} == set(METHODS)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operation_is_for_who_may_and_nobody_else(operation: str) -> None:
    method, path = read_operations()[operation]
    for name in ("room_id", "goods_id", "order_id", "endpoint_id", "delivery_id"):
        path = path.replace(f"{{{name}}}", str(NOT_THERE))

    for kind, header, may in kinds_of_callers(OPERATIONS[operation]):
        answer = RestClient(header).send(method, path, None if method in ("GET", "DELETE") else {})
        number = 0 if answer.status_code < 300 else error_of(answer)[1]
        assert number in REFUSED if not may else number not in REFUSED, (kind, number)


@pytest.fixture(scope="module")
def callers() -> Iterator[Callers]:
    with grpc_callers() as callers:
        yield callers


@pytest.mark.parametrize("method", METHODS)
def test_method_is_for_who_may_and_nobody_else(callers: Callers, method: str) -> None:
    service, name = method.split(".")
    request: Any = next(found.request_class for found in installed_methods() if found.name == method)

    for kind, header, may in kinds_of_callers(METHODS[method]):
        number = 0
        try:
            getattr(getattr(callers.with_header(header), service.lower()), name)(request())
        except grpc.RpcError as error:
            number = read_error(error).code
        assert number in REFUSED if not may else number not in REFUSED, (kind, number)
