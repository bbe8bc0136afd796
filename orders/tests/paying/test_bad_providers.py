"""Providers that hang, refuse, or answer nonsense: nothing is lost, nothing is done twice, and the caller is told."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from charites.common.errors import Busy, Kind, OutcomeUnknown
from lab.kit.factories import NOW, counts, later, make_capture, make_goods, make_order, make_payment, stored
from lab.kit.providers import MUTE, Mute
from orders.errors import PaymentsUnavailable, PaymentUnanswered
from orders.models import Order, Payment, Refund
from orders.payloads import Capture
from orders.services import (
    ask_about_payments,
    begin_payment,
    cancel_order,
    close_due,
    close_overdue_payments,
    receive_notice,
    record_captures,
    send_refunds,
)

pytestmark = pytest.mark.django_db

TIMEOUT = 1800


@pytest.fixture(autouse=True)
def _timeout(settings):
    settings.ORDER_PAY_TIMEOUT_SECONDS = TIMEOUT


def capture_of(payment_id: int, **changes: Any) -> Capture:
    return replace(Capture(payment_id, "sandbox", "T-1", 9950, "CNY", NOW), **changes)


REFUSALS: dict[str, Any] = {
    "raises": ConnectionError("refused"),
    "raises something odd": KeyError("id"),
    "a word": "closed",
    "no": False,
    "a number": 0,
    "a dictionary": {"trade_id": "T-1"},
    "another payment": lambda payment_id: capture_of(payment_id + 1),
    "another channel": lambda payment_id: capture_of(payment_id, channel="elsewhere"),
    "no amount": lambda payment_id: capture_of(payment_id, amount=0),
    "a negative amount": lambda payment_id: capture_of(payment_id, amount=-9950),
    "an amount past int64": lambda payment_id: capture_of(payment_id, amount=2**63),
    "an amount in words": lambda payment_id: capture_of(payment_id, amount="9950"),
    "half a cent": lambda payment_id: capture_of(payment_id, amount=9950.5),
    "true as the amount": lambda payment_id: capture_of(payment_id, amount=True),
    "no trade": lambda payment_id: capture_of(payment_id, trade_id=""),
    "no trade at all": lambda payment_id: capture_of(payment_id, trade_id=None),
    "a trade of 65 letters": lambda payment_id: capture_of(payment_id, trade_id="t" * 65),
    "a trade of another script": lambda payment_id: capture_of(payment_id, trade_id="т1"),
    "a trade with a blank behind it": lambda payment_id: capture_of(payment_id, trade_id="t "),
    "a trade with a null byte": lambda payment_id: capture_of(payment_id, trade_id="t\0"),
    "a long currency": lambda payment_id: capture_of(payment_id, currency="YUAN"),
    "a time without a zone": lambda payment_id: capture_of(payment_id, captured_at=datetime(2026, 6, 1)),  # noqa: DTZ001
    "a time in words": lambda payment_id: capture_of(payment_id, captured_at="today"),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_cancel_without_a_sensible_answer_changes_nothing(provider, refusal):
    make_goods(1, stock=5)
    order = make_order()
    make_payment(order)
    provider.script["close"] = REFUSALS[refusal]

    with pytest.raises(PaymentsUnavailable):
        cancel_order(order_id=order.order_id, user_id=7, closed_by=Order.ClosedBy.USER, now=NOW)

    assert stored(order).status == Order.Status.UNPAID
    assert Payment.objects.get().status == Payment.Status.BEGUN
    assert counts(1) == (4, 1, 0)


@pytest.mark.parametrize("refusal", REFUSALS)
def test_time_out_without_a_sensible_answer_waits_ten_minutes_and_asks_for_a_day(provider, refusal):
    make_goods(1, stock=5)
    order = make_order()
    payment = make_payment(order)
    provider.script.update(close=REFUSALS[refusal], query=REFUSALS[refusal])

    close_overdue_payments(now=later(TIMEOUT))
    close_due(now=later(TIMEOUT))
    assert stored(order).status == Order.Status.UNPAID
    assert Payment.objects.get().last_error != ""
    close_overdue_payments(now=later(TIMEOUT + 600))
    assert stored(order).status == Order.Status.CLOSED
    assert ask_about_payments(now=later(TIMEOUT + 660)) == 1

    assert Payment.objects.get().status == Payment.Status.BEGUN
    assert not Refund.objects.exists()
    provider.script["query"] = make_capture(payment)
    assert ask_about_payments(now=later(TIMEOUT + 900)) == 1
    assert Refund.objects.get().reason == Refund.Reason.LATE
    assert counts(1) == (5, 0, 0)


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        "",
        "javascript:alert(1)",
        "https://a\u202eb",
        "https://" + "a" * 2041,
        5,
        {"pay_url": "http://x"},
        OSError("refused"),
    ],
)
def test_begin_without_a_sensible_answer_is_unavailable_and_may_be_repeated(provider, nonsense):
    make_goods(1, stock=5)
    order = make_order()
    provider.script["begin"] = nonsense

    with pytest.raises(PaymentsUnavailable):
        begin_payment(order_id=order.order_id, user_id=7, outcome="page", now=NOW)
    provider.script["begin"] = "https://provider.example/pay/1"
    begun = begin_payment(order_id=order.order_id, user_id=7, outcome="page", now=NOW)

    assert begun.pay_url == "https://provider.example/pay/1"
    assert Payment.objects.count() == 1


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (ConnectionRefusedError("refused"), PaymentsUnavailable),
        (httpx.ConnectError("no route"), PaymentsUnavailable),
        (httpx.ConnectTimeout("nobody there"), PaymentsUnavailable),
        (Busy(), PaymentsUnavailable),
        (OutcomeUnknown(), PaymentUnanswered),
        (TimeoutError("late"), PaymentUnanswered),
        (httpx.ReadTimeout("late"), PaymentUnanswered),
        (ConnectionResetError("cut"), PaymentUnanswered),
        (KeyError("id"), PaymentUnanswered),
        ("nonsense", PaymentUnanswered),
    ],
)
def test_provider_that_was_reached_may_have_done_it_and_the_caller_is_told_so(provider, answer, told):
    make_goods(1, stock=5)
    order = make_order()
    provider.script["begin"] = answer

    with pytest.raises(PaymentsUnavailable) as caught:
        begin_payment(order_id=order.order_id, user_id=7, outcome="page", now=NOW)

    assert (type(caught.value), caught.value.kind) == (told, told.kind)
    assert (PaymentsUnavailable.kind, PaymentUnanswered.kind) == (Kind.BUSY, Kind.UNKNOWN)


@pytest.mark.parametrize("nonsense", [False, True, "", "done", {"status": "failed"}, OSError("refused")])
def test_refund_without_a_sensible_answer_stays_pending(provider, nonsense):
    make_goods(1, stock=5)
    payment = make_payment(make_order())
    record_captures(captures=[make_capture(payment, amount=5)])
    provider.script["refund"] = nonsense

    assert list(send_refunds(refund_ids=[payment.payment_id], now=NOW)) == [payment.payment_id]

    assert Refund.objects.get().status == Refund.Status.PENDING


@pytest.mark.parametrize("nonsense", ["", "ok", {"amount": 1}, KeyError("amount"), capture_of(1, amount=0)])
def test_notice_that_the_adapter_cannot_read_is_to_be_sent_again(provider, nonsense):
    provider.script["read_notice"] = nonsense

    with pytest.raises(PaymentsUnavailable):
        receive_notice(headers={}, body=b"{}", now=NOW)


def test_notice_about_something_else_is_taken_and_changes_nothing(provider):
    make_goods(1, stock=5)
    order = make_order()
    make_payment(order)
    provider.script["read_notice"] = None

    receive_notice(headers={}, body=b"{}", now=NOW)

    assert (stored(order).status, Payment.objects.get().status) == (Order.Status.UNPAID, Payment.Status.BEGUN)


def test_cancel_at_a_provider_that_hangs_waits_two_seconds(settings):
    make_goods(1, stock=5)
    order = make_order()
    make_payment(order)
    settings.PAYMENT_PROVIDER = MUTE
    Mute.waits.clear()

    with pytest.raises(PaymentsUnavailable) as caught:
        cancel_order(order_id=order.order_id, user_id=7, closed_by=Order.ClosedBy.USER, now=NOW)

    assert type(caught.value.__cause__).__name__ == "ReadTimeout"
    assert Mute.waits == [2]
    assert stored(order).status == Order.Status.UNPAID


def test_everything_at_a_provider_that_hangs_ends_and_is_tried_again(settings, monkeypatch):
    """Each call is told how long it may take; here the provider is given up sooner, so that the test does not wait."""
    make_goods(1, stock=5)
    order, other = make_order(), make_order()
    payment, wrong = make_payment(order), make_payment(other)
    record_captures(captures=[make_capture(wrong, amount=5)])
    settings.PAYMENT_PROVIDER = MUTE
    Mute.waits.clear()
    monkeypatch.setattr(Mute, "_wait", wait_less)

    assert list(send_refunds(refund_ids=[wrong.payment_id], now=NOW)) == [wrong.payment_id]
    close_overdue_payments(now=later(TIMEOUT))
    close_overdue_payments(now=later(TIMEOUT + 600))
    ask_about_payments(now=later(TIMEOUT + 660))
    with pytest.raises(PaymentsUnavailable):
        begin_payment(order_id=other.order_id, user_id=7, outcome="page", now=NOW)

    assert Mute.waits == [5, 5, 5, 5, 5]
    assert (stored(order).status, Payment.objects.get(pk=payment.pk).status) == (300, Payment.Status.BEGUN)
    assert "ReadTimeout" in Payment.objects.get(pk=payment.pk).last_error
    assert "ReadTimeout" in Refund.objects.get().last_error
    assert Payment.objects.get(pk=payment.pk).next_question_at == later(TIMEOUT + 600) + timedelta(minutes=5)


_wait = Mute._wait


def wait_less(provider: Mute, timeout_seconds: float) -> Any:
    try:
        return _wait(provider, 0.05)
    finally:
        Mute.waits[-1] = timeout_seconds
