"""The provider's callback: the one address where a signature stands for the token, and money is never refused."""

import json
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings
from django.utils import timezone

from charites.tests.bad_input.world import picture
from lab.kit.factories import NOW, SANDBOX, later, make_goods, make_order, make_payment
from lab.kit.rest_client import anybody, error_of, staff
from orders.models import Order, Payment, Refund
from orders.payments import signing

pytestmark = pytest.mark.django_db
PATH = "/api/payments/notify"
BAD_SIGNATURE = (401, 50010011, "The signature of this notice is not valid, or older than five minutes.")


@pytest.fixture(autouse=True)
def _sandbox() -> Any:
    with override_settings(PAYMENT_PROVIDER=SANDBOX):
        yield


def notice_of(payment: Payment, **changes: Any) -> bytes:
    notice = {
        "payment_id": str(payment.payment_id),
        "trade_id": "T1",
        "amount": payment.amount,
        "currency": payment.currency,
        "captured_at": NOW.isoformat(),
        **changes,
    }
    return json.dumps(notice).encode()


def signed(body: bytes, *, secret: str | None = None, age_seconds: float = 0) -> dict[str, str]:
    now = later(-age_seconds, start=timezone.now())
    return signing.sign(secret=secret or settings.PAYMENT_SECRET, notice_id="n-1", body=body, now=now)


def make_begun_payment() -> Payment:
    make_goods(1, stock=5)
    return make_payment(make_order())


def forged_headers(body: bytes) -> dict[str, dict[str, str]]:
    good = signed(body)
    return {
        "unsigned": {},
        "signed with another secret": signed(body, secret="a-secret-of-somebody-else"),
        "signed for another body": signed(body + b" "),
        "six minutes old": signed(body, age_seconds=361),
        "six minutes ahead": signed(body, age_seconds=-361),
        "made younger": {**signed(body, age_seconds=361), "webhook-timestamp": good["webhook-timestamp"]},
        "with another id": {**good, "webhook-id": "n-2"},
        "without an id": {**good, "webhook-id": ""},
        "without a time": {name: value for name, value in good.items() if name != "webhook-timestamp"},
        "with a time that is none": {**good, "webhook-timestamp": "now"},
        "with a time in other digits": {**good, "webhook-timestamp": "١٢٣"},
        "without a version": {**good, "webhook-signature": good["webhook-signature"].partition(",")[2]},
        "of an unknown version": {**good, "webhook-signature": "v2" + good["webhook-signature"][2:]},
        "in letters that are not ASCII": {**good, "webhook-signature": "v1,é"},
        "with half a signature": {**good, "webhook-signature": good["webhook-signature"][:-8]},
    }


@pytest.mark.parametrize("forgery", forged_headers(b"{}"))
def test_notice_that_is_forged_or_stale_is_refused(forgery: str) -> None:
    body = notice_of(make_begun_payment())
    before = picture()

    response = anybody().send("POST", PATH, body, forged_headers(body)[forgery])

    assert error_of(response) == BAD_SIGNATURE
    assert picture() == before


def test_notice_with_a_staff_token_instead_of_a_signature_is_refused() -> None:
    body = notice_of(make_begun_payment())

    assert error_of(staff().send("POST", PATH, body)) == BAD_SIGNATURE


ALL_FIELDS = ("payment_id", "trade_id", "amount", "currency", "captured_at")
SENSELESS = {
    b"": "body: is not valid JSON",
    b"{": "body: is not valid JSON",
    b"{}{}": "body: is not valid JSON",
    b"[]": "body: is not a notice of a captured payment",
    b"null": "body: is not a notice of a captured payment",
    b"\xff": "body: is not UTF-8",
    b"\xef\xbb\xbf{}": "body: begins with a byte order mark",
    b"[" * 30_000: "body: is nested deeper than 20 levels",
    b'{"payment_id": 1e999}': "body: holds a number that is too large",
    b'{"amount": NaN}': "body: holds NaN, which is not JSON",
    b'{"amount": 1, "amount": 2}': "amount: comes twice",
    b'{"trade_id": "\\ud800"}': "trade_id: holds U+D800, which cannot be printed",
    b"{}": "; ".join(f"{name}: is not that of a captured payment" for name in ALL_FIELDS),
}


