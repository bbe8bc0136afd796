"""Orders read over REST."""

import pytest
from django.test import override_settings

from lab.kit.factories import (
    SANDBOX,
    make_closed_order,
    make_goods,
    make_order,
    make_paid_order,
    make_room,
    stored,
)
from lab.kit.rest_client import buyer, error_of, service, staff
from orders import selectors
from orders.models import Payment
from orders.rest.serializers import LineSerializer, OrderSerializer
from orders.tests.api.rest_orders import SOMEBODY_ELSE, place

pytestmark = pytest.mark.django_db


def test_order_is_read_as_it_was_placed() -> None:
    make_goods(1, stock=10)
    placed = place().json()

    read = buyer().get(f"/api/orders/{placed['order_id']}")

    assert read.status_code == 200
    assert read.json() == placed


@pytest.mark.parametrize("state", ["unpaid", "paid", "closed"])
def test_order_is_shown_as_its_fields_would_show_it(state: str) -> None:
    make_room(3)
    for goods_id in (1, 2):
        make_goods(goods_id, stock=10)
    order = {
        "unpaid": lambda: make_order({1: 2, 2: 1}, room_id=3),
        "paid": lambda: make_paid_order({1: 2, 2: 1}),
        "closed": lambda: make_closed_order({1: 2}),
    }[state]()
    found = selectors.get_order(order_id=order.order_id, user_id=None)
    by_fields = {
        name: None if (value := field.get_attribute(found)) is None else field.to_representation(value)
        for name, field in OrderSerializer().fields.items()
        if name != "items"
    }
    lines = [
        {name: field.to_representation(field.get_attribute(line)) for name, field in LineSerializer().fields.items()}
        for line in found.lines
    ]

    assert OrderSerializer(found).data == {**by_fields, "items": lines}


@pytest.mark.parametrize("caller", [staff, service])
def test_order_of_anybody_is_read_by_staff_and_services(caller) -> None:
    make_goods(1, stock=10)
    order = make_order()

    read = caller().get(f"/api/orders/{order.order_id}")

    assert (read.status_code, read.json()["user_id"]) == (200, "7")


@pytest.mark.parametrize(("method", "step"), [("GET", ""), ("POST", "/pay"), ("POST", "/cancel")])
def test_order_of_somebody_else_is_not_found(method: str, step: str) -> None:
    make_goods(1, stock=10)
    order = make_order()

    with override_settings(PAYMENT_PROVIDER=SANDBOX):
        response = buyer(SOMEBODY_ELSE).send(
            method, f"/api/orders/{order.order_id}{step}", {} if method == "POST" else None
        )

    assert error_of(response) == (404, 50010003, f"There is no order {order.order_id}.")
    assert stored(order).status == 100
    assert not Payment.objects.exists()


def test_orders_are_listed_newest_first_in_pages_and_only_ones_own() -> None:
    make_goods(1, stock=10)
    mine = [make_order().order_id for _ in range(5)]
    make_order(user_id=SOMEBODY_ELSE)
    newest_first = [str(order_id) for order_id in reversed(mine)]

    whole = buyer().get("/api/orders").json()
    first = buyer().get("/api/orders?limit=2").json()["orders"]
    second = buyer().get(f"/api/orders?limit=2&before={first[-1]['order_id']}").json()["orders"]
    third = buyer().get(f"/api/orders?limit=2&before={second[-1]['order_id']}").json()["orders"]

    assert set(whole) == {"orders"}
    assert [order["order_id"] for order in whole["orders"]] == newest_first
    assert [order["order_id"] for order in first + second + third] == newest_first
    assert [len(page) for page in (first, second, third)] == [2, 2, 1]
    assert whole["orders"][0] == buyer().get(f"/api/orders/{newest_first[0]}").json()


def test_orders_are_listed_by_status() -> None:
    make_goods(1, stock=10)
    make_order()
    closed = make_closed_order()

    listed = buyer().get("/api/orders?status=300").json()["orders"]

    assert [order["order_id"] for order in listed] == [str(closed.order_id)]


@pytest.mark.parametrize("caller", [staff, service])
def test_orders_of_everybody_are_listed_for_staff_and_services(caller) -> None:
    make_goods(1, stock=10)
    make_order()
    make_order(user_id=SOMEBODY_ELSE)

    listed = caller().get("/api/orders").json()["orders"]

    assert [order["user_id"] for order in listed] == ["8", "7"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("limit=0", "limit: Ensure this value is greater than or equal to 1."),
        ("limit=101", "limit: Ensure this value is less than or equal to 100."),
        ("limit=x", "limit: A valid integer is required."),
        ("limit=5.0", "limit: A valid integer is required."),
        ("limit=%EF%BC%95", "limit: A valid integer is required."),
        ("limit=1&limit=2", "limit: comes twice"),
        ("before=007", "before: A valid integer is required."),
        ("before=0", "before: Ensure this value is greater than or equal to 1."),
        ("status=150", 'status: "150" is not a valid choice.'),
        ("user_id=8", "user_id: is not a field of this request"),
    ],
)
def test_orders_asked_for_wrongly_are_not_listed(query: str, message: str) -> None:
    assert error_of(buyer().get(f"/api/orders?{query}")) == (400, 10000001, message)
