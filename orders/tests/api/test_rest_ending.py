"""Orders cancelled and completed over REST."""

import pytest
from django.test import override_settings
from django.utils import timezone

from lab.kit.factories import (
    SANDBOX,
    STAFF_ID,
    counts,
    make_closed_order,
    make_goods,
    make_order,
    make_paid_order,
    make_payment,
    stored,
)
from lab.kit.rest_client import buyer, error_of, service, staff
from orders.models import Order, SandboxPayment
from orders.services import complete_order

pytestmark = pytest.mark.django_db


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
    assert stored(order).updated_by == f"staff:{STAFF_ID}"


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
