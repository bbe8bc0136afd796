"""Payments and refunds read over REST."""

import pytest

from lab.kit.factories import (
    make_closed_order,
    make_goods,
    make_order,
    make_paid_order,
    make_payment,
)
from lab.kit.rest_client import RestClient, buyer, error_of, staff
from orders.models import Refund
from orders.tests.api.rest_orders import SOMEBODY_ELSE

pytestmark = pytest.mark.django_db


def make_refund(payment_id: int, order_id: int) -> None:
    Refund.objects.create(payment_id=payment_id, order_id=order_id, amount=100, currency="CNY", reason="late")


def test_money_of_an_order_is_read_by_its_buyer_and_by_staff() -> None:
    make_goods(1, stock=10)
    order = make_paid_order()
    make_refund(7, order.order_id)

    for caller in (buyer(), staff()):
        money = caller.get(f"/api/orders/{order.order_id}/money").json()
        assert [(found["status"], found["amount"]) for found in money["payments"]] == [("captured", order.pay_amount)]
        assert [(found["payment_id"], found["status"]) for found in money["refunds"]] == [("7", "pending")]
    others = buyer(SOMEBODY_ELSE).get(f"/api/orders/{order.order_id}/money")
    assert error_of(others)[:2] == (404, 50010003)


def test_payments_are_listed_for_staff_by_order_and_status() -> None:
    make_goods(1, stock=10)
    paid, open_ = make_paid_order(), make_order()
    make_payment(open_)

    def orders(query: str) -> list[str]:
        return [payment["order_id"] for payment in staff().get(f"/api/payments{query}").json()["payments"]]

    assert orders("") == [str(open_.order_id), str(paid.order_id)]
    assert orders("?status=captured") == [str(paid.order_id)]
    assert orders(f"?order_id={open_.order_id}") == [str(open_.order_id)]
    assert orders("?limit=1") == orders("")[:1]


def test_refunds_are_listed_for_staff_in_pages() -> None:
    make_goods(1, stock=10)
    order = make_closed_order()
    for payment_id in (5, 6, 7):
        make_refund(payment_id, order.order_id)

    first = staff().get("/api/refunds?limit=2&status=pending").json()
    second = staff().get(first["next"]).json()

    assert [[refund["payment_id"] for refund in page["refunds"]] for page in (first, second)] == [["7", "6"], ["5"]]
    assert second["next"] is None
    assert staff().get("/api/refunds?status=done").json()["refunds"] == []


@pytest.mark.parametrize("path", ["/api/payments", "/api/refunds", "/api/messages"])
def test_what_staff_look_at_buyers_do_not(path: str) -> None:
    caller: RestClient = buyer()

    assert error_of(caller.get(path))[:2] == (403, 10000006)
