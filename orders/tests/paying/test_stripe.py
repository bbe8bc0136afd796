"""Stripe behind the port: pages, news, refunds and reports, against a stand-in with a memory; signatures are made and
checked by its library."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import stripe
from django.http import HttpResponse
from django.utils import timezone

from lab.kit.factories import BUYER_ID, make_goods, make_order, stored
from lab.kit.findings import findings
from lab.kit.rest_client import anybody
from lab.kit.stripe_api import StripeApi
from orders.errors import PaymentsUnavailable, PaymentUnanswered
from orders.models import Order, Payment, Refund, StripeSession
from orders.payloads import RefundOrder
from orders.payments.port import get_provider
from orders.payments.statements import StatementUnreadable, read_statement
from orders.payments.stripe import Stripe
from orders.services import (
    ask_about_order,
    begin_payment,
    cancel_order,
    close_due,
    close_overdue_payments,
    compare_statement,
    refund_order,
    send_refunds,
)

pytestmark = pytest.mark.django_db(transaction=True)

SECRET, OTHER_SECRET = "whsec_first", "whsec_second"


@pytest.fixture
def api(settings) -> Iterator[StripeApi]:
    settings.PAYMENT_PROVIDER = "orders.payments.stripe.Stripe"
    settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRETS = "sk_test_1", [SECRET, OTHER_SECRET]
    with StripeApi() as api:
        settings.STRIPE_API_BASE = api.url
        yield api


@pytest.fixture
def order(api: StripeApi) -> Order:
    make_goods(1, stock=10)
    return make_order({1: 2}, now=timezone.now())


def begin(order: Order) -> Payment:
    return begin_payment(order_id=order.order_id, user_id=BUYER_ID, outcome="page", now=timezone.now()).payment


def session_of(payment: Payment) -> str:
    return StripeSession.objects.get(payment_id=payment.payment_id).session_id


def paid(api: StripeApi, order: Order) -> Payment:
    """The buyer has paid on Stripe's page; nobody has told the shop."""
    payment = begin(order)
    api.pay(session_of(payment))
    return payment


def notify(event: dict[str, Any], *, secret: str = SECRET, age_seconds: int = 0) -> HttpResponse:
    body = json.dumps(event)
    signed_at = int(timezone.now().timestamp()) - age_seconds
    header = stripe.WebhookSignature.generate_signature_header(body, secret, signed_at)
    return anybody().send("POST", "/api/payments/notify", body.encode(), {"Stripe-Signature": header})


def status_of(order: Order) -> int:
    return stored(order).status


# Pay pages


def test_payment_opens_one_page_however_often_it_is_asked_for(api: StripeApi, order: Order) -> None:
    urls = {
        begin_payment(order_id=order.order_id, user_id=BUYER_ID, outcome="page", now=timezone.now()).pay_url
        for _ in range(2)
    }

    assert urls == {"https://checkout.stripe.com/c/cs_1"}
    (session,) = api.sessions.values()
    assert (session["amount_total"], session["currency"]) == (19_900, "cny")
    assert session["expires_at"] > stored(order).expires_at.timestamp()


def test_silent_provider_leaves_the_payment_begun_and_the_order_open(api: StripeApi, order: Order) -> None:
    api.is_silent = True

    with pytest.raises(PaymentUnanswered):
        begin(order)

    assert (Payment.objects.get().status, status_of(order)) == ("begun", Order.Status.UNPAID)
    api.is_silent = False
    begin(order)
    assert len(api.sessions) == 1


# News of money


def test_callback_pays_the_order_once_however_often_it_comes(api: StripeApi, order: Order) -> None:
    payment = paid(api, order)
    event = api.event_of(session_of(payment))

    assert [notify(event).status_code for _ in range(3)] == [200] * 3

    assert status_of(order) == Order.Status.PAID
    assert not Refund.objects.exists()
    assert findings() == []


def test_callback_that_comes_before_the_page_was_answered_is_taken(api: StripeApi, order: Order) -> None:
    payment = paid(api, order)
    event = api.event_of(session_of(payment))
    StripeSession.objects.all().delete()

    assert notify(event).status_code == 200
    assert status_of(order) == Order.Status.PAID


def test_callback_by_the_next_secret_is_taken(api: StripeApi, order: Order) -> None:
    payment = paid(api, order)

    assert notify(api.event_of(session_of(payment)), secret=OTHER_SECRET).status_code == 200


@pytest.mark.parametrize("options", [{"secret": "whsec_forged"}, {"age_seconds": 301}, {"age_seconds": -301}])
def test_forged_old_and_future_callbacks_are_refused(api: StripeApi, order: Order, options: dict[str, Any]) -> None:
    payment = paid(api, order)

    assert notify(api.event_of(session_of(payment)), **options).status_code == 401

    assert status_of(order) == Order.Status.UNPAID


