"""No page of the admin counts in cents."""

import pytest
from django.db.models import Model
from pytest_django.fixtures import Settings

from lab.kit import factories
from lab.kit.admin_site import list_url, make_operator, page_url, sign_in
from orders import services
from orders.models import Order, OrderDetail, Payment, Refund, SandboxPayment

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("model", [Order, OrderDetail, Payment, Refund, SandboxPayment], ids=lambda m: m.__name__)
def test_amounts_are_shown_with_their_currency(model: type[Model], settings: Settings) -> None:
    settings.PAYMENT_PROVIDER = factories.SANDBOX
    factories.make_goods(1, stock=10)
    payment = factories.make_payment(factories.make_order({1: 2}))
    for _ in range(2):
        assert services.record_captures(captures=[factories.make_capture(payment)]) == [None]
    client = sign_in(make_operator())

    for url in (list_url(model), page_url(model._default_manager.order_by("pk")[0])):
        page = client.get(url).content.decode()
        assert "199.00\u00a0CNY" in page
        assert "19900" not in page
        assert "cents" not in page
