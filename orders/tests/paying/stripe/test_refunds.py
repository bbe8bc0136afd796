"""Money that goes back by Stripe: in parts, once, and what becomes of a no."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.utils import timezone

from lab.kit.findings import findings
from lab.kit.stripe_api import StripeApi
from orders.errors import PaymentsUnavailable, PaymentUnanswered
from orders.models import Order, Payment, Refund
from orders.payments.port import RefundRequest, get_provider
from orders.tests.paying.stripe.steps import notify, pay, request_refund, send

pytestmark = pytest.mark.django_db(transaction=True)


def test_parts_are_refunds_of_their_own(api: StripeApi, order: Order) -> None:
    assert send(request_refund(api, order, 100, "a")) == []
    assert send(request_refund(api, order, 200, "b")) == []

    assert [made["amount"] for made in api.refunds] == [100, 200]
    assert findings() == []


def test_refund_whose_answer_was_lost_is_made_once_also_when_stripe_has_forgotten_its_key(
    api: StripeApi, order: Order
) -> None:
    refund = request_refund(api, order)
    api.lost = "POST /v1/refunds"
    assert send(refund) == [PaymentUnanswered]
    assert len(api.refunds) == 1
    api.lost = "never"
    api.answered.clear()

    assert send(refund) == []

    assert len(api.refunds) == 1
    assert Refund.objects.get().status == Refund.Status.DONE


def test_refund_that_two_ask_for_at_one_moment_is_made_once(api: StripeApi, order: Order) -> None:
    refund = request_refund(api, order)
    stripe, now = get_provider(), timezone.now()
    wanted = RefundRequest(refund.refund_id, refund.payment_id, Payment.objects.get().trade_id, 100, "CNY")
    start = threading.Barrier(2)
    listed = api.list_refunds

    def list_and_wait(given: dict[str, str]) -> dict[str, Any]:
        found = listed(given)
        api.mutex.release()  # both have looked, and found nothing
        start.wait(60)
        api.mutex.acquire()
        return found

    api.list_refunds = list_and_wait
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(stripe.refund, wanted, timeout_seconds=60, now=now) for _ in range(2)]

    assert [done.result() for done in both] == [None, None]
    assert len(api.refunds) == 1


@pytest.mark.parametrize("refusal", ["charge_already_refunded", "charge_disputed"])
def test_refund_that_stripe_refuses_for_good_ends_and_may_be_asked_for_again(
    api: StripeApi, order: Order, refusal: str
) -> None:
    refund = request_refund(api, order)
    api.refusal = refusal

    assert send(refund) == []
    ended = Refund.objects.get()
    assert (ended.status, ended.last_error) == (Refund.Status.REFUSED, f"{refusal}: no")
    api.refusal = ""

    assert send(request_refund(api, order, key="again")) == []
    assert [made["amount"] for made in api.refunds] == [100]
    assert findings() == []


def test_refund_that_the_bank_turns_down_ends(api: StripeApi, order: Order) -> None:
    refund = request_refund(api, order)
    api.outcome = "failed"

    assert send(refund) == []

    ended = Refund.objects.get()
    assert (ended.status, ended.last_error) == (Refund.Status.REFUSED, "refund re_1 is failed: declined")


def test_refusal_of_the_moment_is_tried_again(api: StripeApi, order: Order) -> None:
    refund = request_refund(api, order)
    api.refusal = "lock_timeout"
    assert send(refund) == [PaymentsUnavailable]
    assert Refund.objects.get().status == Refund.Status.REQUESTED
    api.refusal = ""
    api.answered.clear()

    assert send(refund) == []

    assert Refund.objects.get().status == Refund.Status.DONE


def test_money_that_has_to_go_back_is_not_given_up_for_a_no(api: StripeApi, order: Order) -> None:
    session_id = pay(api, order)
    api.sessions[session_id]["amount_total"] -= 1
    notify(api.event(session_id))
    api.refusal = "charge_disputed"

    assert len(send(Refund.objects.get())) == 1

    assert Refund.objects.get().status == Refund.Status.PENDING
    assert api.refunds == []
