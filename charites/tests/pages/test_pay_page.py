"""The sandbox's pay page."""

import pytest
from django.db import OperationalError, connection
from django.test import Client, override_settings
from django.utils import timezone
from pytest_django.fixtures import Settings

from charites.common.errors import Busy, OutcomeUnknown, ServiceError
from lab.kit.factories import SANDBOX, later, make_goods, make_order
from lab.kit.interleaving import Interruption
from messaging.models import Message
from orders.models import Payment, SandboxPayment
from orders.payments.sandbox import NOTIFY_TOPIC
from orders.services import begin_payment, cancel_order

pytestmark = pytest.mark.django_db


@pytest.fixture
def _sandbox() -> object:
    with override_settings(PAYMENT_PROVIDER=SANDBOX):
        yield


def begun_link() -> str:
    """The address of the pay page of a new order, without its host."""
    make_goods(1, stock=5)
    order = make_order(now=timezone.now())
    begun = begin_payment(order_id=order.order_id, user_id=None, outcome="page", now=timezone.now())
    return "/" + begun.pay_url.split("/", 3)[3]


@pytest.mark.usefixtures("_sandbox")
def test_pay_page_shows_the_amount_and_a_button() -> None:
    response = Client().get(begun_link())

    assert response.status_code == 200
    assert "99.50" in response.text
    assert 'name="outcome"' in response.text
    assert str(Payment.objects.get().payment_id) in response.text
    assert "no-store" in response["Cache-Control"]


@pytest.mark.usefixtures("_sandbox")
def test_pay_page_shows_the_amount_in_the_places_of_its_currency(settings: Settings) -> None:
    settings.CURRENCY = "JPY"

    page = Client().get(begun_link())

    assert "<h1>9,950 <small>JPY</small></h1>" in page.text
    assert "Pay 9,950 JPY" in page.text


@pytest.mark.usefixtures("_sandbox")
def test_pay_page_pays_once() -> None:
    link = begun_link()
    browser = Client()

    first = browser.post(link, follow=True)
    again = browser.post(link, follow=True)

    assert first.redirect_chain == again.redirect_chain == [(link, 302)]
    assert 'name="outcome"' not in first.text
    assert "Paid" in again.text
    assert SandboxPayment.objects.get().status == "captured"
    assert Message.objects.filter(topic=NOTIFY_TOPIC).count() == 1


@pytest.mark.usefixtures("_sandbox")
def test_pay_page_of_a_paid_payment_leads_back() -> None:
    assert '<a href="/">To the shop</a>' in Client().post(begun_link(), follow=True).text


@pytest.mark.usefixtures("_sandbox")
def test_pay_page_takes_no_form_of_another_site() -> None:
    link = begun_link()

    response = Client(enforce_csrf_checks=True).post(link)

    assert response.status_code == 403
    assert SandboxPayment.objects.get().status == "open"


@pytest.mark.usefixtures("_sandbox")
def test_pay_page_of_a_closed_payment_takes_no_money() -> None:
    link = begun_link()
    cancel_order(order_id=Payment.objects.get().order_id, user_id=None, closed_by="user", now=timezone.now())

    shown, posted = Client().get(link), Client().post(link, follow=True)

    assert 'name="outcome"' not in shown.text
    assert "closed" in posted.text
    assert SandboxPayment.objects.get().status == "closed"
    assert not Message.objects.filter(topic=NOTIFY_TOPIC).exists()


@pytest.mark.usefixtures("_sandbox")
def test_pay_page_whose_time_is_up_takes_no_money() -> None:
    link = begun_link()
    SandboxPayment.objects.update(expires_at=later(-60, start=timezone.now()))

    shown, posted = Client().get(link), Client().post(link, follow=True)

    assert 'name="outcome"' not in shown.text
    assert 'name="outcome"' not in posted.text
    assert SandboxPayment.objects.get().status == "open"


@pytest.mark.usefixtures("_sandbox")
@pytest.mark.parametrize(
    ("method", "status", "error"), [("get", 503, Busy), ("post", 504, OutcomeUnknown)], ids=["get", "post"]
)
def test_page_whose_database_is_away_says_what_is_known(method: str, status: int, error: type[ServiceError]) -> None:
    """A page may write before it reads, so a form that was sent is never answered with "nothing was done"."""
    link = begun_link()
    away = Interruption(OperationalError(2013, "Lost connection to 10.0.0.7"), at="sandbox_payment", times=9)

    with connection.execute_wrapper(away):
        response = getattr(Client(raise_request_exception=False), method)(link)

    assert (response.status_code, response.text) == (status, error().message)
    assert response["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.usefixtures("_sandbox")
@pytest.mark.parametrize("forgery", ["other number", "other signature", "no signature", "words", "empty"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_pay_page_of_a_forged_link_is_a_friendly_404(forgery: str, method: str) -> None:
    link = begun_link()
    number, signature = link.removeprefix("/sandbox/pay/").split(":")
    forged = {
        "other number": f"{int(number) + 1}:{signature}",
        "other signature": f"{number}:{signature[:-1]}{'A' if signature[-1] != 'A' else 'B'}",
        "no signature": number,
        "words": "let me in",
        "empty": ":",
    }[forgery]

    response = getattr(Client(), method)(f"/sandbox/pay/{forged}")

    assert response.status_code == 404
    assert "No such payment" in response.text
    assert number not in response.text
    assert SandboxPayment.objects.get().status == "open"


def test_pay_page_exists_for_the_sandbox_alone() -> None:
    with override_settings(PAYMENT_PROVIDER=SANDBOX):
        link = begun_link()

    response = Client().post(link)

    assert response.status_code == 404
    assert SandboxPayment.objects.get().status == "open"
