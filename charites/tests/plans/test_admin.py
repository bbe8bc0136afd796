"""What the lists of the admin read, with each of their filters and searches."""

from collections.abc import Sequence

import pytest
from django.db import connection
from django.db.models import Model
from django.utils import timezone

from charites import dashboard
from charites.common import admin_lists
from charites.common.ids import first_id_at
from charites.tests.plans.shop import FEW, PLANS, SHOP
from lab.kit import factories
from lab.kit.admin_site import list_url, sign_in
from lab.kit.plans import Sent
from messaging.models import Message
from orders import sales
from orders.models import Order, OrderDetail, Payment, Refund, SandboxPayment
from stock.models import StockRecord

pytestmark = PLANS

FILTERS: Sequence[tuple[type[Model], str]] = (
    *((Order, f"status__exact={status}") for status in Order.Status),
    (Order, "status__exact=300&closed_by__exact=user"),
    (Order, "closed_by__exact=user"),
    (Order, "refunded=yes"),
    (Order, "refunded=no"),
    (Order, "room=5"),
    *((Order, f"placed={word}") for word in ("today", "24h", "7d", "2026", "24h&status__exact=200")),
    (Order, "q=77"),
    (Order, "q=1380"),
    (Order, "o=4"),  # sorted by another column
    (OrderDetail, "pay_time__isnull=False"),
    (OrderDetail, "q=77"),
    *((Payment, f"status__exact={status}") for status in Payment.Status),
    (Payment, "q=SB1"),
    (Refund, "status__exact=pending"),
    (SandboxPayment, "q=SB1"),
    (StockRecord, "kind__exact=receipt"),
    (StockRecord, "q=77"),
    *((Message, f"state__exact={state}") for state in Message.State),
    (Message, "topic=payment_refund"),
    (Message, "q=payment"),
)
LISTS = [(admin_lists, name) for name in ("LISTED", "LOOKED_AT", "MOST_FOUND")]
DASHBOARD = [(dashboard, name) for name in ("LOOKED_AT", "AMONG", "MOST_COUNTED")]


@pytest.mark.long
def test_lists_of_the_admin_read_a_list_and_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    for where, name in LISTS:
        monkeypatch.setattr(where, name, FEW // 3)  # counting rows reads them twice
    operator = sign_in(factories.make_user("root", is_staff=True))
    plain = [(model, words) for model in dict(FILTERS) for words in ("", "p=2")]

    for model, words in [*plain, *FILTERS]:
        page = operator.get(f"{list_url(model)}?{words}")
        assert page.status_code == 200, (model, words)


def test_first_page_of_the_admin_and_orders_of_a_day_read_few_rows(
    monkeypatch: pytest.MonkeyPatch, sent: list[Sent]
) -> None:
    for where, name in [(sales, "MOST_ORDERS"), *DASHBOARD, *LISTS]:
        monkeypatch.setattr(where, name, FEW // 4)
    minute = sales.NUMBERS_A_MINUTE
    before_all = first_id_at(timezone.now()) - minute * (SHOP.orders + 1)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE shopping_order SET created_at = NOW(6) - INTERVAL %s - order_id MINUTE, "
            "order_id = %s + order_id * %s ORDER BY id DESC",
            [SHOP.orders, before_all, minute],
        )
        cursor.execute("ANALYZE TABLE shopping_order")
        cursor.fetchall()
    sent.clear()
    operator = sign_in(factories.make_user("root", is_staff=True))

    page = operator.get("/admin/")
    assert page.context["dashboard"].is_cut
    for words in ("placed=24h", "placed=24h&status__exact=200", "placed=24h&status__in=200,400"):
        assert operator.get(f"{list_url(Order)}?{words}").context["cl"].is_cut
