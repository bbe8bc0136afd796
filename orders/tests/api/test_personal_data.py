"""Who sees names, phones and addresses, and that no log does."""

import io
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client

from charites.common import logs
from charites.common.auth import Role
from lab.kit.admin_site import list_url, make_operator, page_url, sign_in
from lab.kit.factories import bearer, make_goods, make_order, make_paid_order
from lab.kit.grpc_server import grpc_callers
from lab.kit.interleaving import Interruption
from lab.kit.rest_client import RestClient, buyer, service
from orders.models import Order
from orders.rpc.orders_pb2 import CreateOrderRequest, ListOrdersRequest, OrderRequest

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sandbox")]

WHOLE = ("Li Lei", "13800000000", "1 Harbour Road")
CLERK_ID = 1_000_001  # no buyer's number
MASKED = ("L**", "**0000", "**")


def make_clerk(*codenames: str, **columns: Any) -> Any:
    """A member of staff with these permissions of orders."""
    clerk = get_user_model().objects.create_user("clerk", is_staff=True, pk=CLERK_ID, **columns)
    clerk.user_permissions.set(Permission.objects.filter(content_type__app_label="orders", codename__in=codenames))
    return clerk


def rest_of(clerk: Any) -> RestClient:
    return RestClient(bearer(clerk.pk, Role.STAFF))


def shown(order: dict[str, Any]) -> tuple[str, str, str]:
    return order["name"], order["phone"], order["address"]


SEES = "view_personal_data"
CLERKS = [((), MASKED), ((SEES,), WHOLE)]


@pytest.mark.parametrize(("codenames", "expected"), CLERKS, ids=["without", "with"])
def test_staff_see_over_rest_what_they_may(codenames: tuple[str, ...], expected: tuple[str, ...]) -> None:
    make_goods(1, stock=9)
    clerk = rest_of(make_clerk("view_order", "change_order", *codenames))
    order, paid = make_order(), make_paid_order()

    listed = clerk.get("/api/orders").json()["orders"]
    answers = [
        *listed,
        clerk.get(f"/api/orders/{order.order_id}").json(),
        clerk.post(f"/api/orders/{order.order_id}/cancel").json(),
        clerk.post(f"/api/orders/{paid.order_id}/complete").json(),
    ]

    assert [shown(answer) for answer in answers] == [expected] * 5
    assert set(Order.objects.values_list("receive_name", "receive_phone", "receive_address")) == {WHOLE}


@pytest.mark.parametrize(("codenames", "expected"), CLERKS, ids=["without", "with"])
def test_staff_see_over_grpc_what_they_may(codenames: tuple[str, ...], expected: tuple[str, ...]) -> None:
    make_goods(1, stock=9)
    order = make_order()
    header = bearer(make_clerk("view_order", "change_order", *codenames).pk, Role.STAFF)

    with grpc_callers() as callers:
        api = callers.with_header(header).order
        asked = OrderRequest(order_id=order.order_id)
        answers = [api.GetOrder(asked), *api.ListOrders(ListOrdersRequest()).orders, api.CancelOrder(asked)]

    assert [(answer.name, answer.phone, answer.address) for answer in answers] == [expected] * 3


def test_buyers_and_services_see_the_whole_order_and_staff_their_own() -> None:
    make_goods(1, stock=9)
    clerk = make_clerk("view_order")
    make_order(user_id=clerk.pk)
    make_order()

    assert shown(buyer().get("/api/orders").json()["orders"][0]) == WHOLE
    assert [shown(order) for order in service().get("/api/orders").json()["orders"]] == [WHOLE] * 2
    assert [shown(order) for order in rest_of(clerk).get("/api/orders").json()["orders"]] == [MASKED, WHOLE]


def test_disabled_clerk_sees_masks() -> None:
    make_goods(1, stock=9)
    order = make_order()

    response = rest_of(make_clerk("view_order", SEES, is_active=False)).get(f"/api/orders/{order.order_id}")

    assert response.status_code != 200 or shown(response.json()) == MASKED


@pytest.mark.parametrize(("phone", "mask"), [("1380000", "**"), ("13800000", "**0000"), ("", "")])
def test_short_phone_is_masked_whole_and_an_empty_one_stays_empty(phone: str, mask: str) -> None:
    make_goods(1, stock=9)
    order = make_order()
    Order.objects.update(receive_phone=phone, receive_name="", receive_address="")

    answer = rest_of(make_clerk("view_order")).get(f"/api/orders/{order.order_id}").json()

    assert shown(answer) == ("", mask, "")


# The admin


def operator(*, sees: bool) -> Client:
    user = make_operator()
    if not sees:
        user.user_permissions.remove(Permission.objects.get(codename=SEES))
    return sign_in(user)


