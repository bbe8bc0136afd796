"""Orders and payments over REST."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import override_settings
from django.utils import timezone

from lab.kit.factories import (
    SANDBOX,
    counts,
    later,
    make_closed_order,
    make_goods,
    make_order,
    make_paid_order,
    make_payment,
    make_room,
    stored,
)
from lab.kit.rest_client import anybody, buyer, error_of, service, staff
from orders.models import Order, Payment, Refund, SandboxPayment
from orders.payments import signing
from orders.services import complete_order

pytestmark = pytest.mark.django_db
RECEIVER = {"address": "1 Harbour Road", "name": "Li Lei", "phone": "13800000000"}
ONE_PIECE = {"items": [{"goods_id": "1", "quantity": 1}], **RECEIVER}
SOMEBODY_ELSE = 8


def place(body: dict[str, Any] = ONE_PIECE, *, key: str | None = None, user_id: int = 7) -> HttpResponse:
    return buyer(user_id).post("/api/orders", body, {"Idempotency-Key": key} if key is not None else {})


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


# placing


def test_order_placed_is_answered_whole_with_merged_lines() -> None:
    make_room(1)
    make_goods(1, stock=10, head_imgs=["/static/a.svg"])
    make_goods(2, stock=10, head_imgs=["/static/a.svg"])
    items = [{"goods_id": "2", "quantity": 1}, {"goods_id": 1, "quantity": "2"}, {"goods_id": "2", "quantity": 3}]

    began = datetime.now(UTC)
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
        "pay_time": None,
        **RECEIVER,
        "items": [expect_item(1, 2), expect_item(2, 4)],
    }
    created, expires = (datetime.fromisoformat(body[name]) for name in ("created_at", "expires_at"))
    assert body["expires_at"].endswith("Z")
    assert expires - created == timedelta(seconds=settings.ORDER_PAY_TIMEOUT_SECONDS)
    assert began <= created <= datetime.now(UTC)
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


@pytest.mark.parametrize("key", ["", " k", "k" * 65, "schlüssel", "a\tb"])
def test_key_that_databases_may_not_compare_exactly_is_invalid(key: str) -> None:
    make_goods(1, stock=10)

    assert error_of(place(key=key)) == (400, 10000001, "idempotency_key: must be 1 to 64 printable ASCII characters")
    assert counts(1) == (10, 0, 0)


def test_order_for_more_than_there_is_is_refused() -> None:
    make_goods(1, stock=3)

    response = place({**ONE_PIECE, "items": [{"goods_id": "1", "quantity": 4}]})

    assert error_of(response) == (409, 40010003, "Not enough stock of product 1: 4 asked for, 3 left.")
    assert response.json()["details"] == {"goods_id": "1", "requested": "4", "available": "3"}
    assert not Order.objects.exists()


def test_service_without_a_user_cannot_place() -> None:
    make_goods(1, stock=10)

    response = service().post("/api/orders", ONE_PIECE)

    assert error_of(response)[:2] == (400, 10000001)


# reading


def test_order_is_read_as_it_was_placed() -> None:
    make_goods(1, stock=10)
    placed = place().json()

    read = buyer().get(f"/api/orders/{placed['order_id']}")

    assert read.status_code == 200
    assert read.json() == placed


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
        ("before=0", "before: Ensure this value is greater than or equal to 1."),
        ("status=150", 'status: "150" is not a valid choice.'),
        ("user_id=8", "user_id: is not a field of this request"),
    ],
)
def test_orders_asked_for_wrongly_are_not_listed(query: str, message: str) -> None:
    assert error_of(buyer().get(f"/api/orders?{query}")) == (400, 10000001, message)


# paying


@override_settings(PAYMENT_PROVIDER=SANDBOX)
def test_payment_begun_twice_is_one_payment() -> None:
    make_goods(1, stock=10)
    order = make_order(now=timezone.now())

    first = buyer().post(f"/api/orders/{order.order_id}/pay")
    again = buyer().post(f"/api/orders/{order.order_id}/pay", {"outcome": "page"})

    assert (first.status_code, again.status_code) == (202, 202)
    payment = Payment.objects.get()
    body = first.json()
    assert body == again.json()
    assert set(body) == {"payment_id", "pay_url", "status"}
    assert (body["payment_id"], body["status"]) == (str(payment.payment_id), "begun")
    assert body["pay_url"].startswith(f"{settings.PUBLIC_URL}/sandbox/pay/{payment.payment_id}:")
    assert SandboxPayment.objects.get().status == "open"


@override_settings(PAYMENT_PROVIDER=SANDBOX, DEMO=True)
def test_payment_in_the_demo_is_captured_at_once() -> None:
    make_goods(1, stock=10)
    order = make_order(now=timezone.now())

    response = buyer().post(f"/api/orders/{order.order_id}/pay")

    assert response.status_code == 202
    assert SandboxPayment.objects.get().status == "captured"
    assert stored(order).status == 100  # the callback follows


def test_payment_without_a_provider_is_busy() -> None:
    make_goods(1, stock=10)
    order = make_order(now=timezone.now())

    response = buyer().post(f"/api/orders/{order.order_id}/pay")

    assert error_of(response)[:2] == (503, 50010010)
    assert response["Retry-After"] == "1"
    assert not Payment.objects.exists()


@override_settings(PAYMENT_PROVIDER=SANDBOX)
def test_payment_of_an_order_that_is_about_to_expire_is_refused() -> None:
    make_goods(1, stock=10)
    order = make_order(now=later(-settings.ORDER_PAY_TIMEOUT_SECONDS + 59, start=timezone.now()))

    response = buyer().post(f"/api/orders/{order.order_id}/pay")

    assert error_of(response) == (409, 50010006, f"Order {order.order_id} cannot be paid: it is about to expire.")


@override_settings(PAYMENT_PROVIDER=SANDBOX)
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"outcome": "never"}, 'outcome: "never" is not a valid choice.'),
        ({"amount": 1}, "amount: is not a field of this request"),
        ({"status": 200}, "status: is not a field of this request"),
    ],
)
def test_payment_with_fields_of_ours_is_invalid(body: dict[str, Any], message: str) -> None:
    make_goods(1, stock=10)
    order = make_order(now=timezone.now())

    assert error_of(buyer().post(f"/api/orders/{order.order_id}/pay", body)) == (400, 10000001, message)
    assert not Payment.objects.exists()


# cancelling and completing


@pytest.mark.parametrize(("caller", "closed_by"), [(buyer, "user"), (staff, "staff"), (service, "user")])
def test_order_cancelled_is_closed_and_gives_its_stock_back(caller, closed_by: str) -> None:
    make_goods(1, stock=10)
    order = make_order({1: 4})

    response = caller().post(f"/api/orders/{order.order_id}/cancel")

    assert response.status_code == 200
    body = response.json()
    assert (body["status"], body["status_label"], body["closed_by"]) == (300, "closed", closed_by)
    assert counts(1) == (10, 0, 0)


@override_settings(PAYMENT_PROVIDER=SANDBOX)
def test_order_cancelled_while_being_paid_closes_the_payment_first() -> None:
    make_goods(1, stock=10)
    order = make_order(now=timezone.now())
    make_payment(order, now=timezone.now())

    response = buyer().post(f"/api/orders/{order.order_id}/cancel")

    assert response.status_code == 200
    assert SandboxPayment.objects.get().status == "closed"
    assert counts(1) == (10, 0, 0)


@override_settings(PAYMENT_PROVIDER=SANDBOX)
def test_order_cancelled_after_the_money_came_in_is_paid() -> None:
    make_goods(1, stock=10)
    order = make_order(now=timezone.now())
    make_payment(order, now=timezone.now(), outcome="now")

    response = buyer().post(f"/api/orders/{order.order_id}/cancel")

    assert error_of(response) == (409, 50010006, f"Order {order.order_id} cannot be cancelled: it is paid.")
    assert stored(order).status == 200
    assert counts(1) == (9, 0, 1)


def test_order_completed_by_staff_is_completed() -> None:
    make_goods(1, stock=10)
    order = make_paid_order()

    response = staff().post(f"/api/orders/{order.order_id}/complete")

    assert response.status_code == 200
    assert (response.json()["status"], response.json()["status_label"]) == (400, "completed")
    assert response.json()["pay_time"] == "2026-06-01T12:00:00Z"
    assert stored(order).updated_by == "staff:1"


@pytest.mark.parametrize("caller", [buyer, service])
def test_completing_is_for_staff_alone(caller) -> None:
    make_goods(1, stock=10)
    order = make_paid_order()

    response = caller().post(f"/api/orders/{order.order_id}/complete")

    assert error_of(response) == (403, 10000006, "Your role may not do this.")
    assert stored(order).status == 200


def make_completed_order() -> Order:
    order = make_paid_order()
    complete_order(order_id=order.order_id, actor="staff", now=timezone.now())
    return stored(order)


@override_settings(PAYMENT_PROVIDER=SANDBOX)
@pytest.mark.parametrize(
    ("make", "step", "words"),
    [
        (make_paid_order, "pay", "paid: it is paid"),
        (make_closed_order, "pay", "paid: it is closed"),
        (make_completed_order, "pay", "paid: it is completed"),
        (make_paid_order, "cancel", "cancelled: it is paid"),
        (make_closed_order, "cancel", "cancelled: it is closed"),
        (make_completed_order, "cancel", "cancelled: it is completed"),
        (make_order, "complete", "completed: it is unpaid"),
        (make_closed_order, "complete", "completed: it is closed"),
        (make_completed_order, "complete", "completed: it is completed"),
    ],
)
def test_order_in_the_wrong_state_stays_as_it_is(make, step: str, words: str) -> None:
    make_goods(1, stock=10)
    order = make()
    before = (counts(1), Order.objects.values().get())

    response = staff().post(f"/api/orders/{order.order_id}/{step}")

    assert error_of(response) == (409, 50010006, f"Order {order.order_id} cannot be {words}.")
    assert (counts(1), Order.objects.values().get()) == before


# the provider's callback


def notify(payment: Payment, **changes: Any) -> HttpResponse:
    """Sends a signed notice of the right money, as the provider does."""
    notice = {
        "payment_id": str(payment.payment_id),
        "trade_id": "T1",
        "amount": payment.amount,
        "currency": payment.currency,
        "captured_at": "2026-06-01T12:00:00+00:00",
        **changes,
    }
    body = json.dumps(notice).encode()
    headers = signing.sign(secret=settings.PAYMENT_SECRET, notice_id="n", body=body, now=timezone.now())
    return anybody().send("POST", "/api/payments/notify", body, headers)


@override_settings(PAYMENT_PROVIDER=SANDBOX)
def test_notice_pays_its_order_once_however_often_it_comes() -> None:
    make_goods(1, stock=10)
    payment = make_payment(order := make_order())

    first, again = notify(payment), notify(payment)

    assert (first.status_code, first.json()) == (200, {"status": "success"})
    assert (again.status_code, again.json()) == (200, {"status": "success"})
    assert (stored(order).status, stored(order).version) == (200, 1)
    assert counts(1) == (9, 0, 1)
    assert not Refund.objects.exists()


@override_settings(PAYMENT_PROVIDER=SANDBOX)
@pytest.mark.parametrize(
    ("changes", "reason"), [({"amount": 9949}, "amount"), ({"amount": 9951}, "amount"), ({"currency": "USD"}, "amount")]
)
def test_notice_of_the_wrong_money_becomes_a_refund(changes: dict[str, Any], reason: str) -> None:
    make_goods(1, stock=10)
    payment = make_payment(order := make_order())

    response = notify(payment, **changes)

    assert (response.status_code, response.json()) == (200, {"status": "success"})
    refund = Refund.objects.get()
    assert (refund.payment_id, refund.reason, refund.status) == (payment.payment_id, reason, "pending")
    assert (refund.amount, refund.currency) == (changes.get("amount", 9950), changes.get("currency", "CNY"))
    assert stored(order).status == 100
    assert counts(1) == (9, 1, 0)


@override_settings(PAYMENT_PROVIDER=SANDBOX)
def test_notice_after_the_order_was_closed_becomes_a_refund() -> None:
    make_goods(1, stock=10)
    payment = make_payment(order := make_order())
    buyer().post(f"/api/orders/{order.order_id}/cancel")

    response = notify(payment)

    assert response.status_code == 200
    assert [(refund.reason, refund.amount) for refund in Refund.objects.all()] == [("late", 9950)]
    assert stored(order).status == 300
