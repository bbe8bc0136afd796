"""Orders read over REST."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from charites.common.times import as_utc
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

AGE = "must be a time from 2000 to 2099, such as 2026-06-01T12:00:00Z"
ZONE = "has no zone: end it with Z, or with an offset such as +08:00"


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
    pages = [buyer().get("/api/orders?limit=2").json()]
    while pages[-1]["next"]:
        pages.append(buyer().get(pages[-1]["next"]).json())

    assert set(whole) == {"orders", "next", "previous"}
    assert (whole["next"], whole["previous"]) == (None, None)
    assert numbers(whole) == newest_first
    assert [numbers(page) for page in pages] == [newest_first[:2], newest_first[2:4], newest_first[4:]]
    assert whole["orders"][0] == buyer().get(f"/api/orders/{newest_first[0]}").json()
    back = buyer().get(pages[-1]["previous"]).json()
    assert numbers(back) == newest_first[2:4]
    assert numbers(buyer().get(back["previous"]).json()) == newest_first[:2]
    assert buyer().get(back["previous"]).json()["previous"] is None


def numbers(page: dict[str, Any]) -> list[str]:
    return [order["order_id"] for order in page["orders"]]


def test_addresses_of_pages_keep_what_was_asked_for() -> None:
    make_goods(1, stock=10)
    for _ in range(3):
        make_order()

    page = buyer().get("/api/orders?status=unpaid&goods_id=1&limit=1&placed_from=2020-01-01T00:00:00Z").json()

    last = page["orders"][-1]["order_id"]
    assert page["next"] == (
        f"/api/orders?status=unpaid&goods_id=1&limit=1&placed_from=2020-01-01T00:00:00Z&before={last}"
    )
    assert len(buyer().get(page["next"]).json()["orders"]) == 1


FILTERS = {
    "status=300": ["closed"],
    "status=closed": ["closed"],
    "status=100": ["another's", "of tomorrow", "in a room"],
    "room_id=3": ["in a room"],
    "goods_id=2": ["closed"],
    "user_id=8": ["another's"],
    "user_id=8&status=paid": [],
    "goods_id=1&room_id=3&status=unpaid": ["in a room"],
    "placed_from={soon}": ["of tomorrow"],
    "placed_until={soon}": ["another's", "closed", "in a room"],
    "placed_from={soon}&placed_until={soon}": [],
}


@pytest.mark.parametrize("query", FILTERS)
def test_orders_are_listed_by_what_they_are(query: str) -> None:
    make_room(3)
    for goods_id in (1, 2):
        make_goods(goods_id, stock=10)
    now = timezone.now()
    names = {
        make_order({1: 1}, now=now, room_id=3).order_id: "in a room",
        make_closed_order({2: 1}, now=now).order_id: "closed",
        make_order({1: 1}, now=now + timedelta(days=1)).order_id: "of tomorrow",
        make_order({1: 1}, now=now, user_id=SOMEBODY_ELSE).order_id: "another's",
    }

    listed = staff().get(f"/api/orders?{query.format(soon=as_utc(now + timedelta(hours=12)))}").json()

    assert [names[int(number)] for number in numbers(listed)] == FILTERS[query]


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
        ("status=150", "status: must be one of 100, unpaid, 200, paid, 300, closed, 400, completed"),
        ("status=open", "status: must be one of 100, unpaid, 200, paid, 300, closed, 400, completed"),
        ("before=5&after=4", "after: cannot be asked for together with before"),
        ("placed_from=1999-12-31T23:00:00Z", f"placed_from: {AGE}"),
        ("placed_until=9999-12-31T23:59:59Z", f"placed_until: {AGE}"),
        ("placed_from=2026-06-01T12:00:00", f"placed_from: {ZONE}"),
        ("placed_until=2026-06-01T12:00:00.5", f"placed_until: {ZONE}"),
        ("placed_from=2026-06-01", f"placed_from: {AGE}"),
        ("placed_from=2026-W23-1T12:00:00Z", f"placed_from: {AGE}"),
        ("placed_from=2026-06-01T12:00:00Z%00or+so", f"placed_from: {AGE}"),
        ("placed_from=%EF%BC%92026-06-01T12:00:00Z", f"placed_from: {AGE}"),
        ("buyer=8", "buyer: is not a field of this request"),
    ],
)
def test_orders_asked_for_wrongly_are_not_listed(query: str, message: str) -> None:
    assert error_of(buyer().get(f"/api/orders?{query}")) == (400, 10000001, message)


def test_orders_of_another_buyer_are_not_listed() -> None:
    assert error_of(buyer().get(f"/api/orders?user_id={SOMEBODY_ELSE}"))[:2] == (403, 10000006)
    assert buyer().get("/api/orders?user_id=7").json()["orders"] == []
