"""Every call of the shop against stripe-mock, which knows Stripe's schema and no state: names, values and shapes are
those that Stripe has published."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import stripe

from lab.kit.factories import NOW
from lab.kit.stripe_api import KEY, SECRET
from lab.servers import ServerFailed
from lab.servers.stripe_mock import StripeMock, find_or_build
from orders.models import StripeSession
from orders.payments.port import PaymentRequest, RefundRequest, wrong_fields
from orders.payments.stripe import Stripe
from orders.payments.stripe.connection import reached
from orders.payments.stripe.provider import PAID, capture_of, session_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.once]

WANTED = PaymentRequest(7, 8, 19_900, "CNY", NOW + timedelta(minutes=29))
SECONDS = 60.0


@pytest.fixture(scope="module")
def mock() -> Iterator[StripeMock]:
    try:
        program = find_or_build()
    except ServerFailed as error:
        pytest.skip(str(error))
    with StripeMock(program) as server:
        yield server


@pytest.fixture
def provider(mock: StripeMock, settings: Any) -> Stripe:
    settings.STRIPE_API_URL, settings.STRIPE_API_KEY, settings.STRIPE_WEBHOOK_SECRET = mock.url, KEY, SECRET
    return Stripe()


def test_page_is_opened_and_its_session_remembered(provider: Stripe) -> None:
    url = provider.begin(WANTED, outcome="page", timeout_seconds=SECONDS, now=NOW)

    assert url.startswith("https://checkout.stripe.com/")
    assert StripeSession.objects.get(payment_id=7).session_id.startswith("cs_test_")


def test_session_is_ended_and_asked_about(provider: Stripe) -> None:
    provider.begin(WANTED, outcome="page", timeout_seconds=SECONDS, now=NOW)

    assert provider.close(7, timeout_seconds=SECONDS, now=NOW) is None
    assert provider.query(7, timeout_seconds=SECONDS) is None


def test_money_of_a_session_is_a_capture(provider: Stripe) -> None:
    with reached(SECONDS) as api:
        session = api.checkout.sessions.retrieve("cs_test_1", params=PAID)
    assert capture_of(7, session) is None  # the example is not paid

    session.payment_status = "paid"
    session.payment_intent.amount_received = 19_900
    capture = capture_of(7, session)

    assert capture is not None
    assert wrong_fields(capture) == []
    assert (capture.amount, capture.currency, capture.trade_id[:3]) == (19_900, "USD", "pi_")


def test_refund_is_looked_for_and_sent(provider: Stripe) -> None:
    provider.refund(RefundRequest(9, 7, "pi_1", 100, "CNY"), timeout_seconds=SECONDS, now=NOW)


def test_what_stripe_has_not_published_is_refused(provider: Stripe) -> None:
    """Or the others would show nothing."""
    with reached(SECONDS) as api:
        with pytest.raises(stripe.InvalidRequestError, match="additional properties"):
            api.checkout.sessions.create(params=session_for(WANTED) | {"expires": 5})
        with pytest.raises(stripe.InvalidRequestError, match="additional properties"):
            api.refunds.create(params={"payment_intent": "pi_1", "refund_id": "9"})