@pytest.mark.parametrize("header", ["", "t=1", "v1=00", "t=x,v1=00", "nonsense", "t=1,v1=" + "0" * 64])
def test_header_that_is_no_signature_is_refused(api: StripeApi, order: Order, header: str) -> None:
    body = json.dumps(api.event_of(session_of(paid(api, order)))).encode()

    assert anybody().send("POST", "/api/payments/notify", body, {"Stripe-Signature": header}).status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "customer.created"},
        {"account": "acct_another"},
        {"livemode": True},
    ],
)
def test_event_that_is_not_about_our_money_is_answered_and_changes_nothing(
    api: StripeApi, order: Order, changes: dict[str, Any]
) -> None:
    payment = paid(api, order)

    assert notify(api.event_of(session_of(payment), **changes)).status_code == 200

    assert status_of(order) == Order.Status.UNPAID


def test_events_out_of_order_pay_when_money_is_there(api: StripeApi, order: Order) -> None:
    """A bank transfer: the session is complete, and paid days later."""
    payment = begin(order)
    later = api.event_of(session_of(payment))
    later["data"]["object"] |= {"status": "complete", "payment_status": "unpaid"}
    api.pay(session_of(payment))
    succeeded = api.event_of(session_of(payment), "checkout.session.async_payment_succeeded")

    assert notify(succeeded).status_code == 200
    assert status_of(order) == Order.Status.PAID
    assert notify(later).status_code == 200
    assert status_of(order) == Order.Status.PAID


def test_amount_short_by_one_cent_is_sent_back(api: StripeApi, order: Order) -> None:
    payment = paid(api, order)
    event = api.event_of(session_of(payment))
    event["data"]["object"]["amount_total"] -= 1

    assert notify(event).status_code == 200

    assert [(refund.amount, refund.reason) for refund in Refund.objects.all()] == [(19_899, "amount")]
    assert status_of(order) == Order.Status.UNPAID


@pytest.mark.parametrize(
    "changes", [{"amount_total": None}, {"payment_intent": 5}, {"currency": "money"}, {"metadata": {"payment_id": "x"}}]
)
def test_event_that_makes_no_sense_is_refused_and_never_a_failure_of_ours(
    api: StripeApi, order: Order, changes: dict[str, Any]
) -> None:
    event = api.event_of(session_of(paid(api, order)))
    event["data"]["object"] |= changes

    assert notify(event).status_code in (400, 503)
    assert status_of(order) == Order.Status.UNPAID


def test_money_that_nobody_told_of_is_found_by_asking(api: StripeApi, order: Order) -> None:
    paid(api, order)

    ask_about_order(order_id=order.order_id, user_id=BUYER_ID, now=timezone.now())

    assert status_of(order) == Order.Status.PAID


# The end of an order


def test_cancelling_ends_the_page_first(api: StripeApi, order: Order) -> None:
    payment = begin(order)

    cancel_order(order_id=order.order_id, user_id=BUYER_ID, closed_by=Order.ClosedBy.USER, now=timezone.now())

    assert api.sessions[session_of(payment)]["status"] == "expired"
    assert status_of(order) == Order.Status.CLOSED


def test_time_out_of_an_order_that_was_paid_pays_it(api: StripeApi, order: Order) -> None:
    paid(api, order)
    now = order.expires_at + timedelta(seconds=1)

    close_overdue_payments(now=now)
    close_due(now=now)

    assert status_of(order) == Order.Status.PAID


def test_provider_that_is_silent_for_an_hour_closes_the_order_and_its_money_goes_back(
    api: StripeApi, order: Order
) -> None:
    payment = paid(api, order)
    api.is_silent = True
    for minutes in (1, 12):
        now = order.expires_at + timedelta(minutes=minutes)
        close_overdue_payments(now=now)
        close_due(now=now)
    assert status_of(order) == Order.Status.CLOSED
    api.is_silent = False

    assert notify(api.event_of(session_of(payment))).status_code == 200

    refund = Refund.objects.get()
    assert (refund.reason, refund.amount) == ("late", 19_900)
    assert send_refunds(refund_ids=[refund.refund_id], now=timezone.now()) == {}
    assert [made["amount"] for made in api.refunds] == [19_900]


# Refunds


def refunded(api: StripeApi, order: Order, amount: int = 100, key: str = "k") -> Refund:
    payment = paid(api, order) if status_of(order) == Order.Status.UNPAID else Payment.objects.get()
    notify(api.event_of(session_of(payment)))
    made = refund_order(command=RefundOrder(order.order_id, amount, "broken", "staff", key)).refund
    assert made
    return made


