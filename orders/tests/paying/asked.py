"""A payment whose order was closed although nobody knew of its money, and who was asked about it."""

from datetime import timedelta

from lab.kit.factories import later, make_goods, make_order, make_payment, stored
from orders.models import Order, Payment, Refund
from orders.services import close_overdue_payments
from orders.tests.conftest import TIMEOUT

CLOSED_ANYWAY = later(TIMEOUT + 600)  # the provider had ten minutes to answer
STEPS = [timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)]


def closed_anyway(provider) -> Payment:
    """A begun payment whose order was closed because nobody answered about it."""
    provider.script.update(close=ConnectionError("away"), query=None)
    make_goods(1, stock=5)
    order = make_order()
    payment = make_payment(order)
    close_overdue_payments(now=CLOSED_ANYWAY)
    assert stored(order).status == Order.Status.CLOSED
    assert reread(payment).status == Payment.Status.BEGUN
    provider.calls.clear()
    return payment


def reread(payment: Payment) -> Payment:
    return Payment.objects.get(pk=payment.pk)


def refunds() -> list[tuple[int, str, str]]:
    return list(Refund.objects.order_by("pk").values_list("payment_id", "reason", "status"))


def asked(provider, payment: Payment) -> int:
    """How often the provider was asked about a payment's money."""
    return provider.calls.count(("query", payment.payment_id))
