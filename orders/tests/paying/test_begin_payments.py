from datetime import timedelta

import pytest

from lab.kit.factories import NOW, SANDBOX, later, make_closed_order, make_goods, make_order, make_payment
from orders import services
from orders.errors import PaymentsUnavailable
from orders.models import Order, Payment, SandboxPayment
from orders.payments import sandbox

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _shop(settings):
    settings.PAYMENT_PROVIDER = SANDBOX
    settings.ORDER_PAY_TIMEOUT_SECONDS = 60
    make_goods(1, stock=100)


def begin(*orders, now=NOW):
    return services.begin_payments(order_ids=[order.order_id for order in orders], now=now)


def test_begin_payments_stores_one_payment_for_each_unpaid_order():
    first, second = make_order({1: 1}), make_order({1: 2})

    requests = begin(second, first)

    assert [(request.order_id, request.amount) for request in requests] == [
        (first.order_id, 9950),
        (second.order_id, 19900),
    ]
    stored = Payment.objects.order_by("order_id")
    assert [(row.payment_id, row.status, row.channel) for row in stored] == [
        (request.payment_id, Payment.Status.BEGUN, "sandbox") for request in requests
    ]
    assert requests[0].expires_at == first.expires_at - timedelta(seconds=15)
    assert not SandboxPayment.objects.exists()


def test_begin_payments_of_an_order_with_a_begun_payment_returns_that_one():
    order = make_order()
    payment = make_payment(order)

    requests = begin(order)

    assert [request.payment_id for request in requests] == [payment.payment_id]
    assert Payment.objects.count() == 1


def test_begin_payments_leaves_out_orders_that_cannot_be_paid():
    closed, about_to_expire = make_closed_order(), make_order()

    assert begin(closed, about_to_expire, now=later(45)) == []
    assert begin() == []

    assert not Payment.objects.exists()


def test_begin_payments_without_a_provider_is_refused(settings):
    order = make_order()
    settings.PAYMENT_PROVIDER = ""

    with pytest.raises(PaymentsUnavailable):
        begin(order)

    assert not Payment.objects.exists()


def test_take_payments_fills_the_books_and_its_captures_pay_the_orders():
    orders = [make_order(), make_order()]

    captures = sandbox.take_payments(begin(*orders), now=later(20))
    errors = services.record_captures(captures=captures)

    assert errors == [None, None]
    assert {capture.captured_at for capture in captures} == {later(20)}
    paid = Order.objects.order_by("order_id")
    assert [(order.status, order.trade_id) for order in paid] == [(200, capture.trade_id) for capture in captures]
    ledger = SandboxPayment.objects.order_by("payment_id")
    assert [(row.trade_id, row.status) for row in ledger] == [(c.trade_id, "captured") for c in captures]
