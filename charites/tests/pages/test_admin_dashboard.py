"""The first page of the admin: what its figures say, to whom, and where they lead."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from charites import dashboard
from charites.common import clock
from charites.common.ids import first_id_at
from charites.groups import make_groups
from goods.models import Goods
from lab.kit import factories
from lab.kit.admin_site import make_operator, sign_in
from lab.kit.message_rows import make_message
from orders import sales
from orders.models import Order, OrderDetail, Refund

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)
FIGURES = [
    *("Orders today", "Revenue today", "Orders, last 24 hours", "Revenue, last 24 hours", "Oldest unpaid order"),
    *("Refunds not sent", "Dead messages", "On sale, nearly gone"),
]


@pytest.fixture
def client(settings: Any) -> Client:
    settings.PAYMENT_PROVIDER = factories.SANDBOX
    factories.make_goods(1, stock=1000)
    return sign_in(make_operator())


def figures(client: Client) -> dict[str, str]:
    return {figure.title: figure.value for figure in client.get("/admin/").context["dashboard"].figures}


def leads_to(client: Client, title: str) -> Any:
    """The page behind a figure."""
    (url,) = [figure.url for figure in client.get("/admin/").context["dashboard"].figures if figure.title == title]
    page = client.get(url)
    assert page.status_code == 200
    return page


def place(moment: datetime, *, is_paid: bool = False) -> Order:
    """An order with a number of a moment, and the time."""
    order = (factories.make_paid_order if is_paid else factories.make_order)({1: 1}, now=moment)
    number = first_id_at(moment) + order.pk
    Order.objects.filter(pk=order.pk).update(order_id=number)
    OrderDetail.objects.filter(order_id=order.order_id).update(order_id=number)
    order.order_id = number
    return order


def test_shop_without_orders_has_a_page(client: Client) -> None:
    assert figures(client) == dict(
        zip(FIGURES, ["0", "0.00\u00a0CNY", "0", "0.00\u00a0CNY", "none", "0", "0", "0"], strict=True)
    )


def test_orders_and_revenue_are_those_of_the_rows_that_they_lead_to(client: Client) -> None:
    now = clock.now()
    old = place(now - timedelta(hours=25))
    paid, unpaid = place(now - timedelta(hours=1), is_paid=True), place(now)

    found = figures(client)

    assert found["Orders, last 24 hours"] == "2"
    assert found["Revenue, last 24 hours"] == "99.50\u00a0CNY"
    rows = leads_to(client, "Orders, last 24 hours").context["cl"].result_list
    assert [order.order_id for order in rows] == [unpaid.order_id, paid.order_id]
    rows = leads_to(client, "Revenue, last 24 hours").context["cl"].result_list
    assert [order.order_id for order in rows] == [paid.order_id]
    assert leads_to(client, "Oldest unpaid order").context["original"].order_id == old.order_id
    hours = client.get("/admin/").context["dashboard"].hours
    assert [hour.orders for hour in hours] == [*[0] * 22, 1, 1]
    assert hours[22].amount == "99.50\u00a0CNY"


def test_today_is_the_operators_day_and_may_be_longer_than_24_hours() -> None:
    factories.make_goods(1, stock=9)
    today = NOW - timedelta(hours=24, minutes=45)
    for moment in (today - timedelta(minutes=1), today, NOW - timedelta(hours=24), NOW - timedelta(minutes=1)):
        place(moment)

    found = sales.sum_hours(now=NOW, hours=24, today=today)

    assert (found.today.orders, found.lately.orders) == (3, 2)
    assert [hour.orders for hour in found.hours] == [1, *[0] * 22, 1]
    assert not found.is_cut
    assert not found.is_today_cut


def test_day_that_began_after_what_is_left_out_is_counted_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sales, "MOST_ORDERS", 2)
    factories.make_goods(1, stock=9)
    for minutes in (90, 50, 10):
        place(NOW - timedelta(minutes=minutes))

    found = sales.sum_hours(now=NOW, hours=24, today=NOW - timedelta(minutes=30))

    assert (found.today.orders, found.is_today_cut) == (1, False)
    assert (found.lately.orders, found.is_cut) == (2, True)
    assert [hour.orders for hour in found.hours] == [2]


def test_what_is_too_much_to_count_is_said_to_be_more(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sales, "MOST_ORDERS", 2)
    monkeypatch.setattr(dashboard, "MOST_COUNTED", 1)
    now = clock.now()
    for hours in (5, 3, 3, 1):
        place(now - timedelta(hours=hours, minutes=1))
    for key in "ab":
        make_message(key=key, state="dead")

    page = client.get("/admin/")

    found = {figure.title: figure.value for figure in page.context["dashboard"].figures}
    assert found["Orders, last 24 hours"] == "2 or more"
    assert found["Revenue, last 24 hours"] == "0.00\u00a0CNY or more"
    assert found["Dead messages"] == "1 or more"
    assert [hour.orders for hour in page.context["dashboard"].hours] == [0, 1, 0]
    assert "So much is sold that earlier hours are not counted." in page.content.decode()


def test_dead_messages_and_refunds_lead_to_their_lists(client: Client) -> None:
    dead = make_message(key="a", state="dead")
    make_message(key="b", state="done")
    order = factories.make_order()
    columns: dict[str, Any] = {"order_id": order.order_id, "amount": 5, "currency": "CNY", "reason": "late"}
    pending = Refund.objects.create(payment_id=1, **columns)
    Refund.objects.create(payment_id=2, status="done", **columns)

    assert (figures(client)["Dead messages"], figures(client)["Refunds not sent"]) == ("1", "1")
    assert list(leads_to(client, "Dead messages").context["cl"].result_list) == [dead]
    assert list(leads_to(client, "Refunds not sent").context["cl"].result_list) == [pending]


def test_products_on_sale_that_are_nearly_gone_are_named_fewest_first(client: Client) -> None:
    over = clock.now() - timedelta(days=1)
    for goods_id, stock, columns in [
        *[(2, 5, {}), (3, 1, {}), (4, 6, {}), (5, 1, {"status": Goods.Status.OFF_SALE})],
        *[(6, 1, {"is_deleted": True}), (7, 1, {"sale_ends_at": over}), (8, None, {})],
    ]:
        factories.make_goods(goods_id, stock=stock, **columns)

    assert figures(client)["On sale, nearly gone"] == "3"
    shown = client.get("/admin/").context["dashboard"].nearly_gone
    assert [(title.partition(">")[2], pieces) for title, pieces in shown] == [
        *[("Goods 8</a>", 0), ("Goods 3</a>", 1), ("Goods 2</a>", 5)]
    ]
    rows = leads_to(client, "On sale, nearly gone").context["cl"].result_list
    assert [goods.goods_id for goods in rows] == [2, 3, 8]


def test_figures_are_for_whoever_may_see_their_rows(client: Client) -> None:
    make_groups(using="default")
    seen = {}
    for name in ("host", "viewer", "operator"):
        user = factories.make_user(f"a-{name}", is_staff=False)
        user.is_staff = True
        user.save()
        user.groups.add(Group.objects.get(name=name))
        seen[name] = list(figures(sign_in(user)))
    nobody = factories.make_user("nobody")
    nobody.is_staff = True
    nobody.save()

    assert seen["operator"] == seen["viewer"] == FIGURES
    assert seen["host"] == [*FIGURES[:5], FIGURES[-1]]
    page = sign_in(nobody).get("/admin/")
    assert (page.status_code, page.context["dashboard"].figures) == (200, [])
    assert 'id="dashboard"' not in page.content.decode()


def test_service_that_has_no_orders_shows_none(client: Client, settings: Any) -> None:
    settings.APPS = ("goods", "stock")
    assert list(figures(client)) == ["Dead messages", "On sale, nearly gone"]

    settings.APPS = ("stock",)
    assert list(figures(client)) == ["Dead messages"]


def test_page_costs_the_same_however_much_there_is(client: Client) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as sent:
            client.get("/admin/")
        return len(sent)

    factories.make_goods(2, stock=1)
    place(clock.now())
    first = count()
    for goods_id in range(3, 9):
        factories.make_goods(goods_id, stock=1)
        place(clock.now() - timedelta(hours=goods_id), is_paid=True)
        make_message(key=str(goods_id), state="dead")

    assert count() == first <= 16


SHORT = ("SCAN messaging_webhook_endpoint",)  # a thousand rows at most


@pytest.mark.sqlite
def test_sqlite_reads_no_table_whole_for_it(client: Client) -> None:
    """MariaDB's plans are in `charites/tests/plans/test_admin.py`."""
    place(clock.now())
    factories.make_goods(2, stock=1)
    with CaptureQueriesContext(connection) as sent:
        client.get("/admin/")
    asked = [
        query["sql"] for query in sent.captured_queries if '"shopping_' in query["sql"] or '"messaging_' in query["sql"]
    ]

    whole = []
    for sql in asked:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            steps = [str(step[3]) for step in cursor.fetchall()]
        whole += [
            f"{step}: {sql}"
            for step in steps
            if step.startswith("SCAN ") and "INDEX" not in step and "SCAN subquery" not in step and step not in SHORT
        ]

    assert len(asked) >= 8
    assert whole == []
