"""Every capture pays its order or has exactly one refund row, whichever way its news comes."""

import json
from collections.abc import Sequence

import pytest
from django.utils import timezone

from charites.audit import run_audit
from charites.common.transactions import outermost
from lab.kit.factories import NOW, SANDBOX, counts, later, make_capture, make_goods, make_order, make_payment
from lab.kit.interleaving import Background
from messaging.models import Message
from messaging.relay import deliver_due
from orders.models import Order, Payment, Refund, SandboxPayment
from orders.payments import signing
from orders.payments.sandbox import act
from orders.payments.sandbox.ledger import write_capture
from orders.services import (
    ask_about_payments,
    cancel_order,
    close_due,
    close_overdue_payments,
    receive_notice,
    record_captures,
)

pytestmark = pytest.mark.django_db(transaction=True)

TIMEOUT = 1800


@pytest.fixture(autouse=True)
def _shop(settings):
    settings.PAYMENT_PROVIDER = SANDBOX
    settings.ORDER_PAY_TIMEOUT_SECONDS = TIMEOUT
    make_goods(1, stock=5)


def accounts(order: Order) -> tuple[int, list[str]]:
    """Returns (status of the order, reasons of its refunds), after checking that all money is accounted for."""
    order.refresh_from_db()
    captured = Payment.objects.filter(order_id=order.order_id, status=Payment.Status.CAPTURED)
    refunds = {refund.payment_id: refund for refund in Refund.objects.filter(order_id=order.order_id)}
    for payment in captured:
        assert (payment.trade_id == order.trade_id) is (payment.payment_id not in refunds)
    assert len(captured) - len(refunds) == (1 if order.status in (200, 400) else 0)
    results = [result for result in run_audit(now=timezone.now()) if result.total]
    # These orders live in the past of this machine's clock.
    assert [result.check.id for result in results if not result.check.id.startswith("I12")] == []
    return order.status, sorted(refund.reason for refund in refunds.values())


def cancel(order: Order) -> None:
    cancel_order(order_id=order.order_id, user_id=7, closed_by=Order.ClosedBy.USER, now=NOW)


def test_two_captures_of_one_order():
    order = make_order()
    payment = make_payment(order)

    record_captures(captures=[make_capture(payment), make_capture(payment)])

    assert accounts(order) == (200, ["double"])
    assert counts(1) == (4, 0, 1)


def test_capture_after_close_whose_callback_is_lost():
    order = make_order()
    payment = make_payment(order)
    cancel(order)
    with outermost():
        assert write_capture(payment.payment_id, now=later(5), announced=False, though_closed=True)

    for minutes in (1, 5, 15, 60, 1440):
        ask_about_payments(now=later(60 * minutes))

    assert accounts(order) == (300, ["late"])
    assert counts(1) == (5, 0, 0)


@pytest.mark.parametrize("changes", [{"amount": 9949}, {"amount": 9951}, {"currency": "USD"}])
def test_wrong_money(changes):
    order = make_order()

    record_captures(captures=[make_capture(make_payment(order), **changes)])

    assert accounts(order) == (100, ["amount"])
    assert counts(1) == (4, 1, 0)


@pytest.mark.parametrize("is_late", [False, True])
def test_notice_that_comes_a_hundred_times_at_once(settings, is_late):
    order = make_order()
    payment = make_payment(order)
    if is_late:
        cancel(order)
    body = json.dumps(
        {
            "payment_id": str(payment.payment_id),
            "trade_id": "T-1",
            "amount": 9950,
            "currency": "CNY",
            "captured_at": NOW.isoformat(),
        }
    ).encode()

    def receive() -> None:
        headers = signing.sign(secret=settings.PAYMENT_SECRET, notice_id="n", body=body, now=NOW)
        receive_notice(headers=headers, body=body, now=NOW)

    take_turns([Background(receive) for _ in range(100)])

    assert accounts(order) == ((300, ["late"]) if is_late else (200, []))
    assert Message.objects.filter(topic="payment_refund").count() == (1 if is_late else 0)
    assert counts(1) == ((5, 0, 0) if is_late else (4, 0, 1))


def take_turns(callers: Sequence[Background]) -> None:
    """Starts all of them, then waits for each and raises what it raised."""
    for caller in callers:
        caller.__enter__()
    for caller in callers:
        caller.result()


def test_lost_callback_is_found_before_the_order_is_closed():
    order = make_order()
    act(payment_id=make_payment(order).payment_id, outcome="lose", now=NOW)

    close_overdue_payments(now=later(TIMEOUT))

    assert close_due(now=later(TIMEOUT)) == 0
    assert accounts(order) == (200, [])


def test_money_taken_after_closing_goes_back_once():
    order = make_order()
    payment = make_payment(order)
    act(payment_id=payment.payment_id, outcome="late", now=NOW)
    cancel(order)
    notice = Message.objects.get()
    (trade_id,) = SandboxPayment.objects.values_list("trade_id", flat=True)

    record_captures(captures=[make_capture(payment, trade_id=trade_id)])  # the callback that carries this very trade
    ask_about_payments(now=later(60))
    Message.objects.filter(pk=notice.pk).delete()
    deliver_due(now=timezone.now())
    deliver_due(now=timezone.now())

    assert accounts(order) == (300, ["late"])
    assert SandboxPayment.objects.get().refunded == 9950
    assert Refund.objects.get().status == Refund.Status.DONE
