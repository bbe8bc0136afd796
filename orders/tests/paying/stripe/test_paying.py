"""Orders that are paid at Stripe: its pages, its news, and the end of an order."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from charites.common.errors import Kind
from lab.kit.factories import BUYER_ID, counts
from lab.kit.findings import findings
from lab.kit.rest_client import anybody, buyer, error_of
from lab.kit.stripe_api import StripeApi, signature
from orders.errors import PaymentsUnavailable, PaymentUnanswered
from orders.models import Order, Payment, Refund, StripeSession
from orders.payments.stripe import ledger, provider
from orders.services import (
    ask_about_order,
    ask_about_payments,
    begin_payment,
    cancel_order,
    send_refunds,
)
from orders.tests.paying.stripe.steps import NOTIFY, begin, end_in_time, notify, pay, session_of, status_of

pytestmark = pytest.mark.django_db(transaction=True)


# Pages


def test_payment_has_one_page_however_often_it_is_asked_for(api: StripeApi, order: Order) -> None:
    now = timezone.now()
    urls = [begin_payment(order_id=order.order_id, user_id=BUYER_ID, outcome="page", now=now).pay_url for _ in range(2)]

    assert urls == ["https://checkout.stripe.com/c/cs_1"] * 2
    (session,) = api.sessions.values()
    assert (session["amount_total"], session["currency"]) == (19_900, "cny")
    page_ends_at = datetime.fromtimestamp(session["expires_at"], UTC)
    assert order.expires_at < page_ends_at < order.expires_at + timedelta(hours=1)
    assert StripeSession.objects.get().session_id == "cs_1"


def test_answer_that_is_lost_leaves_the_order_open_and_the_page_is_found_again(api: StripeApi, order: Order) -> None:
    api.lost = "POST"
    with pytest.raises(PaymentUnanswered):
        begin(order)
    assert (Payment.objects.get().status, status_of(order)) == ("begun", Order.Status.UNPAID)

    api.lost = "never"
    begin(order)

    assert (len(api.sessions), Payment.objects.count()) == (1, 1)


def test_what_stripe_refuses_itself_was_not_done_and_the_caller_is_told_nothing_of_it(
    api: StripeApi, order: Order, settings: Any
) -> None:
    settings.STRIPE_API_URL += "/elsewhere"

    answer = buyer().post(f"/api/orders/{order.order_id}/pay", {"outcome": "page"})

    assert error_of(answer)[:2] == (503, 50010010)
    assert "elsewhere" not in answer.content.decode()


def test_page_of_a_payment_that_is_closed_while_it_is_made_is_told_to_nobody(
    api: StripeApi, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    def close_first(payment_id: int, session_id: str) -> bool:
        cancel_order(order_id=order.order_id, user_id=BUYER_ID, closed_by=Order.ClosedBy.USER, now=timezone.now())
        return ledger.remember(payment_id, session_id)

    monkeypatch.setattr(provider, "remember", close_first)

    with pytest.raises(PaymentsUnavailable) as refused:
        begin(order)

    assert refused.value.kind is Kind.BUSY  # nobody can pay: that is known
    assert status_of(order) == Order.Status.CLOSED
    assert [session["status"] for session in api.sessions.values()] == ["expired"]


# News of money


def test_callback_pays_the_order_once_however_often_it_comes(api: StripeApi, order: Order) -> None:
    event = api.event(pay(api, order))

    assert [notify(event).status_code for _ in range(3)] == [200] * 3

    assert status_of(order) == Order.Status.PAID
    assert (Refund.objects.count(), counts(1)) == (0, (8, 0, 2))
    assert findings() == []


def test_callback_that_comes_before_the_page_was_answered_is_taken(api: StripeApi, order: Order) -> None:
    event = api.event(pay(api, order))
    StripeSession.objects.all().delete()

    assert notify(event).status_code == 200

    assert status_of(order) == Order.Status.PAID


@pytest.mark.parametrize("options", [{"secret": "whsec_forged"}, {"age_seconds": 301}, {"age_seconds": -302}])
def test_forged_old_and_future_callbacks_are_refused(api: StripeApi, order: Order, options: dict[str, Any]) -> None:
    answer = notify(api.event(pay(api, order)), **options)

    assert error_of(answer)[:2] == (401, 50010011)
    assert status_of(order) == Order.Status.UNPAID


def test_callback_by_the_former_secret_is_taken_while_it_counts(api: StripeApi, order: Order, settings: Any) -> None:
    event = api.event(pay(api, order))
    assert notify(event, secret="whsec_former").status_code == 401

    settings.STRIPE_WEBHOOK_SECRET_FALLBACKS = ["whsec_former"]

    assert notify(event, secret="whsec_former").status_code == 200
    assert status_of(order) == Order.Status.PAID


@pytest.mark.parametrize("header", ["", "t=1", "v1=00", "t=x,v1=00", "nonsense", "t=1,v1=\u00e9", "t=1,v1=" + "0" * 64])
def test_header_that_is_no_signature_is_refused(api: StripeApi, order: Order, header: str) -> None:
    body = json.dumps(api.event(pay(api, order))).encode()

    assert anybody().send("POST", NOTIFY, body, {"Stripe-Signature": header}).status_code == 401


def test_signature_holds_for_the_very_bytes(api: StripeApi, order: Order) -> None:
    body = json.dumps(api.event(pay(api, order))).encode()
    headers = signature(body)

    assert anybody().send("POST", NOTIFY, body + b" ", headers).status_code == 401
    assert anybody().send("POST", NOTIFY, b"\xff" + body, headers).status_code == 401
    assert anybody().send("POST", NOTIFY, body, headers).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "customer.created"},
        {"type": "checkout.session.expired"},
        {"account": "acct_another"},
        {"livemode": True},
        {"data": {"object": {"payment_status": "paid", "metadata": {"payment_id": "1"}}}},
        {"data": None},
    ],
)
def test_event_that_is_not_about_our_money_is_answered_and_changes_nothing(
    api: StripeApi, order: Order, changes: dict[str, Any]
) -> None:
    event = api.event(pay(api, order)) | changes

    assert notify(event).status_code == 200

    assert status_of(order) == Order.Status.UNPAID
    assert not Refund.objects.exists()


def test_event_of_another_shop_on_the_same_account_is_not_found(api: StripeApi, order: Order) -> None:
    event = api.event(pay(api, order), metadata={"charites_payment_id": "1"})

    assert notify(event).status_code == 404

    assert status_of(order) == Order.Status.UNPAID


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount_total": None}, "amount"),
        ({"amount_total": "19900"}, "amount"),
        ({"payment_intent": 5}, "trade_id"),
        ({"currency": "money"}, "currency"),
        ({"metadata": {"charites_payment_id": "x"}}, "payment_id"),
        ({"metadata": {"charites_payment_id": ["1"]}}, "payment_id"),
    ],
)
def test_event_that_makes_no_sense_is_refused_and_says_where(
    api: StripeApi, order: Order, changes: dict[str, Any], field: str
) -> None:
    answer = notify(api.event(pay(api, order), **changes))

    assert (answer.status_code, answer.json()["details"]["field"]) == (400, field)
    assert status_of(order) == Order.Status.UNPAID


@pytest.mark.parametrize("created", [None, "now", 10**20, -1, True])
def test_event_of_no_time_is_refused(api: StripeApi, order: Order, created: Any) -> None:
    answer = notify(api.event(pay(api, order)) | {"created": created})

    assert (answer.status_code, answer.json()["details"]["field"]) == (400, "captured_at")


@pytest.mark.parametrize("body", [b"[]", b"{}", b"null", b'{"object": "v2.core.event"}', b"{"])
def test_body_that_is_no_event_is_refused(api: StripeApi, body: bytes) -> None:
    assert anybody().send("POST", NOTIFY, body, signature(body)).status_code == 400


def test_events_of_a_bank_transfer_pay_when_the_money_is_there_in_whatever_order(api: StripeApi, order: Order) -> None:
    session_id = session_of(begin(order))
    first = api.event(session_id, status="complete", payment_status="unpaid")
    api.pay(session_id)
    second = api.event(session_id, "checkout.session.async_payment_succeeded")

    assert notify(second).status_code == 200
    assert status_of(order) == Order.Status.PAID
    assert notify(first).status_code == 200

    assert status_of(order) == Order.Status.PAID
    assert findings() == []


def test_amount_short_by_one_cent_is_sent_back(api: StripeApi, order: Order) -> None:
    session_id = pay(api, order)
    api.sessions[session_id]["amount_total"] -= 1

    assert notify(api.event(session_id)).status_code == 200

    refund = Refund.objects.get()
    assert (refund.amount, refund.reason) == (19_899, "amount")
    assert send_refunds(refund_ids=[refund.refund_id], now=timezone.now()) == {}
    assert [made["amount"] for made in api.refunds] == [19_899]
    assert status_of(order) == Order.Status.UNPAID
    assert findings() == []


def test_money_that_nobody_told_of_is_found_by_asking(api: StripeApi, order: Order) -> None:
    session_id = pay(api, order)

    ask_about_order(order_id=order.order_id, user_id=BUYER_ID, now=timezone.now())

    assert status_of(order) == Order.Status.PAID
    assert notify(api.event(session_id)).status_code == 200  # late, and the same money
    assert not Refund.objects.exists()


# The end of an order


def test_cancelling_ends_the_page_first(api: StripeApi, order: Order) -> None:
    session_id = session_of(begin(order))

    cancel_order(order_id=order.order_id, user_id=BUYER_ID, closed_by=Order.ClosedBy.USER, now=timezone.now())

    assert api.sessions[session_id]["status"] == "expired"
    assert (status_of(order), Payment.objects.get().status) == (Order.Status.CLOSED, "closed")


def test_cancelling_again_after_a_lost_answer_closes(api: StripeApi, order: Order) -> None:
    session_id = session_of(begin(order))
    api.lost = "POST"
    with pytest.raises(PaymentUnanswered):
        cancel_order(order_id=order.order_id, user_id=BUYER_ID, closed_by=Order.ClosedBy.USER, now=timezone.now())
    assert (api.sessions[session_id]["status"], status_of(order)) == ("expired", Order.Status.UNPAID)
    api.lost = "never"

    cancel_order(order_id=order.order_id, user_id=BUYER_ID, closed_by=Order.ClosedBy.USER, now=timezone.now())

    assert status_of(order) == Order.Status.CLOSED


def test_payment_of_which_stripe_has_never_heard_is_closed_without_a_word(api: StripeApi, order: Order) -> None:
    api.is_away = True
    with pytest.raises(PaymentUnanswered):
        begin(order)
    api.calls.clear()

    cancel_order(order_id=order.order_id, user_id=BUYER_ID, closed_by=Order.ClosedBy.USER, now=timezone.now())

    assert (status_of(order), api.calls) == (Order.Status.CLOSED, [])


def test_time_out_of_an_order_that_was_paid_pays_it(api: StripeApi, order: Order) -> None:
    pay(api, order)

    end_in_time(order)

    assert status_of(order) == Order.Status.PAID
    assert findings() == []


def test_bank_that_has_not_decided_is_waited_for_and_its_money_goes_back(api: StripeApi, order: Order) -> None:
    session_id = session_of(begin(order))
    api.sessions[session_id] |= {"status": "complete", "payment_intent": "pi_1"}

    end_in_time(order)
    assert status_of(order) == Order.Status.UNPAID
    assert "Undecided" in Payment.objects.get().last_error
    end_in_time(order, minutes=10)
    assert status_of(order) == Order.Status.CLOSED
    api.sessions[session_id] |= {"payment_status": "paid"}
    assert notify(api.event(session_id, "checkout.session.async_payment_succeeded")).status_code == 200

    assert Refund.objects.get().reason == "late"
    assert findings() == []


def test_bank_that_has_said_no_lets_the_order_close_at_once(api: StripeApi, order: Order) -> None:
    session_id = session_of(begin(order))
    api.sessions[session_id] |= {"status": "complete", "payment_intent": "pi_1"}
    api.undecided = "requires_payment_method"

    end_in_time(order)

    assert (status_of(order), Payment.objects.get().status) == (Order.Status.CLOSED, "closed")


def test_page_that_stripe_has_ended_by_itself_lets_the_order_close(api: StripeApi, order: Order) -> None:
    session_id = session_of(begin(order))
    api.sessions[session_id]["status"] = "expired"

    end_in_time(order)

    assert (status_of(order), Payment.objects.get().status) == (Order.Status.CLOSED, "closed")


def test_provider_that_is_silent_for_an_hour_closes_the_order_and_its_money_is_found_and_sent_back(
    api: StripeApi, order: Order
) -> None:
    session_id = pay(api, order)
    api.is_away = True
    for minutes in (0, 5, 10):
        end_in_time(order, minutes=minutes)
    assert status_of(order) == Order.Status.CLOSED
    for minutes in (11, 15, 25, 59):
        ask_about_payments(now=order.expires_at + timedelta(minutes=minutes))
    assert not Refund.objects.exists()
    api.is_away = False

    assert ask_about_payments(now=order.expires_at + timedelta(minutes=71)) == 1
    assert notify(api.event(session_id)).status_code == 200

    refund = Refund.objects.get()
    assert (refund.reason, refund.amount) == ("late", 19_900)
    assert send_refunds(refund_ids=[refund.refund_id], now=timezone.now()) == {}
    assert [made["amount"] for made in api.refunds] == [19_900]
    assert counts(1) == (10, 0, 0)
    assert findings() == []