def send(refund: Refund) -> dict[int, Exception]:
    Refund.objects.update(leased_until=None)
    return send_refunds(refund_ids=[refund.refund_id], now=timezone.now())


def test_parts_are_refunds_of_their_own(api: StripeApi, order: Order) -> None:
    assert send(refunded(api, order, 100, "a")) == {}
    assert send(refunded(api, order, 200, "b")) == {}

    assert [made["amount"] for made in api.refunds] == [100, 200]


def test_refund_whose_answer_was_lost_is_made_once_also_when_the_key_is_forgotten(api: StripeApi, order: Order) -> None:
    refund = refunded(api, order)
    api.is_silent = True
    assert [type(error) for error in send(refund).values()] == [PaymentUnanswered]
    api.is_silent = False
    api.answered.clear()  # Stripe forgets keys after a day

    assert send(refund) == {}

    assert len(api.refunds) == 1
    assert Refund.objects.get().status == Refund.Status.DONE


@pytest.mark.parametrize("refusal", ["charge_already_refunded", "charge_disputed"])
def test_refund_that_is_refused_for_good_ends(api: StripeApi, order: Order, refusal: str) -> None:
    refund = refunded(api, order)
    api.refusal = refusal

    assert send(refund) == {}

    ended = Refund.objects.get()
    assert (ended.status, ended.last_error) == (Refund.Status.REFUSED, f"{refusal}: refused")


def test_refund_that_the_bank_has_turned_down_ends(api: StripeApi, order: Order) -> None:
    refund = refunded(api, order)
    api.status = "failed"

    assert send(refund) == {}

    assert Refund.objects.get().status == Refund.Status.REFUSED


def test_refusal_of_the_moment_is_tried_again(api: StripeApi, order: Order) -> None:
    refund = refunded(api, order)
    api.refusal = "lock_timeout"

    assert [isinstance(error, PaymentsUnavailable) for error in send(refund).values()] == [True]

    assert Refund.objects.get().status == Refund.Status.REQUESTED


# The report of a day

COLUMNS = [
    *("created_utc", "reporting_category", "gross", "currency", "payment_intent_id"),
    *("payment_metadata[payment_id]", "refund_metadata[refund_id]"),
]


def report(rows: list[list[str]], folder: Path) -> Path:
    file = folder / "report.csv"
    file.write_text("\n".join(",".join(row) for row in [COLUMNS, *rows]) + "\n")
    return file


def test_report_of_a_day_agrees_and_what_differs_is_named(api: StripeApi, order: Order, tmp_path: Path) -> None:
    refund = refunded(api, order, 9950)
    noon = datetime(2026, 6, 1, 12, tzinfo=UTC)
    Refund.objects.update(status=Refund.Status.DONE, done_at=noon)
    payment = Payment.objects.get()
    trade = str(payment.trade_id)
    rows = [
        ["2026-06-01 12:00:00", "charge", "199.00", "cny", trade, str(payment.payment_id), ""],
        ["2026-06-01 12:00:00", "refund", "-99.50", "cny", trade, "", str(refund.refund_id)],
        ["2026-06-01 12:00:00", "fee", "-3.00", "cny", "", "", ""],
        ["2026-06-01 12:00:00", "charge", "5.00", "cny", "pi_of_another_program", "", ""],
    ]
    reader = get_provider()

    def compare(rows: list[list[str]]) -> list[tuple[str, str]]:
        file = report(rows, tmp_path)
        found = compare_statement(
            lines=lambda: read_statement(file, reader),
            channel="stripe",
            since=noon - timedelta(hours=12),
            until=noon + timedelta(hours=12),
        )
        return [(finding.difference, finding.kind) for finding in found.findings]

    assert compare(rows) == []
    rows[0][2] = "199.01"
    assert compare(rows) == [("different", "capture")]
    assert compare(rows[1:]) == [("missing there", "capture")]


@pytest.mark.parametrize(
    "cells", [["yesterday", "199.00"], ["2026-06-01 12:00:00", "a lot"], ["2026-06-01 12:00:00", "1.999"]]
)
def test_report_with_a_line_that_cannot_be_is_refused(api: StripeApi, tmp_path: Path, cells: list[str]) -> None:
    moment, gross = cells
    file = report([[moment, "charge", gross, "cny", "pi_1", "7", ""]], tmp_path)

    with pytest.raises(StatementUnreadable, match="Line 2"):
        list(read_statement(file, get_provider()))


def test_shop_without_its_keys_says_so_at_the_start(settings) -> None:
    settings.STRIPE_SECRET_KEY = ""

    with pytest.raises(ValueError, match="STRIPE_SECRET_KEY"):
        Stripe()
