"""Placing over REST."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings

from lab.kit.factories import counts, make_goods, make_room
from lab.kit.rest_client import buyer, error_of, service
from orders.models import Order
from orders.tests.api.rest_orders import ONE_PIECE, RECEIVER, SOMEBODY_ELSE, place

pytestmark = pytest.mark.django_db


def without_times(order: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in order.items() if name not in ("order_id", "created_at", "expires_at")}


def expect_item(goods_id: int, quantity: int) -> dict[str, Any]:
    return {
        "goods_id": str(goods_id),
        "title": f"Goods {goods_id}",
        "quantity": quantity,
        "price": 9950,
        "market_price": 12900,
        "pay_amount": 9950 * quantity,
        "head_imgs": ["/static/a.svg"],
    }


def test_order_placed_is_answered_whole_with_merged_lines() -> None:
    make_room(1)
    make_goods(1, stock=10, head_imgs=["/static/a.svg"])
    make_goods(2, stock=10, head_imgs=["/static/a.svg"])
    items = [{"goods_id": "2", "quantity": 1}, {"goods_id": 1, "quantity": "2"}, {"goods_id": "2", "quantity": 3}]

    response = place({"items": items, "room_id": "1", **RECEIVER})

    assert response.status_code == 201
    body = response.json()
    order = Order.objects.get()
    assert body["order_id"] == str(order.order_id)
    assert without_times(body) == {
        "user_id": "7",
        "room_id": "1",
        "status": 100,
        "status_label": "unpaid",
        "closed_by": "",
        "pay_amount": 9950 * 6,
        "refunded": 0,
        "pay_time": None,
        **RECEIVER,
        "items": [expect_item(1, 2), expect_item(2, 4)],
    }
    created, expires = (datetime.fromisoformat(body[name]) for name in ("created_at", "expires_at"))
    assert body["expires_at"].endswith("Z")
    assert expires - created == timedelta(seconds=settings.ORDER_PAY_TIMEOUT_SECONDS)
    assert abs(created - datetime.now(UTC)) < timedelta(minutes=5)  # UTC, and no matter how busy this machine is
    assert (counts(1), counts(2)) == ((8, 2, 0), (6, 4, 0))


def test_order_placed_again_with_its_key_is_the_same_order_as_it_is_now() -> None:
    make_goods(1, stock=10)

    first = place(key="k-1")
    cancelled = buyer().post(f"/api/orders/{first.json()['order_id']}/cancel")
    again = place(key="k-1")

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == cancelled.json()
    assert again.json()["status"] == 300
    assert Order.objects.count() == 1


def test_key_of_another_user_is_another_key() -> None:
    make_goods(1, stock=10)

    mine, theirs = place(key="k-1"), place(key="k-1", user_id=SOMEBODY_ELSE)

    assert (mine.status_code, theirs.status_code) == (201, 201)
    assert mine.json()["order_id"] != theirs.json()["order_id"]


@pytest.mark.parametrize(
    "change", [{"phone": "13900000000"}, {"items": [{"goods_id": "1", "quantity": 2}]}, {"room_id": "1"}]
)
def test_key_used_for_another_request_is_refused(change: dict[str, Any]) -> None:
    make_room(1)
    make_goods(1, stock=10)
    place(key="k-1")

    refused = place({**ONE_PIECE, **change}, key="k-1")

    message = "The idempotency key k-1 was used for another request before. Use a new key."
    assert error_of(refused) == (422, 10000009, message)
    assert Order.objects.count() == 1
    assert counts(1) == (9, 1, 0)


def test_key_of_a_refused_request_stays_free() -> None:
    make_goods(1, stock=0)
    refused = place(key="k-1")
    make_goods(2, stock=1)

    placed = place({**ONE_PIECE, "items": [{"goods_id": "2", "quantity": 1}]}, key="k-1")

    assert error_of(refused)[:2] == (409, 40010003)
    assert placed.status_code == 201


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        *((key, "must be 1 to 64 printable ASCII characters") for key in ("", " k", "k" * 65)),
        ("schlüssel", "holds U+00FC, and may hold printable ASCII characters only"),
        ("a\tb", "holds U+0009, and may hold printable ASCII characters only"),
    ],
)
def test_key_that_databases_may_not_compare_exactly_is_invalid(key: str, fault: str) -> None:
    make_goods(1, stock=10)

    assert error_of(place(key=key)) == (400, 10000001, f"idempotency_key: {fault}")
    assert counts(1) == (10, 0, 0)


def test_order_for_more_than_there_is_is_refused() -> None:
    make_goods(1, stock=3)

    response = place({**ONE_PIECE, "items": [{"goods_id": "1", "quantity": 4}]})

    assert error_of(response) == (409, 40010003, "Not enough stock of product 1: 4 asked for, 3 left.")
    assert response.json()["details"] == {"goods_id": "1", "requested": "4", "available": "3"}
    assert not Order.objects.exists()


def test_service_is_no_buyer_and_is_not_told_to_name_one_where_none_can_be_named() -> None:
    make_goods(1, stock=10)

    response = service().post("/api/orders", ONE_PIECE)

    assert error_of(response)[:2] == (403, 10000006)