def found(client: Client, term: str) -> int:
    return len(client.get(list_url(Order), {"q": term}).context["cl"].result_list)


@pytest.mark.parametrize("sees", [True, False])
def test_page_and_search_of_the_admin_show_what_the_operator_may_see(sees: bool) -> None:
    make_goods(1, stock=9)
    order = make_order()
    client = operator(sees=sees)

    page = client.get(page_url(order)).content.decode()

    assert [text in page for text in WHOLE] == [sees] * 3
    assert ("**0000" in page) is not sees
    assert found(client, "1380") == sees
    assert found(client, str(order.order_id)) == 1


def test_list_of_the_admin_is_not_asked_for_buyers_letter_by_letter() -> None:
    make_goods(1, stock=9)
    make_order()

    client = operator(sees=False)

    for lookup in ("receive_phone__startswith", "receive_name__contains", "receive_address"):
        for page in (list_url(Order), f"{list_url(Order)}export.csv"):
            answer = client.get(page, {lookup: "1"})
            assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, list_url(Order))


# Logs


@pytest.fixture(params=[True, False], ids=["json", "text"])
def logged(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> Iterator[Callable[[], str]]:
    """Everything that is logged from now on, down to the last detail, as it is written."""
    stream, root = io.StringIO(), logging.getLogger()
    before, level = list(root.handlers), root.level
    monkeypatch.setattr("sys.stderr", stream)
    logs.configure({"level": "DEBUG", "as_json": request.param})

    def text() -> str:
        logs.flush()
        return stream.getvalue()

    yield text
    monkeypatch.undo()
    logs.configure(settings.LOGGING)
    root.handlers[:], root.level = before, level


NAME, PHONE, ADDRESS = "Zebulon Quagmire", "19955443322", "77 Xylophone Row"
PERSON = {"name": NAME, "phone": PHONE, "address": ADDRESS}


def test_no_log_says_who_bought_whatever_becomes_of_the_order(logged: Callable[[], str]) -> None:
    make_goods(1, stock=3)
    body = {"items": [{"goods_id": "1", "quantity": 1}], **PERSON}

    placed = buyer().post("/api/orders", body)
    buyer().post("/api/orders", {**body, "name": NAME * 90})  # too long
    buyer().post("/api/orders", {**body, "phone": [PHONE]})  # no text
    buyer().post("/api/orders", {**body, NAME: PHONE})  # no such field
    buyer().post("/api/orders", {**body, "items": [{"goods_id": "1", "quantity": 99}]})
    buyer().get(f"/api/orders?name={PHONE}")
    for fault in ("INSERT INTO shopping_order", "INSERT INTO shopping_order_detail", "SAVEPOINT|COMMIT|UPDATE"):
        with connection.execute_wrapper(Interruption(ArithmeticError("a defect"), at=fault)):
            buyer().post("/api/orders", body)
    buyer().get(f"/api/orders/{placed.json()['order_id']}")

    written = logged()
    assert placed.status_code == 201
    assert "a defect" in written  # so there was something to read
    assert words_in(written) == []


def words_in(written: str) -> list[str]:
    """What it says of the buyer."""
    return [word for word in (*PERSON.values(), "Quagmire", "Xylophone") if word in written]


def test_no_log_says_who_bought_over_the_gateway(logged: Callable[[], str]) -> None:
    make_goods(1, stock=3)
    body = {"GoodsId": "1", "Num": "1", "Name": NAME, "Phone": PHONE, "Address": ADDRESS}

    placed = buyer().post("/v1/createorder", body)
    buyer().post("/v1/createorder", {**body, "Num": "99"})
    buyer().post("/v1/createorder", {**body, "Phone": [PHONE]})  # no text
    buyer().post("/v1/createorder", {**body, NAME: PHONE})  # no such field

    written = logged()
    assert placed.status_code == 200
    assert "/v1/createorder" in written
    assert words_in(written) == []


def test_no_log_says_whom_an_operator_looks_for(logged: Callable[[], str]) -> None:
    sign_in(make_operator()).get(list_url(Order), {"q": PHONE})

    written = logged()
    assert list_url(Order) in written
    assert words_in(written) == []


def test_no_log_says_who_bought_over_grpc(logged: Callable[[], str]) -> None:
    make_goods(1, stock=3)

    with grpc_callers() as callers:
        api = callers.buyer().order
        order = api.CreateOrder(CreateOrderRequest(goods_id=1, num=1, **PERSON))
        with pytest.raises(Exception, match="not enough|Not enough"):
            api.CreateOrder(CreateOrderRequest(goods_id=1, num=99, **PERSON))
        api.GetOrder(OrderRequest(order_id=order.order_id))

    written = logged()
    assert "Order.CreateOrder" in written
    assert words_in(written) == []