@pytest.mark.parametrize(("body", "message"), SENSELESS.items())
def test_notice_that_is_signed_and_senseless_is_invalid(body: bytes, message: str) -> None:
    make_begun_payment()
    before = picture()

    response = anybody().send("POST", PATH, body, signed(body))

    assert error_of(response) == (400, 10000001, message)
    assert picture() == before


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": 0},
        {"amount": -1},
        {"amount": 2**63},
        {"amount": 9950.0},
        {"amount": "9950"},
        {"amount": True},
        {"amount": None},
        {"payment_id": 0},
        {"payment_id": "x"},
        {"payment_id": 2**63},
        {"payment_id": None},
        {"payment_id": []},
        {"trade_id": ""},
        {"trade_id": "t" * 65},
        {"trade_id": 5},
        {"trade_id": " t"},
        {"trade_id": "т"},
        {"currency": "YUAN"},
        {"currency": ["C", "N", "Y"]},
        {"captured_at": "yesterday"},
        {"captured_at": "2026-06-01T12:00:00"},
        {"captured_at": "2026-02-30T12:00:00Z"},
        {"captured_at": 5},
        {"captured_at": {}},
        {"captured_at": "0001-01-01T00:00:00+14:00"},
        {"captured_at": "1999-12-31T23:59:59Z"},
        {"captured_at": "2100-01-01T00:00:00Z"},
        {"captured_at": "9999-12-31T23:59:59.999999-14:00"},
        {"captured_at": "2026-06-01T12:00:00+99:99"},
        {"payment_id": True},
        {"payment_id": 1.0},
        {"payment_id": " 1"},
        {"payment_id": "1_0"},
        {"payment_id": "١"},
        {"payment_id": "9" * 60},
    ],
)
def test_notice_with_a_hostile_field_is_invalid(changes: dict[str, Any]) -> None:
    body = notice_of(make_begun_payment(), **changes)
    before = picture()

    response = anybody().send("POST", PATH, body, signed(body))

    (field,) = changes
    assert error_of(response) == (400, 10000001, f"{field}: is not that of a captured payment")
    assert picture() == before


def test_notice_over_the_limit_is_too_large() -> None:
    body = notice_of(make_begun_payment(), trade_id="t" * 66_000)

    assert error_of(anybody().send("POST", PATH, body, signed(body)))[:2] == (413, 10000001)


def test_notice_of_an_unknown_payment_is_not_found_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    make_begun_payment()
    body = notice_of(Payment(payment_id=4711, amount=9950, currency="CNY"))
    before = picture()

    response = anybody().send("POST", PATH, body, signed(body))

    assert error_of(response) == (404, 50010012, "There is no payment 4711.")
    assert picture() == before
    assert "capture_of_unknown_payment" in caplog.text
    assert "4711" in caplog.text


@pytest.mark.parametrize("age_seconds", [270, 0, -270])
def test_notice_repeated_is_answered_with_success_and_has_no_effect(age_seconds: int) -> None:
    body = notice_of(make_begun_payment())
    assert anybody().send("POST", PATH, body, signed(body)).status_code == 200
    before = picture()

    again = anybody().send("POST", PATH, body, signed(body, age_seconds=age_seconds))

    assert (again.status_code, again.json()) == (200, {"status": "success"})
    assert Order.objects.get().status == Order.Status.PAID
    assert picture() == before


@pytest.mark.parametrize("changes", [{"amount": 1}, {"amount": 9951}, {"currency": "USD"}])
def test_notice_of_the_wrong_money_is_taken_and_sent_back(changes: dict[str, Any]) -> None:
    payment = make_begun_payment()
    body = notice_of(payment, **changes)

    response = anybody().send("POST", PATH, body, signed(body))
    again = anybody().send("POST", PATH, body, signed(body))

    assert (response.status_code, again.status_code) == (200, 200)
    refund = Refund.objects.get()
    assert (refund.payment_id, refund.reason, refund.status) == (payment.payment_id, "amount", "pending")
    assert {"amount": refund.amount, "currency": refund.currency} == {"amount": 9950, "currency": "CNY"} | changes
    assert Order.objects.get().status == Order.Status.UNPAID


def test_notice_signed_with_several_secrets_needs_one_that_fits() -> None:
    body = notice_of(make_begun_payment())
    good, other = signed(body), signed(body, secret="the-next-secret")
    both = f"{other['webhook-signature']} {good['webhook-signature']}"

    response = anybody().send("POST", PATH, body, {**good, "webhook-signature": both})

    assert response.status_code == 200


def test_notice_where_no_provider_is_configured_is_busy() -> None:
    body = notice_of(make_begun_payment())

    with override_settings(PAYMENT_PROVIDER=""):
        response = anybody().send("POST", PATH, body, signed(body))

    assert error_of(response)[:2] == (503, 50010010)
